/* Different: the index travels with the element and comes back with the result, by a task of its own around the given one. */
#include "views.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* engines are forked: they know this function, but not what happened to our memory since. So all that
   the wrapper needs goes in the message. */
struct head { task_fn task; size_t index, in_size, out_size; };

static int wrapped(const void *in, void *out)
{
    struct head h;
    memcpy(&h, in, sizeof h);
    size_t room = (h.in_size + 16) / 16 * 16 + 16;
    void *src = aligned_alloc(16, room), *dst = calloc(1, h.out_size + 16);
    memcpy(src, (const char *)in + sizeof h, h.in_size);
    int rc = h.task(src, dst);
    memcpy(out, &h.index, sizeof h.index);
    memcpy((char *)out + sizeof h.index, dst, h.out_size);
    free(src);
    free(dst);
    return rc;
}

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    if (engines_submit(e, id, task, in, in_size, out_size) != 0)
        return -1;
    return engines_collect(e, id, out);
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    int why = 0;
    for (int i = 0; i < engines_count(e); i++)
        if (engines_submit(e, i, task, in, in_size, out_size) != 0)
            why = errno;
    int i;
    while ((i = engines_any(e)) >= 0)
        if (engines_collect(e, i, (char *)out + (size_t)i * out_size) != 0 && why != ECHILD)
            why = errno;
    errno = why;
    return why ? -1 : 0;
}

static int send(struct engines *e, int id, task_fn task, const void *in, size_t index, size_t in_size, size_t out_size)
{
    struct head h = {task, index, in_size, out_size};
    char *message = malloc(sizeof h + in_size);
    if (!message)
        return -1;
    memcpy(message, &h, sizeof h);
    memcpy(message + sizeof h, (const char *)in + index * in_size, in_size);
    int rc = engines_submit(e, id, wrapped, message, sizeof h + in_size, out_size + sizeof(size_t));
    int why = errno;
    free(message);
    errno = why;
    return rc;
}

static int map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t *next,
               const size_t *end, int stride)
{
    int n = engines_count(e), why = 0, id;
    char *answer = malloc(out_size + sizeof(size_t));
    for (id = 0; id < n; id++) {
        size_t *mine = next + id * stride;
        if (*mine < end[id * stride]) {
            if (send(e, id, task, in, *mine, in_size, out_size) == 0)
                ++*mine;
            else
                why = ECHILD;
        }
    }
    while ((id = engines_any(e)) >= 0) {
        size_t *mine = next + id * stride, index;
        if (engines_collect(e, id, answer) == 0) {
            memcpy(&index, answer, sizeof index);
            memcpy((char *)out + index * out_size, answer + sizeof index, out_size);
        } else if (why != ECHILD)
            why = errno;
        if (*mine < end[id * stride]) {
            if (send(e, id, task, in, *mine, in_size, out_size) == 0)
                ++*mine;
            else
                why = ECHILD;
        }
    }
    free(answer);
    errno = why;
    return why ? -1 : 0;
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count)
{
    size_t n = (size_t)engines_count(e), next[n], end[n];
    for (size_t i = 0; i < n; i++) {
        next[i] = i * (count / n) + (i < count % n ? i : count % n);
        end[i] = next[i] + count / n + (i < count % n);
    }
    return map(e, task, in, in_size, out, out_size, next, end, 1);
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count)
{
    size_t next = 0;
    return map(e, task, in, in_size, out, out_size, &next, &count, 0);
}
