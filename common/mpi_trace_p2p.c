/* mpi_trace_p2p.c: the student's point-to-point calls, written down. */
#include "mpi_trace_record.h"

static uint64_t key(MPI_Request request)
{
    return (uint64_t)(uintptr_t)request;
}

static uint64_t message_key(MPI_Message message)
{
    return (uint64_t)(uintptr_t)message;
}

/* ---- sends ---- */

/* The four modes differ in one word, and so do their wrappers. */
#define SEND(name, function)                                                                                           \
    int MPI_##name(const void *buffer, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm)                 \
    {                                                                                                                  \
        struct mpi_trace_call *call = trace_begin(CALL_##name, comm, SITE);                                            \
        trace_to(call, dest, tag, count, type);                                                                        \
        trace_sends(call, buffer, count, type);                                                                        \
        trace_sent(call);                                                                                              \
        trace_blocks(call);                                                                                            \
        return trace_end(call, (function)(buffer, count, type, dest, tag, comm));                                      \
    }

SEND(Send, trace_synchronous() ? PMPI_Ssend : PMPI_Send)
SEND(Ssend, PMPI_Ssend)
SEND(Bsend, PMPI_Bsend)
SEND(Rsend, PMPI_Rsend)

static int end_request(struct mpi_trace_call *call, int code, MPI_Request *request)
{
    if (call && code == MPI_SUCCESS)
        trace_object_add(OBJECT_REQUEST, call, key(*request), request);
    return trace_end(call, code);
}

#define ISEND(name, function, starts)                                                                                  \
    int MPI_##name(const void *buffer, int count, MPI_Datatype type, int dest, int tag, MPI_Comm comm,                 \
                   MPI_Request *request)                                                                               \
    {                                                                                                                  \
        struct mpi_trace_call *call = trace_begin(CALL_##name, comm, SITE);                                            \
        trace_to(call, dest, tag, count, type);                                                                        \
        trace_sends(call, buffer, count, type);                                                                        \
        if (starts)                                                                                                    \
            trace_sent(call);                                                                                          \
        return end_request(call, (function)(buffer, count, type, dest, tag, comm, request), request);                  \
    }

ISEND(Isend, trace_synchronous() ? PMPI_Issend : PMPI_Isend, true)
ISEND(Issend, PMPI_Issend, true)
ISEND(Ibsend, PMPI_Ibsend, true)
ISEND(Irsend, PMPI_Irsend, true)
ISEND(Send_init, trace_synchronous() ? PMPI_Ssend_init : PMPI_Send_init, false)
ISEND(Ssend_init, PMPI_Ssend_init, false)
ISEND(Bsend_init, PMPI_Bsend_init, false)
ISEND(Rsend_init, PMPI_Rsend_init, false)

/* ---- receives ---- */

int MPI_Recv(void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Recv, comm, SITE);
    MPI_Status own, *seen = status == MPI_STATUS_IGNORE ? &own : status;
    trace_from(call, source, tag, count, type);
    trace_receives(call, buffer, count, type);
    trace_blocks(call);
    int code = PMPI_Recv(buffer, count, type, source, tag, comm, seen);
    trace_got(call, code, seen);
    return trace_end(call, code);
}

#define IRECV(name)                                                                                                    \
    int MPI_##name(void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm,                     \
                   MPI_Request *request)                                                                               \
    {                                                                                                                  \
        struct mpi_trace_call *call = trace_begin(CALL_##name, comm, SITE);                                            \
        trace_from(call, source, tag, count, type);                                                                    \
        trace_receives(call, buffer, count, type);                                                                     \
        return end_request(call, PMPI_##name(buffer, count, type, source, tag, comm, request), request);               \
    }

IRECV(Irecv)
IRECV(Recv_init)

/* MPI_Sendrecv as a library that never buffers would do it. */
// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
static int synchronous_sendrecv(const void *out, int out_count, MPI_Datatype out_type, int dest, int out_tag, void *in,
                                int in_count, MPI_Datatype in_type, int source, int in_tag, MPI_Comm comm,
                                MPI_Status *status)
{
    MPI_Request receive, send;
    int code = PMPI_Irecv(in, in_count, in_type, source, in_tag, comm, &receive);
    if (code != MPI_SUCCESS)
        return code;
    code = PMPI_Issend(out, out_count, out_type, dest, out_tag, comm, &send);
    if (code != MPI_SUCCESS) {
        PMPI_Cancel(&receive);
        PMPI_Wait(&receive, MPI_STATUS_IGNORE);
        return code;
    }
    code = PMPI_Wait(&receive, status);
    int sent = PMPI_Wait(&send, MPI_STATUS_IGNORE);
    return code != MPI_SUCCESS ? code : sent;
}

// NOLINTNEXTLINE(readability-function-size): the parameters are the MPI standard's
int MPI_Sendrecv(const void *out, int out_count, MPI_Datatype out_type, int dest, int out_tag, void *in, int in_count,
                 MPI_Datatype in_type, int source, int in_tag, MPI_Comm comm, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Sendrecv, comm, SITE);
    MPI_Status own, *seen = status == MPI_STATUS_IGNORE ? &own : status;
    trace_from(call, source, in_tag, in_count, in_type);
    trace_to(call, dest, out_tag, out_count, out_type);
    trace_sends(call, out, out_count, out_type);
    trace_receives(call, in, in_count, in_type);
    trace_sent(call);
    trace_blocks(call);
    int code = (trace_synchronous() ? synchronous_sendrecv : PMPI_Sendrecv)(
        out, out_count, out_type, dest, out_tag, in, in_count, in_type, source, in_tag, comm, seen);
    trace_got(call, code, seen);
    return trace_end(call, code);
}

int MPI_Sendrecv_replace(void *buffer, int count, MPI_Datatype type, int dest, int out_tag, int source, int in_tag,
                         MPI_Comm comm, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Sendrecv_replace, comm, SITE);
    MPI_Status own, *seen = status == MPI_STATUS_IGNORE ? &own : status;
    trace_from(call, source, in_tag, count, type);
    trace_to(call, dest, out_tag, count, type);
    trace_receives(call, buffer, count, type);
    trace_sent(call);
    trace_blocks(call);
    int code = PMPI_Sendrecv_replace(buffer, count, type, dest, out_tag, source, in_tag, comm, seen);
    trace_got(call, code, seen);
    return trace_end(call, code);
}

/* ---- probes ---- */

int MPI_Probe(int source, int tag, MPI_Comm comm, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Probe, comm, SITE);
    trace_from(call, source, tag, 0, MPI_BYTE);
    trace_blocks(call);
    return trace_end(call, PMPI_Probe(source, tag, comm, status));
}

int MPI_Iprobe(int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Iprobe, comm, SITE);
    trace_from(call, source, tag, 0, MPI_BYTE);
    int code = PMPI_Iprobe(source, tag, comm, flag, status);
    return trace_end_poll(call, code, code != MPI_SUCCESS || *flag);
}

int MPI_Mprobe(int source, int tag, MPI_Comm comm, MPI_Message *message, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Mprobe, comm, SITE);
    trace_from(call, source, tag, 0, MPI_BYTE);
    trace_blocks(call);
    int code = PMPI_Mprobe(source, tag, comm, message, status);
    if (call && code == MPI_SUCCESS)
        trace_object_add(OBJECT_MESSAGE, call, message_key(*message), message);
    return trace_end(call, code);
}

int MPI_Improbe(int source, int tag, MPI_Comm comm, int *flag, MPI_Message *message, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Improbe, comm, SITE);
    trace_from(call, source, tag, 0, MPI_BYTE);
    int code = PMPI_Improbe(source, tag, comm, flag, message, status);
    if (call && code == MPI_SUCCESS && *flag)
        trace_object_add(OBJECT_MESSAGE, call, message_key(*message), message);
    return trace_end_poll(call, code, code != MPI_SUCCESS || *flag);
}

/* A message handle does not tell its communicator; the probe that made it does. */
static void take_message(struct mpi_trace_call *call, MPI_Message *message, int count, MPI_Datatype type)
{
    struct mpi_trace_object *probed = call ? trace_object_find(OBJECT_MESSAGE, message_key(*message), message) : NULL;
    if (!probed)
        return;
    call->comm = probed->made.comm;
    call->comm_size = probed->made.comm_size;
    call->comm_rank = probed->made.comm_rank;
    trace_from(call, MPI_ANY_SOURCE, MPI_ANY_TAG, count, type); /* for count and bytes; whom it asked is known: */
    call->from.rank = probed->made.from.rank;
    call->from.world = probed->made.from.world;
    call->from.tag = probed->made.from.tag;
    trace_object_remove(OBJECT_MESSAGE, message_key(*message), message);
}

int MPI_Mrecv(void *buffer, int count, MPI_Datatype type, MPI_Message *message, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Mrecv, MPI_COMM_NULL, SITE);
    MPI_Status own, *seen = status == MPI_STATUS_IGNORE ? &own : status;
    take_message(call, message, count, type);
    trace_receives(call, buffer, count, type);
    int code = PMPI_Mrecv(buffer, count, type, message, seen);
    trace_got(call, code, seen);
    return trace_end(call, code);
}

int MPI_Imrecv(void *buffer, int count, MPI_Datatype type, MPI_Message *message, MPI_Request *request)
{
    struct mpi_trace_call *call = trace_begin(CALL_Imrecv, MPI_COMM_NULL, SITE);
    take_message(call, message, count, type);
    trace_receives(call, buffer, count, type);
    return end_request(call, PMPI_Imrecv(buffer, count, type, message, request), request);
}
