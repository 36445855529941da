/* Different: results are collected elsewhere and copied to out when all are there. */
#include "views.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int final(int dead, int failed)
{
    if (dead || failed)
        errno = dead ? ECHILD : EIO;
    return dead || failed ? -1 : 0;
}

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    if (id < 0 || id >= engines_count(e) || task == NULL) {
        errno = EINVAL;
        return -1;
    }
    if (engines_submit(e, id, task, in, in_size, out_size) == -1)
        return -1;
    return engines_collect(e, id, out);
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    int dead = 0, failed = 0, id;
    if (!task) {
        errno = EINVAL;
        return -1;
    }
    for (id = 0; id < engines_count(e); ++id)
        dead += engines_submit(e, id, task, in, in_size, out_size) != 0;
    while (-1 != (id = engines_any(e)))
        if (engines_collect(e, id, (unsigned char *)out + out_size * (size_t)id)) {
            dead += errno == ECHILD;
            failed += errno == EIO;
        }
    return final(dead, failed);
}

typedef struct {
    size_t *owner_next, *owner_end;
    size_t shared_next, count;
    int balanced;
} plan_t;

static int next_for(plan_t *p, int id, size_t *which)
{
    if (p->balanced) {
        if (p->shared_next >= p->count)
            return 0;
        *which = p->shared_next;
        return 1;
    }
    if (p->owner_next[id] >= p->owner_end[id])
        return 0;
    *which = p->owner_next[id];
    return 1;
}

static void taken(plan_t *p, int id)
{
    if (p->balanced)
        p->shared_next++;
    else
        p->owner_next[id]++;
}

static int perform(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                   plan_t *p)
{
    int n = engines_count(e), dead = 0, failed = 0;
    char *results = malloc(p->count * out_size + 1), *good = calloc(p->count + 1, 1);
    size_t *job = malloc((size_t)n * sizeof *job), w;
    if (!results || !good || !job) {
        free(results), free(good), free(job);
        errno = ENOMEM;
        return -1;
    }
    for (int id = 0; id < n; id++)
        if (next_for(p, id, &w)) {
            if (engines_submit(e, id, task, (const char *)in + w * in_size, in_size, out_size) == 0) {
                job[id] = w;
                taken(p, id);
            } else
                dead = 1;
        }
    int id = engines_any(e);
    while (id >= 0) {
        if (engines_collect(e, id, results + job[id] * out_size) == 0)
            good[job[id]] = 1;
        else if (errno == EIO)
            failed = 1;
        else
            dead = 1;
        if (next_for(p, id, &w)) {
            if (engines_submit(e, id, task, (const char *)in + w * in_size, in_size, out_size) == 0) {
                job[id] = w;
                taken(p, id);
            } else
                dead = 1;
        }
        id = engines_any(e);
    }
    for (size_t i = 0; i < p->count; i++)
        if (good[i])
            memcpy((char *)out + i * out_size, results + i * out_size, out_size);
    free(results);
    free(good);
    free(job);
    return final(dead, failed);
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count)
{
    size_t n = (size_t)engines_count(e);
    size_t first[n], end[n];
    for (size_t k = 0, at = 0; k < n; k++) {
        first[k] = at;
        at += count / n + (k < count % n);
        end[k] = at;
    }
    plan_t p = {first, end, 0, count, 0};
    return perform(e, task, in, in_size, out, out_size, &p);
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count)
{
    plan_t p = {NULL, NULL, 0, count, 1};
    return perform(e, task, in, in_size, out, out_size, &p);
}
