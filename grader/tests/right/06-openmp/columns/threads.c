/* Shares out the columns, not the rows: each thread has a y of its own, and they are added up in a critical section. */
#include "threads.h"

#include <omp.h>
#include <stdlib.h>

int team(int *ids, int max)
{
    int size = 0;
#pragma omp parallel
    {
        int id = omp_get_thread_num();
#pragma omp critical
        {
            size = omp_get_num_threads();
            if (id < max)
                ids[id] = id;
        }
    }
    return size;
}

static void some_columns(const double *A, size_t rows, size_t cols, size_t first, size_t end, const double *x,
                         double *y)
{
    for (size_t i = 0; i < rows; i++) {
        double s = 0;
        for (size_t j = first; j < end; j++)
            s += A[i * cols + j] * x[j];
        y[i] = s;
    }
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    some_columns(A, rows, cols, 0, cols, x, y);
}

void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    for (size_t i = 0; i < rows; i++)
        y[i] = 0;
#pragma omp parallel
    {
        size_t n = (size_t)omp_get_num_threads(), k = (size_t)omp_get_thread_num();
        size_t first = cols * k / n, end = cols * (k + 1) / n;
        double *mine = malloc((rows + 1) * sizeof *mine);
        if (!mine)
            abort();
        some_columns(A, rows, cols, first, end, x, mine);
#pragma omp critical
        for (size_t i = 0; i < rows; i++)
            y[i] += mine[i];
        free(mine);
    }
}

double sum_omp(const double *a, size_t count)
{
    double sum = 0;
#pragma omp parallel
    {
        double mine = 0;
#pragma omp for nowait
        for (size_t i = 0; i < count; i++)
            mine += a[i];
#pragma omp critical
        sum += mine;
    }
    return sum;
}
