/* mpi_story_run.h: runs an MPI program as a suite does, and judges how it ended by
   what the tracing layer wrote down: a hang in the story's words (who waits for
   whom, at which line), as soon as it is certain; a rank that died by its signal. */
#ifndef MPI_STORY_RUN_H
#define MPI_STORY_RUN_H

#include "judge.h"
#include "mpi_story.h"

/* Runs the lab's program with how->ranks ranks in the current folder and reads what
   the ranks wrote down there. how->watch must be NULL: it is used here. The run is
   ended before its time limit when its ranks are deadlocked for certain. The caller
   calls run_free(r) and mpi_story_free. */
struct mpi_story *run_mpi(struct run *r, const struct launch *how, const char *const *args);

/* Every rank ended by itself, in time, with exit status 0, and left no process
   behind; else the test fails with deadlock, timeout, signal, memory, exit, ... */
void expect_mpi_success(const struct run *r, struct mpi_story *story);

/* For tests of how the work was done: every rank's calls are there, all of them. Else the test fails with tamper, or,
   where there were too many of them, with method. */
void expect_written_down(const struct run *r, const struct mpi_story *story);

/* The first rank that called MPI_Abort, in main.c (ours) or in the tested function; -1: none did. */
int mpi_aborting_rank(const struct mpi_story *story, bool ours);

/* What an error of MPI that is named in a program's words probably comes from; "" if there is nothing to say. */
const char *mpi_error_advice(const char *said);

/* Of the student's calls in the case mark (MPI_STORY_ALL: in all): no message is left
   unreceived, no request, datatype, operation, communicator or window left over. */
void expect_nothing_left(const struct run *r, struct mpi_story *story, int mark);

#endif
