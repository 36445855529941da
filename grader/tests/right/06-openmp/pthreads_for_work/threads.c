/* The work is done by POSIX threads, as many as OpenMP would take; only team itself is OpenMP. */
#include "threads.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>

int team(int *ids, int max)
{
    int size = 0;
#pragma omp parallel
    {
        int id = omp_get_thread_num();
        if (id < max)
            ids[id] = id;
#pragma omp master
        size = omp_get_num_threads();
    }
    return size;
}

struct part {
    const double *A, *x;
    size_t rows, cols;
    double *y, sum;
};

static void *multiply(void *argument)
{
    struct part *p = argument;
    for (size_t i = 0; i < p->rows; i++) {
        double s = 0;
        for (size_t j = 0; j < p->cols; j++)
            s += p->A[i * p->cols + j] * p->x[j];
        p->y[i] = s;
    }
    return NULL;
}

static void *add(void *argument)
{
    struct part *p = argument;
    for (size_t j = 0; j < p->cols; j++)
        p->sum += p->A[j];
    return NULL;
}

/* Runs work on each part, the first one in this thread. */
static void run(void *(*work)(void *), struct part *parts, size_t count)
{
    pthread_t *threads = calloc(count, sizeof *threads);
    if (!threads)
        abort();
    for (size_t k = 1; k < count; k++)
        if (pthread_create(&threads[k], NULL, work, &parts[k]) != 0)
            abort();
    work(&parts[0]);
    for (size_t k = 1; k < count; k++)
        pthread_join(threads[k], NULL);
    free(threads);
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    multiply(&(struct part){.A = A, .x = x, .rows = rows, .cols = cols, .y = y});
}

void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    size_t n = (size_t)omp_get_max_threads();
    struct part *parts = calloc(n, sizeof *parts);
    if (!parts)
        abort();
    for (size_t k = 0; k < n; k++) {
        size_t first = rows * k / n, end = rows * (k + 1) / n;
        parts[k] = (struct part){.A = A + first * cols, .x = x, .rows = end - first, .cols = cols, .y = y + first};
    }
    run(multiply, parts, n);
    free(parts);
}

double sum_omp(const double *a, size_t count)
{
    size_t n = (size_t)omp_get_max_threads();
    struct part *parts = calloc(n, sizeof *parts);
    double sum = 0;
    if (!parts)
        abort();
    for (size_t k = 0; k < n; k++) {
        size_t first = count * k / n, end = count * (k + 1) / n;
        parts[k] = (struct part){.A = a + first, .cols = end - first};
    }
    run(add, parts, n);
    for (size_t k = 0; k < n; k++)
        sum += parts[k].sum;
    free(parts);
    return sum;
}
