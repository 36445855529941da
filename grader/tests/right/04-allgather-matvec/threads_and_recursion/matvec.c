/* Different: block_range by recursion over the leftovers, two threads a rank for the product, a long double sum. */
#include "matvec.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

void block_range(size_t total, int parts, int index, size_t *first, size_t *count)
{
    /* The first block takes its fair share, rounded up; the others share what is left. */
    size_t share = total / (size_t)parts + (total % (size_t)parts != 0);
    if (index == 0) {
        *first = 0;
        *count = share;
    } else if (total % (size_t)parts == 0) {
        *first = (size_t)index * share;
        *count = share;
    } else {
        block_range(total - share, parts - 1, index - 1, first, count);
        *first += share;
    }
}

struct half {
    const double *a, *x;
    double *y;
    size_t rows, cols;
};

static void *multiply(void *argument)
{
    struct half *h = argument;
    for (size_t i = 0; i < h->rows; i++) {
        long double sum = 0;
        for (size_t j = h->cols; j-- > 0;)
            sum += (long double)h->a[i * h->cols + j] * h->x[j];
        h->y[i] = (double)sum;
    }
    return NULL;
}

static void local_product(const double *a, size_t m, size_t n, const double *x, double *y)
{
    struct half halves[2] = {{a, x, y, m / 2, n}, {a + m / 2 * n, x, y + m / 2, m - m / 2, n}};
    pthread_t helper;
    if (pthread_create(&helper, NULL, multiply, &halves[0]) != 0)
        multiply(&halves[0]);
    else
        pthread_join(helper, NULL);
    multiply(&halves[1]);
}

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    if (rows > INT_MAX)
        return MPI_ERR_COUNT;
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    int counts[size], places[size];
    for (int r = 0; r < size; r++) {
        size_t first, count;
        block_range(rows, size, r, &first, &count);
        counts[r] = (int)count;
        places[r] = (int)first;
    }
    local_product(block, (size_t)counts[rank], cols, x, y + places[rank]);
    return MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DOUBLE, y, counts, places, MPI_DOUBLE, comm);
}
