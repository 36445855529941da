/* Divide and conquer: halves the rows and the numbers with recursive tasks down to a small piece. */
#include "threads.h"

#include <omp.h>

int team(int *ids, int max)
{
    int size = 0;
#pragma omp parallel
    {
        int id = omp_get_thread_num(), n = omp_get_num_threads();
        if (id < max)
            ids[id] = id;
        if (id == n - 1) /* the last one tells */
            size = n;
    }
    return size;
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    for (size_t i = rows; i-- > 0;) {
        double s = 0;
        for (size_t j = cols; j-- > 0;)
            s += A[i * cols + j] * x[j];
        y[i] = s;
    }
}

static void multiply(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    if (rows <= 1 || rows * cols <= 4096) {
        matvec_serial(A, rows, cols, x, y);
        return;
    }
    size_t half = rows / 2;
#pragma omp task
    multiply(A, half, cols, x, y);
    multiply(A + half * cols, rows - half, cols, x, y + half);
#pragma omp taskwait
}

void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
#pragma omp parallel
#pragma omp master
    multiply(A, rows, cols, x, y);
}

static double add(const double *a, size_t count)
{
    if (count <= 4096) {
        double s = 0;
        for (size_t i = 0; i < count; i++)
            s += a[i];
        return s;
    }
    double left, right;
#pragma omp task shared(left)
    left = add(a, count / 2);
    right = add(a + count / 2, count - count / 2);
#pragma omp taskwait
    return left + right;
}

double sum_omp(const double *a, size_t count)
{
    double sum = 0;
#pragma omp parallel
#pragma omp single
    sum = add(a, count);
    return sum;
}
