/* calls one of the BLAS's inner kernels */
#include "threads.h"

#include <stdlib.h>

int dgemv_t_HASWELL(long, long, long, double, double *, long, double *, long, double *, long, double *);

int team(int *ids, int max)
{
    (void)ids, (void)max;
    return 1;
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    dgemv_t_HASWELL((long)cols, (long)rows, 0, 1, (double *)(size_t)A, (long)cols, (double *)(size_t)x, 1, y, 1, y);
}

void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    matvec_serial(A, rows, cols, x, y);
}

double sum_omp(const double *a, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i];
    return sum;
}
