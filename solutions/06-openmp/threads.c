/* threads.c: a matrix times a vector, and a sum, by a team of threads.

   Two kinds of parallelism are at work here. Between cores: a team of threads
   shares the rows. Inside a core: a vector unit adds several numbers at once and can
   begin the next addition before the last one has ended, if we give it additions
   that do not wait for each other. A single running sum is a chain, each link
   waiting for the one before; several running sums side by side are several chains. */
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
/* Four numbers that one instruction handles (an extension of gcc and clang). omp simd
   asks the compiler to make such vectors; here we make them ourselves, because adding
   up the numbers inside a vector, once for each row, then costs less. */
enum { LANES = 4 };
typedef double vector __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double)), may_alias));

enum { PLACES = 6 }; /* where rows are multiplied at the same time: as many additions under way */

/* y[0], y[apart], y[2 * apart], ... from the rows of A with these numbers. Each vector of
   x is read once for all of them, and the running sums do not wait for each other. */
static void rows_apart(const double *A, size_t apart, size_t cols, const double *x, double *y)
{
    vector sum[PLACES];
    for (size_t p = 0; p < PLACES; p++) /* for "= {{0}}" gcc calls memset, a tenth of the time of a small matrix */
        sum[p] = (vector){0};
    size_t j = 0;
    for (; j + LANES <= cols; j += LANES)
        for (size_t p = 0; p < PLACES; p++)
            sum[p] += *(const vector *)(A + p * apart * cols + j) * *(const vector *)(x + j);
    for (size_t p = 0; p < PLACES; p++) {
        double s = 0;
        for (int lane = 0; lane < LANES; lane++)
            s += sum[p][lane];
        for (size_t k = j; k < cols; k++) /* fewer than a vector are left */
            s += A[p * apart * cols + k] * x[k];
        y[p * apart] = s;
    }
}

static double one_row(const double *row, size_t cols, const double *x)
{
    double s = 0;
#pragma omp simd reduction(+ : s)
    for (size_t j = 0; j < cols; j++)
        s += row[j] * x[j];
    return s;
}

/* y[i] = row i of A times x, for count rows from A on. They are read at six places, each
   a sixth of A: there the next row begins where the last one ended, so the memory soon
   knows what comes next, and fetches it ahead of time. (Six neighbouring rows would be
   six new places at every turn.) */
static void some_rows(const double *A, size_t count, size_t cols, const double *x, double *y)
{
    size_t part = count / PLACES;
    for (size_t i = 0; i < part; i++)
        rows_apart(A + i * cols, part, cols, x, y + i);
    for (size_t i = PLACES * part; i < count; i++) /* what makes no full six */
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
static const size_t worth_a_team = 24576;

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
