/* Shared memory throughout: a mailbox a worker with two process-shared semaphores; large chunks go
   through it piece by piece; a timed wait notices workers that have died. */
#include "pool.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1 << 16 };

struct mailbox {
    sem_t full, empty; /* for the worker, for the parent */
    task_fn task;
    size_t in_size, out_size, n, bytes;
    int failed;
    char data[PIECE];
};

struct pool {
    int n, made, dead;
    struct mailbox *box;
    sem_t *any; /* one post for each answer that has begun */
    pid_t pid[];
};

struct state {
    size_t first, n;
};

static void await(sem_t *s)
{
    while (sem_wait(s) != 0)
        ;
}

static _Noreturn void work(struct mailbox *b, sem_t *any)
{
    for (;;) {
        await(&b->full);
        task_fn task = b->task;
        size_t is = b->in_size, os = b->out_size, n = b->n, total = n * is, at = 0;
        char *in = malloc(total + 1), *out = malloc(n * os + 1);
        if (!in || !out)
            _exit(1);
        while (at < total) {
            memcpy(in + at, b->data, b->bytes);
            at += b->bytes;
            sem_post(&b->empty);
            if (at < total)
                await(&b->full);
        }
        int failed = 0;
        for (size_t i = 0; i < n; i++)
            if (task(in + i * is, out + i * os) != 0)
                failed = 1;
        fflush(stdout);
        b->failed = failed;
        sem_post(any);
        for (size_t piece, done = 0; done < n * os; done += piece) {
            await(&b->full); /* the parent asks for a piece */
            piece = n * os - done < PIECE ? n * os - done : PIECE;
            b->bytes = piece;
            memcpy(b->data, out + done, piece);
            sem_post(&b->empty);
        }
        free(in);
        free(out);
    }
}

struct pool *pool_create(int processes)
{
    if (processes < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *p = calloc(1, sizeof *p + (size_t)processes * sizeof p->pid[0]);
    size_t bytes = (size_t)processes * sizeof *p->box + sizeof(sem_t);
    p->box = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p->any = (sem_t *)(p->box + processes);
    p->n = processes;
    sem_init(p->any, 1, 0);
    fflush(NULL);
    for (int i = 0; i < processes; i++) {
        sem_init(&p->box[i].full, 1, 0);
        sem_init(&p->box[i].empty, 1, 0);
        pid_t parent = getpid();
        if ((p->pid[i] = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(0);
            work(&p->box[i], p->any);
        }
        if (p->pid[i] < 0) {
            int reason = errno;
            p->made = i;
            pool_destroy(p);
            errno = reason;
            return NULL;
        }
    }
    p->made = processes;
    return p;
}

/* Waits, but looks now and then whether a worker has died. */
static int wait_alive(struct pool *p, sem_t *s)
{
    for (;;) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 20000000;
        if (t.tv_nsec >= 1000000000) {
            t.tv_sec++;
            t.tv_nsec -= 1000000000;
        }
        if (sem_timedwait(s, &t) == 0)
            return 0;
        for (int i = 0; i < p->n; i++) {
            siginfo_t info = {0};
            if (waitid(P_PID, (id_t)p->pid[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
                p->dead = 1;
                return -1;
            }
        }
    }
}

static int give(struct pool *p, int i, task_fn task, const char *in, size_t is, size_t os, struct state *s)
{
    struct mailbox *b = &p->box[i];
    size_t total = s->n * is;
    b->task = task;
    b->in_size = is;
    b->out_size = os;
    b->n = s->n;
    for (size_t at = 0; at < total; at += b->bytes) {
        b->bytes = total - at < PIECE ? total - at : PIECE;
        memcpy(b->data, in + s->first * is + at, b->bytes);
        b->failed = -1;
        sem_post(&b->full);
        if (wait_alive(p, &b->empty))
            return -1;
    }
    return 0;
}

static int take(struct pool *p, int i, char *out, size_t os, struct state *s, int *failed)
{
    struct mailbox *b = &p->box[i];
    *failed |= b->failed;
    b->failed = -1;
    for (size_t at = 0; at < s->n * os; at += b->bytes) {
        sem_post(&b->full);
        if (wait_alive(p, &b->empty))
            return -1;
        memcpy(out + s->first * os + at, b->data, b->bytes);
    }
    s->n = 0;
    return 0;
}

int pool_map(struct pool *p, task_fn task, const void *in, size_t is, void *out, size_t os, size_t count, size_t chunk)
{
    struct state s[p->n];
    size_t next = 0, busy = 0;
    int failed = 0;
    memset(s, 0, sizeof s);
    if (!chunk)
        chunk = count / ((size_t)p->n * 4) + 1;
    for (int i = 0; i < p->n && next < count && !p->dead; i++) {
        s[i] = (struct state){next, count - next < chunk ? count - next : chunk};
        next += s[i].n;
        busy++;
        give(p, i, task, in, is, os, &s[i]);
    }
    while (busy > 0 && !p->dead) {
        if (wait_alive(p, p->any))
            break;
        int i = 0;
        while (i < p->n && (s[i].n == 0 || __atomic_load_n(&p->box[i].failed, __ATOMIC_ACQUIRE) < 0))
            i++;
        if (i == p->n || take(p, i, out, os, &s[i], &failed))
            break;
        busy--;
        if (next < count) {
            s[i] = (struct state){next, count - next < chunk ? count - next : chunk};
            next += s[i].n;
            busy++;
            give(p, i, task, in, is, os, &s[i]);
        }
    }
    if (!p->dead && !failed)
        return 0;
    errno = p->dead ? ECHILD : EIO;
    return -1;
}

int pool_destroy(struct pool *p)
{
    if (!p)
        return 0;
    for (int i = 0; i < p->made; i++)
        kill(p->pid[i], SIGKILL);
    for (int i = 0; i < p->made; i++)
        waitpid(p->pid[i], NULL, 0);
    munmap(p->box, (size_t)p->n * sizeof *p->box + sizeof(sem_t));
    free(p);
    return 0;
}
