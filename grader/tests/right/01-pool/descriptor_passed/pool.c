/* One memory file for each map, whose descriptor goes to the workers over their sockets; then only indices travel. */
#include "pool.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* One memory file for a whole map; each worker gets its descriptor over its socket, and then only indices travel. */
struct order {
    task_fn task;
    size_t is, os, count, first, n;
    int failed;
};
struct pool {
    int n, dead;
    pid_t *pid;
    int *fd;
    size_t *busy;
};

static int send_fd(int s, const struct order *o, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v = {(void *)o, sizeof *o};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t k;
    do
        k = sendmsg(s, &m, MSG_NOSIGNAL);
    while (k < 0 && errno == EINTR);
    return k == sizeof *o ? 0 : -1;
}
static int receive_fd(int s, struct order *o, int *fd)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec v = {o, sizeof *o};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t k;
    do
        k = recvmsg(s, &m, 0);
    while (k < 0 && errno == EINTR);
    *fd = -1;
    struct cmsghdr *c = k > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    return k == sizeof *o ? 0 : -1;
}
static size_t out_at(const struct order *o)
{
    return (o->count * o->is + 4095) / 4096 * 4096;
}

static void serve(int s)
{
    char *map = NULL;
    size_t size = 0;
    struct order o;
    int fd;
    while (receive_fd(s, &o, &fd) == 0) {
        if (fd >= 0) {
            if (map)
                munmap(map, size);
            size = out_at(&o) + o.count * o.os + 1;
            map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            close(fd);
            if (map == MAP_FAILED)
                _exit(1);
        }
        o.failed = 0;
        for (size_t i = o.first; i < o.first + o.n; i++)
            if (o.task(map + i * o.is, map + out_at(&o) + i * o.os))
                o.failed++;
        fflush(stdout);
        if (send_fd(s, &o, -1))
            break;
    }
    _exit(0);
}
struct pool *pool_create(int n)
{
    if (n < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->pid = calloc((size_t)n, sizeof *p->pid);
    p->fd = calloc((size_t)n, sizeof *p->fd);
    p->busy = calloc((size_t)n, sizeof *p->busy);
    if (!p->pid || !p->fd || !p->busy) {
        pool_destroy(p);
        errno = ENOMEM;
        return NULL;
    }
    fflush(NULL);
    while (p->n < n) {
        int s[2] = {-1, -1};
        pid_t pid = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) < 0 ? -1 : fork();
        if (pid == 0) {
            close(s[0]);
            for (int k = 0; k < p->n; k++)
                close(p->fd[k]);
            serve(s[1]);
        }
        if (pid < 0) {
            int e = errno;
            if (s[0] >= 0)
                close(s[0]), close(s[1]);
            pool_destroy(p);
            errno = e;
            return NULL;
        }
        close(s[1]);
        p->pid[p->n] = pid;
        p->fd[p->n++] = s[0];
    }
    return p;
}
int pool_map(struct pool *p, task_fn task, const void *in, size_t is, void *out, size_t os, size_t count, size_t chunk)
{
    if (p->dead) {
        errno = ECHILD;
        return -1;
    }
    struct order o = {task, is, os, count, 0, 0, 0};
    if (!chunk)
        chunk = count / ((size_t)p->n * 4) + 1;
    size_t size = out_at(&o) + count * os + 1, left = count;
    int fd = memfd_create("map", 0), failed = 0, rc = 0;
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        return -1;
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct pollfd *f = calloc((size_t)p->n, sizeof *f);
    memcpy(map, in, count * is);
    for (int k = 0; k < p->n && rc == 0; k++) {
        p->busy[k] = 0;
        if (o.first == count)
            continue;
        o.n = count - o.first < chunk ? count - o.first : chunk;
        rc = send_fd(p->fd[k], &o, fd);
        p->busy[k] = o.n;
        o.first += o.n;
    }
    while (rc == 0 && left > 0) {
        for (int k = 0; k < p->n; k++)
            f[k] = (struct pollfd){p->fd[k], POLLIN, 0};
        if (poll(f, (nfds_t)p->n, -1) < 0)
            continue;
        for (int k = 0; k < p->n && rc == 0; k++) {
            if (!f[k].revents)
                continue;
            struct order a;
            int none;
            if ((rc = receive_fd(p->fd[k], &a, &none)) != 0)
                break;
            failed += a.failed;
            left -= a.n;
            if (o.first < count) {
                o.n = count - o.first < chunk ? count - o.first : chunk;
                rc = send_fd(p->fd[k], &o, -1);
                o.first += o.n;
            }
        }
    }
    if (count)
        memcpy(out, map + out_at(&o), count * os);
    munmap(map, size);
    close(fd);
    free(f);
    if (rc) {
        p->dead = 1;
        errno = ECHILD;
        return -1;
    }
    if (failed) {
        errno = EIO;
        return -1;
    }
    return 0;
}
int pool_destroy(struct pool *p)
{
    if (!p)
        return 0;
    for (int k = 0; k < p->n; k++) {
        if (p->dead)
            kill(p->pid[k], SIGKILL);
        shutdown(p->fd[k], SHUT_RDWR);
        close(p->fd[k]);
    }
    for (int k = p->n - 1; k >= 0; k--)
        while (waitpid(p->pid[k], NULL, 0) == -1 && errno == EINTR)
            ;
    free(p->pid);
    free(p->fd);
    free(p->busy);
    free(p);
    return 0;
}
