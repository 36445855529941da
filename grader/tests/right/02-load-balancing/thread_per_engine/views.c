/* Different: a thread for every engine; the balanced view is a shared counter behind a mutex. */
#include "views.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct job {
    struct engines *e;
    task_fn task;
    const char *in;
    char *out;
    size_t in_size, out_size;
    pthread_mutex_t lock; /* for next and error */
    size_t next, end;     /* of the balanced view */
    int error;
};

struct driver {
    struct job *job;
    int id;
    size_t next, end; /* of the direct view */
    pthread_t thread;
};

static void note(struct job *j, int error)
{
    pthread_mutex_lock(&j->lock);
    if (j->error != ECHILD)
        j->error = error;
    pthread_mutex_unlock(&j->lock);
}

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    int bad = engines_submit(e, id, task, in, in_size, out_size);
    return bad ? bad : engines_collect(e, id, out);
}

static void *drive_block(void *arg)
{
    struct driver *d = arg;
    struct job *j = d->job;
    for (size_t i = d->next; i < d->end; i++) {
        if (apply_sync(j->e, d->id, j->task, j->in + i * j->in_size, j->in_size, j->out + i * j->out_size,
                       j->out_size) == 0)
            continue;
        int error = errno;
        note(j, error);
        if (error == ECHILD)
            break;
    }
    return NULL;
}

/* Submitting under the lock keeps tasks in order, and a task that is not taken stays the next. */
static bool submit_next(struct driver *d, size_t *index)
{
    struct job *j = d->job;
    bool taken = false;
    int error = 0;
    pthread_mutex_lock(&j->lock);
    if (j->next < j->end) {
        taken = engines_submit(j->e, d->id, j->task, j->in + j->next * j->in_size, j->in_size, j->out_size) == 0;
        error = taken ? 0 : errno;
        *index = j->next;
        j->next += taken;
    }
    pthread_mutex_unlock(&j->lock);
    if (error)
        note(j, error);
    return taken;
}

static void *drive_shared(void *arg)
{
    struct driver *d = arg;
    size_t i;
    while (submit_next(d, &i))
        if (engines_collect(d->job->e, d->id, d->job->out + i * d->job->out_size) != 0)
            note(d->job, errno);
    return NULL;
}

static int run(struct job *j, void *(*drive)(void *), size_t count, bool blocks)
{
    size_t n = (size_t)engines_count(j->e);
    struct driver *d = calloc(n, sizeof *d);
    if (!d)
        return -1;
    pthread_mutex_init(&j->lock, NULL);
    j->end = count;
    for (size_t id = 0; id < n; id++) {
        d[id] = (struct driver){.job = j, .id = (int)id};
        if (blocks) {
            d[id].next = count * id / n;
            d[id].end = count * (id + 1) / n;
        }
        pthread_create(&d[id].thread, NULL, drive, &d[id]);
    }
    for (size_t id = 0; id < n; id++)
        pthread_join(d[id].thread, NULL);
    pthread_mutex_destroy(&j->lock);
    free(d);
    errno = j->error ? j->error : errno;
    return j->error ? -1 : 0;
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    /* A map over as many copies of in as there are engines: each engine's block is one task. */
    size_t n = (size_t)engines_count(e);
    struct job j = {.e = e, .task = task, .out = out, .out_size = out_size};
    char *copies = calloc(n, in_size + 1);
    if (!copies)
        return -1;
    for (size_t k = 0; k < n; k++)
        for (size_t b = 0; b < in_size; b++)
            copies[k * in_size + b] = ((const char *)in)[b];
    j.in = copies;
    j.in_size = in_size;
    int result = run(&j, drive_block, n, true), error = errno;
    free(copies);
    errno = error;
    return result;
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count)
{
    struct job j = {.e = e, .task = task, .in = in, .out = out, .in_size = in_size, .out_size = out_size};
    return run(&j, drive_block, count, true);
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count)
{
    struct job j = {.e = e, .task = task, .in = in, .out = out, .in_size = in_size, .out_size = out_size};
    return run(&j, drive_shared, count, false);
}
