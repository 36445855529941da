/* matvec.h: a matrix times a vector on the ranks of a communicator, after the
   seed's mpi-matrix-vector.py (section "MPI", example 3). Lab 04 is to write
   matvec.c behind this header. */
#ifndef MATVEC_H
#define MATVEC_H

#include <mpi.h>
#include <stddef.h>

/* Deals 0 ... total - 1 out in contiguous blocks to `parts` ranks: block number
   `index` holds *count elements, from *first on. The sizes differ by at most one:
   the first total % parts blocks are one longer. A block may be empty; its *first
   is then where it would begin. parts >= 1, 0 <= index < parts, any total. */
void block_range(size_t total, int parts, int index, size_t *first, size_t *count);

/* y = A x, where A has `rows` rows and `cols` columns (row-major) and each rank of
   comm holds some of the rows. Collective: every rank of comm calls it, with the
   same rows and cols (MPI 4.0, section 6.1). The parts of y travel by collective calls
   on comm (or through a window), not by single messages.

   block: this rank's rows of A, count x cols doubles, where
          block_range(rows, size of comm, rank in comm, &first, &count); read only.
          A rank without rows gives a pointer that must not be used.
   rows:  rows of the WHOLE matrix, not of the block: every rank has to know where
          the parts of the others belong in y.
   cols:  columns of A; 0 is allowed (y is then all zeros).
   x:     cols doubles, the whole vector, the same on every rank; read only.
   y:     room for `rows` doubles, the caller's. On return it holds the whole
          product on every rank; what it held before does not matter.

   Returns MPI_SUCCESS, or an MPI error code (MPI_ERR_COUNT where rows is more than
   an int of MPI can count, MPI_ERR_NO_MEM, or what an MPI call returned); y is then
   unspecified, and the other ranks may still be waiting: the caller should end the
   program (MPI_Abort). */
int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm);

#endif
