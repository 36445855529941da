/* one rank gathers the matrix, computes all of it and hands out the result */
#include "matvec.h"

#include <stdlib.h>

void block_range(size_t total, int parts, int index, size_t *first, size_t *count)
{
    size_t each = total / (size_t)parts, more = total % (size_t)parts, i = (size_t)index;
    *first = i * each + (i < more ? i : more);
    *count = each + (i < more);
}

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    size_t first, own;
    block_range(rows, size, rank, &first, &own);
    int mine = (int)own, *counts = calloc((size_t)size, sizeof *counts), *at = calloc((size_t)size + 1, sizeof *at),
        total = 0;
    MPI_Allgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, comm);
    for (int i = 0; i < size; i++) {
        total += counts[i];
        counts[i] *= (int)cols;
        at[i + 1] = at[i] + counts[i];
    }
    double *all = calloc((size_t)at[size] + 1, sizeof *all);
    MPI_Gatherv(block, mine * (int)cols, MPI_DOUBLE, all, counts, at, MPI_DOUBLE, 0, comm);
    for (int r = 0; r < total && rank == 0; r++) {
        y[r] = 0;
        for (size_t c = 0; c < cols; c++)
            y[r] += all[(size_t)r * cols + c] * x[c];
    }
    MPI_Bcast(y, total, MPI_DOUBLE, 0, comm);
    free(counts);
    free(at);
    free(all);
    return MPI_SUCCESS;
}
