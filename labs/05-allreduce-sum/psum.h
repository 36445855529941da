/* psum.h: the sum of a vector whose elements are spread over the ranks of a
   communicator, after the seed's mpi-psum.py (section "MPI", example 4). Lab 05 is
   to write psum.c behind this header. */
#ifndef PSUM_H
#define PSUM_H

#include <mpi.h>
#include <stddef.h>

/* *sum = the sum of all elements of all ranks, on every rank. Collective: every rank
   of comm calls it (MPI 4.0, section 6.1).

   local: this rank's elements, `count` doubles, read only. Ranks may have different
          counts. A rank without elements gives a pointer that must not be used.
   sum:   room for one double, the caller's: the sum, with the same bits on every
          rank (MPI 4.0, section 6.9.6). It is 0 if no rank has an element.

   Adds in any order: of n elements in all, the result may be wrong by
   n eps (|a_1| + ... + |a_n|), where eps = DBL_EPSILON. Infinities and NaNs have the
   effect that IEEE 754's addition gives them.

   What travels between the ranks is one number a rank, by a collective operation.
   Returns MPI_SUCCESS, or the error code of the MPI call that failed; *sum is then
   unspecified. */
int psum(const double *local, size_t count, double *sum, MPI_Comm comm);

/* The same, as if calculated with twice the digits and rounded at the end:

       |error| <= 2 eps |S| + n^2 eps^2 (|a_1| + ... + |a_n|),   S the exact sum

   which is compensated summation within each rank (Knuth's TwoSum, or Neumaier's way
   of Kahan's), and between the ranks a reduction by an operation of its own
   (MPI_Op_create; MPI 4.0, section 6.9.5), which is right in every order and in all
   brackets in which MPI may apply it, and for any number of elements at a time.

   A sum that is infinite or NaN is that of psum. Every operation and datatype that
   was made is freed when it returns, also when it returns an error. */
int psum_compensated(const double *local, size_t count, double *sum, MPI_Comm comm);

#endif
