/* mpi_trace_collective.c: the student's collective calls, written down. Each
   entry below makes two wrappers, of the blocking call and of the non-blocking
   one, which has the same arguments and a request. What is noted as count is what
   this rank gives, and where it only receives, what it gets. */
#include "mpi_trace_record.h"

static bool at_root(const struct mpi_trace_call *call, int root);

static bool in_place(const void *buffer)
{
    return buffer == MPI_IN_PLACE;
}

#define UNWRAP(...) __VA_ARGS__

/* perform makes the call; note writes down what is particular to it. */
#define BLOCKING(name, perform, note, root, count, type, parameters, arguments)                                        \
    int MPI_##name(UNWRAP parameters)                                                                                  \
    {                                                                                                                  \
        struct mpi_trace_call *call = trace_begin(CALL_##name, comm, SITE);                                            \
        if (call)                                                                                                      \
            trace_collective(call, comm, root, count, type);                                                           \
        note;                                                                                                          \
        trace_blocks(call);                                                                                            \
        return trace_end(call, trace_fails(call) ? MPI_ERR_OTHER : perform arguments);                                 \
    }
#define NONBLOCKING(name, note, root, count, type, parameters, arguments)                                              \
    int MPI_##name(UNWRAP parameters, MPI_Request *request)                                                            \
    {                                                                                                                  \
        struct mpi_trace_call *call = trace_begin(CALL_##name, comm, SITE);                                            \
        if (call)                                                                                                      \
            trace_collective(call, comm, root, count, type);                                                           \
        note;                                                                                                          \
        int code = trace_fails(call) ? MPI_ERR_OTHER : PMPI_##name(UNWRAP arguments, request);                         \
        if (call && code == MPI_SUCCESS)                                                                               \
            trace_object_add(OBJECT_REQUEST, call, (uint64_t)(uintptr_t)*request, request);                            \
        return trace_end(call, code);                                                                                  \
    }

#define COLLECTIVE(name, iname, root, count, type, parameters, arguments)                                              \
    COLLECTIVE_NOTING((void)0, name, iname, root, count, type, parameters, arguments)
#define COLLECTIVE_NOTING(note, name, iname, root, count, type, parameters, arguments)                                 \
    BLOCKING(name, PMPI_##name, note, root, count, type, parameters, arguments)                                        \
    NONBLOCKING(iname, note, root, count, type, parameters, arguments)
/* The same where the ranks' elements are combined by op; perform: mpi_trace_order.c has its own way of some. */
#define REDUCTION(name, iname, perform, root, count, type, parameters, arguments)                                      \
    BLOCKING(name, perform, NOTE_REDUCTION(root, count, type), root, count, type, parameters, arguments)               \
    NONBLOCKING(iname, NOTE_REDUCTION(root, count, type), root, count, type, parameters, arguments)
#define NOTE_REDUCTION(root, count, type)                                                                              \
    (trace_operation(call, op), begins(call, in, (int)(count), type),                                                  \
     at_root(call, root) ? trace_arrays(call, in, count, type, out, 0, count, type) : (void)0)

/* A call that only begins: what it sends may not change until its request is completed. */
static void begins(struct mpi_trace_call *call, const void *in, int count, MPI_Datatype type)
{
    if (call && call->function >= CALL_Ibarrier && !in_place(in))
        trace_sends(call, in, count, type);
}

/* The same where each rank is sent a part of its own: the first that is not empty. */
static void begins_parts(struct mpi_trace_call *call, const void *in, const int counts[], const int places[],
                         MPI_Datatype type, MPI_Comm comm)
{
    struct comm_info *info = call ? trace_comm(comm) : NULL;
    MPI_Aint lower, extent;
    if (!info || in_place(in) || !counts || !places || PMPI_Type_get_extent(type, &lower, &extent) != MPI_SUCCESS)
        return;
    for (int r = 0; r < info->peers; r++)
        if (counts[r] > 0) {
            begins(call, (const char *)in + places[r] * extent, counts[r], type);
            return;
        }
}

/* This rank's own entry of an array that has one for each rank. */
static int own(const int counts[], MPI_Comm comm)
{
    struct comm_info *info = trace_comm(comm);
    return counts && info ? counts[info->rank] : 0;
}

static int64_t sum(const int counts[], MPI_Comm comm)
{
    struct comm_info *info = trace_comm(comm);
    int64_t total = 0;
    for (int i = 0; counts && info && i < info->peers; i++)
        total += counts[i];
    return total;
}

/* Does this rank receive, in a call with that root (-1: with none)? */
static bool at_root(const struct mpi_trace_call *call, int root)
{
    return call && (root < 0 || call->comm_rank == root);
}

/* The arrays of a call that receives places[r] ... places[r] + counts[r] - 1 of each rank r, and that keeps counts. */
static void parts(struct mpi_trace_call *call, int root, const void *in, int in_count, MPI_Datatype in_type,
                  const void *out, const int counts[], const int places[], MPI_Datatype out_type, MPI_Comm comm)
{
    struct comm_info *info = at_root(call, root) ? trace_comm(comm) : NULL;
    begins(call, in, in_count, in_type);
    for (int r = 0; counts && places && info && r < info->peers; r++)
        trace_arrays(call, in, in_count, in_type, out, places[r], (int64_t)places[r] + counts[r], out_type);
    if (info && call->function >= CALL_Ibarrier)
        trace_keeps(call, counts, info->peers);
}

COLLECTIVE(Barrier, Ibarrier, -1, 0, MPI_BYTE, (MPI_Comm comm), (comm))
COLLECTIVE_NOTING((at_root(call, root) ? begins(call, buffer, count, type) : (void)0), Bcast, Ibcast, root, count, type,
                  (void *buffer, int count, MPI_Datatype type, int root, MPI_Comm comm),
                  (buffer, count, type, root, comm))
COLLECTIVE_NOTING((begins(call, in, in_count, in_type),
                   at_root(call, root) ? trace_arrays(call, in, in_count, in_type, out, 0,
                                                      (int64_t)out_count * call->comm_size, out_type)
                                       : (void)0),
                  Gather, Igather, root, in_place(in) ? out_count : in_count, in_place(in) ? out_type : in_type,
                  (const void *in, int in_count, MPI_Datatype in_type, void *out, int out_count, MPI_Datatype out_type,
                   int root, MPI_Comm comm),
                  (in, in_count, in_type, out, out_count, out_type, root, comm))
COLLECTIVE_NOTING((begins(call, in, in_count, in_type),
                   at_root(call, -1) ? trace_arrays(call, in, in_count, in_type, out, 0,
                                                    (int64_t)out_count * call->comm_size, out_type)
                                     : (void)0),
                  Allgather, Iallgather, -1, in_place(in) ? out_count : in_count, in_place(in) ? out_type : in_type,
                  (const void *in, int in_count, MPI_Datatype in_type, void *out, int out_count, MPI_Datatype out_type,
                   MPI_Comm comm),
                  (in, in_count, in_type, out, out_count, out_type, comm))
COLLECTIVE_NOTING(begins(call, in, in_count, in_type), Alltoall, Ialltoall, -1, in_place(in) ? out_count : in_count,
                  in_place(in) ? out_type : in_type,
                  (const void *in, int in_count, MPI_Datatype in_type, void *out, int out_count, MPI_Datatype out_type,
                   MPI_Comm comm),
                  (in, in_count, in_type, out, out_count, out_type, comm))
// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
COLLECTIVE_NOTING((parts(call, root, in, in_count, in_type, out, out_counts, places, out_type, comm)), Gatherv,
                  Igatherv, root, in_place(in) ? own(out_counts, comm) : in_count, in_place(in) ? out_type : in_type,
                  (const void *in, int in_count, MPI_Datatype in_type, void *out, const int out_counts[],
                   const int places[], MPI_Datatype out_type, int root, MPI_Comm comm),
                  (in, in_count, in_type, out, out_counts, places, out_type, root, comm))
COLLECTIVE_NOTING((parts(call, -1, in, in_count, in_type, out, out_counts, places, out_type, comm)), Allgatherv,
                  Iallgatherv, -1, in_place(in) ? own(out_counts, comm) : in_count, in_place(in) ? out_type : in_type,
                  (const void *in, int in_count, MPI_Datatype in_type, void *out, const int out_counts[],
                   const int places[], MPI_Datatype out_type, MPI_Comm comm),
                  (in, in_count, in_type, out, out_counts, places, out_type, comm))
COLLECTIVE(Scatter, Iscatter, root, in_place(out) ? in_count : out_count, in_place(out) ? in_type : out_type,
           (const void *in, int in_count, MPI_Datatype in_type, void *out, int out_count, MPI_Datatype out_type,
            int root, MPI_Comm comm),
           (in, in_count, in_type, out, out_count, out_type, root, comm))
// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
COLLECTIVE(Scatterv, Iscatterv, root, in_place(out) ? own(in_counts, comm) : out_count,
           in_place(out) ? in_type : out_type,
           (const void *in, const int in_counts[], const int places[], MPI_Datatype in_type, void *out, int out_count,
            MPI_Datatype out_type, int root, MPI_Comm comm),
           (in, in_counts, places, in_type, out, out_count, out_type, root, comm))
// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
COLLECTIVE_NOTING(begins_parts(call, in, in_counts, in_places, in_type, comm), Alltoallv, Ialltoallv, -1,
                  sum(in_place(in) ? out_counts : in_counts, comm), in_place(in) ? out_type : in_type,
                  (const void *in, const int in_counts[], const int in_places[], MPI_Datatype in_type, void *out,
                   const int out_counts[], const int out_places[], MPI_Datatype out_type, MPI_Comm comm),
                  (in, in_counts, in_places, in_type, out, out_counts, out_places, out_type, comm))
REDUCTION(Reduce, Ireduce, trace_reduce, root, count, type,
          (const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm),
          (in, out, count, type, op, root, comm))
REDUCTION(Allreduce, Iallreduce, trace_allreduce, -1, count, type,
          (const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
          (in, out, count, type, op, comm))
REDUCTION(Scan, Iscan, PMPI_Scan, -1, count, type,
          (const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
          (in, out, count, type, op, comm))
REDUCTION(Exscan, Iexscan, PMPI_Exscan, -1, count, type,
          (const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
          (in, out, count, type, op, comm))
REDUCTION(Reduce_scatter_block, Ireduce_scatter_block, PMPI_Reduce_scatter_block, -1, count, type,
          (const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
          (in, out, count, type, op, comm))
REDUCTION(Reduce_scatter, Ireduce_scatter, PMPI_Reduce_scatter, -1, sum(counts, comm), type,
          (const void *in, void *out, const int counts[], MPI_Datatype type, MPI_Op op, MPI_Comm comm),
          (in, out, counts, type, op, comm))

/* ---- among the neighbours of a topology ---- */

/* Bytes are those for one neighbour. */
COLLECTIVE(Neighbor_allgather, Ineighbor_allgather, -1, in_count, in_type,
           (const void *in, int in_count, MPI_Datatype in_type, void *out, int out_count, MPI_Datatype out_type,
            MPI_Comm comm),
           (in, in_count, in_type, out, out_count, out_type, comm))
// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
COLLECTIVE(Neighbor_allgatherv, Ineighbor_allgatherv, -1, in_count, in_type,
           (const void *in, int in_count, MPI_Datatype in_type, void *out, const int out_counts[], const int places[],
            MPI_Datatype out_type, MPI_Comm comm),
           (in, in_count, in_type, out, out_counts, places, out_type, comm))
COLLECTIVE(Neighbor_alltoall, Ineighbor_alltoall, -1, in_count, in_type,
           (const void *in, int in_count, MPI_Datatype in_type, void *out, int out_count, MPI_Datatype out_type,
            MPI_Comm comm),
           (in, in_count, in_type, out, out_count, out_type, comm))
// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
COLLECTIVE(Neighbor_alltoallv, Ineighbor_alltoallv, -1, in_counts[0], in_type,
           (const void *in, const int in_counts[], const int in_places[], MPI_Datatype in_type, void *out,
            const int out_counts[], const int out_places[], MPI_Datatype out_type, MPI_Comm comm),
           (in, in_counts, in_places, in_type, out, out_counts, out_places, out_type, comm))

/* Each pair of ranks has a type of its own in these, so no size is noted. */
// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
int MPI_Neighbor_alltoallw(const void *in, const int in_counts[], const MPI_Aint in_places[],
                           const MPI_Datatype in_types[], void *out, const int out_counts[],
                           const MPI_Aint out_places[], const MPI_Datatype out_types[], MPI_Comm comm)
{
    struct mpi_trace_call *call = trace_begin(CALL_Neighbor_alltoallw, comm, SITE);
    trace_collective(call, comm, -1, 0, MPI_BYTE);
    trace_blocks(call);
    return trace_end(call, PMPI_Neighbor_alltoallw(in, in_counts, in_places, in_types, out, out_counts, out_places,
                                                   out_types, comm));
}

// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
int MPI_Ialltoallw(const void *in, const int in_counts[], const int in_places[], const MPI_Datatype in_types[],
                   void *out, const int out_counts[], const int out_places[], const MPI_Datatype out_types[],
                   MPI_Comm comm, MPI_Request *request)
{
    struct mpi_trace_call *call = trace_begin(CALL_Ialltoallw, comm, SITE);
    trace_collective(call, comm, -1, 0, MPI_BYTE);
    int code =
        PMPI_Ialltoallw(in, in_counts, in_places, in_types, out, out_counts, out_places, out_types, comm, request);
    if (call && code == MPI_SUCCESS)
        trace_object_add(OBJECT_REQUEST, call, (uint64_t)(uintptr_t)*request, request);
    return trace_end(call, code);
}

// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
int MPI_Alltoallw(const void *in, const int in_counts[], const int in_places[], const MPI_Datatype in_types[],
                  void *out, const int out_counts[], const int out_places[], const MPI_Datatype out_types[],
                  MPI_Comm comm)
{
    struct mpi_trace_call *call = trace_begin(CALL_Alltoallw, comm, SITE);
    trace_collective(call, comm, -1, 0, MPI_BYTE);
    trace_blocks(call);
    return trace_end(call,
                     PMPI_Alltoallw(in, in_counts, in_places, in_types, out, out_counts, out_places, out_types, comm));
}
