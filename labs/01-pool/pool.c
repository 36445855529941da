/* pool.c: a pool of worker processes.

   Parent and workers see the same memory. It begins with a board, on which the parent
   writes what is to be done; the elements follow, and room for the results. The parent
   wakes the workers, and sleeps. Each worker takes one chunk after the other: which is
   the next one says a counter on the board, that all of them add to. So a chunk costs
   no message. The last worker to finish wakes the parent.

   Parent and each worker also share a socket pair. A byte through it wakes the other
   side; and it tells each side when the other one has died, which memory cannot. */
#include "pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* BEGIN TODO 1: the board that all processes see, and the pool */
/* Think first: what must a worker know to do its part of a map? All of that goes on the
   board, where the workers can see it. (The task's address is valid in a worker too:
   fork copies the process.) What do several processes change at the same time? That has
   to be atomic. And what does the parent alone have to know of each worker? Write helpers
   here that make the board, that let a process see more of the shared memory than before,
   and that send and receive the byte which wakes the other side. */
struct pool {
    int processes;
};
/* END TODO 1 */

/* BEGIN TODO 2: what a worker does until the parent hangs up */
/* Write the worker: a loop that sleeps until it is woken, takes chunks and runs their
   tasks until no chunk is left, and, if it is the last to finish, wakes the parent. It
   ends, with _exit, when the parent has hung up, and looks for that between chunks, too;
   it must never return to the caller. */
/* END TODO 2 */

/* BEGIN TODO 3: start one worker */
/* Write a function that starts one worker: socketpair, fork; the child closes what is
   not its own, and serves; the parent keeps its end. */
/* END TODO 3 */

struct pool *pool_create(int processes)
{
    /* BEGIN TODO 4: check the argument, make the board, start the workers */
    /* EINVAL if processes < 1. Allocate the pool. Make the board. fflush(NULL) before
       the first fork: why? Start the workers; if one cannot be started, end those
       before it. */
    (void)processes;
    errno = ENOSYS; /* "Function not implemented": replace this */
    return NULL;
    /* END TODO 4 */
}

/* BEGIN TODO 5: what the parent does in a map */
/* Write three helpers: one plans a map (how many chunks? where do elements and results
   lie?), one writes the plan and the elements to where the workers see them, one wakes
   the workers and sleeps until the last of them is done, or until one has died. */
/* END TODO 5 */

int pool_map(struct pool *pool, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk)
{
    /* BEGIN TODO 6: elements onto the board, let the workers work, results from the board */
    /* chunk == 0: choose one. Elements in, let the workers work, results out.
       A task failed: EIO, at the end. A worker died: ECHILD, now and from now on. */
    (void)pool, (void)task, (void)in, (void)in_size, (void)out, (void)out_size, (void)count, (void)chunk;
    errno = ENOSYS;
    return -1;
    /* END TODO 6 */
}

int pool_destroy(struct pool *pool)
{
    /* BEGIN TODO 7: hang up, wait for every worker, free */
    /* Hang up on every worker, wait for each with waitpid, give back all memory. */
    (void)pool;
    return 0;
    /* END TODO 7 */
}
