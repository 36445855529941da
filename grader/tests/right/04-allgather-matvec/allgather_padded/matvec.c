/* Different: MPI_Allgather with blocks padded to one length; the padding is taken out afterwards. */
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
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    size_t longest = rows / (size_t)size + (rows % (size_t)size != 0), first, count;
    double *mine = calloc(longest + 1, sizeof *mine), *all = malloc((longest * (size_t)size + 1) * sizeof *all);
    if (!mine || !all) {
        free(mine);
        free(all);
        return MPI_ERR_NO_MEM;
    }
    block_range(rows, size, rank, &first, &count);
    local_product(block, count, cols, x, mine);
    int error = MPI_Allgather(mine, (int)longest, MPI_DOUBLE, all, (int)longest, MPI_DOUBLE, comm);
    for (int r = 0; r < size && error == MPI_SUCCESS; r++) {
        block_range(rows, size, r, &first, &count);
        memcpy(y + first, all + (size_t)r * longest, count * sizeof *y);
    }
    free(mine);
    free(all);
    return error;
}
