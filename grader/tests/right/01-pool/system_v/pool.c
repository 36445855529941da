/* System V message queue and shared memory. */
#include "pool.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct msg {
    long type;
    struct {
        task_fn task;
        size_t is, os, first, n, count;
        int shm, worker, bad;
    } b;
};
struct worker {
    pid_t pid;
    int busy;
};
struct pool {
    int n, dead, q;
    struct worker w[];
};

static void child(int q, int me)
{
    struct msg m;
    for (;;) {
        if (msgrcv(q, &m, sizeof m.b, me + 2, 0) < 0) {
            if (errno == EINTR)
                continue;
            _exit(0);
        }
        char *s = shmat(m.b.shm, NULL, 0);
        if (s == (char *)-1)
            _exit(1);
        char *in = s, *out = s + (m.b.count * m.b.is + 63) / 64 * 64;
        m.b.bad = 0;
        for (size_t i = m.b.first; i < m.b.first + m.b.n; i++)
            if (m.b.task(in + i * m.b.is, out + i * m.b.os))
                m.b.bad = 1;
        shmdt(s);
        fflush(stdout);
        m.type = 1;
        m.b.worker = me;
        while (msgsnd(q, &m, sizeof m.b, 0) < 0)
            if (errno != EINTR)
                _exit(1);
    }
}
struct pool *pool_create(int n)
{
    if (n < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *p = calloc(1, sizeof *p + (size_t)n * sizeof p->w[0]);
    if (!p)
        return NULL;
    p->q = msgget(IPC_PRIVATE, 0600);
    if (p->q < 0) {
        int e = errno;
        free(p);
        errno = e;
        return NULL;
    }
    fflush(NULL);
    pid_t me = getpid();
    for (int k = 0; k < n; k++) {
        pid_t pid = fork();
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != me)
                _exit(0);
            child(p->q, k);
        }
        if (pid < 0) {
            int e = errno;
            pool_destroy(p);
            errno = e;
            return NULL;
        }
        p->w[k].pid = pid;
        p->n++;
    }
    return p;
}
static int give(struct pool *p, int k, struct msg m, size_t first, size_t n)
{
    m.type = k + 2;
    m.b.first = first;
    m.b.n = n;
    p->w[k].busy = 1;
    while (msgsnd(p->q, &m, sizeof m.b, 0) < 0)
        if (errno != EINTR)
            return -1;
    return 0;
}
static int somebody_died(struct pool *p)
{
    for (int k = 0; k < p->n; k++) {
        siginfo_t s = {0};
        if (waitid(P_PID, (id_t)p->w[k].pid, &s, WEXITED | WNOHANG | WNOWAIT) < 0 || s.si_pid != 0)
            return 1;
    }
    return 0;
}
int pool_map(struct pool *p, task_fn task, const void *in, size_t is, void *out, size_t os, size_t count, size_t chunk)
{
    if (p->dead) {
        errno = ECHILD;
        return -1;
    }
    if (count == 0)
        return 0;
    if (!chunk)
        chunk = count / ((size_t)p->n * 4) + 1;
    size_t off = (count * is + 63) / 64 * 64;
    int id = shmget(IPC_PRIVATE, off + count * os + 1, 0600 | IPC_CREAT);
    if (id < 0)
        return -1;
    char *s = shmat(id, NULL, 0);
    if (s == (char *)-1) {
        shmctl(id, IPC_RMID, NULL);
        return -1;
    }
    shmctl(id, IPC_RMID, NULL);
    memcpy(s, in, count * is);
    struct msg m = {.b = {.task = task, .is = is, .os = os, .count = count, .shm = id}};
    size_t next = 0, done = 0;
    int bad = 0, rc = 0;
    for (int k = 0; k < p->n && next < count && rc == 0; k++) {
        size_t n = count - next < chunk ? count - next : chunk;
        rc = give(p, k, m, next, n);
        next += n;
    }
    while (rc == 0 && done < count) {
        struct msg a;
        if (msgrcv(p->q, &a, sizeof a.b, 1, IPC_NOWAIT) < 0) {
            struct timespec ms = {0, 200000};
            if (somebody_died(p))
                rc = -1;
            else
                nanosleep(&ms, NULL);
            continue;
        }
        done += a.b.n;
        bad |= a.b.bad;
        if (next < count) {
            size_t n = count - next < chunk ? count - next : chunk;
            rc = give(p, a.b.worker, m, next, n);
            next += n;
        }
    }
    memcpy(out, s + off, count * os);
    shmdt(s);
    if (rc < 0) {
        p->dead = 1;
        errno = ECHILD;
        return -1;
    }
    if (bad) {
        errno = EIO;
        return -1;
    }
    return 0;
}
int pool_destroy(struct pool *p)
{
    if (!p)
        return 0;
    if (p->dead)
        for (int k = 0; k < p->n; k++)
            kill(p->w[k].pid, SIGKILL);
    msgctl(p->q, IPC_RMID, NULL);
    for (int k = 0; k < p->n; k++)
        while (waitpid(p->w[k].pid, NULL, 0) < 0 && errno == EINTR)
            ;
    free(p);
    return 0;
}
