/* Different: a forked driver process for every engine; results, the next task and errors lie in shared memory. */
#include "views.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    atomic_size_t next; /* balanced: the first task that no driver has */
    atomic_flag lock;   /* around taking a task */
    atomic_bool died, failed, done[1 << 16];
};

struct map {
    struct engines *e;
    task_fn task;
    const char *in;
    size_t in_size, out_size, count;
    struct shared *s;
    char *results; /* shared, in the shape of out */
};

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    if (engines_submit(e, id, task, in, in_size, out_size) != 0)
        return -1;
    return engines_collect(e, id, out);
}

static bool note(struct map *m, int result)
{
    if (result != 0 && errno == ECHILD)
        atomic_store(&m->s->died, true);
    else if (result != 0)
        atomic_store(&m->s->failed, true);
    return result == 0 || errno != ECHILD;
}

static bool collect(struct map *m, int id, size_t i)
{
    int result = engines_collect(m->e, id, m->results + i * m->out_size);
    if (result == 0)
        atomic_store(&m->s->done[i], true);
    return note(m, result);
}

static bool submit(struct map *m, int id, size_t i)
{
    return note(m, engines_submit(m->e, id, m->task, m->in + i * m->in_size, m->in_size, m->out_size));
}

/* Takes the next task of all; the lock keeps the order, and a task that is refused stays. */
static bool submit_next(struct map *m, int id, size_t *i)
{
    bool taken = false;
    while (atomic_flag_test_and_set(&m->s->lock))
        usleep(50);
    *i = atomic_load(&m->s->next);
    if (*i < m->count && submit(m, id, *i)) {
        atomic_store(&m->s->next, *i + 1);
        taken = true;
    }
    atomic_flag_clear(&m->s->lock);
    return taken;
}

static _Noreturn void drive(struct map *m, int id, bool balanced)
{
    size_t n = (size_t)engines_count(m->e), k = (size_t)id, i;
    if (balanced)
        while (submit_next(m, id, &i) && collect(m, id, i))
            ;
    else
        for (i = k * m->count / n; i < (k + 1) * m->count / n; i++)
            if (!submit(m, id, i) || !collect(m, id, i))
                break;
    _exit(0);
}

static int drive_all(struct map *m, bool balanced)
{
    int n = engines_count(m->e);
    pid_t *driver = calloc((size_t)n, sizeof *driver);
    if (!driver)
        return -1;
    for (int id = 0; id < n; id++)
        if ((driver[id] = fork()) == 0)
            drive(m, id, balanced);
    for (int id = 0; id < n; id++)
        waitpid(driver[id], NULL, 0);
    free(driver);
    return 0;
}

static void *share(size_t size)
{
    void *p = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static int run(struct map *m, void *out, bool balanced)
{
    int result = -1, error = ENOMEM;
    m->s = share(sizeof *m->s);
    m->results = share(m->count * m->out_size);
    if (m->s && m->results && m->count <= 1 << 16 && drive_all(m, balanced) == 0) {
        for (size_t i = 0; i < m->count; i++)
            if (m->s->done[i])
                memcpy((char *)out + i * m->out_size, m->results + i * m->out_size, m->out_size);
        error = m->s->died ? ECHILD : m->s->failed ? EIO : 0;
        result = error ? -1 : 0;
    }
    if (m->s)
        munmap(m->s, sizeof *m->s + 1);
    if (m->results)
        munmap(m->results, m->count * m->out_size + 1);
    if (error)
        errno = error;
    return result;
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    int died = 0, failed = 0, n = engines_count(e);
    for (int id = 0; id < n; id++)
        died += engines_submit(e, id, task, in, in_size, out_size) != 0;
    for (int id; (id = engines_any(e)) != -1;)
        if (engines_collect(e, id, (char *)out + out_size * (size_t)id) == -1) {
            died += errno == ECHILD;
            failed += errno == EIO;
        }
    if (died + failed > 0)
        errno = died ? ECHILD : EIO;
    return died + failed > 0 ? -1 : 0;
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count)
{
    struct map m = {.e = e, .task = task, .in = in, .in_size = in_size, .out_size = out_size, .count = count};
    return run(&m, out, false);
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count)
{
    struct map m = {.e = e, .task = task, .in = in, .in_size = in_size, .out_size = out_size, .count = count};
    return run(&m, out, true);
}
