/* Tiles of a row by collapse, added to y atomically. */
#include "threads.h"

#include <omp.h>

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
    size_t blocks = (cols + 63) / 64;
#pragma omp parallel
    {
#pragma omp for
        for (size_t i = 0; i < rows; i++)
            y[i] = 0;
#pragma omp for collapse(2)
        for (size_t i = 0; i < rows; i++)
            for (size_t b = 0; b < blocks; b++) {
                double s = 0;
                for (size_t j = 64 * b; j < cols && j < 64 * b + 64; j++)
                    s += A[i * cols + j] * x[j];
#pragma omp atomic
                y[i] += s;
            }
    }
}

double sum_omp(const double *a, size_t count)
{
    double s = 0;
#pragma omp parallel for reduction(+ : s)
    for (size_t i = 0; i < count; i++)
        s += a[i];
    return s;
}
