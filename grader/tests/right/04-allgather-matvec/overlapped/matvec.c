/* Different: two halves of the rows; while the first travels (MPI_Iallgatherv) the second is computed. */
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

/* The rows of a rank in two halves: half h of rank r begins at *first and has *count rows. */
static void half_range(size_t rows, int size, int r, int h, size_t *first, size_t *count)
{
    size_t begin, all;
    block_range(rows, size, r, &begin, &all);
    *first = begin + (h ? all / 2 : 0);
    *count = h ? all - all / 2 : all / 2;
}

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    if (rows > INT_MAX)
        return MPI_ERR_COUNT;
    int rank, size, error = MPI_SUCCESS;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    int *numbers = malloc(4 * (size_t)size * sizeof *numbers);
    double *part = malloc((rows + 1) * sizeof *part), *next = part;
    if (!numbers || !part) {
        free(numbers);
        free(part);
        return MPI_ERR_NO_MEM;
    }
    MPI_Request request[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    for (int h = 0; h < 2 && error == MPI_SUCCESS; h++) {
        int *counts = numbers + 2 * h * size, *places = counts + size;
        size_t first, count;
        for (int r = 0; r < size; r++) {
            half_range(rows, size, r, h, &first, &count);
            counts[r] = (int)count;
            places[r] = (int)first;
        }
        local_product(block, (size_t)counts[rank], cols, x, next);
        error = MPI_Iallgatherv(next, counts[rank], MPI_DOUBLE, y, counts, places, MPI_DOUBLE, comm, &request[h]);
        block += (size_t)counts[rank] * cols;
        next += counts[rank];
    }
    if (error == MPI_SUCCESS)
        error = MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
    free(numbers);
    free(part);
    return error;
}
