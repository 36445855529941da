/* views.c: two ways to spread tasks over engines.

   The direct view decides beforehand: every engine gets a block of neighbouring
   tasks. That needs no further decision, but where the tasks differ in length,
   some engines are done long before the last. The balanced view decides as late
   as it can: whoever is idle gets the next task. No engine is then idle before the
   last task has been given out, so that the last engine ends at most one task
   after the first (Graham's list scheduling, 1966: at most 2 - 1/engines times the
   best that is possible).

   Both are the same loop: give every engine a task, wait for whichever is done
   first, take its result, give it another one. They differ in what "another" is. */
#include "views.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    /* BEGIN TODO 1: hand the task over, wait for its result */
    /* engines_submit hands the task over and returns at once; engines_collect waits for
       its result. Both return -1 and set errno where something is wrong. */
    (void)e, (void)id, (void)task, (void)in, (void)in_size, (void)out, (void)out_size;
    errno = ENOSYS; /* "Function not implemented": replace this */
    return -1;
    /* END TODO 1 */
}

/* BEGIN TODO 2: remember what went wrong */
/* The functions below go on when a task fails or an engine dies, and return -1 at the
   end. Write what they share: a helper that keeps errno (ECHILD, once seen, stays), and
   one that turns what was kept into a return value and errno. */
/* END TODO 2 */

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    /* BEGIN TODO 3: start all, then collect all */
    /* If you collect from an engine before the next one has its task, they take turns.
       out of engine id begins at (char *)out + id * out_size. What if one of them fails? */
    (void)e, (void)task, (void)in, (void)in_size, (void)out, (void)out_size;
    errno = ENOSYS;
    return -1;
    /* END TODO 3 */
}

/* BEGIN TODO 4: give an engine a task; take back a result */
/* Both maps give an engine a task, and later put its result in its place. What has to be
   remembered of each engine in between? Write the two helpers: one submits task number
   index to engine id and says whether the engine took it; the other waits with
   engines_any for whichever engine is done, and collects. */
/* END TODO 4 */

/* BEGIN TODO 5: where an engine's block begins */
/* Write a function that says at which task the block of engine id begins, so that the
   blocks' sizes differ by at most one, for every count and every number of engines.
   Try it on paper: 10 tasks on 4 engines, 3 tasks on 4, 0 tasks. */
/* END TODO 5 */

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count)
{
    /* BEGIN TODO 6: every engine goes through its own block */
    /* Give every engine the first task of its block (if there is one). Then, as long as an
       engine is busy: wait for any, and give that one the next task of its own block. */
    (void)e, (void)task, (void)in, (void)in_size, (void)out, (void)out_size, (void)count;
    errno = ENOSYS;
    return -1;
    /* END TODO 6 */
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count)
{
    /* BEGIN TODO 7: the next task goes to the first idle engine */
    /* Give every engine a task. Then, as long as an engine is busy: wait for any, and give
       that one the next task of all. What if an engine does not take it? */
    (void)e, (void)task, (void)in, (void)in_size, (void)out, (void)out_size, (void)count;
    errno = ENOSYS;
    return -1;
    /* END TODO 7 */
}
