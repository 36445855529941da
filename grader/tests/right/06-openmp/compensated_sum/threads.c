/* A reduction of its own (declare reduction) for Kahan's sum, whose parts are two numbers. */
#include "threads.h"

#include <omp.h>

struct acc {
    double sum, rest;
};

static void kahan(struct acc *t, double v)
{
    double z = v - t->rest, n = t->sum + z;
    t->rest = (n - t->sum) - z;
    t->sum = n;
}

static struct acc join(struct acc p, struct acc q)
{
    kahan(&p, q.sum);
    kahan(&p, -q.rest);
    return p;
}

#pragma omp declare reduction(both                                                                                     \
                              : struct acc                                                                             \
                              : omp_out = join(omp_out, omp_in)) initializer(omp_priv = (struct acc){0, 0})

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
    struct acc t = {0, 0};
#pragma omp parallel for reduction(both : t) schedule(static, 100)
    for (size_t i = 0; i < count; i++)
        kahan(&t, a[i]);
    return t.sum;
}
