/* mpi_story.h: what the files of the MPI tracing layer (mpi_trace.h) tell, in words
   that a student understands: who waits for whom, which collective was called by
   whom, what was never freed or received.

   The files are hostile data: a student's program had them mapped. They are
   evidence of how it worked, never of whether its result is right.

   Functions that return char * return NULL if there is nothing to complain of,
   else words for the student, malloc'd: the caller frees them (or fails the test). */
#ifndef MPI_STORY_H
#define MPI_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpi_trace.h"

#define MPI_STORY_ALL (-2) /* in place of a mark: every call of the student's, whatever the case */

#define MPI_CALLS(...) ((const int[]){__VA_ARGS__, CALL_END}) /* MPI_CALLS(CALL_Allgather, CALL_Allgatherv) */

struct mpi_story_rank {
    bool present;  /* it came out of MPI_Init and its file is sound */
    bool finished; /* it is in MPI_Finalize, or has gone */
    bool in_call;
    bool polling; /* not in a call that blocks, but asking again and again (last of calls) */
    bool lost;    /* more calls were made than the ring holds; calls are the last ones */
    struct mpi_trace_call current;
    struct mpi_trace_call *calls; /* finished calls, the oldest first; count of them */
    size_t count;
    struct mpi_trace_file *file; /* the copy that was read, with every index made safe */
};

struct mpi_story;

/* Reads rank-0 ... rank-<ranks - 1> of folder. program is the file whose source lines
   are named (as the suite sees it; NULL: no lines are named). ranks <= MPI_TRACE_MAX_RANKS.
   A rank whose file is missing or unsound is not present. Never NULL. */
struct mpi_story *mpi_story_read(const char *folder, int ranks, const char *program);
void mpi_story_free(struct mpi_story *story);

const struct mpi_story_rank *mpi_story_rank(const struct mpi_story *story, int rank);

/* Are all ranks present, and no call, object or communicator lost for want of room? */
bool mpi_story_whole(const struct mpi_story *story);
/* Are all ranks present? Where the program ended well and one is not, somebody tampered with its file. */
bool mpi_story_present(const struct mpi_story *story);
/* The first rank that made more calls than are kept; -1: none. That is no tampering: who sends every element by
   itself makes many calls. */
int mpi_story_overflow(const struct mpi_story *story);

/* Grows with every call of every rank. Two readings some time apart that are equal, and
   mpi_story_hang saying deadlock both times: the deadlock is certain, before any time limit. */
uint64_t mpi_story_changes(const struct mpi_story *story);

enum mpi_verdict {
    MPI_STORY_DEADLOCK, /* some ranks can never go on, whatever the others do */
    MPI_STORY_BUSY,     /* a rank that could go on has not ended in time */
    MPI_STORY_ENDED,    /* every rank has come to its end */
};

/* Who waits for whom. *words is always set (malloc'd): "deadlock: rank 0 waits in MPI_Recv(source=1, tag=11) at
   sendrecv.c:31, ..." with the likely cause, or who is computing. */
enum mpi_verdict mpi_story_hang(struct mpi_story *story, char **words);

/* How often rank made a call out of functions (ended by CALL_END) in the case mark. */
long mpi_story_count(const struct mpi_story *story, int rank, int mark, const int *functions);

/* Insists that in the case mark calls out of functions joined size ranks: on one communicator of that size, by each of
   its ranks the same number of times (times > 0: that many); or, with times = 0, on several communicators, such as
   halves and their leaders, that hang together. */
char *mpi_story_collective(struct mpi_story *story, int mark, int size, const int *functions, int times);

/* Did reductions by an operation of the program's own (MPI_Op_create) join size ranks in the case mark, as above? */
bool mpi_story_own_reduction(struct mpi_story *story, int mark, int size);

/* What the student's code made in the case mark and never freed or completed: datatypes, operations, communicators,
   requests, windows. */
char *mpi_story_objects(struct mpi_story *story, int mark);

/* Collective calls in the case mark that do not fit each other: another one on another rank, another root, or other
   elements in a reduction. */
char *mpi_story_mismatch(struct mpi_story *story, int mark);

/* Memory that a message used while another one was still using it, in a way that is not allowed: an array received into
   before MPI_Wait has ended its MPI_Isend, for example. The first such call. */
char *mpi_story_clash(struct mpi_story *story, int mark);

/* A ready send (MPI_Rsend and the like) that began before the receive that took its message: it may fail, or be lost. */
char *mpi_story_not_ready(struct mpi_story *story, int mark);

/* Messages sent in the case mark that were never received by its end (or by anybody, in any case after it). */
char *mpi_story_unreceived(struct mpi_story *story, int mark);

/* The messages and collectives of the case mark as a message sequence chart: a column a rank, a line for each, in
   order of time. NULL: there were none. */
char *mpi_story_chart(struct mpi_story *story, int mark);

/* The same as a picture (SVG), with every call and its source line. NULL: no call was made. */
char *mpi_story_svg(struct mpi_story *story, int mark);

/* "MPI_Send" for CALL_Send. */
const char *mpi_story_name(int function);

#endif
