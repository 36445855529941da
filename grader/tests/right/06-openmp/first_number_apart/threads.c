/* Guided schedule, a lock for the total, the first number taken before the team starts, and a taskloop for the rows. */
#include "threads.h"

#include <omp.h>

int team(int *ids, int max)
{
    int size = 0;
#pragma omp parallel shared(size, ids, max) default(none)
    {
        const int id = omp_get_thread_num();
        if (id == 0)
            size = omp_get_num_threads();
#pragma omp barrier
        if (id >= 0 && id < size && id < max)
            ids[id] = id;
    }
    return size;
}

static double dot(const double *a, const double *b, size_t n)
{
    double s = 0;
#pragma omp simd reduction(+ : s)
    for (size_t j = 0; j < n; j++)
        s += a[j] * b[j];
    return s;
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    for (size_t i = 0; i < rows; i++)
        y[i] = dot(&A[i * cols], x, cols);
}

void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
#pragma omp parallel if (rows * cols >= TEAM_FROM)
#pragma omp single
#pragma omp taskloop grainsize(16)
    for (size_t i = 0; i < rows; i++)
        y[i] = dot(&A[i * cols], x, cols);
}

double sum_omp(const double *a, size_t count)
{
    if (count == 0)
        return 0;
    double total = a[0];
    omp_lock_t lock;
    omp_init_lock(&lock);
#pragma omp parallel if (count >= TEAM_FROM)
    {
        double mine = 0;
#pragma omp for schedule(guided)
        for (size_t i = 1; i < count; i++)
            mine += a[i];
        omp_set_lock(&lock);
        total += mine;
        omp_unset_lock(&lock);
    }
    omp_destroy_lock(&lock);
    return total;
}
