/* mpi_story_parts.h: what the files of mpi_story share with each other, and with nobody else. */
#ifndef MPI_STORY_PARTS_H
#define MPI_STORY_PARTS_H

#include <stdio.h>

#include "mpi_story.h"

#define SITES 256 /* source lines that are named at most */

struct mpi_story {
    int ranks;
    uint64_t now; /* when it was read, CLOCK_MONOTONIC nanoseconds */
    struct mpi_story_rank rank[MPI_TRACE_MAX_RANKS];
    char *program;
    bool resolved; /* addr2line has been asked */
    size_t site_count;
    uint64_t site[SITES];
    char *line[SITES]; /* "sendrecv.c:31", or "" */
};

/* A message: a send, and whether somebody took it. */
struct message {
    int source, dest; /* world ranks */
    uint32_t comm;
    int tag;
    bool received;
    const struct mpi_trace_object *claimed; /* the open receive that it goes to, or NULL */
    const struct mpi_trace_call *call;      /* the send */
    const struct mpi_trace_call *taken;     /* the receive, or NULL */
};

struct messages {
    struct message *list;
    size_t count;
};

struct messages messages_of(const struct mpi_story *story);

/* Words, written to out. */
void say_site(FILE *out, struct mpi_story *story, uint64_t site); /* " at sendrecv.c:31", or nothing */
void say_call(FILE *out, struct mpi_story *story,
              const struct mpi_trace_call *c);        /* MPI_Recv(source=1, tag=11) at ... */
void say_ranks(FILE *out, const bool *in, int ranks); /* "rank 0", "ranks 0, 1 and 3" */
const char *tag_text(int tag, char buffer[32]);       /* "11" or "MPI_ANY_TAG" */

/* Do two parts of one reduction not fit each other: elements of other sizes, or the operation of one rank only is its
   own? say_unlike says so; theirs is of rank other. */
bool unlike(const struct mpi_trace_call *call, const struct mpi_trace_call *theirs);
void say_unlike(FILE *out, struct mpi_story *story, int rank, const struct mpi_trace_call *call, int other,
                const struct mpi_trace_call *theirs);
bool same_collective(const struct mpi_trace_call *a, const struct mpi_trace_call *b); /* are they parts of one? */
bool mark_matches(int asked, int mark);
bool is_wait(int function);
bool in_set(int function, const int *functions);

#endif
