/* Different: each rank fills what is not its own with zeros, and MPI_Allreduce adds all up. */
#include "matvec.h"

#include <limits.h>
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
    size_t first, count;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    block_range(rows, size, rank, &first, &count);
    memset(y, 0, rows * sizeof *y);
    local_product(block, count, cols, x, y + first);
    return MPI_Allreduce(MPI_IN_PLACE, y, (int)rows, MPI_DOUBLE, MPI_SUM, comm);
}
