/* mpi_trace_object.c: what the student makes and has to give back: datatypes,
   operations, communicators, windows (requests come from the other files); and
   one-sided communication. */
#include <sys/mman.h>
#include <unistd.h>

#include "mpi_trace_record.h"

#ifdef __SANITIZE_ADDRESS__
void *__asan_region_is_poisoned(void *begin,
                                size_t size); // NOLINT(bugprone-reserved-identifier): AddressSanitizer's name
#endif

void trace_object_add(enum mpi_trace_kind kind, const struct mpi_trace_call *made, uint64_t handle,
                      const void *variable)
{
    struct mpi_trace_file *file = trace_file();
    trace_lock();
    struct mpi_trace_object *free = NULL;
    for (int i = 0; i < MPI_TRACE_OBJECTS && !free; i++)
        if (file->object[i].kind == OBJECT_NONE)
            free = &file->object[i];
    if (free) {
        bool persistent = made->function >= CALL_Send_init && made->function <= CALL_Recv_init;
        *free = (struct mpi_trace_object){.kind = (int32_t)kind,
                                          .persistent = persistent,
                                          .active = !persistent,
                                          .handle = handle,
                                          .variable = (uint64_t)(uintptr_t)variable,
                                          .content = kind == OBJECT_REQUEST ? trace_content(made) : 0,
                                          .made = *made};
    } else {
        file->objects_lost++;
    }
    trace_unlock();
}

struct mpi_trace_object *trace_object_find(enum mpi_trace_kind kind, uint64_t handle, const void *variable)
{
    struct mpi_trace_file *file = trace_file();
    struct mpi_trace_object *found = NULL;
    /* Finished requests may share one handle, so the variable decides where it can; a handle may have been copied. */
    for (int i = 0; i < MPI_TRACE_OBJECTS; i++) {
        struct mpi_trace_object *object = &file->object[i];
        if (object->kind != (int32_t)kind || object->handle != handle)
            continue;
        if (object->variable == (uint64_t)(uintptr_t)variable)
            return object;
        if (!found)
            found = object;
    }
    return found;
}

void trace_object_remove(enum mpi_trace_kind kind, uint64_t handle, const void *variable)
{
    trace_lock();
    struct mpi_trace_object *object = trace_object_find(kind, handle, variable);
    if (object)
        object->kind = OBJECT_NONE;
    trace_unlock();
}

/* ---- memory that messages use ---- */

static bool overlap(uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length)
{
    return a_length > 0 && b_length > 0 && a < b + b_length && b < a + a_length;
}

static void note_clash(struct mpi_trace_call *call, const struct mpi_trace_call *with)
{
    if (call->flags & MPI_TRACE_CLASH)
        return;
    call->flags |= MPI_TRACE_CLASH;
    call->clash = with->function;
    call->clash_site = with->site;
}

/* Reading the same memory twice at a time is allowed. A persistent request uses it only while it is started. */
void trace_clash(struct mpi_trace_call *call)
{
    struct mpi_trace_file *file = trace_file();
    trace_lock();
    for (int i = 0; i < MPI_TRACE_OBJECTS; i++) {
        const struct mpi_trace_object *object = &file->object[i];
        if (object->kind == OBJECT_REQUEST && object->active && (object->made.writes || call->writes) &&
            overlap(object->made.buffer, object->made.length, call->buffer, call->length))
            note_clash(call, &object->made);
    }
    trace_unlock();
}

/* The bytes of an element, if elements lie one after the other without gaps; else 0. A type with gaps may leave out just
   what another message uses, so it is not looked at. */
static uint64_t dense_size(MPI_Datatype type)
{
    int size = 0;
    MPI_Aint lower = 0, extent = 0;
    if (type == MPI_DATATYPE_NULL || PMPI_Type_size(type, &size) != MPI_SUCCESS ||
        PMPI_Type_get_extent(type, &lower, &extent) != MPI_SUCCESS || lower != 0 || extent != size || size < 0)
        return 0;
    return (uint64_t)size;
}

#ifdef __SANITIZE_ADDRESS__
void *__asan_region_is_poisoned(void *begin,
                                size_t size); // NOLINT(bugprone-reserved-identifier): AddressSanitizer's name
#endif

/* Is part of that memory not the program's: freed, or beyond the end of its block? */
static bool is_poisoned(uint64_t address, uint64_t length)
{
#ifdef __SANITIZE_ADDRESS__
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it was a pointer of this process
    return length > 0 && __asan_region_is_poisoned((void *)(uintptr_t)address, length) != NULL;
#else
    (void)address, (void)length;
    return false;
#endif
}

bool trace_was_freed(const struct mpi_trace_call *call)
{
    return is_poisoned(call->buffer, call->length) || is_poisoned(call->kept, call->kept_length);
}

static void set_buffer(struct mpi_trace_call *call, const struct mpi_trace_peer *peer, const void *buffer, int count,
                       MPI_Datatype type, bool writes)
{
    uint64_t size = buffer && count > 0 && peer->rank != MPI_TRACE_NOBODY ? dense_size(type) : 0;
    if (size == 0)
        return;
    uint64_t before = call->buffer, before_length = call->length; /* what MPI_Sendrecv sends */
    call->buffer = (uint64_t)(uintptr_t)buffer;
    call->length = (uint64_t)count * size;
    call->writes = writes;
    if (overlap(before, before_length, call->buffer, call->length))
        note_clash(call, call);
    if (writes && is_poisoned(call->buffer, call->length))
        call->flags |= MPI_TRACE_BEYOND;
    if (call->function < CALL_Send_init || call->function > CALL_Recv_init)
        trace_clash(call);
}

void trace_arrays(struct mpi_trace_call *call, const void *in, int64_t in_count, MPI_Datatype in_type, const void *out,
                  int64_t out_first, int64_t out_end, MPI_Datatype out_type)
{
    if (!call || !in || !out || in == MPI_IN_PLACE || out == MPI_IN_PLACE || in_count <= 0 || out_end <= out_first ||
        out_first < 0)
        return;
    uint64_t in_size = dense_size(in_type), out_size = dense_size(out_type);
    if (overlap((uint64_t)(uintptr_t)in, (uint64_t)in_count * in_size,
                (uint64_t)(uintptr_t)out + (uint64_t)out_first * out_size, (uint64_t)(out_end - out_first) * out_size))
        note_clash(call, call);
}

void trace_keeps(struct mpi_trace_call *call, const int *counts, int number)
{
    if (!call || !counts || number <= 0)
        return;
    call->kept = (uint64_t)(uintptr_t)counts;
    call->kept_length = (uint64_t)number * sizeof *counts;
}

/* Freed memory may be unmapped: mincore tells, and reads nothing. */
static bool is_mapped(uint64_t address, uint64_t length)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), begin = address / page * page;
    unsigned char seen[3];
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it was a pointer of this process
    return mincore((void *)(uintptr_t)begin, address + length - begin, seen) == 0;
}

/* FNV-1a, over the first bytes only: what is changed or freed shows there. 0: nothing is there. */
__attribute__((no_sanitize_address)) static uint64_t hash_of(uint64_t address, uint64_t length)
{
    enum { BYTES = 64 };
    uint64_t bytes = length < BYTES ? length : BYTES, hash = 14695981039346656037u;
    if (bytes == 0 || !is_mapped(address, bytes))
        return 0;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as above
    const volatile unsigned char *byte = (const volatile unsigned char *)(uintptr_t)address;
    for (uint64_t i = 0; i < bytes; i++)
        hash = (hash ^ byte[i]) * 1099511628211u;
    return hash;
}

uint64_t trace_content(const struct mpi_trace_call *call)
{
    return (call->writes ? 0 : hash_of(call->buffer, call->length)) + 3 * hash_of(call->kept, call->kept_length);
}

void trace_sends(struct mpi_trace_call *call, const void *buffer, int count, MPI_Datatype type)
{
    if (call)
        set_buffer(call, &call->to, buffer, count, type, false);
}

void trace_receives(struct mpi_trace_call *call, const void *buffer, int count, MPI_Datatype type)
{
    if (call)
        set_buffer(call, &call->from, buffer, count, type, true);
}

/* ---- communicators ---- */

/* Every rank of the parent has made the call, also those that got MPI_COMM_NULL. */
static int end_comm(struct mpi_trace_call *call, int code, MPI_Comm parent, const MPI_Comm *child)
{
    if (call && code == MPI_SUCCESS) {
        trace_comm_born(parent, *child);
        if (*child != MPI_COMM_NULL)
            trace_object_add(OBJECT_COMM, call, (uint64_t)(uintptr_t)*child, child);
    }
    return trace_end(call, code);
}

static struct mpi_trace_call *begin_comm(enum mpi_trace_function function, MPI_Comm parent, const void *site)
{
    struct mpi_trace_call *call = trace_begin(function, parent, site);
    trace_collective(call, parent, -1, 0, MPI_BYTE);
    trace_blocks(call);
    return call;
}

int MPI_Comm_dup(MPI_Comm comm, MPI_Comm *copy)
{
    struct mpi_trace_call *call = begin_comm(CALL_Comm_dup, comm, SITE);
    return end_comm(call, PMPI_Comm_dup(comm, copy), comm, copy);
}

int MPI_Comm_split(MPI_Comm comm, int color, int order, MPI_Comm *part)
{
    struct mpi_trace_call *call = begin_comm(CALL_Comm_split, comm, SITE);
    return end_comm(call, PMPI_Comm_split(comm, color, order, part), comm, part);
}

int MPI_Comm_split_type(MPI_Comm comm, int type, int order, MPI_Info info, MPI_Comm *part)
{
    struct mpi_trace_call *call = begin_comm(CALL_Comm_split_type, comm, SITE);
    return end_comm(call, PMPI_Comm_split_type(comm, type, order, info, part), comm, part);
}

int MPI_Comm_create(MPI_Comm comm, MPI_Group group, MPI_Comm *part)
{
    struct mpi_trace_call *call = begin_comm(CALL_Comm_create, comm, SITE);
    return end_comm(call, PMPI_Comm_create(comm, group, part), comm, part);
}

/* Only the group's ranks call it, so the parent's count of children must not grow: trace_comm numbers it by members. */
int MPI_Comm_create_group(MPI_Comm comm, MPI_Group group, int tag, MPI_Comm *part)
{
    struct mpi_trace_call *call = trace_begin(CALL_Comm_create_group, comm, SITE);
    int code = PMPI_Comm_create_group(comm, group, tag, part);
    if (call && code == MPI_SUCCESS && trace_comm(*part))
        trace_object_add(OBJECT_COMM, call, (uint64_t)(uintptr_t)*part, part);
    return trace_end(call, code);
}

int MPI_Cart_create(MPI_Comm comm, int dimensions, const int sizes[], const int periods[], int reorder, MPI_Comm *grid)
{
    struct mpi_trace_call *call = begin_comm(CALL_Cart_create, comm, SITE);
    return end_comm(call, PMPI_Cart_create(comm, dimensions, sizes, periods, reorder, grid), comm, grid);
}

int MPI_Comm_dup_with_info(MPI_Comm comm, MPI_Info info, MPI_Comm *copy)
{
    struct mpi_trace_call *call = begin_comm(CALL_Comm_dup_with_info, comm, SITE);
    return end_comm(call, PMPI_Comm_dup_with_info(comm, info, copy), comm, copy);
}

int MPI_Cart_sub(MPI_Comm comm, const int keep[], MPI_Comm *part)
{
    struct mpi_trace_call *call = begin_comm(CALL_Cart_sub, comm, SITE);
    return end_comm(call, PMPI_Cart_sub(comm, keep, part), comm, part);
}

int MPI_Graph_create(MPI_Comm comm, int nodes, const int ends[], const int edges[], int reorder, MPI_Comm *graph)
{
    struct mpi_trace_call *call = begin_comm(CALL_Graph_create, comm, SITE);
    return end_comm(call, PMPI_Graph_create(comm, nodes, ends, edges, reorder, graph), comm, graph);
}

// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
int MPI_Dist_graph_create(MPI_Comm comm, int count, const int nodes[], const int degrees[], const int targets[],
                          const int weights[], MPI_Info info, int reorder, MPI_Comm *graph)
{
    struct mpi_trace_call *call = begin_comm(CALL_Dist_graph_create, comm, SITE);
    return end_comm(call, PMPI_Dist_graph_create(comm, count, nodes, degrees, targets, weights, info, reorder, graph),
                    comm, graph);
}

// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
int MPI_Dist_graph_create_adjacent(MPI_Comm comm, int in, const int sources[], const int in_weights[], int out,
                                   const int targets[], const int out_weights[], MPI_Info info, int reorder,
                                   MPI_Comm *graph)
{
    struct mpi_trace_call *call = begin_comm(CALL_Dist_graph_create_adjacent, comm, SITE);
    int code =
        PMPI_Dist_graph_create_adjacent(comm, in, sources, in_weights, out, targets, out_weights, info, reorder, graph);
    return end_comm(call, code, comm, graph);
}

int MPI_Comm_free(MPI_Comm *comm)
{
    struct mpi_trace_call *call = trace_begin(CALL_Comm_free, *comm, SITE);
    if (call)
        trace_object_remove(OBJECT_COMM, (uint64_t)(uintptr_t)*comm, comm);
    return trace_end(call, PMPI_Comm_free(comm));
}

/* ---- datatypes and operations ---- */

static int end_type(struct mpi_trace_call *call, int code, const MPI_Datatype *type)
{
    if (call && code == MPI_SUCCESS)
        trace_object_add(OBJECT_TYPE, call, (uint64_t)(uintptr_t)*type, type);
    return trace_end(call, code);
}

int MPI_Type_contiguous(int count, MPI_Datatype old, MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_contiguous, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_contiguous(count, old, new), new);
}

int MPI_Type_vector(int count, int length, int stride, MPI_Datatype old, MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_vector, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_vector(count, length, stride, old, new), new);
}

int MPI_Type_create_hvector(int count, int length, MPI_Aint stride, MPI_Datatype old, MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_create_hvector, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_create_hvector(count, length, stride, old, new), new);
}

int MPI_Type_indexed(int count, const int lengths[], const int places[], MPI_Datatype old, MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_indexed, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_indexed(count, lengths, places, old, new), new);
}

int MPI_Type_create_hindexed(int count, const int lengths[], const MPI_Aint places[], MPI_Datatype old,
                             MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_create_hindexed, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_create_hindexed(count, lengths, places, old, new), new);
}

int MPI_Type_create_indexed_block(int count, int length, const int places[], MPI_Datatype old, MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_create_indexed_block, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_create_indexed_block(count, length, places, old, new), new);
}

int MPI_Type_create_struct(int count, const int lengths[], const MPI_Aint places[], const MPI_Datatype types[],
                           MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_create_struct, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_create_struct(count, lengths, places, types, new), new);
}

int MPI_Type_create_subarray(int dimensions, const int sizes[], const int parts[], const int starts[], int order,
                             MPI_Datatype old, MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_create_subarray, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_create_subarray(dimensions, sizes, parts, starts, order, old, new), new);
}

int MPI_Type_create_resized(MPI_Datatype old, MPI_Aint lower, MPI_Aint extent, MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_create_resized, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_create_resized(old, lower, extent, new), new);
}

int MPI_Type_dup(MPI_Datatype old, MPI_Datatype *new)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_dup, MPI_COMM_NULL, SITE);
    return end_type(call, PMPI_Type_dup(old, new), new);
}

int MPI_Type_commit(MPI_Datatype *type)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_commit, MPI_COMM_NULL, SITE);
    return trace_end(call, PMPI_Type_commit(type));
}

int MPI_Type_free(MPI_Datatype *type)
{
    struct mpi_trace_call *call = trace_begin(CALL_Type_free, MPI_COMM_NULL, SITE);
    if (call)
        trace_object_remove(OBJECT_TYPE, (uint64_t)(uintptr_t)*type, type);
    return trace_end(call, PMPI_Type_free(type));
}

int MPI_Op_create(MPI_User_function *function, int commutes, MPI_Op *op)
{
    struct mpi_trace_call *call = trace_begin(CALL_Op_create, MPI_COMM_NULL, SITE);
    int code = PMPI_Op_create(function, commutes, op);
    if (call && code == MPI_SUCCESS)
        trace_object_add(OBJECT_OP, call, (uint64_t)(uintptr_t)*op, op);
    return trace_end(call, code);
}

int MPI_Op_free(MPI_Op *op)
{
    struct mpi_trace_call *call = trace_begin(CALL_Op_free, MPI_COMM_NULL, SITE);
    if (call)
        trace_object_remove(OBJECT_OP, (uint64_t)(uintptr_t)*op, op);
    return trace_end(call, PMPI_Op_free(op));
}

bool trace_own_operation(MPI_Op op)
{
    return trace_file() && trace_object_find(OBJECT_OP, (uint64_t)(uintptr_t)op, NULL) != NULL;
}

void trace_operation(struct mpi_trace_call *call, MPI_Op op)
{
    if (call && trace_own_operation(op))
        call->flags |= MPI_TRACE_OWN_OP;
}

/* ---- windows ---- */

static int end_window(struct mpi_trace_call *call, int code, MPI_Comm comm, const MPI_Win *win)
{
    if (call && code == MPI_SUCCESS) {
        trace_window_born(comm, *win);
        trace_object_add(OBJECT_WINDOW, call, (uint64_t)(uintptr_t)*win, win);
    }
    return trace_end(call, code);
}

int MPI_Win_create(void *base, MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm, MPI_Win *win)
{
    struct mpi_trace_call *call = begin_comm(CALL_Win_create, comm, SITE);
    return end_window(call, trace_fails(call) ? MPI_ERR_OTHER : PMPI_Win_create(base, size, unit, info, comm, win),
                      comm, win);
}

int MPI_Win_allocate(MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm, void *base, MPI_Win *win)
{
    struct mpi_trace_call *call = begin_comm(CALL_Win_allocate, comm, SITE);
    return end_window(call, trace_fails(call) ? MPI_ERR_OTHER : PMPI_Win_allocate(size, unit, info, comm, base, win),
                      comm, win);
}

/* What the other ranks read of shared memory nobody sees: all of it counts as given to them. */
int MPI_Win_allocate_shared(MPI_Aint size, int unit, MPI_Info info, MPI_Comm comm, void *base, MPI_Win *win)
{
    struct mpi_trace_call *call = begin_comm(CALL_Win_allocate_shared, comm, SITE);
    trace_gives(call, size, MPI_BYTE);
    return end_window(call,
                      trace_fails(call) ? MPI_ERR_OTHER : PMPI_Win_allocate_shared(size, unit, info, comm, base, win),
                      comm, win);
}

int MPI_Win_fence(int assertion, MPI_Win win)
{
    struct mpi_trace_call *call = trace_begin(CALL_Win_fence, MPI_COMM_NULL, SITE);
    trace_window(call, win, true);
    trace_blocks(call);
    return trace_end(call, PMPI_Win_fence(assertion, win));
}

int MPI_Win_free(MPI_Win *win)
{
    struct mpi_trace_call *call = trace_begin(CALL_Win_free, MPI_COMM_NULL, SITE);
    trace_window(call, *win, true);
    trace_blocks(call);
    if (call)
        trace_object_remove(OBJECT_WINDOW, (uint64_t)(uintptr_t)*win, win);
    return trace_end(call, PMPI_Win_free(win));
}

/* ---- one-sided communication: counted, with the bytes ---- */

/* Name, parameters, arguments: all the wrappers are alike. */
#define COUNTED_OF(name, count, type, parameters, arguments)                                                           \
    int MPI_##name parameters                                                                                          \
    {                                                                                                                  \
        struct mpi_trace_call *call = trace_begin(CALL_##name, MPI_COMM_NULL, SITE);                                   \
        trace_window(call, win, false);                                                                                \
        trace_gives(call, count, type);                                                                                \
        return trace_end(call, PMPI_##name arguments);                                                                 \
    }
#define COUNTED(name, parameters, arguments) COUNTED_OF(name, 0, MPI_BYTE, parameters, arguments)

COUNTED(Win_lock, (int type, int rank, int assertion, MPI_Win win), (type, rank, assertion, win))
COUNTED(Win_unlock, (int rank, MPI_Win win), (rank, win))
COUNTED(Win_lock_all, (int assertion, MPI_Win win), (assertion, win))
COUNTED(Win_unlock_all, (MPI_Win win), (win))
COUNTED(Win_flush, (int rank, MPI_Win win), (rank, win))
COUNTED_OF(Put, count, type,
           (const void *from, int count, MPI_Datatype type, int target, MPI_Aint place, int there,
            MPI_Datatype there_type, MPI_Win win),
           (from, count, type, target, place, there, there_type, win))
COUNTED_OF(Get, count, type,
           (void *into, int count, MPI_Datatype type, int target, MPI_Aint place, int there, MPI_Datatype there_type,
            MPI_Win win),
           (into, count, type, target, place, there, there_type, win))
COUNTED_OF(Accumulate, count, type,
           (const void *from, int count, MPI_Datatype type, int target, MPI_Aint place, int there,
            MPI_Datatype there_type, MPI_Op op, MPI_Win win),
           (from, count, type, target, place, there, there_type, op, win))
// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
COUNTED_OF(Get_accumulate, into_count, into_type,
           (const void *from, int count, MPI_Datatype type, void *into, int into_count, MPI_Datatype into_type,
            int target, MPI_Aint place, int there, MPI_Datatype there_type, MPI_Op op, MPI_Win win),
           (from, count, type, into, into_count, into_type, target, place, there, there_type, op, win))
COUNTED_OF(Fetch_and_op, 1, type,
           (const void *from, void *into, MPI_Datatype type, int target, MPI_Aint place, MPI_Op op, MPI_Win win),
           (from, into, type, target, place, op, win))
