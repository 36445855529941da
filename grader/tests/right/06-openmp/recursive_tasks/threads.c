/* Halves of halves: recursive tasks, brought together by depend and taskwait. */
#include "threads.h"

#include <omp.h>

static double add(const double *a, size_t n)
{
    if (n <= 512) {
        double s = 0;
        for (size_t i = 0; i < n; i++)
            s += a[i];
        return s;
    }
    double left, right, both;
#pragma omp task shared(left) depend(out : left)
    left = add(a, n / 2);
#pragma omp task shared(right) depend(out : right)
    right = add(a + n / 2, n - n / 2);
#pragma omp task shared(left, right, both) depend(in : left, right)
    both = left + right;
#pragma omp taskwait
    return both;
}

static void multiply(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    if (rows <= 4) {
        matvec_serial(A, rows, cols, x, y);
        return;
    }
#pragma omp task
    multiply(A, rows / 2, cols, x, y);
    multiply(A + rows / 2 * cols, rows - rows / 2, cols, x, y + rows / 2);
}

int team(int *ids, int max)
{
    int size = 0;
#pragma omp parallel
    {
        int id = omp_get_thread_num();
        if (id < max)
            ids[id] = id;
#pragma omp single
        size = omp_get_num_threads();
    }
    return size;
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    for (size_t i = 0; i < rows; i++) {
        double s = 0;
        for (size_t j = 0; j < cols; j++)
            s += A[i * cols + j] * x[j];
        y[i] = s;
    }
}

void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
#pragma omp parallel
#pragma omp master
    multiply(A, rows, cols, x, y);
}

double sum_omp(const double *a, size_t count)
{
    double s = 0;
#pragma omp parallel
#pragma omp single nowait
    s = add(a, count);
    return s;
}
