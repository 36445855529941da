/* Rows go to whoever is free (dynamic); numbers are dealt out like cards, with a padded place for each thread's sum. */
#include "threads.h"

#include <omp.h>
#include <stdlib.h>

int team(int *ids, int max)
{
    int size = 1;
#pragma omp parallel
    {
#pragma omp for schedule(static, 1)
        for (int k = 0; k < omp_get_num_threads(); k++)
            if (k < max)
                ids[k] = omp_get_thread_num();
#pragma omp atomic write
        size = omp_get_num_threads();
    }
    return size;
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    const double *a = A;
    for (size_t i = 0; i < rows; i++) {
        double s = 0;
        for (const double *p = x; p < x + cols; p++)
            s += *a++ * *p;
        y[i] = s;
    }
}

void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
#pragma omp parallel for schedule(dynamic, 3) default(none) shared(A, rows, cols, x, y)
    for (size_t i = 0; i < rows; i++)
        matvec_serial(A + i * cols, 1, cols, x, &y[i]);
}

struct place {
    double sum;
    char padding[120]; /* no two threads write to the same cache line */
};

double sum_omp(const double *a, size_t count)
{
    size_t most = (size_t)omp_get_max_threads(), size = 1;
    struct place *place = calloc(most, sizeof *place);
    double sum = 0;
    if (!place)
        abort();
#pragma omp parallel
    {
        size_t n = (size_t)omp_get_num_threads(), k = (size_t)omp_get_thread_num();
        for (size_t i = k; i < count; i += n)
            place[k].sum += a[i];
#pragma omp barrier
#pragma omp single
        size = n;
    }
    for (size_t k = 0; k < size; k++)
        sum += place[k].sum;
    free(place);
    return sum;
}
