/* Different: with a datatype for the shorter blocks MPI_Allgather takes these; what the longer ones have more is broadcast. */
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
    int rank, size, error;
    size_t first, count;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    size_t shorter = rows / (size_t)size;
    block_range(rows, size, rank, &first, &count);
    double *part = malloc((count + 1) * sizeof *part), *all = malloc((shorter * (size_t)size + 1) * sizeof *all);
    MPI_Datatype run;
    if (!part || !all) {
        free(part);
        free(all);
        return MPI_ERR_NO_MEM;
    }
    local_product(block, count, cols, x, part);
    MPI_Type_contiguous((int)shorter, MPI_DOUBLE, &run);
    MPI_Type_commit(&run);
    error = MPI_Allgather(part, 1, run, all, 1, run, comm);
    MPI_Type_free(&run);
    for (int r = 0; r < size && error == MPI_SUCCESS; r++) {
        size_t begin, n;
        block_range(rows, size, r, &begin, &n);
        memcpy(y + begin, all + (size_t)r * shorter, shorter * sizeof *y);
        if (n > shorter) {
            if (r == rank)
                y[begin + shorter] = part[shorter];
            error = MPI_Bcast(y + begin + shorter, 1, MPI_DOUBLE, r, comm);
        }
    }
    free(part);
    free(all);
    return error;
}
