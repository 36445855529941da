/* threads.c: a matrix times a vector, and a sum, by a team of threads.

   Two kinds of parallelism are at work here. Between cores: a team of threads
   shares the rows. Inside a core: a vector unit adds several numbers at once and can
   begin the next addition before the last one has ended, if we give it additions
   that do not wait for each other. A single running sum is a chain, each link
   waiting for the one before; several running sums side by side are several chains. */
#include "threads.h"

#include <omp.h>

/* BEGIN TODO 1: who is in the team */
/* Write team: open a parallel region; in it each thread asks for its number and writes
   it to its place, if there is room; one thread notes the size of the team. */
int team(int *ids, int max)
{
    (void)ids, (void)max;
    return 0; /* replace this */
}
/* END TODO 1 */

/* BEGIN TODO 2: one thread multiplies */
/* Write the product for one thread. First simply: two loops, a local sum for each row.
   Later come back and make it fast: a helper that computes some rows (which both
   products can use), several of them at a time, with omp simd. */
void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    (void)A, (void)rows, (void)cols, (void)x, (void)y;
}
/* END TODO 2 */

/* BEGIN TODO 3: a team multiplies */
/* Write the product for a team: which thread computes which rows? What does it need
   for itself? Later measure (make demo): from which size on is the team worth its
   start, and what should happen below? */
void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    (void)A, (void)rows, (void)cols, (void)x, (void)y;
}
/* END TODO 3 */

/* BEGIN TODO 4: a team adds */
/* Write the sum: a sum of its own for each thread, and all of them together at the
   end (reduction). Then several running sums a thread, so that they do not wait for
   each other. */
double sum_omp(const double *a, size_t count)
{
    (void)a, (void)count;
    return 0; /* replace this */
}
/* END TODO 4 */
