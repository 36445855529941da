/* Elements and results lie in shared memory (memfd); only indices travel, through one socket pair a worker. */
#include "pool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct slot {
    pid_t pid;
    int fd, busy;
};

struct pool {
    int count, broken, memory;
    struct slot slot[];
};

struct work {
    task_fn task;
    size_t in_size, out_size, out_at, total, first, n;
};

static void serve(int fd, int memory)
{
    struct work w;
    while (recv(fd, &w, sizeof w, 0) == (ssize_t)sizeof w) {
        char failed = 0, *base = mmap(NULL, w.total, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
        if (base == MAP_FAILED)
            _exit(1);
        for (size_t i = w.first; i < w.first + w.n; i++)
            failed |= w.task(base + i * w.in_size, base + w.out_at + i * w.out_size) != 0;
        munmap(base, w.total);
        fflush(stdout);
        if (send(fd, &failed, 1, MSG_NOSIGNAL) != 1)
            break;
    }
    _exit(0);
}

struct pool *pool_create(int processes)
{
    if (processes < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *p = calloc(1, sizeof *p + (size_t)processes * sizeof p->slot[0]);
    p->memory = memfd_create("pool", MFD_CLOEXEC);
    fflush(NULL);
    for (int i = 0; i < processes; i++) {
        int pair[2];
        pid_t pid = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ? -2 : fork();
        if (pid == 0) {
            for (int k = 0; k < i; k++)
                close(p->slot[k].fd);
            close(pair[0]);
            serve(pair[1], p->memory);
        }
        if (pid < 0) {
            int why = errno;
            if (pid == -1) {
                close(pair[0]);
                close(pair[1]);
            }
            pool_destroy(p);
            errno = why;
            return NULL;
        }
        close(pair[1]);
        p->slot[i] = (struct slot){pid, pair[0], 0};
        p->count = i + 1;
    }
    return p;
}

int pool_map(struct pool *p, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count, size_t chunk)
{
    if (p->broken) {
        errno = ECHILD;
        return -1;
    }
    if (count == 0)
        return 0;
    size_t out_at = (count * in_size + 63) / 64 * 64, total = out_at + count * out_size + 64, next = 0;
    int busy = 0;
    char failed = 0;
    if (ftruncate(p->memory, (off_t)total) != 0)
        return -1;
    char *base = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED, p->memory, 0);
    if (base == MAP_FAILED)
        return -1;
    memcpy(base, in, count * in_size);
    if (chunk == 0)
        chunk = 1 + count / (4 * (size_t)p->count);
    while ((next < count || busy > 0) && !p->broken) {
        struct pollfd fds[p->count];
        for (int i = 0; i < p->count; i++) {
            struct slot *s = &p->slot[i];
            if (!s->busy && next < count) {
                size_t n = count - next < chunk ? count - next : chunk;
                struct work w = {task, in_size, out_size, out_at, total, next, n};
                if (send(s->fd, &w, sizeof w, MSG_NOSIGNAL) < 0)
                    p->broken = 1;
                s->busy = 1;
                busy++;
                next += n;
            }
            fds[i] = (struct pollfd){s->busy ? s->fd : -1, POLLIN, 0};
        }
        poll(fds, (nfds_t)p->count, -1);
        for (int i = 0; i < p->count; i++) {
            char bad = 0;
            if (!fds[i].revents)
                continue;
            if (recv(p->slot[i].fd, &bad, 1, 0) != 1)
                p->broken = 1;
            failed |= bad;
            p->slot[i].busy = 0;
            busy--;
        }
    }
    memcpy(out, base + out_at, count * out_size);
    munmap(base, total);
    if (p->broken || failed) {
        errno = p->broken ? ECHILD : EIO;
        return -1;
    }
    return 0;
}

int pool_destroy(struct pool *p)
{
    if (p) {
        for (int i = 0; i < p->count; i++) {
            shutdown(p->slot[i].fd, SHUT_RDWR);
            close(p->slot[i].fd);
        }
        for (int i = 0; i < p->count; i++)
            waitpid(p->slot[i].pid, NULL, 0);
        close(p->memory);
        free(p);
    }
    return 0;
}
