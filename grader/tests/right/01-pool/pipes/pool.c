#include "pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct request {
    task_fn task;
    size_t in_size, out_size, count;
};

struct worker {
    pid_t pid;
    int to, from;
    size_t first, count; /* count 0: idle */
};

struct pool {
    int processes, broken;
    struct worker *w;
};

static int read_all(int fd, void *data, size_t size)
{
    char *p = data;
    while (size > 0) {
        ssize_t n = read(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int write_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static void serve(int in, int out)
{
    struct request r;
    while (read_all(in, &r, sizeof r) == 0 && r.count > 0) {
        char *a = malloc(r.count * r.in_size + 1), *b = calloc(r.count + 1, r.out_size + 1);
        int failed = 0;
        if (!a || !b || read_all(in, a, r.count * r.in_size) != 0)
            _exit(1);
        for (size_t i = 0; i < r.count; i++)
            if (r.task(a + i * r.in_size, b + i * r.out_size) != 0)
                failed = 1;
        fflush(stdout);
        if (write_all(out, &failed, sizeof failed) != 0 || write_all(out, b, r.count * r.out_size) != 0)
            _exit(1);
        free(a);
        free(b);
    }
    _exit(0);
}

static int start(struct pool *p, int k)
{
    int a[2], b[2];
    if (pipe(a) != 0)
        return -1;
    if (pipe(b) != 0) {
        close(a[0]), close(a[1]);
        return -1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        close(a[0]), close(a[1]), close(b[0]), close(b[1]);
        return -1;
    }
    if (pid == 0) {
        for (int i = 0; i < k; i++) {
            close(p->w[i].to);
            close(p->w[i].from);
        }
        close(a[1]);
        close(b[0]);
        signal(SIGPIPE, SIG_IGN);
        serve(a[0], b[1]);
    }
    close(a[0]);
    close(b[1]);
    p->w[k].pid = pid;
    p->w[k].to = a[1];
    p->w[k].from = b[0];
    return 0;
}

struct pool *pool_create(int processes)
{
    if (processes < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->w = calloc((size_t)processes, sizeof *p->w);
    if (!p->w) {
        free(p);
        return NULL;
    }
    fflush(NULL);
    for (; p->processes < processes; p->processes++)
        if (start(p, p->processes) != 0) {
            int e = errno;
            pool_destroy(p);
            errno = e;
            return NULL;
        }
    return p;
}

struct map {
    task_fn task;
    const char *in;
    char *out;
    size_t in_size, out_size, count, chunk, next;
    int failed;
};

static int give(struct worker *w, struct map *m)
{
    size_t n = m->count - m->next < m->chunk ? m->count - m->next : m->chunk;
    struct request r = {m->task, m->in_size, m->out_size, n};
    w->first = m->next;
    w->count = n;
    m->next += n;
    if (write_all(w->to, &r, sizeof r) != 0)
        return -1;
    return write_all(w->to, m->in + w->first * m->in_size, n * m->in_size);
}

static int take(struct worker *w, struct map *m)
{
    int failed;
    if (read_all(w->from, &failed, sizeof failed) != 0)
        return -1;
    if (read_all(w->from, m->out + w->first * m->out_size, w->count * m->out_size) != 0)
        return -1;
    if (failed)
        m->failed = 1;
    w->count = 0;
    return 0;
}

static int run(struct pool *p, struct map *m)
{
    int busy = 0, rc = 0;
    struct pollfd *f = calloc((size_t)p->processes, sizeof *f);
    if (!f)
        return -1;
    for (int k = 0; k < p->processes && m->next < m->count && rc == 0; k++) {
        rc = give(&p->w[k], m);
        busy++;
    }
    while (rc == 0 && busy > 0) {
        for (int k = 0; k < p->processes; k++) {
            f[k].fd = p->w[k].count > 0 ? p->w[k].from : -1;
            f[k].events = POLLIN;
            f[k].revents = 0;
        }
        if (poll(f, (nfds_t)p->processes, -1) < 0)
            continue;
        for (int k = 0; k < p->processes && rc == 0; k++)
            if (f[k].revents) {
                rc = take(&p->w[k], m);
                if (rc == 0 && m->next < m->count)
                    rc = give(&p->w[k], m);
                else
                    busy--;
            }
    }
    free(f);
    return rc;
}

int pool_map(struct pool *pool, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk)
{
    if (pool->broken) {
        errno = ECHILD;
        return -1;
    }
    if (chunk == 0)
        chunk = count / (4 * (size_t)pool->processes) + 1;
    struct map m = {task, in, out, in_size, out_size, count, chunk, 0, 0};
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    int rc = run(pool, &m);
    signal(SIGPIPE, old);
    if (rc != 0) {
        pool->broken = 1;
        errno = ECHILD;
        return -1;
    }
    if (m.failed) {
        errno = EIO;
        return -1;
    }
    return 0;
}

int pool_destroy(struct pool *pool)
{
    if (!pool)
        return 0;
    struct request end = {0};
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    for (int k = 0; k < pool->processes; k++) {
        if (pool->broken)
            kill(pool->w[k].pid, SIGKILL);
        else
            write_all(pool->w[k].to, &end, sizeof end);
        close(pool->w[k].to);
        close(pool->w[k].from);
    }
    signal(SIGPIPE, old);
    for (int k = 0; k < pool->processes; k++)
        while (waitpid(pool->w[k].pid, NULL, 0) < 0 && errno == EINTR)
            ;
    free(pool->w);
    free(pool);
    return 0;
}
