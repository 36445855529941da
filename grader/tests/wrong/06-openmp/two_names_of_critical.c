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
#pragma omp parallel for if (rows * cols >= TEAM_FROM)
    for (size_t i = 0; i < rows; i++) {
        double s = 0;
        for (size_t j = 0; j < cols; j++)
            s += A[i * cols + j] * x[j];
        y[i] = s;
    }
}

double sum_omp(const double *a, size_t count)
{
    double total = 0;
#pragma omp parallel
    {
        int id = omp_get_thread_num();
        double mine = 0;
#pragma omp for
        for (size_t i = 0; i < count; i++)
            mine += a[i];
        if (id % 2 == 0) {
#pragma omp critical(even)
            total += mine;
        } else {
#pragma omp critical(odd)
            total += mine;
        }
    }
    return total;
}
