/* mpi_trace_record.h: what the wrappers (mpi_trace_p2p.c, _request.c,
   _collective.c, _object.c) need of the recorder. Not for main.c.

   A wrapper reads: trace_begin, what the call is about, the PMPI call, trace_end.
   trace_begin returns NULL when nothing is to be recorded (tracing is off, or the
   MPI library calls itself); everything below accepts that NULL. */
#ifndef MPI_TRACE_RECORD_H
#define MPI_TRACE_RECORD_H

#include <mpi.h>
#include <stdbool.h>

#include "mpi_trace.h"

/* A macro, because it must be the wrapper's own return address. */
#define SITE __builtin_return_address(0)

struct mpi_trace_call *trace_begin(enum mpi_trace_function function, MPI_Comm comm, const void *site);
int trace_end(struct mpi_trace_call *call, int code);
/* The same for a call that asks and does not wait: unanswered questions in a row make one record. */
int trace_end_poll(struct mpi_trace_call *call, int code, bool answered);

void trace_to(struct mpi_trace_call *call, int dest, int tag, int count, MPI_Datatype type);
void trace_from(struct mpi_trace_call *call, int source, int tag, int count, MPI_Datatype type);
/* The memory of the message: one of the standard's rules is that nobody writes what is being sent, and nobody touches
   what is being received into, until the request is completed (MPI 4.0, section 3.7.2). */
void trace_sends(struct mpi_trace_call *call, const void *buffer, int count, MPI_Datatype type);
void trace_receives(struct mpi_trace_call *call, const void *buffer, int count, MPI_Datatype type);
void trace_clash(struct mpi_trace_call *call); /* looks whether the buffer of call is in use */
/* The two arrays of a collective: of out elements out_first ... out_end - 1 are received. They must not overlap. */
void trace_arrays(struct mpi_trace_call *call, const void *in, int64_t in_count, MPI_Datatype in_type, const void *out,
                  int64_t out_first, int64_t out_end, MPI_Datatype out_type);
void trace_keeps(struct mpi_trace_call *call, const int *counts, int number); /* until its request is completed */
/* The memory of a call that has begun only: is it free by now (known under AddressSanitizer only)? What is in it that
   may not change, as a number; 0: nothing, or it is no longer there. */
bool trace_was_freed(const struct mpi_trace_call *call);
uint64_t trace_content(const struct mpi_trace_call *call);
bool trace_fails(const struct mpi_trace_call *call); /* LAB_MPI_FAIL: shall it fail, without being made? */
void trace_sent(struct mpi_trace_call *call);        /* the message of trace_to is on its way */
void trace_blocks(struct mpi_trace_call *call);      /* the call can wait for another rank */
void trace_got(struct mpi_trace_call *call, int code, const MPI_Status *status);
/* A collective: its number on the communicator, its root (-1: none), what this rank gives. */
void trace_collective(struct mpi_trace_call *call, MPI_Comm comm, int root, int64_t count, MPI_Datatype type);
void trace_gives(struct mpi_trace_call *call, int64_t count, MPI_Datatype type); /* to a collective, or a window */

void trace_operation(struct mpi_trace_call *call, MPI_Op op); /* of a reduction */
bool trace_own_operation(MPI_Op op);                          /* was it made by MPI_Op_create? */

bool trace_synchronous(void);                         /* LAB_MPI_SYNC */
void trace_append(const struct mpi_trace_call *call); /* to the ring */
struct mpi_trace_file *trace_file(void);              /* NULL: tracing is off */
uint64_t trace_now(void);
void trace_lock(void);
void trace_unlock(void);

/* ---- reductions in an order of our own (mpi_trace_order.c); as PMPI_Reduce and PMPI_Allreduce else ---- */

int trace_reduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm);
int trace_allreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm);

/* ---- communicators (mpi_trace_comm.c) ---- */

struct comm_info {
    uint32_t id;
    int size, rank;
    uint32_t children, collectives;
    int *world; /* world rank of each rank that can be a peer, peers of them */
    int peers;
    struct mpi_trace_comm *entry; /* in the file; NULL if there was no room */
};

void trace_comms_start(void);                          /* once, after PMPI_Init */
struct comm_info *trace_comm(MPI_Comm comm);           /* NULL for MPI_COMM_NULL */
void trace_comm_born(MPI_Comm parent, MPI_Comm child); /* gives child its number; every rank of parent must call it */
void trace_window_born(MPI_Comm parent, MPI_Win win);  /* the same for a window */
void trace_window(struct mpi_trace_call *call, MPI_Win win, bool collective); /* the call is on that window */
void trace_collective_on(struct mpi_trace_call *call, struct comm_info *info);
int trace_world_rank(uint32_t id, int rank); /* through the file's table */

/* ---- objects (mpi_trace_object.c) ---- */

void trace_object_add(enum mpi_trace_kind kind, const struct mpi_trace_call *made, uint64_t handle,
                      const void *variable);
struct mpi_trace_object *trace_object_find(enum mpi_trace_kind kind, uint64_t handle, const void *variable);
void trace_object_remove(enum mpi_trace_kind kind, uint64_t handle, const void *variable);

#endif
