#include "matvec.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void block_range(size_t total, int parts, int index, size_t *first, size_t *count)
{
    size_t length = total / (size_t)parts, rest = total % (size_t)parts;
    bool longer = (size_t)index < rest;
    *first = (size_t)index * length + smaller((size_t)index, rest);
    *count = longer ? length + 1 : length;
}

enum { LANES = 8 };

static double product(const double *restrict row, const double *restrict x, size_t cols)
{
    double sum[LANES] = {0};
    size_t whole = cols - cols % LANES;
    for (size_t j = 0; j < whole; j += LANES)
        for (size_t k = 0; k < LANES; k++)
            sum[k] += row[j + k] * x[j + k];
    for (size_t j = whole; j < cols; j++)
        sum[j - whole] += row[j] * x[j];
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t k = 0; k < width; k++)
            sum[k] += sum[k + width];
    return sum[0];
}

/* The collective call. `part` has `count` doubles; they travel as one element, if there are any. */
static int gather(const double *part, int count, double *y, const int *counts, const int *places, MPI_Comm comm)
{
    MPI_Datatype all_of_it;
    int code = MPI_Type_contiguous(count > 0 ? count : 1, MPI_DOUBLE, &all_of_it);
    if (code != MPI_SUCCESS)
        return code;
    code = MPI_Type_commit(&all_of_it);
    if (code == MPI_SUCCESS)
        code = MPI_Allgatherv(part, count > 0 ? 1 : 0, all_of_it, y, counts, places, MPI_DOUBLE, comm);
    int freed = MPI_Type_free(&all_of_it);
    return code != MPI_SUCCESS ? code : freed;
}

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    int rank, size;
    int code = MPI_Comm_rank(comm, &rank);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_size(comm, &size);
    if (code != MPI_SUCCESS)
        return code;
    if (rows > INT_MAX)
        return MPI_ERR_COUNT;

    size_t first, count;
    block_range(rows, size, rank, &first, &count);
    double *part = malloc((count + 1) * sizeof *part);
    int(*deal)[size] = malloc(2 * sizeof *deal); /* deal[0]: counts, deal[1]: places */
    if (part && deal) {
        for (int r = 0; r < size; r++) {
            size_t begin, length;
            block_range(rows, size, r, &begin, &length);
            deal[0][r] = (int)length;
            deal[1][r] = (int)begin;
        }
        for (size_t i = 0; i < count; i++)
            part[i] = product(block + i * cols, x, cols);
        code = gather(part, (int)count, y, deal[0], deal[1], comm);
    } else {
        code = MPI_ERR_NO_MEM;
    }
    free(deal);
    free(part);
    return code;
}
