/* psum.c: the sum of a vector that is spread over the ranks of a communicator.

   Each rank adds up its own elements; then one reduction combines the ranks'
   results and gives every rank the total. What travels is one number a rank (a
   pair of numbers in psum_compensated), however many elements there are. */
#include "psum.h"

#include <math.h>
#include <string.h>

int psum(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    /* BEGIN TODO 1: add up this rank's elements */
    /* A loop over local[0] ... local[count - 1]. count may be 0: local is then not to be
       touched. Make it right first; then think of speed: C adds from left to right, and
       each addition waits for the one before (#pragma omp simd reduction(+ : ...) helps). */
    (void)local, (void)count;
    /* END TODO 1 */

    /* BEGIN TODO 2: combine the sums of all ranks */
    /* One collective call gives every rank the sum of all ranks' numbers. Return what it
       returns. A rank without elements takes part too. */
    (void)sum, (void)comm;
    return MPI_ERR_UNSUPPORTED_OPERATION; /* replace this */
    /* END TODO 2 */
}

/* BEGIN TODO 3: a sum and what rounding took from it */
/* Define a struct of two doubles, and a function that adds two of them: the rounded
   sum, and what rounding took from it (Knuth's TwoSum, see README.md), together with
   what had been lost before. */
/* END TODO 3 */

/* BEGIN TODO 4: add up this rank's elements, and keep what rounding takes */
/* Write a function that returns the pair for local[0] ... local[count - 1]. Right
   first; then fast: one sum is a chain of additions, each waiting for the one before;
   several sums side by side are several chains. Mind the elements that are left over. */
/* END TODO 4 */

/* BEGIN TODO 5: the operation between the ranks */
/* Write the function that MPI calls to combine pairs (MPI_User_function): inout[i] =
   in[i] + inout[i], for *len elements. */
/* END TODO 5 */

/* BEGIN TODO 6: one reduction of pairs */
/* Make a datatype for a pair and an operation of your function, reduce with them, free
   both. Look at what every call returns, and free also when one of them failed. */
/* END TODO 6 */

int psum_compensated(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    /* BEGIN TODO 7: put it together */
    /* The pair of this rank, the reduction, and at the end one number: sum + correction,
       rounded once. What if the sum is infinite? */
    (void)local, (void)count, (void)sum, (void)comm;
    return MPI_ERR_UNSUPPORTED_OPERATION;
    /* END TODO 7 */
}
