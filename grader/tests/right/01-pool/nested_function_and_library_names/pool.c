/* A GNU nested function whose address is taken (its call goes over the stack), and variables called like functions. */
#include "pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker {
    pid_t pid;
    int socket;          /* the parent's end */
    size_t first, count; /* the chunk it works on; count = 0: it is idle */
};

struct pool {
    int processes;
    bool broken; /* a worker has died */
    struct worker worker[];
};

struct request {
    task_fn task; /* valid in the worker too: it is a copy of this process */
    size_t in_size, out_size, count;
};

struct reply {
    int failed; /* did a task return non-zero? */
};

/* Sends a header and its data, whole. 0, or -1 if the other side is gone. */
static int send_all(int socket, const void *header, size_t header_size, const void *data, size_t size)
{
    struct iovec part[2] = {{(void *)(uintptr_t)header, header_size}, {(void *)(uintptr_t)data, size}};
    struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
    while (part[0].iov_len + part[1].iov_len > 0) {
        ssize_t n = sendmsg(socket, &message, MSG_NOSIGNAL); /* an error, not SIGPIPE, if nobody listens */
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        for (int i = 0; i < 2; i++) { /* step over what has gone */
            size_t gone = (size_t)n < part[i].iov_len ? (size_t)n : part[i].iov_len;
            part[i].iov_base = (char *)part[i].iov_base + gone;
            part[i].iov_len -= gone;
            n -= (ssize_t)gone;
        }
    }
    return 0;
}

/* Receives exactly size bytes. 0, or -1 if the other side is gone. */
static int receive_all(int socket, void *data, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t n = recv(socket, (char *)data + got, size - got, MSG_WAITALL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        got += (size_t)n;
    }
    return 0;
}

/* Makes room for size bytes at *buffer. */
static int reserve(char **buffer, size_t *capacity, size_t size)
{
    if (size <= *capacity)
        return 0;
    char *larger = realloc(*buffer, size);
    if (!larger)
        return -1;
    *buffer = larger;
    *capacity = size;
    return 0;
}

int times, clock_ticks; /* requests served, and tasks run */
size_t rng_state;       /* bytes seen */

static void for_each(size_t count, void (*f)(size_t))
{
    for (size_t i = 0; i < count; i++)
        f(i);
}

/* Never returns: a worker that returned would run the rest of the caller's
   program a second time. _exit, unlike exit, leaves the parent's stdio alone. */
static _Noreturn void serve(int socket)
{
    char *in = NULL, *out = NULL;
    size_t in_capacity = 0, out_capacity = 0;
    struct request r;
    while (receive_all(socket, &r, sizeof r) == 0) {
        struct reply reply = {0};
        if (reserve(&in, &in_capacity, r.count * r.in_size) != 0 ||
            reserve(&out, &out_capacity, r.count * r.out_size) != 0 ||
            receive_all(socket, in, r.count * r.in_size) != 0)
            _exit(EXIT_FAILURE);
        void run(size_t i)
        {
            clock_ticks++;
            if (r.task(in + i * r.in_size, out + i * r.out_size) != 0)
                reply.failed = 1;
        }
        for_each(r.count, run);
        times++;
        rng_state += r.count * r.in_size;
        fflush(stdout); /* what the tasks printed */
        if (send_all(socket, &reply, sizeof reply, out, r.count * r.out_size) != 0)
            break;
    }
    _exit(EXIT_SUCCESS);
}

/* Forks worker number id. The child closes the parent's ends that it inherited,
   or no worker would see that the parent has gone. */
static int start_worker(struct pool *pool, int id)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
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
        serve(ends[1]);
    }
    close(ends[1]);
    pool->worker[id] = (struct worker){.pid = pid, .socket = ends[0]};
    return 0;
}

struct pool *pool_create(int processes)
{
    if (processes < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *pool = calloc(1, sizeof *pool + (size_t)processes * sizeof *pool->worker);
    if (!pool)
        return NULL;
    fflush(NULL); /* or what waits in stdio's buffers would be printed by every worker too */
    for (; pool->processes < processes; pool->processes++)
        if (start_worker(pool, pool->processes) != 0) {
            int reason = errno;
            pool_destroy(pool);
            errno = reason;
            return NULL;
        }
    return pool;
}

/* One pool_map call. */
struct map {
    task_fn task;
    const char *in;
    char *out;
    size_t in_size, out_size, count, chunk;
    size_t next; /* first element that no worker has yet */
    size_t busy; /* workers that have a chunk */
    bool failed;
};

static int give_chunk(struct map *m, struct worker *w)
{
    size_t left = m->count - m->next;
    *w = (struct worker){w->pid, w->socket, m->next, left < m->chunk ? left : m->chunk};
    struct request r = {m->task, m->in_size, m->out_size, w->count};
    m->next += w->count;
    m->busy++;
    return send_all(w->socket, &r, sizeof r, m->in + w->first * m->in_size, w->count * m->in_size);
}

static int take_results(struct map *m, struct worker *w)
{
    struct reply reply;
    if (receive_all(w->socket, &reply, sizeof reply) != 0 ||
        receive_all(w->socket, m->out + w->first * m->out_size, w->count * m->out_size) != 0)
        return -1;
    m->failed |= reply.failed != 0;
    m->busy--;
    w->count = 0;
    return 0;
}

/* Waits until a busy worker answers (or dies), and serves all that have. */
static int serve_answers(struct pool *pool, struct map *m, struct pollfd *wait)
{
    for (int i = 0; i < pool->processes; i++)
        wait[i] = (struct pollfd){.fd = pool->worker[i].count ? pool->worker[i].socket : -1, .events = POLLIN};
    if (poll(wait, (nfds_t)pool->processes, -1) < 0)
        return errno == EINTR ? 0 : -1;
    for (int i = 0; i < pool->processes; i++) {
        struct worker *w = &pool->worker[i];
        if (wait[i].revents && (take_results(m, w) != 0 || (m->next < m->count && give_chunk(m, w) != 0)))
            return -1;
    }
    return 0;
}

int pool_map(struct pool *pool, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk)
{
    size_t processes = (size_t)pool->processes;
    if (chunk == 0) /* as multiprocessing.Pool chooses: about four chunks a worker */
        chunk = count / (4 * processes) + 1;
    struct map m = {task, in, out, in_size, out_size, count, chunk, 0, 0, false};
    struct pollfd *wait = calloc(processes, sizeof *wait);
    if (!wait)
        return -1;
    for (size_t i = 0; i < processes && m.next < count && !pool->broken; i++)
        pool->broken = give_chunk(&m, &pool->worker[i]) != 0;
    while (m.busy > 0 && !pool->broken)
        pool->broken = serve_answers(pool, &m, wait) != 0;
    free(wait);
    if (pool->broken || m.failed)
        errno = pool->broken ? ECHILD : EIO;
    return pool->broken || m.failed ? -1 : 0;
}

int pool_destroy(struct pool *pool)
{
    if (!pool)
        return 0;
    for (int i = 0; i < pool->processes; i++) {
        /* shutdown reaches the worker even if another process has inherited our end. */
        shutdown(pool->worker[i].socket, SHUT_RDWR);
        close(pool->worker[i].socket);
        if (pool->broken) /* nobody waits for what the others still do */
            kill(pool->worker[i].pid, SIGKILL);
    }
    for (int i = 0; i < pool->processes; i++)
        while (waitpid(pool->worker[i].pid, NULL, 0) < 0 && errno == EINTR)
            ;
    free(pool);
    return 0;
}
