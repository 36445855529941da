/* Threads fetch the next block when they have done one: atomic capture in the product, critical in the sum. */
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
    size_t next = 0;
#pragma omp parallel
    {
        for (;;) {
            size_t first;
#pragma omp atomic capture
            {
                first = next;
                next += 5;
            }
            if (first >= rows)
                break;
            matvec_serial(A + first * cols, rows - first < 5 ? rows - first : 5, cols, x, y + first);
        }
    }
}

double sum_omp(const double *a, size_t count)
{
    double s = 0;
    size_t next = 0;
#pragma omp parallel reduction(+ : s)
    {
        size_t first;
        do {
#pragma omp critical(next_block)
            {
                first = next;
                next = first + 64 < count ? first + 64 : count;
            }
            for (size_t i = first; i < count && i < first + 64; i++)
                s += a[i];
        } while (first < count);
    }
    return s;
}
