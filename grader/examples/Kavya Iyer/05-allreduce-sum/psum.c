/* psum.c: the sum of a vector that is spread over the ranks of a communicator.

   Each rank adds up its own elements; then one reduction combines the ranks'
   results and gives every rank the total. What travels is one number a rank (a
   pair of numbers in psum_compensated), however many elements there are. */
#include "psum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int psum(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    /* BEGIN TODO 1: add up this rank's elements */
    /* C adds from left to right, each addition waiting for the one before. `simd` says that
       any order will do, so the compiler may keep several sums side by side. And reading at
       four places at once gives the memory four places to fetch from ahead of time. */
    /* END TODO 1 */

    /* BEGIN TODO 2: combine the sums of all ranks */
    /* Every rank takes part, also one without elements: its sum is 0. */
    int rank, size, mine = (int)count, total = 0, error = MPI_Comm_rank(comm, &rank);
    if (error != MPI_SUCCESS || (error = MPI_Comm_size(comm, &size)) != MPI_SUCCESS)
        return error;
    int *counts = calloc((size_t)size, sizeof *counts), *places = calloc((size_t)size, sizeof *places);
    error = MPI_Gather(&mine, 1, MPI_INT, counts, 1, MPI_INT, 0, comm);
    for (int r = 0; r < size && rank == 0; r++) {
        places[r] = total;
        total += counts[r];
    }
    double *all = malloc(((size_t)total + 1) * sizeof *all);
    if (error == MPI_SUCCESS)
        error = MPI_Gatherv(local, mine, MPI_DOUBLE, all, counts, places, MPI_DOUBLE, 0, comm);
    *sum = 0;
    for (int i = 0; i < total; i++)
        *sum += all[i];
    if (error == MPI_SUCCESS)
        error = MPI_Bcast(sum, 1, MPI_DOUBLE, 0, comm);
    free(all);
    free(counts);
    free(places);
    return error;
    /* END TODO 2 */
}

/* BEGIN TODO 3: a sum and what rounding took from it */
/* Stands for the number sum + lost, which has more digits than a double. Two doubles
   without a gap between them: to MPI it is a contiguous datatype. */
struct pair {
    double sum, lost;
};

/* Knuth's TwoSum: the rounded sum, and by six additions what rounding took from it,
   exactly and whichever of the two is larger. What was lost before is small; adding
   that up in the ordinary way is exact enough. */
static struct pair add_pairs(struct pair a, struct pair b)
{
    double sum = a.sum + b.sum;
    double from_b = sum - a.sum, from_a = sum - from_b; /* what arrived in sum */
    return (struct pair){sum, (a.sum - from_a) + (b.sum - from_b) + (a.lost + b.lost)};
}
/* END TODO 3 */

/* BEGIN TODO 4: add up this rank's elements, and keep what rounding takes */
enum { LANES = 4, PLACES = 4, AHEAD = 128 };
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)))); /* a vector register */

/* add_pairs, done for LANES sums at the same time and at PLACES places of local in turn:
   each addition has to wait for the one before, but there are 16 of them under way. So
   much arithmetic leaves the processor no room to look ahead in memory; __builtin_prefetch
   asks for what will be wanted soon, and does nothing beyond the end of local. */
static struct pair add_up(const double *local, size_t count)
{
    lanes sum[PLACES] = {{0}}, lost[PLACES] = {{0}};
    size_t length = count / PLACES / LANES * LANES;
    for (size_t i = 0; i < length; i += LANES)
        for (size_t p = 0; p < PLACES; p++) {
            lanes a;
            memcpy(&a, &local[p * length + i], sizeof a); /* one load instruction, wherever local begins */
            __builtin_prefetch(&local[p * length + i + AHEAD]);
            lanes next = sum[p] + a;
            lanes from_a = next - sum[p], from_sum = next - from_a;
            lost[p] += (sum[p] - from_sum) + (a - from_a);
            sum[p] = next;
        }
    struct pair total = {0, 0};
    for (size_t p = 0; p < PLACES; p++)
        for (size_t k = 0; k < LANES; k++)
            total = add_pairs(total, (struct pair){sum[p][k], lost[p][k]});
    for (size_t i = PLACES * length; i < count; i++) /* what did not fill all lanes */
        total = add_pairs(total, (struct pair){local[i], 0});
    return total;
}
/* END TODO 4 */

/* BEGIN TODO 5: the operation between the ranks */
/* What MPI calls to combine the pairs of two ranks, or of two groups of ranks:
   inout[i] = in[i] + inout[i] for *len elements. */
static void add_all_pairs(void *in, void *inout, int *len, MPI_Datatype *type)
{
    const struct pair *a = in;
    struct pair *b = inout;
    (void)type;
    for (int i = 0; i < *len; i++)
        b[i] = add_pairs(a[i], b[i]);
}
/* END TODO 5 */

/* BEGIN TODO 6: one reduction of pairs */
/* Has MPI add up the pairs of all ranks. What was made is freed on every way out; the
   first error is the one that counts. */
static int allreduce_pairs(const struct pair *mine, struct pair *total, MPI_Comm comm)
{
    MPI_Datatype type;
    MPI_Op op;
    int error = MPI_Type_contiguous(2, MPI_DOUBLE, &type); /* as one element: MPI must never part the two */
    if (error != MPI_SUCCESS)
        return error;
    error = MPI_Type_commit(&type);
    if (error == MPI_SUCCESS)
        error = MPI_Op_create(add_all_pairs, 1, &op); /* 1: a + b and b + a have the same bits */
    if (error == MPI_SUCCESS) {
        error = MPI_Allreduce(mine, total, 1, type, op, comm);
        MPI_Op_free(&op);
    }
    MPI_Type_free(&type);
    return error;
}
/* END TODO 6 */

int psum_compensated(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    /* BEGIN TODO 7: put it together */
    struct pair mine = add_up(local, count), total;
    int error = allreduce_pairs(&mine, &total, comm);
    if (error != MPI_SUCCESS)
        return error;
    /* Beside an infinite sum, what was lost is inf - inf, which is no number. */
    *sum = isfinite(total.sum) ? total.sum + total.lost : total.sum;
    return MPI_SUCCESS;
    /* END TODO 7 */
}
