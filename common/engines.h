/* engines.h: a cluster of engine processes, given to lab 02. Each engine runs
   one task at a time; ids are 0 ... count - 1.

   Source: the engines that `ipcluster start -n 4` starts in the seed's section
   "IPython parallel". Nothing here may be called from inside a task. Calls for
   different ids may come from different threads at the same time; engines_any
   and engines_stop want the cluster for themselves. */
#ifndef ENGINES_H
#define ENGINES_H

#include <stddef.h>
#include <sys/types.h>

#include "task.h"

struct engines;

/* Forks count engines. The caller ends them with engines_stop; an engine whose
   caller has died ends by itself when its task is done.
   count < 1: NULL, EINVAL; a fork or socketpair that fails: NULL and its errno. */
struct engines *engines_start(int count);

int engines_count(const struct engines *e);

/* The process id of engine id, also when it is dead: until engines_stop the
   number belongs to no other process. -1, EINVAL if there is no such engine. */
pid_t engines_pid(const struct engines *e, int id);

/* Gives engine id one task: in (in_size bytes; NULL if 0) is copied before the
   call returns; the result will have out_size bytes. The task sees in and out
   aligned for any type, and out filled with zero bytes. Returns 0, or -1 with EINVAL
   (no such id, no task, no in), EBUSY (id has a task that was not collected),
   ECHILD (the engine is dead), EFAULT (in is no memory of the caller's; the engine is lost). */
int engines_submit(struct engines *e, int id, task_fn task, const void *in, size_t in_size, size_t out_size);

/* Blocks until a busy engine has finished (or died) and returns its id; the
   result still has to be collected. Where several have finished they take turns.
   -1, ECHILD if no engine is busy. */
int engines_any(struct engines *e);

/* Blocks for the result of engine id and copies it to out (out_size bytes, as
   told to engines_submit; NULL if 0); the engine is idle again. Returns 0, or -1
   with EIO (the task failed; out is as it was), ECHILD (the engine died; it is no
   longer busy, and takes no further task; out is unspecified), EINVAL (no such id,
   it has no task, no out), EFAULT (out is no memory of the caller's; the engine is lost). */
int engines_collect(struct engines *e, int id, void *out);

/* Ends all engines, in the middle of a task if they are busy, waits for them,
   and frees e. NULL is allowed. */
void engines_stop(struct engines *e);

#endif
