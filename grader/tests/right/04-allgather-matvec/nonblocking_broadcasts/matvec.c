/* Different: one MPI_Ibcast for each rank, and a single MPI_Waitall. */
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
    int rank, size, error = MPI_SUCCESS;
    size_t first, count;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    MPI_Request *request = malloc((size_t)size * sizeof *request);
    if (!request)
        return MPI_ERR_NO_MEM;
    block_range(rows, size, rank, &first, &count);
    local_product(block, count, cols, x, y + first);
    for (int root = 0; root < size; root++) {
        request[root] = MPI_REQUEST_NULL;
        block_range(rows, size, root, &first, &count);
        if (error == MPI_SUCCESS)
            error = MPI_Ibcast(y + first, (int)count, MPI_DOUBLE, root, comm, &request[root]);
    }
    int waited = MPI_Waitall(size, request, MPI_STATUSES_IGNORE);
    free(request);
    return error != MPI_SUCCESS ? error : waited;
}
