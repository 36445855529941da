/* In the parent one thread a worker feeds it; the threads share an atomic index of the next chunk. */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct pool {
    int count;
    atomic_bool broken;
    pid_t *pid;
    int *fd;
};

struct job {
    struct pool *pool;
    task_fn task;
    const char *in;
    char *out;
    size_t in_size, out_size, count, chunk;
    atomic_size_t next;
    atomic_bool failed;
};

struct feeder {
    struct job *job;
    int fd;
};

struct order {
    task_fn task;
    size_t in_size, out_size, count;
};

static int all(int fd, void *p, size_t n, int sending)
{
    for (size_t done = 0; done < n;) {
        ssize_t k = sending ? send(fd, (char *)p + done, n - done, MSG_NOSIGNAL) : recv(fd, (char *)p + done, n - done, 0);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return -1;
        done += (size_t)k;
    }
    return 0;
}

static _Noreturn void child(int fd)
{
    struct order o;
    while (all(fd, &o, sizeof o, 0) == 0) {
        char *in = malloc(o.count * o.in_size + 1), *out = calloc(o.count + 1, o.out_size + 1);
        int failed = 0;
        if (!in || !out || all(fd, in, o.count * o.in_size, 0) != 0)
            _exit(1);
        for (size_t i = 0; i < o.count; i++)
            if (o.task(in + i * o.in_size, out + i * o.out_size))
                failed = 1;
        fflush(stdout);
        if (all(fd, &failed, sizeof failed, 1) != 0 || all(fd, out, o.count * o.out_size, 1) != 0)
            _exit(1);
        free(in);
        free(out);
    }
    _exit(0);
}

static struct pool *give_up(struct pool *p)
{
    int why = errno;
    pool_destroy(p);
    errno = why;
    return NULL;
}

struct pool *pool_create(int processes)
{
    if (processes < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *p = calloc(1, sizeof *p);
    p->pid = calloc((size_t)processes, sizeof *p->pid);
    p->fd = calloc((size_t)processes, sizeof *p->fd);
    fflush(stdout);
    fflush(stderr);
    for (; p->count < processes; p->count++) {
        int sv[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) != 0)
            return give_up(p);
        if ((p->pid[p->count] = fork()) == 0) {
            for (int i = 0; i < p->count; i++)
                close(p->fd[i]);
            close(sv[0]);
            child(sv[1]);
        }
        close(sv[1]);
        if (p->pid[p->count] < 0) {
            close(sv[0]);
            return give_up(p);
        }
        p->fd[p->count] = sv[0];
    }
    return p;
}

/* A child has died: the other threads need not wait for theirs. */
static void break_off(struct pool *p)
{
    p->broken = true;
    for (int i = 0; i < p->count; i++)
        shutdown(p->fd[i], SHUT_RDWR);
}

static void *feed(void *argument)
{
    struct feeder *f = argument;
    struct job *j = f->job;
    size_t first;
    while (!j->pool->broken && (first = atomic_fetch_add(&j->next, j->chunk)) < j->count) {
        size_t n = j->count - first < j->chunk ? j->count - first : j->chunk;
        struct order o = {j->task, j->in_size, j->out_size, n};
        int failed = 0;
        if (all(f->fd, &o, sizeof o, 1) || all(f->fd, (char *)(size_t)(j->in + first * j->in_size), n * j->in_size, 1) ||
            all(f->fd, &failed, sizeof failed, 0) || all(f->fd, j->out + first * j->out_size, n * j->out_size, 0))
            break_off(j->pool);
        if (failed)
            j->failed = true;
    }
    return NULL;
}

int pool_map(struct pool *p, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count, size_t chunk)
{
    if (p->broken) {
        errno = ECHILD;
        return -1;
    }
    if (chunk == 0)
        chunk = (count + 4 * (size_t)p->count - 1) / (4 * (size_t)p->count);
    if (chunk == 0)
        chunk = 1;
    struct job j = {.pool = p, .task = task, .in = in, .out = out, .in_size = in_size, .out_size = out_size, .count = count, .chunk = chunk};
    pthread_t thread[p->count];
    struct feeder feeder[p->count];
    for (int i = 0; i < p->count; i++) {
        feeder[i] = (struct feeder){&j, p->fd[i]};
        pthread_create(&thread[i], NULL, feed, &feeder[i]);
    }
    for (int i = 0; i < p->count; i++)
        pthread_join(thread[i], NULL);
    if (p->broken || j.failed) {
        errno = p->broken ? ECHILD : EIO;
        return -1;
    }
    return 0;
}

int pool_destroy(struct pool *p)
{
    if (!p)
        return 0;
    for (int i = 0; i < p->count; i++)
        shutdown(p->fd[i], SHUT_RDWR);
    for (int i = 0; i < p->count; i++) {
        close(p->fd[i]);
        waitpid(p->pid[i], NULL, 0);
    }
    free(p->pid);
    free(p->fd);
    free(p);
    return 0;
}
