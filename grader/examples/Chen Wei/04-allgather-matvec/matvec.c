/* matvec.c: y = A x on the ranks of a communicator.

   Each rank multiplies its own rows and writes the products where they belong in
   its y. What is still missing there the other ranks have computed: one collective
   call, MPI_Allgatherv, brings every part to every rank. The matrix, which is far
   larger than y, never travels. */
#include "matvec.h"

#include <limits.h>
#include <stdlib.h>

void block_range(size_t total, int parts, int index, size_t *first, size_t *count)
{
    /* BEGIN TODO 1: where block number index begins, and how long it is */
    size_t i = (size_t)index, shorter = total / (size_t)parts, longer = total % (size_t)parts;
    *count = shorter + (i < longer ? 1 : 0);
    *first = i * shorter + (i < longer ? i : longer); /* every longer block before this one moves it by one */
    /* END TODO 1 */
}

/* BEGIN TODO 2: the products of this rank's own rows */
/* A single sum has to wait for each of its additions and cannot keep up with the
   memory. So ROWS rows are multiplied at a time, each in a vector of four sums: none
   depends on another, and each part of x that was loaded is used ROWS times. (A vector
   type is an extension that gcc and clang share. Four doubles: wider than the vectors
   of the processor, it would be taken apart, at a third of the speed. aligned(8): a row
   may begin at any double.) */
enum { LANES = 4, ROWS = 8 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));

/* y[r] = row r of a times x, for rows <= ROWS rows. Inlined, so that rows is a constant. */
static inline void multiply_rows(const double *a, size_t rows, size_t cols, const double *x, double *y)
{
    lanes sum[ROWS] = {{0}};
    size_t j = 0;
    for (; j + LANES <= cols; j += LANES)
        for (size_t r = 0; r < rows; r++)
            sum[r] += *(const lanes *)(a + r * cols + j) * *(const lanes *)(x + j);
    for (size_t r = 0; r < rows; r++) {
        y[r] = 0;
        for (size_t k = 0; k < LANES; k++)
            y[r] += sum[r][k];
        for (size_t k = j; k < cols; k++) /* the columns that fill no vector */
            y[r] += a[r * cols + k] * x[k];
    }
}

static void multiply(const double *a, size_t rows, size_t cols, const double *x, double *y)
{
    size_t i = 0;
    for (; i + ROWS <= rows; i += ROWS)
        multiply_rows(a + i * cols, ROWS, cols, x, y + i);
    for (; i < rows; i++)
        multiply_rows(a + i * cols, 1, cols, x, y + i);
}
/* END TODO 2 */

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    /* BEGIN TODO 3: how many rows each rank of comm has, and where they begin in y */
    int rank = 0, size = 0, error = MPI_Comm_rank(comm, &rank);
    if (error == MPI_SUCCESS)
        error = MPI_Comm_size(comm, &size);
    if (error != MPI_SUCCESS)
        return error;
    if (rows > INT_MAX) /* MPI counts in int. Every rank sees the same rows, so none is left waiting. */
        return MPI_ERR_COUNT;
    int *counts = malloc(2 * (size_t)size * sizeof *counts);
    if (!counts)
        return MPI_ERR_NO_MEM;
    int *places = counts + size;
    for (int r = 0; r < size; r++) {
        places[r] = r * ((int)rows / size);
        counts[r] = (int)rows / size;
    }
    /* END TODO 3 */

    /* BEGIN TODO 4: multiply, then give every rank the whole y */
    multiply(block, (size_t)counts[rank], cols, x, y + places[rank]);
    /* MPI_IN_PLACE: this rank's part stands in y already. Ranks without rows call it too: it is collective. */
    int part = (int)rows / size;
    error = MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, y, part, MPI_DOUBLE, comm);
    free(counts);
    return error;
    /* END TODO 4 */
}
