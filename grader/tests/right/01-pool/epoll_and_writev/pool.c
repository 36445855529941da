/* epoll tells which worker has answered; the workers die with the parent by PR_SET_PDEATHSIG as well. */
#include "pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    pid_t pid;
    int fd;
    size_t at, n;
} worker;

struct pool {
    worker *w;
    int n, ep, dead;
};

typedef struct {
    task_fn f;
    size_t is, os, n;
} msg;

static int io(int fd, char *p, size_t n, ssize_t (*op)(int, char *, size_t))
{
    while (n) {
        ssize_t k = op(fd, p, n);
        if (k == -1 && errno == EINTR)
            continue;
        if (k < 1)
            return 0;
        p += k;
        n -= (size_t)k;
    }
    return 1;
}

static ssize_t op_send(int fd, char *p, size_t n)
{
    return send(fd, p, n, MSG_NOSIGNAL);
}

static ssize_t op_recv(int fd, char *p, size_t n)
{
    return recv(fd, p, n, 0);
}

static void loop(int fd)
{
    msg m;
    while (io(fd, (char *)&m, sizeof m, op_recv)) {
        char *buf = malloc(m.n * (m.is + m.os) + 2), *res = buf + m.n * m.is + 1;
        if (!buf || !io(fd, buf, m.n * m.is, op_recv))
            _exit(2);
        char *copy = aligned_alloc(64, (m.n * m.os + 64) / 64 * 64), *arg = aligned_alloc(64, (m.is + 64) / 64 * 64);
        res[-1] = 0;
        for (size_t i = 0; i < m.n; i++) {
            for (size_t k = 0; k < m.is; k++)
                arg[k] = buf[i * m.is + k];
            if (m.f(arg, copy + i * m.os))
                res[-1] = 1;
        }
        fflush(stdout);
        if (!io(fd, res - 1, 1, op_send) || !io(fd, copy, m.n * m.os, op_send))
            _exit(2);
        free(copy);
        free(arg);
        free(buf);
    }
    _exit(0);
}

struct pool *pool_create(int processes)
{
    struct pool *p;
    if (processes < 1)
        return errno = EINVAL, NULL;
    if (!(p = calloc(1, sizeof *p)) || !(p->w = calloc((size_t)processes, sizeof *p->w)))
        return NULL;
    p->ep = epoll_create1(EPOLL_CLOEXEC);
    fflush(NULL);
    for (int i = 0; i < processes; i++) {
        int s[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s))
            goto none;
        pid_t parent = getpid(), pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(0);
            for (int k = 0; k < i; k++)
                close(p->w[k].fd);
            close(p->ep);
            close(s[0]);
            loop(s[1]);
        }
        close(s[1]);
        if (pid < 0) {
            close(s[0]);
            goto none;
        }
        p->w[i] = (worker){pid, s[0], 0, 0};
        p->n = i + 1;
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (unsigned)i};
        epoll_ctl(p->ep, EPOLL_CTL_ADD, s[0], &e);
    }
    return p;
none:;
    int e = errno;
    pool_destroy(p);
    return errno = e, NULL;
}

static int give(worker *w, msg m, const char *in, size_t at)
{
    w->at = at;
    w->n = m.n;
    return io(w->fd, (char *)&m, sizeof m, op_send) && io(w->fd, (char *)(size_t)(in + at * m.is), m.n * m.is, op_send);
}

int pool_map(struct pool *p, task_fn f, const void *in, size_t is, void *out, size_t os, size_t count, size_t chunk)
{
    size_t next = 0, waiting = 0, step = chunk ? chunk : count / (size_t)(p->n * 3) + 1;
    char bad = 0;
#define NEXT() ((msg){f, is, os, count - next < step ? count - next : step})
    for (int i = 0; i < p->n && next < count && !p->dead; i++, waiting++) {
        p->dead |= !give(&p->w[i], NEXT(), in, next);
        next += p->w[i].n;
    }
    while (waiting && !p->dead) {
        struct epoll_event e[16];
        int k = epoll_wait(p->ep, e, 16, -1);
        for (int i = 0; i < k && !p->dead; i++) {
            worker *w = &p->w[e[i].data.u32];
            char flag = 0;
            if (!w->n || !io(w->fd, &flag, 1, op_recv) || !io(w->fd, (char *)out + w->at * os, w->n * os, op_recv)) {
                p->dead = 1;
                break;
            }
            bad |= flag;
            w->n = 0;
            waiting--;
            if (next < count) {
                p->dead |= !give(w, NEXT(), in, next);
                next += w->n;
                waiting++;
            }
        }
    }
    if (!p->dead && !bad)
        return 0;
    errno = p->dead ? ECHILD : EIO;
    return -1;
}

int pool_destroy(struct pool *p)
{
    if (!p)
        return 0;
    for (int i = 0; i < p->n; i++) {
        kill(p->w[i].pid, SIGTERM);
        close(p->w[i].fd);
    }
    for (int i = 0; i < p->n; i++)
        waitpid(p->w[i].pid, NULL, 0);
    close(p->ep);
    free(p->w);
    free(p);
    return 0;
}
