/* Different: loops over columns outside and rows inside; MPI_Alltoallv hands the same part to everybody. */
#include "matvec.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

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

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    if (rows > INT_MAX)
        return MPI_ERR_COUNT;
    int rank, size;
    size_t first, count;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    block_range(rows, size, rank, &first, &count);
    double *part = calloc(count + 1, sizeof *part);
    int *table = calloc(4 * (size_t)size, sizeof *table);
    if (!part || !table) {
        free(part);
        free(table);
        return MPI_ERR_NO_MEM;
    }
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < count; i++)
            part[i] += block[i * cols + j] * x[j];
    int *out_counts = table, *out_places = table + size, *in_counts = table + 2 * size, *in_places = table + 3 * size;
    for (int r = 0; r < size; r++) {
        size_t begin, n;
        block_range(rows, size, r, &begin, &n);
        out_counts[r] = (int)count;
        out_places[r] = 0;
        in_counts[r] = (int)n;
        in_places[r] = (int)begin;
    }
    int error = MPI_Alltoallv(part, out_counts, out_places, MPI_DOUBLE, y, in_counts, in_places, MPI_DOUBLE, comm);
    free(part);
    free(table);
    return error;
}
