/* matvec.c: everybody is once the root of a gather. All gathers are started, and
   then completed together. */
#include "matvec.h"

#include <limits.h>
#include <stdlib.h>

void block_range(size_t total, int parts, int index, size_t *first, size_t *count)
{
    size_t left = total % (size_t)parts;
    size_t base = (total - left) / (size_t)parts;
    size_t i = (size_t)index;
    *first = i * base + left;
    *count = base;
    if (i < left) {
        *first -= left - i;
        *count += 1;
    }
}

/* Pairwise: the rounding error grows with log n only, and the halves do not wait for each other. */
static double pairwise(const double *a, const double *x, size_t n)
{
    if (n <= 32) {
        double s = 0;
        for (size_t j = 0; j < n; j++)
            s += a[j] * x[j];
        return s;
    }
    size_t h = n / 2;
    return pairwise(a, x, h) + pairwise(a + h, x + h, n - h);
}

struct work {
    int *counts, *places;
    double *part;
    MPI_Request *requests;
};

static void clean(struct work *w)
{
    free(w->counts);
    free(w->places);
    free(w->part);
    free(w->requests);
}

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    int me, n;
    int e = MPI_Comm_rank(comm, &me);
    if (e != MPI_SUCCESS)
        return e;
    e = MPI_Comm_size(comm, &n);
    if (e != MPI_SUCCESS)
        return e;
    if (rows >= (size_t)INT_MAX + 1)
        return MPI_ERR_COUNT;

    size_t first, count, N = (size_t)n;
    block_range(rows, n, me, &first, &count);
    struct work w = {
        .counts = malloc(N * sizeof(int)),
        .places = malloc(N * sizeof(int)),
        .part = malloc((count + 1) * sizeof(double)),
        .requests = malloc(N * sizeof(MPI_Request)),
    };
    if (!w.counts || !w.places || !w.part || !w.requests) {
        clean(&w);
        return MPI_ERR_NO_MEM;
    }
    for (size_t i = 0; i < count; i++)
        w.part[i] = pairwise(block + i * cols, x, cols);

    for (int r = 0; r < n; r++) {
        size_t f, c;
        block_range(rows, n, r, &f, &c);
        w.places[r] = (int)f;
        w.counts[r] = (int)c;
    }
    int started = 0;
    for (int root = 0; root < n && e == MPI_SUCCESS; root++) {
        /* what is received matters at the root only */
        e = MPI_Igatherv(w.part, (int)count, MPI_DOUBLE, y, w.counts, w.places, MPI_DOUBLE, root, comm,
                         &w.requests[root]);
        if (e == MPI_SUCCESS)
            started++;
    }
    int done = MPI_Waitall(started, w.requests, MPI_STATUSES_IGNORE);
    clean(&w);
    return e != MPI_SUCCESS ? e : done;
}
