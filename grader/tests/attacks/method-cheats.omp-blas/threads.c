/* calls the BLAS for the product */
#include "threads.h"

#include <stdlib.h>

void cblas_dgemv(int, int, int, int, double, const double *, int, const double *, int, double, double *, int);

int team(int *ids, int max)
{
    (void)ids, (void)max;
    return 1;
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    cblas_dgemv(101, 111, (int)rows, (int)cols, 1, A, (int)cols, x, 1, 0, y, 1);
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
