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
    /* Deal total elements out to parts blocks: the first total % parts blocks hold one
       more than the others. Set *first and *count of block number index. Calculate in
       size_t throughout: total may be as large as a size_t can be. */
    (void)total, (void)parts, (void)index;
    *first = 0;
    *count = 0;
    /* END TODO 1 */
}

/* BEGIN TODO 2: the products of this rank's own rows */
/* Write a function that multiplies count rows with x:

     y[i] = sum over j of a[i * cols + j] * x[j],   i = 0 ... count - 1

   A plain double loop earns full marks. Afterwards, make it fast: the README says how. */
/* END TODO 2 */

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    /* BEGIN TODO 3: how many rows each rank of comm has, and where they begin in y */
    /* Ask comm (not MPI_COMM_WORLD) for its size and for this rank's number in it.
       Then, for every rank r of comm, call block_range: counts[r] is how many elements
       of y rank r computes, places[r] where they begin in y. MPI wants both as int:
       return MPI_ERR_COUNT if rows does not fit. */
    (void)block, (void)rows, (void)cols, (void)x, (void)y, (void)comm;
    /* END TODO 3 */

    /* BEGIN TODO 4: multiply, then give every rank the whole y */
    /* Multiply this rank's rows and write the products to y + places[rank]. Then make
       one collective call (which one takes a count for each rank?) that brings every
       part to every rank. Free what you allocated; return what the call returned. */
    return MPI_SUCCESS;
    /* END TODO 4 */
}
