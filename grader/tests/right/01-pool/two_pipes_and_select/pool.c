/* Two pipes a worker, select instead of poll, SIGPIPE ignored for the time of a map. */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    pid_t pid;
    int to, from;
    size_t start, n;
};

struct pool {
    int n, dead;
    struct child *child;
};

struct head {
    task_fn task;
    size_t in_size, out_size, n;
};

static int put(int fd, const void *p, size_t n)
{
    const char *q = p;
    while (n > 0) {
        ssize_t w = write(fd, q, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return -1;
        q += w;
        n -= (size_t)w;
    }
    return 0;
}

static int get(int fd, void *p, size_t n)
{
    char *q = p;
    while (n > 0) {
        ssize_t r = read(fd, q, n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return -1;
        q += r;
        n -= (size_t)r;
    }
    return 0;
}

static void work(int in, int out)
{
    struct head h;
    while (get(in, &h, sizeof h) == 0) {
        char *a = malloc(h.n * h.in_size + 1), *b = malloc(h.n * h.out_size + 1), bad = 0;
        if (!a || !b || get(in, a, h.n * h.in_size))
            break;
        for (size_t i = 0; i < h.n; i++)
            bad |= h.task(a + i * h.in_size, b + i * h.out_size) != 0;
        fflush(NULL);
        if (put(out, &bad, 1) || put(out, b, h.n * h.out_size))
            break;
        free(a);
        free(b);
    }
    _exit(0);
}

static struct pool *nothing(struct pool *p)
{
    int number = errno;
    pool_destroy(p);
    errno = number;
    return NULL;
}

struct pool *pool_create(int processes)
{
    if (processes <= 0) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *p = calloc(1, sizeof *p);
    if (!p || !(p->child = calloc((size_t)processes, sizeof *p->child))) {
        free(p);
        return NULL;
    }
    fflush(NULL);
    for (int i = 0; i < processes; i++) {
        int a[2], b[2];
        if (pipe2(a, O_CLOEXEC))
            return nothing(p);
        if (pipe2(b, O_CLOEXEC)) {
            close(a[0]), close(a[1]);
            return nothing(p);
        }
        pid_t pid = fork();
        if (pid == 0) {
            signal(SIGPIPE, SIG_IGN);
            for (int j = 0; j < i; j++) {
                close(p->child[j].to);
                close(p->child[j].from);
            }
            close(a[1]);
            close(b[0]);
            work(a[0], b[1]);
        }
        close(a[0]);
        close(b[1]);
        if (pid < 0) {
            close(a[1]), close(b[0]);
            return nothing(p);
        }
        p->child[i] = (struct child){pid, a[1], b[0], 0, 0};
        p->n++;
    }
    return p;
}

static int feed(struct child *c, task_fn task, const char *in, size_t is, size_t os, size_t *next, size_t count, size_t chunk)
{
    c->start = *next;
    c->n = count - *next < chunk ? count - *next : chunk;
    *next += c->n;
    struct head h = {task, is, os, c->n};
    return put(c->to, &h, sizeof h) || put(c->to, in + c->start * is, c->n * is);
}

int pool_map(struct pool *p, task_fn task, const void *in, size_t is, void *out, size_t os, size_t count, size_t chunk)
{
    size_t next = 0, done = 0;
    char failed = 0;
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    if (chunk == 0)
        chunk = count / ((size_t)p->n * 8) + 1;
    for (int i = 0; i < p->n && next < count && !p->dead; i++)
        p->dead = feed(&p->child[i], task, in, is, os, &next, count, chunk);
    while (done < count && !p->dead) {
        fd_set set;
        int top = 0;
        FD_ZERO(&set);
        for (int i = 0; i < p->n; i++)
            if (p->child[i].n) {
                FD_SET(p->child[i].from, &set);
                top = p->child[i].from > top ? p->child[i].from : top;
            }
        if (select(top + 1, &set, NULL, NULL, NULL) < 0)
            continue;
        for (int i = 0; i < p->n && !p->dead; i++) {
            struct child *c = &p->child[i];
            char bad;
            if (!c->n || !FD_ISSET(c->from, &set))
                continue;
            if (get(c->from, &bad, 1) || get(c->from, (char *)out + c->start * os, c->n * os)) {
                p->dead = 1;
                break;
            }
            failed |= bad;
            done += c->n;
            c->n = 0;
            if (next < count)
                p->dead = feed(c, task, in, is, os, &next, count, chunk);
        }
    }
    signal(SIGPIPE, old);
    if (p->dead || failed) {
        errno = p->dead ? ECHILD : EIO;
        return -1;
    }
    return 0;
}

int pool_destroy(struct pool *p)
{
    if (!p)
        return 0;
    for (int i = 0; i < p->n; i++) {
        kill(p->child[i].pid, SIGKILL); /* all workers are idle or of no use any more */
        close(p->child[i].to);
        close(p->child[i].from);
        waitpid(p->child[i].pid, NULL, 0);
    }
    free(p->child);
    free(p);
    return 0;
}
