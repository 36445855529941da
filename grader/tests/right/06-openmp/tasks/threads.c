/* One thread makes tasks of some rows each, the whole team works them off; the sum's tasks add up atomically. */
#include "threads.h"

#include <omp.h>

int team(int *ids, int max)
{
    int size = 0;
#pragma omp parallel reduction(+ : size)
    {
        int id = omp_get_thread_num();
        if (id < max)
            ids[id] = id;
        size += 1; /* every thread counts itself */
    }
    return size;
}

static void rows_of(const double *A, size_t first, size_t end, size_t cols, const double *x, double *y)
{
    for (size_t i = first; i < end; i++) {
        double s = 0;
        for (size_t j = 0; j < cols; j++)
            s += A[i * cols + j] * x[j];
        y[i] = s;
    }
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    rows_of(A, 0, rows, cols, x, y);
}

void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    if (rows * cols < 20000) {
        rows_of(A, 0, rows, cols, x, y);
        return;
    }
#pragma omp parallel
#pragma omp single
    {
        size_t chunk = rows / (4 * (size_t)omp_get_num_threads()) + 1;
        for (size_t first = 0; first < rows; first += chunk) {
            size_t end = first + chunk < rows ? first + chunk : rows;
#pragma omp task firstprivate(first, end)
            rows_of(A, first, end, cols, x, y);
        }
    }
}

double sum_omp(const double *a, size_t count)
{
    double sum = 0;
#pragma omp parallel if (count > 10000)
#pragma omp single
    {
        size_t chunk = count / 32 + 1;
        for (size_t first = 0; first < count; first += chunk) {
#pragma omp task firstprivate(first) shared(sum)
            {
                size_t end = first + chunk < count ? first + chunk : count;
                double part = 0;
                for (size_t i = first; i < end; i++)
                    part += a[i];
#pragma omp atomic
                sum += part;
            }
        }
    }
    return sum;
}
