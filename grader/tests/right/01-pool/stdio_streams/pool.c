/* The sockets are FILE streams: fread, fwrite, fflush; select waits for them. */
#include "pool.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker {
    struct worker *next;
    pid_t pid;
    int fd, busy;
    FILE *in, *out;
    size_t first, count;
};
struct pool {
    struct worker *list;
    size_t n;
    int dead;
};

static int xread(FILE *f, void *p, size_t size, size_t n)
{
    return size == 0 || n == 0 || fread(p, size, n, f) == n ? 0 : -1;
}
static int xwrite(FILE *f, const void *p, size_t size, size_t n)
{
    return size == 0 || n == 0 || fwrite(p, size, n, f) == n ? 0 : -1;
}

static void child(int fd)
{
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    struct {
        task_fn task;
        size_t is, os, n;
    } h;
    signal(SIGPIPE, SIG_IGN);
    while (xread(in, &h, sizeof h, 1) == 0) {
        char *a = malloc(h.is * h.n + 1), *b = malloc(h.os * h.n + 1), bad = 0;
        if (!a || !b || xread(in, a, h.is, h.n))
            break;
        for (size_t i = 0; i < h.n; i++)
            bad |= h.task(a + i * h.is, b + i * h.os) != 0;
        fflush(stdout);
        if (xwrite(out, &bad, 1, 1) || xwrite(out, b, h.os, h.n) || fflush(out))
            break;
        free(a);
        free(b);
    }
    _exit(0);
}

static struct worker *spawn(struct pool *p)
{
    int s[2];
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0) {
        free(w);
        return NULL;
    }
    w->pid = fork();
    if (w->pid == 0) {
        close(s[0]);
        for (struct worker *o = p->list; o; o = o->next) {
            close(fileno(o->in));
            close(fileno(o->out));
        }
        child(s[1]);
    }
    close(s[1]);
    if (w->pid < 0) {
        close(s[0]);
        free(w);
        return NULL;
    }
    w->fd = s[0];
    w->in = fdopen(s[0], "r");
    w->out = fdopen(dup(s[0]), "w");
    setvbuf(w->in, NULL, _IONBF, 0);
    return w;
}

struct pool *pool_create(int processes)
{
    if (processes < 1)
        return errno = EINVAL, NULL;
    struct pool *p = calloc(1, sizeof *p);
    fflush(NULL);
    for (int i = 0; p && i < processes; i++) {
        struct worker *w = spawn(p);
        if (!w) {
            int e = errno;
            pool_destroy(p);
            errno = e;
            return NULL;
        }
        w->next = p->list;
        p->list = w;
        p->n++;
    }
    return p;
}

struct todo {
    task_fn task;
    const char *in;
    char *out;
    size_t is, os, count, chunk, next;
    int bad;
};

static int feed(struct worker *w, struct todo *t)
{
    if (t->next == t->count)
        return 0;
    w->first = t->next;
    w->count = t->chunk < t->count - t->next ? t->chunk : t->count - t->next;
    t->next += w->count;
    w->busy = 1;
    struct {
        task_fn task;
        size_t is, os, n;
    } h = {t->task, t->is, t->os, w->count};
    return xwrite(w->out, &h, sizeof h, 1) || xwrite(w->out, t->in + w->first * t->is, t->is, w->count) ||
           fflush(w->out);
}
static int harvest(struct worker *w, struct todo *t)
{
    char bad;
    if (xread(w->in, &bad, 1, 1) || xread(w->in, t->out + w->first * t->os, t->os, w->count))
        return -1;
    t->bad |= bad;
    w->busy = 0;
    return feed(w, t);
}
static int turn(struct pool *p, struct todo *t)
{
    fd_set set;
    int top = -1;
    FD_ZERO(&set);
    for (struct worker *w = p->list; w; w = w->next)
        if (w->busy) {
            FD_SET(w->fd, &set);
            top = w->fd > top ? w->fd : top;
        }
    if (top < 0)
        return 0;
    if (select(top + 1, &set, NULL, NULL, NULL) < 0)
        return errno == EINTR ? 1 : -1;
    for (struct worker *w = p->list; w; w = w->next)
        if (w->busy && FD_ISSET(w->fd, &set) && harvest(w, t))
            return -1;
    return 1;
}

int pool_map(struct pool *p, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk)
{
    struct todo t = {task, in, out, in_size, out_size, count, chunk ? chunk : count / (3 * p->n) + 1, 0, 0};
    struct sigaction ign = {.sa_handler = SIG_IGN}, old;
    sigaction(SIGPIPE, &ign, &old);
    int rc = p->dead ? -1 : 1;
    for (struct worker *w = p->list; w && rc > 0; w = w->next)
        if (feed(w, &t))
            rc = -1;
    while (rc > 0)
        rc = turn(p, &t);
    sigaction(SIGPIPE, &old, NULL);
    if (rc < 0) {
        p->dead = 1;
        errno = ECHILD;
        return -1;
    }
    return t.bad ? (errno = EIO, -1) : 0;
}

int pool_destroy(struct pool *p)
{
    if (!p)
        return 0;
    struct sigaction ign = {.sa_handler = SIG_IGN}, old;
    sigaction(SIGPIPE, &ign, &old);
    for (struct worker *w = p->list; w; w = w->next) {
        if (p->dead)
            kill(w->pid, SIGKILL);
        shutdown(w->fd, SHUT_RDWR);
    }
    while (p->list) {
        struct worker *w = p->list;
        p->list = w->next;
        fclose(w->in);
        fclose(w->out);
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        free(w);
    }
    free(p);
    sigaction(SIGPIPE, &old, NULL);
    return 0;
}
