/* The workers themselves take the next chunk, from a counter in shared memory: one request a map, not one a chunk. */
#include "pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker {
    pid_t pid;
    int socket; /* the parent's end */
    bool busy;
};

struct pool {
    int processes, memory; /* a file without a name, which the workers inherit */
    bool broken;
    struct worker worker[];
};

/* At the beginning of the shared memory; the elements and the results come after it. */
struct board {
    _Atomic size_t next; /* first element that nobody has taken */
    atomic_bool failed;
};

struct request {
    task_fn task;
    size_t in_size, out_size, count, chunk;
};

/* ---- where things lie ---- */

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static char *elements_of(struct board *board)
{
    return (char *)board + rounded(sizeof *board);
}

static char *results_of(struct board *board, const struct request *r)
{
    return elements_of(board) + rounded(r->count * r->in_size);
}

static size_t bytes_of(const struct request *r)
{
    return rounded(sizeof(struct board)) + rounded(r->count * r->in_size) + r->count * r->out_size;
}

static struct board *map_board(int memory, const struct request *r)
{
    void *board = mmap(NULL, bytes_of(r), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    return board == MAP_FAILED ? NULL : board;
}

/* ---- the worker ---- */

static void work(struct board *board, const struct request *r)
{
    const char *in = elements_of(board);
    char *out = results_of(board, r);
    for (;;) {
        size_t first = atomic_fetch_add(&board->next, r->chunk);
        if (first >= r->count)
            return;
        size_t end = r->count - first < r->chunk ? r->count : first + r->chunk;
        for (size_t i = first; i < end; i++)
            if (r->task(in + i * r->in_size, out + i * r->out_size) != 0)
                board->failed = true;
    }
}

static _Noreturn void serve(int socket, int memory)
{
    struct request r;
    while (recv(socket, &r, sizeof r, 0) == (ssize_t)sizeof r) {
        struct board *board = map_board(memory, &r);
        if (!board)
            _exit(EXIT_FAILURE);
        work(board, &r);
        munmap(board, bytes_of(&r));
        fflush(stdout);
        if (send(socket, "", 1, MSG_NOSIGNAL) != 1)
            break;
    }
    _exit(EXIT_SUCCESS);
}

static int start_worker(struct pool *pool, int id)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    if (pid == 0) {
        for (int i = 0; i < id; i++)
            close(pool->worker[i].socket);
        close(ends[0]);
        serve(ends[1], pool->memory);
    }
    close(ends[1]);
    pool->worker[id] = (struct worker){.pid = pid, .socket = ends[0]};
    return 0;
}

/* ---- the parent ---- */

struct pool *pool_create(int processes)
{
    if (processes < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *pool = calloc(1, sizeof *pool + (size_t)processes * sizeof *pool->worker);
    if (!pool)
        return NULL;
    pool->memory = memfd_create("pool", MFD_CLOEXEC);
    if (pool->memory < 0) {
        free(pool);
        return NULL;
    }
    fflush(NULL);
    for (; pool->processes < processes; pool->processes++)
        if (start_worker(pool, pool->processes) != 0) {
            int reason = errno;
            pool_destroy(pool);
            errno = reason;
            return NULL;
        }
    return pool;
}

/* Wakes no more workers than there are chunks. Returns how many, or -1. */
static int wake(struct pool *pool, const struct request *r)
{
    size_t chunks = (r->count + r->chunk - 1) / r->chunk;
    int woken = 0;
    for (; woken < pool->processes && (size_t)woken < chunks; woken++) {
        pool->worker[woken].busy = true;
        if (send(pool->worker[woken].socket, r, sizeof *r, MSG_NOSIGNAL) < 0)
            return -1;
    }
    return woken;
}

/* Waits until all that were woken have answered. -1 if one has died. */
static int await(struct pool *pool, int busy)
{
    struct pollfd *wait = calloc((size_t)pool->processes, sizeof *wait);
    char answer;
    int result = wait ? 0 : -1;
    while (busy > 0 && result == 0) {
        for (int i = 0; i < pool->processes; i++)
            wait[i] = (struct pollfd){pool->worker[i].busy ? pool->worker[i].socket : -1, POLLIN, 0};
        if (poll(wait, (nfds_t)pool->processes, -1) < 0 && errno != EINTR)
            result = -1;
        for (int i = 0; i < pool->processes && result == 0; i++) {
            if (!wait[i].revents)
                continue;
            ssize_t n = recv(pool->worker[i].socket, &answer, 1, MSG_DONTWAIT);
            if (n == 1) {
                pool->worker[i].busy = false;
                busy--;
            } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
                result = -1;
            }
        }
    }
    free(wait);
    return result;
}

int pool_map(struct pool *pool, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk)
{
    struct request r = {task, in_size, out_size, count, chunk ? chunk : count / (4 * (size_t)pool->processes) + 1};
    if (pool->broken) {
        errno = ECHILD;
        return -1;
    }
    if (count == 0)
        return 0;
    if (r.chunk > count)
        r.chunk = count; /* or the counter could wrap */
    struct board *board = ftruncate(pool->memory, (off_t)bytes_of(&r)) == 0 ? map_board(pool->memory, &r) : NULL;
    if (!board)
        return -1;
    board->next = 0;
    board->failed = false;
    if (in_size > 0)
        memcpy(elements_of(board), in, count * in_size);
    int woken = wake(pool, &r);
    pool->broken = woken < 0 || await(pool, woken) != 0;
    bool failed = board->failed;
    if (pool->broken)
        board->next = count; /* the others need not go on */
    else if (out_size > 0)
        memcpy(out, results_of(board, &r), count * out_size);
    munmap(board, bytes_of(&r));
    if (pool->broken || failed)
        errno = pool->broken ? ECHILD : EIO;
    return pool->broken || failed ? -1 : 0;
}

int pool_destroy(struct pool *pool)
{
    if (!pool)
        return 0;
    for (int i = 0; i < pool->processes; i++) {
        shutdown(pool->worker[i].socket, SHUT_RDWR);
        close(pool->worker[i].socket);
        if (pool->broken)
            kill(pool->worker[i].pid, SIGKILL);
    }
    for (int i = 0; i < pool->processes; i++)
        while (waitpid(pool->worker[i].pid, NULL, 0) < 0 && errno == EINTR)
            ;
    close(pool->memory);
    free(pool);
    return 0;
}
