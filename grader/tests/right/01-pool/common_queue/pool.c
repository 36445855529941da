/* No messages: the workers take chunks from a block of shared memory with a robust mutex and conditions. */
#include "pool.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Parent and workers share a control block with a mutex and two conditions. The map's arrays are in a memory file. */
struct control {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    task_fn task;
    size_t is, os, count, chunk, next, finished;
    int failed, quit, inside;
    unsigned generation;
};
struct pool {
    int n, dead, mem;
    pid_t *pid;
    struct control *c;
};

static int lock(struct control *c)
{
    int e = pthread_mutex_lock(&c->lock);
    if (e == EOWNERDEAD)
        pthread_mutex_consistent(&c->lock);
    return e;
}
static void serve(struct control *c, int mem)
{
    char *map = NULL;
    size_t size = 0;
    unsigned seen = 0;
    if (lock(c))
        _exit(1);
    for (;;) {
        while (!c->quit && c->next >= c->count)
            pthread_cond_wait(&c->work, &c->lock);
        if (c->quit)
            break;
        size_t first = c->next, n = c->count - first < c->chunk ? c->count - first : c->chunk;
        c->next += n;
        task_fn task = c->task;
        size_t is = c->is, os = c->os, off = (c->count * is + 63) / 64 * 64;
        if (seen != c->generation) {
            if (map)
                munmap(map, size);
            size = off + c->count * os + 1;
            map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
            if (map == MAP_FAILED)
                _exit(1);
            seen = c->generation;
        }
        pthread_mutex_unlock(&c->lock);
        int bad = 0;
        for (size_t i = first; i < first + n; i++)
            if (task(map + i * is, map + off + i * os))
                bad = 1;
        fflush(stdout);
        if (lock(c))
            _exit(1);
        c->failed |= bad;
        c->finished += n;
        if (c->finished == c->count)
            pthread_cond_signal(&c->done);
    }
    pthread_mutex_unlock(&c->lock);
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
    p->c = mmap(NULL, sizeof *p->c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    p->mem = memfd_create("arrays", MFD_CLOEXEC);
    if (!p->pid || p->c == MAP_FAILED || p->mem < 0)
        return NULL;
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&p->c->lock, &ma);
    pthread_condattr_init(&ca);
    pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&p->c->work, &ca);
    pthread_cond_init(&p->c->done, &ca);
    pid_t me = getpid();
    fflush(NULL);
    for (; p->n < n; p->n++) {
        p->pid[p->n] = fork();
        if (p->pid[p->n] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != me)
                _exit(1);
            serve(p->c, p->mem);
        }
        if (p->pid[p->n] < 0) {
            int e = errno;
            p->dead = 1;
            pool_destroy(p);
            errno = e;
            return NULL;
        }
    }
    return p;
}
static int died(struct pool *p)
{
    for (int k = 0; k < p->n; k++) {
        siginfo_t s;
        s.si_pid = 0;
        if (waitid(P_PID, (id_t)p->pid[k], &s, WEXITED | WNOHANG | WNOWAIT) || s.si_pid)
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
    struct control *c = p->c;
    size_t off = (count * is + 63) / 64 * 64, size = off + count * os + 1;
    if (ftruncate(p->mem, (off_t)size))
        return -1;
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, p->mem, 0);
    if (map == MAP_FAILED)
        return -1;
    memcpy(map, in, count * is);
    lock(c);
    c->task = task;
    c->is = is;
    c->os = os;
    c->count = count;
    c->next = c->finished = 0;
    c->failed = 0;
    c->chunk = chunk ? chunk : count / ((size_t)p->n * 4) + 1;
    c->generation++;
    pthread_cond_broadcast(&c->work);
    while (c->finished < count && !p->dead) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 20000000;
        if (t.tv_nsec >= 1000000000)
            t.tv_nsec -= 1000000000, t.tv_sec++;
        if (pthread_cond_timedwait(&c->done, &c->lock, &t) == EOWNERDEAD)
            pthread_mutex_consistent(&c->lock);
        p->dead = died(p);
    }
    int failed = c->failed;
    pthread_mutex_unlock(&c->lock);
    memcpy(out, map + off, count * os);
    munmap(map, size);
    if (p->dead) {
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
    if (!p->dead) {
        lock(p->c);
        p->c->quit = 1;
        pthread_cond_broadcast(&p->c->work);
        pthread_mutex_unlock(&p->c->lock);
    }
    for (int k = 0; k < p->n; k++) {
        if (p->dead)
            kill(p->pid[k], SIGKILL);
        while (waitpid(p->pid[k], NULL, 0) < 0 && errno == EINTR)
            ;
    }
    munmap(p->c, sizeof *p->c);
    close(p->mem);
    free(p->pid);
    free(p);
    return 0;
}
