/* views.h: the direct and the load-balanced view of a cluster of engines, after
   IPython.parallel (seed, section "IPython parallel"). Lab 02 is to write views.c
   behind this header. engines.h says what the engines themselves can do.

   All four functions use the engines that main.c has started, which are idle when
   the call begins, and idle again when it returns, whatever happened. They return
   0 when all is done, or -1 with errno:

     EIO     a task returned non-zero: its place in out is as it was, all the others are done
     ECHILD  an engine has died, now or before the call: what it worked on is
             unspecified, all that the other engines can do is done. A task whose
             engine died is not given out again: it might be what killed the engine.
             Where tasks failed and engines died, errno is ECHILD.
     EINVAL  there is no such engine, or no task */
#ifndef VIEWS_H
#define VIEWS_H

#include <stddef.h>

#include "engines.h"

/* out = task(in), on engine id; returns when it is done. Like cli[id].apply_sync(task).

   in: in_size bytes. out: room for out_size bytes, the caller's. */
int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size);

/* out[id] = task(in), once on every engine, on all at the same time; returns when
   all are done. Like cli[:].apply_sync(task).

   in: one element of in_size bytes, the same for all.
   out: room for engines_count(e) elements of out_size bytes each, the caller's. */
int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size);

/* out[i] = task(in[i]) for i in 0 ... count - 1, through the direct view: it is fixed
   beforehand who does what. Every engine has one block of neighbouring tasks; the
   blocks' sizes differ by at most one; each engine goes through its block at its own
   pace, whatever the others do. A block stays with its engine, also when that dies.
   Like cli[:].map(task, in).

   in, out: count elements of in_size and of out_size bytes, the caller's. */
int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count);

/* The same through the load-balanced view: the next task, in the order of in, goes to
   the first engine that is idle. No engine is idle while a task waits. Like
   cli.load_balanced_view().map(task, in). */
int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count);

#endif
