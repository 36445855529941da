/* Different: each rank learns the counts of the others by an MPI_Allgather, in a communicator of its own. */
#include "matvec.h"

#include <limits.h>
#include <stdlib.h>

void block_range(size_t total, int parts, int index, size_t *first, size_t *count)
{
    size_t p = (size_t)parts, i = (size_t)index;
    *count = total / p;
    *first = *count * i;
    if (i < total % p) {
        *first += i;
        ++*count;
    } else {
        *first += total % p;
    }
}

static void local_product(const double *a, size_t m, size_t n, const double *x, double *y)
{
    for (size_t i = 0; i < m; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += a[i * n + j] * x[j];
        y[i] = sum;
    }
}

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    if (rows > INT_MAX)
        return MPI_ERR_COUNT;
    int size, rank, error;
    size_t first, count;
    MPI_Comm mine;
    if ((error = MPI_Comm_dup(comm, &mine)) != MPI_SUCCESS)
        return error;
    MPI_Comm_size(mine, &size);
    MPI_Comm_rank(mine, &rank);
    block_range(rows, size, rank, &first, &count);
    int own = (int)count, *counts = calloc((size_t)size, sizeof *counts),
        *places = calloc((size_t)size, sizeof *places);
    double *part = calloc(count + 1, sizeof *part);
    if (counts && places && part) {
        local_product(block, count, cols, x, part);
        error = MPI_Allgather(&own, 1, MPI_INT, counts, 1, MPI_INT, mine);
        for (int r = 1; r < size; r++)
            places[r] = places[r - 1] + counts[r - 1];
        if (error == MPI_SUCCESS)
            error = MPI_Allgatherv(part, own, MPI_DOUBLE, y, counts, places, MPI_DOUBLE, mine);
    } else {
        error = MPI_ERR_NO_MEM;
    }
    free(counts);
    free(places);
    free(part);
    MPI_Comm_free(&mine);
    return error;
}
