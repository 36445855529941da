/* pool.c: a pool of worker processes.

   The parent and each worker share a socket pair. The parent sends a worker a
   request: a header, and the elements of one chunk. The worker reads all of it,
   runs the task on each element, and answers: a header, and the results. A worker
   only ever waits for the next request or for the parent to take its answer, and
   the parent waits in poll for any worker that has something to say, so neither
   can wait for the other at the same time. */
#include "pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* BEGIN TODO 1: the pool, and what travels between parent and worker */
/* Think first: what does the parent have to know of each worker? What must a message
   to a worker carry, so that the worker can run the tasks and answer? (The task's
   address is valid in the worker too: fork copies the process.) Elements can be larger
   than a pipe or socket takes at once: write two helpers here that send and receive
   exactly n bytes, however many calls that takes. */
struct pool {
    int processes;
};
/* END TODO 1 */

/* BEGIN TODO 2: what a worker does until the parent hangs up */
/* Write the worker: a loop that receives a chunk, calls the task on each of its
   elements, and sends back the results and whether a task failed. It ends, with
   _exit, when the parent has hung up; it must never return to the caller. */
/* END TODO 2 */

/* BEGIN TODO 3: start one worker */
/* Write a function that starts one worker: socketpair (or two pipes), fork; the
   child closes what is not its own, and serves; the parent keeps its end. */
/* END TODO 3 */

struct pool *pool_create(int processes)
{
    /* BEGIN TODO 4: check the argument, start the workers */
    /* EINVAL if processes < 1. Allocate the pool. fflush(NULL) before the first fork:
       why? Start the workers; if one cannot be started, end those before it. */
    (void)processes;
    errno = ENOSYS; /* "Function not implemented": replace this */
    return NULL;
    /* END TODO 4 */
}

/* BEGIN TODO 5: give a worker its next chunk; take back its results */
/* Write two helpers: one gives an idle worker its next chunk, the other takes the
   results of a worker that has answered and copies them to their place in out. */
/* END TODO 5 */

int pool_map(struct pool *pool, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk)
{
    /* BEGIN TODO 6: a first chunk for every worker, then a chunk for each answer */
    /* chunk == 0: choose one. Give every worker a chunk, then wait (poll) for whoever
       answers first, take its results and give it the next chunk, until all are done.
       A task failed: EIO, at the end. A worker died: ECHILD, now and from now on. */
    (void)pool, (void)task, (void)in, (void)in_size, (void)out, (void)out_size, (void)count, (void)chunk;
    errno = ENOSYS;
    return -1;
    /* END TODO 6 */
}

int pool_destroy(struct pool *pool)
{
    /* BEGIN TODO 7: hang up, wait for every worker, free */
    /* Hang up on every worker, wait for each with waitpid, free the pool. */
    (void)pool;
    return 0;
    /* END TODO 7 */
}
