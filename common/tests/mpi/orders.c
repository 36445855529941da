/* Case 0: reductions by operations of the program's own, in every way of mpi_trace_combine; case 1: by one of MPI's.
   Exit status 1 if a right operation ever gives a wrong result, or a wrong one is never found out. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mpi_trace.h"

enum { COUNT = 3, SEEDS = 12 };

/* x -> factor x + term, modulo 2^64. One after the other: associative, exactly, and not commutative. */
struct map {
    uint64_t factor, term;
};

static int failed, rank, size;

static struct map then(struct map first, struct map second)
{
    return (struct map){second.factor * first.factor, second.factor * first.term + second.term};
}

static struct map map_of(int r, int i)
{
    return (struct map){2 * (uint64_t)r + 3, 10 * (uint64_t)r + (uint64_t)i + 1};
}

static void compose(void *in, void *inout, int *len, MPI_Datatype *type)
{
    const struct map *a = in;
    struct map *b = inout;
    (void)type;
    for (int i = 0; i < *len; i++)
        b[i] = then(a[i], b[i]);
}

/* Wrong: for its own length only. */
static void compose_three(void *in, void *inout, int *len, MPI_Datatype *type)
{
    int count = COUNT;
    (void)len;
    compose(in, inout, &count, type);
}

/* Wrong: takes two elements for one map, which MPI may part. */
static void compose_parted(void *in, void *inout, int *len, MPI_Datatype *type)
{
    int count = *len / 2;
    compose(in, inout, &count, type);
}

/* Wrong: not associative. */
static void subtract(void *in, void *inout, int *len, MPI_Datatype *type)
{
    const uint64_t *a = in;
    uint64_t *b = inout;
    (void)type;
    for (int i = 0; i < *len; i++)
        b[i] = a[i] - b[i];
}

static void insist(int right, const char *what)
{
    if (!right)
        fprintf(stderr, "orders.c: not %s\n", what);
    failed = failed || !right;
}

/* Is the result of this operation that of the ranks one after the other? In place, or to rank 1 alone, by seed. */
static int is_right(MPI_User_function *function, int count, MPI_Datatype type, enum mpi_trace_way way, uint64_t seed)
{
    MPI_Op op;
    struct map mine[COUNT], all[COUNT], expected[COUNT];
    int root = size > 1;
    for (int i = 0; i < COUNT; i++) {
        all[i] = mine[i] = map_of(rank, i);
        expected[i] = map_of(0, i);
        for (int r = 1; r < size; r++)
            expected[i] = then(expected[i], map_of(r, i));
    }
    MPI_Op_create(function, 0, &op);
    mpi_trace_combine(way, seed);
    if (seed % 3 == 0)
        MPI_Allreduce(MPI_IN_PLACE, all, count, type, op, MPI_COMM_WORLD);
    else if (seed % 3 == 1)
        MPI_Allreduce(mine, all, count, type, op, MPI_COMM_WORLD);
    else
        MPI_Reduce(mine, all, count, type, op, root, MPI_COMM_WORLD);
    mpi_trace_combine(MPI_TRACE_LIBRARY, 0);
    MPI_Op_free(&op);
    return (seed % 3 == 2 && rank != root) || memcmp(all, expected, sizeof all) == 0;
}

static uint64_t difference(uint64_t seed)
{
    MPI_Op op;
    uint64_t mine = (uint64_t)1 << rank, all = 0;
    MPI_Op_create(subtract, 0, &op);
    mpi_trace_combine(MPI_TRACE_BRACKETS, seed);
    MPI_Allreduce(&mine, &all, 1, MPI_UINT64_T, op, MPI_COMM_WORLD);
    mpi_trace_combine(MPI_TRACE_LIBRARY, 0);
    MPI_Op_free(&op);
    return all;
}

int main(int argc, char **argv)
{
    MPI_Datatype pair;
    int brackets = 0, sum = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Type_contiguous(2, MPI_UINT64_T, &pair);
    MPI_Type_commit(&pair);
    mpi_trace_mark(0);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (int way = MPI_TRACE_LIBRARY; way <= MPI_TRACE_MANY; way++)
            insist(is_right(compose, COUNT, pair, (enum mpi_trace_way)way, seed), "the same in every order");
        brackets += difference(seed) != difference(seed + 1);
    }
    insist(brackets > 0, "different brackets for different seeds");
    insist(!is_right(compose_three, COUNT, pair, MPI_TRACE_MANY, 0), "found out: the function ignores its length");
    insist(!is_right(compose_parted, 2 * COUNT, MPI_UINT64_T, MPI_TRACE_SINGLE, 0), "found out: elements are parted");
    mpi_trace_mark(1);
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Type_free(&pair);
    MPI_Finalize();
    return failed;
}
