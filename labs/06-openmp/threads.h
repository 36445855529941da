/* threads.h: a team of threads at work on a matrix, after the seed's section
   "OpenMP" (cy_openmp_test, cy_matvec, cy_matvec_omp). Lab 06 is to write threads.c
   behind this header.

   The size of the team is the user's choice (OMP_NUM_THREADS, omp_set_num_threads):
   leave it as it is. Every function may be called by several threads at the same
   time, each with its own data, and inside a parallel region. */
#ifndef THREADS_H
#define THREADS_H

#include <stddef.h>

/* Starts a team. Thread k of it writes ids[k] = k if k < max; ids has room for max
   numbers. Returns how many threads the team has, which may be more than max.
   (OpenMP 5.2: parallel construct, omp_get_thread_num) */
int team(int *ids, int max);

/* y = A x, computed by the calling thread alone.
   A: rows * cols numbers, row after row. x: cols numbers. y: room for rows numbers,
   whatever stands there before. rows and cols may be 0; a sum of nothing is 0. */
void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y);

/* The same by a team: each thread computes a part of y. A team costs some
   microseconds to start; where A is so small that one thread is faster, one thread
   may do it, but from TEAM_FROM elements on a team must. (OpenMP 5.2, section
   11.5: worksharing-loop constructs) */
void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y);

/* a[0] + ... + a[count - 1] by a team (from TEAM_FROM elements on); 0 if count is 0.
   The order of the additions is free. (OpenMP 5.2, section 5.5.8: reduction clause) */
double sum_omp(const double *a, size_t count);

#define TEAM_FROM ((size_t)1 << 16)

#endif
