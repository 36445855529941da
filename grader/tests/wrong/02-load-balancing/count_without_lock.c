/* One thread for each engine. They count the finished tasks together, for a progress line, and forgot the lock. */
#include "views.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct shared {
    pthread_mutex_t m;
    size_t next, count, finished;
    int error;
};

struct worker {
    pthread_t t;
    struct engines *e;
    int id, started;
    task_fn task;
    const char *in;
    char *out;
    size_t is, os;
    size_t from, to;
    struct shared *s;
};

static void bad(struct shared *s, int why)
{
    pthread_mutex_lock(&s->m);
    if (s->error != ECHILD)
        s->error = why;
    pthread_mutex_unlock(&s->m);
}

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    if (engines_submit(e, id, task, in, in_size, out_size))
        return -1;
    return engines_collect(e, id, out);
}

static void *one(void *arg)
{
    struct worker *w = arg;
    if (apply_sync(w->e, w->id, w->task, w->in, w->is, w->out + (size_t)w->id * w->os, w->os))
        bad(w->s, errno);
    return NULL;
}

static void *block(void *arg)
{
    struct worker *w = arg;
    for (size_t i = w->from; i < w->to; i++)
        if (apply_sync(w->e, w->id, w->task, w->in + i * w->is, w->is, w->out + i * w->os, w->os)) {
            int why = errno;
            bad(w->s, why);
            if (why == ECHILD)
                break;
        }
    return NULL;
}

static void *any(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        pthread_mutex_lock(&w->s->m);
        if (w->s->next >= w->s->count) {
            pthread_mutex_unlock(&w->s->m);
            return NULL;
        }
        size_t i = w->s->next;
        int took = engines_submit(w->e, w->id, w->task, w->in + i * w->is, w->is, w->os);
        if (took == 0)
            w->s->next++;
        pthread_mutex_unlock(&w->s->m);
        if (took != 0) {
            bad(w->s, errno);
            return NULL;
        }
        if (engines_collect(w->e, w->id, w->out + i * w->os)) {
            int why = errno;
            bad(w->s, why);
            if (why == ECHILD)
                return NULL;
        }
        w->s->finished++;
    }
}

static int all(struct engines *e, task_fn task, const void *in, size_t is, void *out, size_t os, size_t count,
               void *(*how)(void *))
{
    int n = engines_count(e);
    struct shared s = {PTHREAD_MUTEX_INITIALIZER, 0, count, 0, 0};
    struct worker *w = calloc(n, sizeof *w);
    for (int i = 0; i < n; i++) {
        w[i] = (struct worker){.e = e, .id = i, .task = task, .in = in, .out = out, .is = is, .os = os, .s = &s};
        w[i].from = count * i / n;
        w[i].to = count * (i + 1) / n;
        pthread_create(&w[i].t, NULL, how, &w[i]);
    }
    for (int i = 0; i < n; i++)
        pthread_join(w[i].t, NULL);
    free(w);
    pthread_mutex_destroy(&s.m);
    if (s.error) {
        errno = s.error;
        return -1;
    }
    return 0;
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    return all(e, task, in, in_size, out, out_size, 0, one);
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count)
{
    return all(e, task, in, in_size, out, out_size, count, block);
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count)
{
    return all(e, task, in, in_size, out, out_size, count, any);
}
