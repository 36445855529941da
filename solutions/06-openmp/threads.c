/* threads.c: a matrix times a vector, and a sum, by a team of threads.

   Two kinds of parallelism are at work here. Between cores: a team of threads
   shares the rows. Inside a core: a vector unit adds eight numbers at once and can
   begin the next addition before the last one has ended, if we give it additions
   that do not wait for each other. A single running sum is a chain, each link
   waiting for the one before; four running sums side by side are four chains. */
#include "threads.h"

#include <omp.h>

/* BEGIN TODO 1: who is in the team */
int team(int *ids, int max)
{
    int size = 0;
#pragma omp parallel
    {
        int id = omp_get_thread_num(); /* declared inside: each thread has its own */
        if (id < max)
            ids[id] = id;
        if (id == 0) /* one writer, and the others have no use for it before the region ends */
            size = omp_get_num_threads();
    }
    return size;
}
/* END TODO 1 */

/* BEGIN TODO 2: one thread multiplies */
/* y[0 ... 3] from four rows at A: each number of x is read once for four rows, and
   the four sums do not wait for each other. */
static void four_rows(const double *A, size_t cols, const double *x, double *y)
{
    const double *row0 = A, *row1 = A + cols, *row2 = A + 2 * cols, *row3 = A + 3 * cols;
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (size_t j = 0; j < cols; j++) {
        s0 += row0[j] * x[j];
        s1 += row1[j] * x[j];
        s2 += row2[j] * x[j];
        s3 += row3[j] * x[j];
    }
    y[0] = s0;
    y[1] = s1;
    y[2] = s2;
    y[3] = s3;
}

static double one_row(const double *row, size_t cols, const double *x)
{
    double s = 0;
#pragma omp simd reduction(+ : s)
    for (size_t j = 0; j < cols; j++)
        s += row[j] * x[j];
    return s;
}

/* y[i] = row i of A times x, for count rows from A on. */
static void some_rows(const double *A, size_t count, size_t cols, const double *x, double *y)
{
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        four_rows(A + i * cols, cols, x, y + i);
    for (; i < count; i++)
        y[i] = one_row(A + i * cols, cols, x);
}

void matvec_serial(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    some_rows(A, rows, cols, x, y);
}
/* END TODO 2 */

/* BEGIN TODO 3: a team multiplies */
/* Below so many numbers one thread is done before a team has started. The clause
   `if` of a parallel region would do as well, but even a region of one thread costs
   half a microsecond, ten times the product of an 8 x 8 matrix. */
static const size_t worth_a_team = 32768;

/* Every row costs the same, so thread k of n takes the rows from rows * k / n up to
   rows * (k + 1) / n: one block each, which the memory likes best. The blocks leave
   no row out, whatever n is: each begins where the one before ends. No two threads
   write the same y[i], so there is nothing to lock. */
void matvec_omp(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    if (rows * cols < worth_a_team) {
        some_rows(A, rows, cols, x, y);
        return;
    }
#pragma omp parallel
    {
        /* Asked inside the region: outside, the team has one thread. */
        size_t n = (size_t)omp_get_num_threads(), k = (size_t)omp_get_thread_num();
        size_t first = rows * k / n, end = rows * (k + 1) / n;
        some_rows(A + first * cols, end - first, cols, x, y + first);
    }
}
/* END TODO 3 */

/* BEGIN TODO 4: a team adds */
/* The numbers are read as four quarters, with a running sum for each; the last few,
   which make no full four, come at the end. */
static double some_numbers(const double *a, size_t count)
{
    size_t quarter = count / 4;
    const double *a0 = a, *a1 = a + quarter, *a2 = a + 2 * quarter, *a3 = a + 3 * quarter;
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0, rest = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
    for (size_t i = 0; i < quarter; i++) {
        s0 += a0[i];
        s1 += a1[i];
        s2 += a2[i];
        s3 += a3[i];
    }
    for (size_t i = 4 * quarter; i < count; i++)
        rest += a[i];
    return s0 + s1 + s2 + s3 + rest;
}

/* reduction: each thread has a sum of its own, which begins at 0; at the end of the
   region they are added up, one after the other. */
double sum_omp(const double *a, size_t count)
{
    if (count < worth_a_team)
        return some_numbers(a, count);
    double sum = 0;
#pragma omp parallel reduction(+ : sum)
    {
        size_t n = (size_t)omp_get_num_threads(), k = (size_t)omp_get_thread_num();
        size_t first = count * k / n, end = count * (k + 1) / n;
        sum += some_numbers(a + first, end - first);
    }
    return sum;
}
/* END TODO 4 */
