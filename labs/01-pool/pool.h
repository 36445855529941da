/* pool.h: a pool of worker processes, after Python's multiprocessing.Pool (seed,
   section "multiprocessing"). Lab 01 is to write pool.c behind this header. */
#ifndef POOL_H
#define POOL_H

#include <stddef.h>

#include "task.h"

struct pool;

/* Forks `processes` workers, which wait for tasks. The caller owns the pool and
   gives it to pool_destroy. On failure returns NULL: errno is EINVAL if processes
   < 1, otherwise what the call that failed said (fork, socketpair, ...). */
struct pool *pool_create(int processes);

/* out[i] = task(in[i]) for i in 0 ... count - 1, in order, each task in a worker.

   in:  count elements of in_size bytes each.
   out: room for count elements of out_size bytes each, the caller's.
   chunk: elements that one worker does together; 0 lets the pool choose. A worker gets
          its next chunk as soon as it has finished the one before.

   Returns 0 when all is done, or -1 with errno:
     EIO    a task returned non-zero; the others still ran, and their results are in out.
     ECHILD a worker died; out is unspecified, and so it stays with this pool.
     ENOMEM there is no memory for the elements and results; no task ran. */
int pool_map(struct pool *pool, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk);

/* Ends the workers and frees the pool; afterwards no process (not even a zombie), no
   descriptor and no shared memory of it is left. NULL is allowed. Returns 0. */
int pool_destroy(struct pool *pool);

#endif
