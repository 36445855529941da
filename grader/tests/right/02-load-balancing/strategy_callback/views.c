/* Different: one engine loop for all views; a view is a function that says which task an engine gets next. */
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NONE ((size_t)-1)

struct plan {
    size_t count, shared; /* shared: the balanced view's next task */
    size_t engines;
    size_t *current; /* by engine; NONE: idle, or it has had none yet */
    size_t *own;     /* by engine: how many tasks it has been given */
};

typedef size_t (*choice)(struct plan *p, size_t id);

static size_t choose_balanced(struct plan *p, size_t id)
{
    (void)id;
    return p->shared < p->count ? p->shared : NONE;
}

/* The last blocks are the longer ones here. */
static size_t choose_direct(struct plan *p, size_t id)
{
    size_t shorter = p->engines - p->count % p->engines, size = p->count / p->engines + (id >= shorter);
    size_t first = id * (p->count / p->engines) + (id > shorter ? id - shorter : 0);
    return p->own[id] < size ? first + p->own[id] : NONE;
}

static int worse(int a, int b)
{
    return a == ECHILD || b == 0 ? a : b;
}

static int run(struct engines *e, choice choose, task_fn task, const void *in, size_t in_size, size_t in_step,
               void *out, size_t out_size, size_t count)
{
    struct plan p = {.count = count, .engines = (size_t)engines_count(e)};
    int error = 0;
    p.current = malloc(2 * p.engines * sizeof *p.current);
    if (p.current == NULL)
        return -1;
    p.own = p.current + p.engines;
    memset(p.own, 0, p.engines * sizeof *p.own);
    size_t busy = 0;
    for (size_t id = 0; id < p.engines; id++)
        p.current[id] = NONE;
    for (size_t start = 0;; start++) {
        size_t id;
        if (start < p.engines) {
            id = start;
        } else {
            if (busy == 0)
                break;
            id = (size_t)engines_any(e);
            if (engines_collect(e, (int)id, (char *)out + p.current[id] * out_size) < 0)
                error = worse(error, errno);
            busy--;
        }
        size_t index = choose(&p, id);
        if (index == NONE)
            continue;
        if (engines_submit(e, (int)id, task, (const char *)in + index * in_step, in_size, out_size) < 0) {
            error = worse(error, errno);
            continue;
        }
        p.current[id] = index;
        p.own[id]++;
        p.shared++;
        busy++;
    }
    free(p.current);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    if (engines_submit(e, id, task, in, in_size, out_size) == -1)
        return -1;
    return engines_collect(e, id, out) == 0 ? 0 : -1;
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    return run(e, choose_direct, task, in, in_size, 0, out, out_size, (size_t)engines_count(e));
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count)
{
    return run(e, choose_direct, task, in, in_size, in_size, out, out_size, count);
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count)
{
    return run(e, choose_balanced, task, in, in_size, in_size, out, out_size, count);
}
