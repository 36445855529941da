/* Different: MPI_Gatherv to the last rank, which broadcasts the whole; only that rank has counts. */
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
    int rank, size, error = MPI_ERR_NO_MEM;
    size_t first, count;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    int root = size - 1;
    int counts[size], places[size];
    for (int r = 0; rank == root && r < size; r++) {
        block_range(rows, size, r, &first, &count);
        counts[r] = (int)count;
        places[r] = (int)first;
    }
    block_range(rows, size, rank, &first, &count);
    double *part = malloc(count ? count * sizeof *part : 1);
    if (part) {
        local_product(block, count, cols, x, part);
        error = MPI_Gatherv(part, (int)count, MPI_DOUBLE, y, counts, places, MPI_DOUBLE, root, comm);
    }
    if (error == MPI_SUCCESS)
        error = MPI_Bcast(y, (int)rows, MPI_DOUBLE, root, comm);
    free(part);
    return error;
}
