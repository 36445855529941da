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
    if (engines_submit(e, id, task, in, in_size, out_size) != 0)
        return -1;
    return engines_collect(e, id, out);
    /* END TODO 1 */
}

/* BEGIN TODO 2: remember what went wrong */
/* The other tasks still have to run, so an error is kept until the end. An engine
   that has died outweighs a task that has failed. */
static void note_error(int *error)
{
    if (*error != ECHILD)
        *error = errno;
}

static int report(int error)
{
    if (!error)
        return 0;
    errno = error;
    return -1;
}
/* END TODO 2 */

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    /* BEGIN TODO 3: start all, then collect all */
    int error = 0, id;
    for (id = 0; id < engines_count(e); id++)
        if (engines_submit(e, id, task, in, in_size, out_size) != 0)
            note_error(&error);
    while ((id = engines_any(e)) >= 0) /* until none is busy */
        if (engines_collect(e, id, (char *)out + (size_t)id * out_size) != 0)
            note_error(&error);
    return report(error);
    /* END TODO 3 */
}

/* BEGIN TODO 4: give an engine a task; take back a result */
/* One call of direct_map or balanced_map. */
struct map {
    struct engines *engines;
    task_fn task;
    const char *in;
    char *out;
    size_t in_size, out_size;
    size_t *running; /* running[id]: the index of engine id's task, the last one if it is idle */
    int error;
};

/* False if the engine does not take the task, because it is dead. */
static bool give(struct map *m, int id, size_t index)
{
    if (engines_submit(m->engines, id, m->task, m->in + index * m->in_size, m->in_size, m->out_size) != 0) {
        note_error(&m->error);
        return false;
    }
    m->running[id] = index;
    return true;
}

/* Waits until any engine is done, and puts its result in its place. Returns the
   engine's id, or -1 when none is busy. */
static int take(struct map *m)
{
    int id = engines_any(m->engines);
    if (id >= 0 && engines_collect(m->engines, id, m->out + m->running[id] * m->out_size) != 0)
        note_error(&m->error);
    return id;
}
/* END TODO 4 */

/* BEGIN TODO 5: where an engine's block begins */
/* Block id is first_of(id) ... first_of(id + 1) - 1: the first count % engines
   blocks have one task more than the others. */
static size_t first_of(int id, size_t count, int engines)
{
    size_t block = (size_t)id, size = count / (size_t)engines, longer = count % (size_t)engines;
    return block * size + (block < longer ? block : longer);
}
/* END TODO 5 */

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count)
{
    /* BEGIN TODO 6: every engine goes through its own block */
    int engines = engines_count(e), id;
    struct map m = {e, task, in, out, in_size, out_size, calloc((size_t)engines, sizeof *m.running), 0};
    if (!m.running)
        return -1;
    for (id = 0; id < engines; id++)
        if (first_of(id, count, engines) < first_of(id + 1, count, engines))
            give(&m, id, first_of(id, count, engines));
    while ((id = take(&m)) >= 0)
        if (m.running[id] + 1 < first_of(id + 1, count, engines))
            give(&m, id, m.running[id] + 1);
    free(m.running);
    return report(m.error);
    /* END TODO 6 */
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count)
{
    /* BEGIN TODO 7: the next task goes to the first idle engine */
    int engines = engines_count(e), id;
    size_t next = 0; /* the first task that no engine has yet */
    struct map m = {e, task, in, out, in_size, out_size, calloc((size_t)engines, sizeof *m.running), 0};
    if (!m.running)
        return -1;
    while (next < count) {
        size_t before = next;
        for (id = 0; id < engines && next < count; id++)
            next += give(&m, id, next);
        while (take(&m) >= 0)
            ;
        if (next == before) /* no engine lives */
            break;
    }
    free(m.running);
    return report(m.error);
    /* END TODO 7 */
}
