/* Different: the direct view sends each engine its whole block in one message, with a task that runs the block. */
#include "views.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What stands in front of a block's elements. */
struct head {
    task_fn task;
    size_t in_size, out_size, count;
};
#define ROOM (sizeof(max_align_t) * ((sizeof(struct head) + sizeof(max_align_t) - 1) / sizeof(max_align_t)))

/* In an engine: the answer is a byte for each task that failed, after the results. */
static int run_block(const void *in, void *out)
{
    struct head h;
    memcpy(&h, in, sizeof h);
    const char *from = (const char *)in + ROOM;
    char *to = out, *failed = to + h.count * h.out_size;
    for (size_t i = 0; i < h.count; i++)
        failed[i] = h.task(from + i * h.in_size, to + i * h.out_size) != 0;
    return 0;
}

static size_t bound(size_t count, int id, int engines)
{
    return count / (size_t)engines * (size_t)id +
           (count % (size_t)engines < (size_t)id ? count % (size_t)engines : (size_t)id);
}

static int send_block(struct engines *e, int id, struct head h, const char *in)
{
    char *message = malloc(ROOM + h.count * h.in_size);
    if (message == NULL)
        return -1;
    memcpy(message, &h, sizeof h);
    memcpy(message + ROOM, in, h.count * h.in_size);
    int result = engines_submit(e, id, run_block, message, ROOM + h.count * h.in_size, h.count * (h.out_size + 1));
    int why = errno;
    free(message);
    errno = why;
    return result;
}

static int receive_block(struct engines *e, int id, size_t count, size_t out_size, char *out)
{
    char *answer = malloc(count * (out_size + 1));
    int why = 0;
    if (answer == NULL || engines_collect(e, id, answer) != 0)
        why = errno;
    for (size_t i = 0; answer != NULL && why != ECHILD && i < count; i++) {
        if (answer[count * out_size + i])
            why = EIO;
        else
            memcpy(out + i * out_size, answer + i * out_size, out_size);
    }
    free(answer);
    return why;
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count)
{
    int n = engines_count(e), error = 0;
    bool *sent = calloc((size_t)n, sizeof *sent);
    if (sent == NULL)
        return -1;
    for (int id = 0; id < n; id++) {
        size_t first = bound(count, id, n), tasks = bound(count, id + 1, n) - first;
        struct head h = {task, in_size, out_size, tasks};
        if (tasks > 0) {
            sent[id] = send_block(e, id, h, (const char *)in + first * in_size) == 0;
            error = sent[id] || error == ECHILD ? error : errno;
        }
    }
    for (int id = 0; id < n; id++) {
        size_t first = bound(count, id, n), tasks = bound(count, id + 1, n) - first;
        int why = sent[id] ? receive_block(e, id, tasks, out_size, (char *)out + first * out_size) : 0;
        if (why != 0 && error != ECHILD)
            error = why;
    }
    free(sent);
    if (error != 0)
        errno = error;
    return error != 0 ? -1 : 0;
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count)
{
    size_t running[1024], next = 0, busy = 0;
    int error = 0, n = engines_count(e);
    if (n > 1024) {
        errno = ENOMEM;
        return -1;
    }
    for (int id = 0; id < n || busy > 0; id++) {
        int who = id;
        if (id >= n) {
            who = engines_any(e);
            if (engines_collect(e, who, (char *)out + running[who] * out_size) != 0 && error != ECHILD)
                error = errno;
            busy--;
            id = n;
        }
        if (next == count)
            continue;
        if (engines_submit(e, who, task, (const char *)in + next * in_size, in_size, out_size) == 0) {
            running[who] = next++;
            busy++;
        } else if (error != ECHILD) {
            error = errno;
        }
    }
    if (error != 0)
        errno = error;
    return error != 0 ? -1 : 0;
}

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    return engines_submit(e, id, task, in, in_size, out_size) == 0 ? engines_collect(e, id, out) : -1;
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    int n = engines_count(e), error = 0;
    for (int id = 0; id < n; id++)
        if (engines_submit(e, id, task, in, in_size, out_size) != 0)
            error = ECHILD;
    for (int id = n - 1; id >= 0; id--) /* an engine that has no task says EINVAL */
        if (engines_collect(e, id, (char *)out + (size_t)id * out_size) != 0 && errno != EINVAL && error != ECHILD)
            error = errno;
    if (error != 0)
        errno = error;
    return error != 0 ? -1 : 0;
}
