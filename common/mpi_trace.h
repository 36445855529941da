/* mpi_trace.h: what the MPI tracing layer writes down, and what a lab's main.c
   tells it.

   A lab's MPI program is linked with the layer (mpi_trace*.c). It stands between
   the student's MPI_* calls and the MPI library (profiling interface, MPI 3.1,
   section 14.2) and keeps, for each rank, a file of fixed size in the folder that
   LAB_MPI_TRACE names: rank-0, rank-1, ... The file is mapped into memory, so it
   outlives a rank that hangs or is killed. mpi_story.h reads it.

   Whose calls are they? main.c says mpi_trace_mark(k) just before it calls the
   student's function for case k (k >= 0), and mpi_trace_mark(MPI_TRACE_OURS)
   just after. Calls outside such a pair are main.c's own: they are written down
   too (a rank that hangs there is of interest), but never held against the student.

   main.c should call MPI_*, not PMPI_*: a rank that waits in a call that is not written
   down looks as if it were computing. Compile with -g and, for the right source lines,
   -fno-optimize-sibling-calls: `return MPI_Send(...)` is else left before the call is made.

   Other environment: LAB_MPI_SYNC=1 makes every standard send synchronous, so that
   a send that works only because small messages are buffered hangs at every size.
   LAB_MPI_FAIL=<mark>: in the cases from that one on, the student's collective calls, and those that make a window, are
   not made and return MPI_ERR_OTHER, on every rank; LAB_MPI_FAIL=<mark>,once: only the first of them.
   LAB_MPI_HOLD=<seed> delays the student's calls by pseudo-random times and holds
   one rank back, chosen from the seed. */
#ifndef MPI_TRACE_H
#define MPI_TRACE_H

#include <stdint.h>

#define MPI_TRACE_OURS (-1)

/* The calls that follow belong to case mark (MPI_TRACE_OURS: to main.c itself). Not collective, costs nothing. */
void mpi_trace_mark(int mark);

/* The standard leaves it to the library in which order, in which brackets and in how large pieces it combines the
   ranks' elements. How MPI_Reduce and MPI_Allreduce do so in the calls that follow, if the program made the operation
   (MPI_Op_create) and tracing is on: as the library likes, or in one of the other ways that are allowed, chosen by
   seed. All ranks must have said the same. */
enum mpi_trace_way {
    MPI_TRACE_LIBRARY,  /* as the library likes */
    MPI_TRACE_BRACKETS, /* any two neighbours first; if the operation commutes (MPI_Op_create), in any order */
    MPI_TRACE_SINGLE,   /* so, and the operation is called for one element at a time */
    MPI_TRACE_MANY,     /* so, and the operation is called for more elements at a time than the program gave */
};
void mpi_trace_combine(enum mpi_trace_way way, uint64_t seed);

/* ---- the file: fixed-size records, no pointers ---- */

/* Every call that is written down. A list, because names and numbers must stay in step. */
// clang-format off
#define MPI_TRACE_CALLS(X) \
    X(Init) X(Init_thread) X(Finalize) X(Abort) X(Send) X(Ssend) X(Bsend) X(Rsend) X(Isend) X(Issend) X(Ibsend) \
    X(Irsend) X(Recv) X(Irecv) X(Sendrecv) X(Sendrecv_replace) X(Probe) X(Iprobe) X(Mprobe) X(Improbe) X(Mrecv) \
    X(Imrecv) X(Send_init) X(Ssend_init) X(Bsend_init) X(Rsend_init) X(Recv_init) X(Start) X(Startall) \
    X(Request_free) X(Cancel) X(Wait) X(Waitall) X(Waitany) X(Waitsome) X(Test) X(Testall) X(Testany) \
    X(Testsome) X(Barrier) X(Bcast) X(Gather) X(Gatherv) X(Scatter) X(Scatterv) X(Allgather) X(Allgatherv) \
    X(Alltoall) X(Alltoallv) X(Alltoallw) X(Reduce) X(Allreduce) X(Reduce_scatter) X(Reduce_scatter_block) \
    X(Scan) X(Exscan) X(Ibarrier) X(Ibcast) X(Igather) X(Igatherv) X(Iscatter) X(Iscatterv) X(Iallgather) \
    X(Iallgatherv) X(Ialltoall) X(Ialltoallv) X(Ireduce) X(Iallreduce) X(Ireduce_scatter) \
    X(Ireduce_scatter_block) X(Iscan) X(Iexscan) X(Comm_dup) X(Comm_split) X(Comm_split_type) X(Comm_create) \
    X(Comm_create_group) X(Cart_create) X(Comm_free) X(Type_contiguous) X(Type_vector) X(Type_create_hvector) \
    X(Type_indexed) X(Type_create_hindexed) X(Type_create_indexed_block) X(Type_create_struct) \
    X(Type_create_subarray) X(Type_create_resized) X(Type_dup) X(Type_commit) X(Type_free) X(Op_create) \
    X(Op_free) X(Win_create) X(Win_allocate) X(Win_allocate_shared) X(Win_free) X(Win_fence) X(Win_lock) \
    X(Win_unlock) X(Win_lock_all) X(Win_unlock_all) X(Win_flush) X(Put) X(Get) X(Accumulate) X(Get_accumulate) \
    X(Fetch_and_op) X(Neighbor_allgather) X(Neighbor_allgatherv) X(Neighbor_alltoall) X(Neighbor_alltoallv) \
    X(Neighbor_alltoallw) X(Ineighbor_allgather) X(Ineighbor_allgatherv) X(Ineighbor_alltoall) \
    X(Ineighbor_alltoallv) X(Ialltoallw) X(Comm_dup_with_info) X(Cart_sub) X(Graph_create) X(Dist_graph_create) \
    X(Dist_graph_create_adjacent)
// clang-format on

#define MPI_TRACE_NUMBER(name) CALL_##name,
enum mpi_trace_function { MPI_TRACE_CALLS(MPI_TRACE_NUMBER) CALL_COUNT, CALL_END = -1 };
#undef MPI_TRACE_NUMBER

#define MPI_TRACE_MAGIC 0x6d706974u
#define MPI_TRACE_VERSION 3u
#define MPI_TRACE_SLOTS 4     /* threads of a rank whose current call is kept */
#define MPI_TRACE_OBJECTS 256 /* objects that are alive at one time */
#define MPI_TRACE_COMMS 64
#define MPI_TRACE_MEMBERS 32 /* ranks of a communicator that are kept */
#define MPI_TRACE_RING 6000  /* finished calls that are kept; the file stays near 1 MiB */
#define MPI_TRACE_MAX_RANKS 64

enum { MPI_TRACE_ANY = -1, MPI_TRACE_NOBODY = -2, MPI_TRACE_UNKNOWN = -3 }; /* in place of a rank or tag */

struct mpi_trace_peer {
    int32_t used;  /* 0: the call has no such side */
    int32_t rank;  /* as the student wrote it, in the call's communicator */
    int32_t world; /* the same process in MPI_COMM_WORLD */
    int32_t tag;
    int64_t bytes;
};

enum mpi_trace_flag {
    MPI_TRACE_FAILED = 1,    /* it returned an error */
    MPI_TRACE_SENT = 2,      /* a message left (to) */
    MPI_TRACE_POLL = 4,      /* it asked, and there was nothing yet: repeats times in a row */
    MPI_TRACE_COMPLETED = 8, /* not a call: the end of an earlier non-blocking receive (got) */
    MPI_TRACE_BLOCKING = 16, /* it can wait for another rank */
    MPI_TRACE_OWN_OP = 32,   /* a reduction by an operation that the program made (MPI_Op_create) */
    MPI_TRACE_CLASH = 64,    /* its buffer overlaps with one that is in use: see clash */
    MPI_TRACE_BEYOND = 128,  /* it was told of more room than there is (known under AddressSanitizer only) */
};

struct mpi_trace_call {
    int32_t function; /* enum mpi_trace_function */
    int32_t mark;     /* case, or MPI_TRACE_OURS */
    int32_t flags;
    int32_t repeats;
    uint32_t comm; /* the same number on all ranks of a communicator (a window has one too); MPI_COMM_WORLD = 0 */
    int32_t comm_size, comm_rank;
    int32_t root;                        /* of a collective, in its communicator; -1 if it has none */
    uint32_t sequence;                   /* of a collective: the how-manieth on its communicator, from 1; else 0 */
    int32_t of;                          /* of a wait: the function that made the request; else -1 */
    struct mpi_trace_peer to, from, got; /* destination; source asked for; source that came */
    int64_t count,
        bytes;     /* what this rank gives to a collective (takes from a scatter or broadcast), or puts into or gets
                      from a window; requests of a wait */
    uint64_t site; /* return address in the program minus its load address */
    uint64_t begin, end; /* CLOCK_MONOTONIC, nanoseconds */
    /* Of a message: the bytes in memory that are sent, or received into. length = 0: none, or with gaps. */
    uint64_t buffer, length;
    uint64_t kept, kept_length; /* what else MPI may read until a request is completed: a collective's counts */
    int32_t writes;             /* the call receives into them */
    /* The call whose buffer was still in use: one of an open request, or this one's own other buffer. */
    int32_t clash;
    uint64_t clash_site;
};

enum mpi_trace_kind {
    OBJECT_NONE,
    OBJECT_TYPE,
    OBJECT_OP,
    OBJECT_COMM,
    OBJECT_REQUEST,
    OBJECT_MESSAGE,
    OBJECT_WINDOW,
    OBJECT_KINDS
};

struct mpi_trace_object {
    int32_t kind;               /* enum mpi_trace_kind; OBJECT_NONE: the entry is free */
    int32_t waiting;            /* a request that the current wait, or the last test, found unfinished */
    int32_t persistent;         /* made by MPI_Send_init and the like */
    int32_t active;             /* a request that has been started */
    int32_t given_away;         /* a send's request that was freed before the send had ended */
    uint64_t content;           /* of a request: a hash of what may not change until it is completed */
    uint64_t handle, variable;  /* to find it again; of no meaning to others */
    struct mpi_trace_call made; /* the call that made it */
};

struct mpi_trace_comm {
    int32_t state; /* 0 never used, 1 alive, 2 freed */
    uint32_t id;
    int32_t size, rank;
    uint32_t collectives;              /* collective calls that this rank has entered on it */
    int32_t last_function;             /* the last of them */
    int32_t member[MPI_TRACE_MEMBERS]; /* world ranks */
};

struct mpi_trace_slot {
    int32_t active, unused;
    struct mpi_trace_call call; /* valid while active */
};

struct mpi_trace_file {
    uint32_t magic, version;
    int32_t rank, size, pid, mark;
    int32_t finalized, exited, aborted;
    int32_t unused;
    struct mpi_trace_peer unreceived;  /* at MPI_Finalize: a message in the world that nobody received */
    uint64_t changes;                  /* grows with every call begun or ended: stands still in a hang */
    uint64_t objects_lost, comms_lost; /* that found no free entry */
    int64_t counters[2][CALL_COUNT];   /* calls begun: [0] by main.c, [1] by the student */
    struct mpi_trace_slot slot[MPI_TRACE_SLOTS];
    struct mpi_trace_comm comm[MPI_TRACE_COMMS];
    struct mpi_trace_object object[MPI_TRACE_OBJECTS];
    uint64_t written; /* records so far; record k is at ring[k % MPI_TRACE_RING] */
    struct mpi_trace_call ring[MPI_TRACE_RING];
};

#endif
