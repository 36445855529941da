/* mpi_trace_order.c: reductions by an operation that the program made, combined in
   another way than the library happens to choose: what is right must be right in
   every order, in all brackets and in pieces of any size that the standard allows
   (MPI 4.0, section 6.9.5). Every rank gathers all operands and combines them alike
   by MPI_Reduce_local, so every rank has the same result. */
#include <stdlib.h>
#include <string.h>

#include "mpi_trace_record.h"

enum {
    COPIES = 3,
    SLACK = 4096
}; /* bytes around the operands: a wrong operation shall give a wrong value, not a crash */

static struct {
    enum mpi_trace_way way;
    uint64_t seed;
} chosen;

void mpi_trace_combine(enum mpi_trace_way way, uint64_t seed)
{
    chosen.way = way;
    chosen.seed = seed;
}

/* splitmix64, as in rng.c: the layer stands on MPI alone. */
static size_t random_below(uint64_t *state, size_t n)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (size_t)((z ^ (z >> 31)) % n);
}

/* One reduction: the operands of all ranks, one after the other. */
struct operands {
    int count; /* elements of one operand */
    MPI_Datatype type;
    MPI_Op op;
    int ranks, commutes;
    size_t extent; /* bytes of one element */
    char *memory;
    char **operand; /* those that are left, ranks of them */
};

static size_t operand_bytes(const struct operands *o)
{
    return (size_t)o->count * o->extent;
}

static void free_operands(struct operands *o)
{
    free(o->memory);
    free(o->operand);
}

static int gather_operands(struct operands *o, const void *in, MPI_Comm comm)
{
    o->memory = calloc((size_t)o->ranks * operand_bytes(o) + 2 * SLACK, 1);
    o->operand = calloc((size_t)o->ranks, sizeof *o->operand);
    if (!o->memory || !o->operand)
        return MPI_ERR_NO_MEM;
    for (int i = 0; i < o->ranks; i++)
        o->operand[i] = o->memory + SLACK + (size_t)i * operand_bytes(o);
    return PMPI_Allgather(in, o->count, o->type, o->operand[0], o->count, o->type, comm);
}

static void shuffle(struct operands *o, uint64_t *state)
{
    for (size_t i = (size_t)o->ranks; i > 1; i--) {
        size_t other = random_below(state, i);
        char *operand = o->operand[i - 1];
        o->operand[i - 1] = o->operand[other];
        o->operand[other] = operand;
    }
}

/* into = from op into, for several copies of the elements in one call; the last copy counts. */
static int combine_many(const struct operands *o, const char *from, char *into)
{
    size_t bytes = operand_bytes(o);
    char *memory = calloc(2 * COPIES * bytes + 3 * SLACK, 1);
    if (!memory)
        return MPI_ERR_NO_MEM;
    char *left = memory + SLACK, *right = left + COPIES * bytes + SLACK;
    for (size_t i = 0; i < COPIES; i++) {
        memcpy(left + i * bytes, from, bytes);
        memcpy(right + i * bytes, into, bytes);
    }
    int code = PMPI_Reduce_local(left, right, COPIES * o->count, o->type, o->op);
    memcpy(into, right + (COPIES - 1) * bytes, bytes);
    free(memory);
    return code;
}

static int combine(const struct operands *o, const char *from, char *into)
{
    if (chosen.way == MPI_TRACE_MANY)
        return combine_many(o, from, into);
    if (chosen.way == MPI_TRACE_BRACKETS)
        return PMPI_Reduce_local(from, into, o->count, o->type, o->op);
    int code = MPI_SUCCESS;
    for (size_t i = 0; i < (size_t)o->count && code == MPI_SUCCESS; i++)
        code = PMPI_Reduce_local(from + i * o->extent, into + i * o->extent, 1, o->type, o->op);
    return code;
}

/* Combines neighbours until one operand is left: operand[0]. */
static int combine_all(struct operands *o)
{
    uint64_t state = chosen.seed;
    if (o->commutes)
        shuffle(o, &state);
    int code = MPI_SUCCESS;
    for (size_t left = (size_t)o->ranks; left > 1 && code == MPI_SUCCESS; left--) {
        size_t i = random_below(&state, left - 1);
        code = combine(o, o->operand[i], o->operand[i + 1]);
        memmove(&o->operand[i], &o->operand[i + 1], (left - 1 - i) * sizeof *o->operand);
    }
    return code;
}

/* Is this a reduction that is ours to do? Then *o knows its type and its ranks. */
static bool is_ours(struct operands *o, MPI_Comm comm)
{
    MPI_Aint lower, extent;
    int inter;
    if (chosen.way == MPI_TRACE_LIBRARY || comm == MPI_COMM_NULL || o->count < 1 || !trace_own_operation(o->op) ||
        o->type == MPI_DATATYPE_NULL || PMPI_Comm_test_inter(comm, &inter) != MPI_SUCCESS || inter ||
        PMPI_Type_get_extent(o->type, &lower, &extent) != MPI_SUCCESS || lower != 0 || extent < 0)
        return false;
    o->extent = (size_t)extent;
    return PMPI_Comm_size(comm, &o->ranks) == MPI_SUCCESS && PMPI_Op_commutative(o->op, &o->commutes) == MPI_SUCCESS;
}

/* To out, unless it is NULL. */
static int reduce(struct operands *o, const void *in, void *out, MPI_Comm comm)
{
    int code = gather_operands(o, in, comm);
    if (code == MPI_SUCCESS)
        code = combine_all(o);
    if (code == MPI_SUCCESS && out) /* MPI copies: the type may have gaps, which are not ours to fill */
        code = PMPI_Sendrecv(o->operand[0], o->count, o->type, 0, 0, out, o->count, o->type, 0, 0, MPI_COMM_SELF,
                             MPI_STATUS_IGNORE);
    free_operands(o);
    return code;
}

int trace_allreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    struct operands o = {.count = count, .type = type, .op = op};
    if (!is_ours(&o, comm))
        return PMPI_Allreduce(in, out, count, type, op, comm);
    return reduce(&o, in == MPI_IN_PLACE ? out : in, out, comm);
}

int trace_reduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm)
{
    struct operands o = {.count = count, .type = type, .op = op};
    int rank;
    if (!is_ours(&o, comm) || PMPI_Comm_rank(comm, &rank) != MPI_SUCCESS)
        return PMPI_Reduce(in, out, count, type, op, root, comm);
    return reduce(&o, in == MPI_IN_PLACE ? out : in, rank == root ? out : NULL, comm);
}
