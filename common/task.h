/* task.h: the shape of a task, for the labs whose workers are processes (01 and 02). */
#ifndef TASK_H
#define TASK_H

/* A task reads one input element and writes one output element; both are
   plain bytes, whose sizes the caller has told to pool_map, apply_sync, ...
   It runs in a worker process. Returns 0 when done, anything else when it failed. */
typedef int (*task_fn)(const void *in, void *out);

#endif
