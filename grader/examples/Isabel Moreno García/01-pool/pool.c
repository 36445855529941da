/* pool.c: a pool of worker processes.

   Parent and workers see the same memory. It begins with a board, on which the parent
   writes what is to be done; the elements follow, and room for the results. The parent
   wakes the workers, and sleeps. Each worker takes one chunk after the other: which is
   the next one says a counter on the board, that all of them add to. So a chunk costs
   no message. The last worker to finish wakes the parent.

   Parent and each worker also share a socket pair. A byte through it wakes the other
   side; and it tells each side when the other one has died, which memory cannot. */
#include "pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* BEGIN TODO 1: the board that all processes see, and the pool */
enum { LINE = 64 }; /* bytes that move between cores together; good for every type to begin at, too */

/* One pool_map call. */
struct job {
    task_fn task; /* valid in the workers too: they are copies of this process */
    size_t in_size, out_size, count;
    size_t chunk, chunks; /* elements in a chunk (the last may have fewer); how many chunks */
    size_t out_at, end;   /* bytes from the board's beginning to the results, and to their end */
};

/* The beginning of the shared memory. The elements follow it. */
struct board {
    struct job job;                   /* the parent writes it, while the workers sleep */
    alignas(LINE) atomic_size_t next; /* the first chunk that nobody has taken yet */
    atomic_int working;               /* workers that have not finished yet */
    atomic_bool failed;               /* has a task returned non-zero? */
};

struct pool {
    int processes;
    bool broken;         /* a worker has died */
    int memory;          /* the shared memory, as a file */
    struct board *board; /* where this process sees it, ... */
    size_t seen;         /* ... and how many bytes of it */
    pid_t *worker;
    struct pollfd *end; /* the parent's ends of the socket pairs, as poll wants them */
};

/* The shared memory is a file that lies in no folder, and goes when nobody has it any more. */
static int make_board(struct pool *pool)
{
    pool->memory = memfd_create("pool", MFD_CLOEXEC);
    if (pool->memory < 0 || ftruncate(pool->memory, sizeof *pool->board) != 0)
        return -1;
    void *board = mmap(NULL, sizeof *pool->board, PROT_READ | PROT_WRITE, MAP_SHARED, pool->memory, 0);
    if (board == MAP_FAILED)
        return -1;
    pool->board = board;
    pool->seen = sizeof *pool->board;
    return 0;
}

/* Lets this process see so many bytes of the shared memory. The board may move. */
static int see(struct pool *pool, size_t bytes)
{
    if (bytes <= pool->seen)
        return 0;
    void *board = mremap(pool->board, pool->seen, bytes, MREMAP_MAYMOVE);
    if (board == MAP_FAILED)
        return -1;
    pool->board = board;
    pool->seen = bytes;
    return 0;
}

/* Wakes the other side. -1 if it has gone. */
static int send_byte(int socket)
{
    ssize_t n;
    do
        n = send(socket, "", 1, MSG_NOSIGNAL); /* an error, not SIGPIPE, if nobody listens */
    while (n < 0 && errno == EINTR);
    return n == 1 ? 0 : -1;
}

/* Sleeps until the other side sends a byte. -1 if it has gone. */
static int receive_byte(int socket)
{
    char byte;
    ssize_t n;
    do
        n = recv(socket, &byte, 1, 0);
    while (n < 0 && errno == EINTR);
    return n == 1 ? 0 : -1;
}
/* END TODO 1 */

/* BEGIN TODO 2: what a worker does until the parent hangs up */
/* Is the parent still there? To look into the socket costs more than a short task, so this
   looks once in a tick of the coarse clock, some milliseconds, which can be read without
   the kernel. MSG_PEEK leaves what it finds; 0 is the end of the file. */
static bool is_wanted(int socket, long *tick)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (now.tv_nsec == *tick)
        return true;
    *tick = now.tv_nsec;
    char byte;
    return recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

/* Takes chunks until none is left. atomic_fetch_add adds 1 and says what was there
   before, in one step: no two workers are ever told the same number. */
static void take_chunks(struct board *board, int socket)
{
    const struct job job = board->job;
    const char *in = (const char *)(board + 1);
    char *out = (char *)board + job.out_at;
    long tick = -1;
    size_t k;
    while (is_wanted(socket, &tick) && (k = atomic_fetch_add(&board->next, 1)) < job.chunks) {
        size_t first = k * job.chunk, left = job.count - first;
        size_t end = first + (left < job.chunk ? left : job.chunk);
        for (size_t i = first; i < end; i++)
            if (job.task(in + i * job.in_size, out + i * job.out_size) != 0)
                board->failed = true;
    }
}

/* Never returns: a worker that returned would run the rest of the caller's
   program a second time. _exit, unlike exit, leaves the parent's stdio alone. */
static _Noreturn void serve(struct pool *pool, int socket)
{
    while (receive_byte(socket) == 0) {
        if (see(pool, pool->board->job.end) != 0)
            _exit(EXIT_FAILURE);
        take_chunks(pool->board, socket);
        fflush(stdout); /* what the tasks printed */
        bool last = atomic_fetch_sub(&pool->board->working, 1) == 1;
        if (last && send_byte(socket) != 0)
            break;
    }
    _exit(EXIT_SUCCESS);
}
/* END TODO 2 */

/* BEGIN TODO 3: start one worker */
/* The child closes the parent's ends that it inherited, or no worker would see
   that the parent has gone. */
static int start_worker(struct pool *pool)
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
        for (int i = 0; i < pool->processes; i++)
            close(pool->end[i].fd);
        close(ends[0]);
        serve(pool, ends[1]);
    }
    close(ends[1]);
    pool->worker[pool->processes] = pid;
    pool->end[pool->processes] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    pool->processes++;
    return 0;
}
/* END TODO 3 */

struct pool *pool_create(int processes)
{
    /* BEGIN TODO 4: check the argument, make the board, start the workers */
    if (processes < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->memory = -1;
    pool->worker = calloc((size_t)processes, sizeof *pool->worker);
    pool->end = calloc((size_t)processes, sizeof *pool->end);
    bool good = pool->worker && pool->end && make_board(pool) == 0;

    while (good && pool->processes < processes)
        good = start_worker(pool) == 0;
    if (good)
        return pool;
    int reason = errno;
    pool_destroy(pool);
    errno = reason;
    return NULL;
    /* END TODO 4 */
}

/* BEGIN TODO 5: what the parent does in a map */
/* Says how the job is cut into chunks, and where everything lies. -1 if no memory is so large. */
static int plan(struct job *job, size_t processes)
{
    const size_t most = SIZE_MAX / 8; /* so that the sums below are numbers, and sizes of files */
    if ((job->in_size > 0 && job->count > most / job->in_size) ||
        (job->out_size > 0 && job->count > most / job->out_size)) {
        errno = ENOMEM;
        return -1;
    }
    if (job->chunk == 0) /* as multiprocessing.Pool chooses: about four chunks a worker */
        job->chunk = job->count / (4 * processes) + 1;
    job->chunks = job->count / job->chunk + (job->count % job->chunk > 0);
    job->out_at = (sizeof(struct board) + job->count * job->in_size + LINE - 1) / LINE * LINE;
    job->end = job->out_at + job->count * job->out_size;
    return 0;
}

/* Writes the job on the board, and the elements behind it. The memory never shrinks: the
   next map finds it there, and need not wait for the kernel to clear it. */
static int write_board(struct pool *pool, const struct job *job, const void *in)
{
    if (job->end > pool->seen && ftruncate(pool->memory, (off_t)job->end) != 0)
        return -1;
    if (see(pool, job->end) != 0)
        return -1;
    struct board *board = pool->board;
    board->job = *job;
    board->next = 0;
    board->failed = false;
    if (job->in_size > 0)
        memcpy(board + 1, in, job->count * job->in_size);
    return 0;
}

/* Wakes every worker for whom there is a chunk. */
static int wake(struct pool *pool, size_t chunks)
{
    int workers = chunks < (size_t)pool->processes ? (int)chunks : pool->processes;
    pool->board->working = workers;
    for (int i = 0; i < workers; i++)
        if (send_byte(pool->end[i].fd) != 0)
            return -1;
    return 0;
}

/* Sleeps until one of the sockets can be read. There is a byte in it if all work is done;
   and none, -1, if the worker has died. */
static int await(struct pool *pool)
{
    int n;
    do
        n = poll(pool->end, (nfds_t)pool->processes, -1);
    while (n < 0 && errno == EINTR);
    for (int i = 0; i < pool->processes; i++)
        if (n > 0 && pool->end[i].revents != 0)
            return receive_byte(pool->end[i].fd);
    return -1;
}
/* END TODO 5 */

int pool_map(struct pool *pool, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk)
{
    /* BEGIN TODO 6: elements onto the board, let the workers work, results from the board */
    struct job job = {.task = task, .in_size = in_size, .out_size = out_size, .count = count, .chunk = chunk};
    if (pool->broken) {
        errno = ECHILD;
        return -1;
    }
    if (count == 0)
        return 0;
    if (plan(&job, (size_t)pool->processes) != 0 || write_board(pool, &job, in) != 0)
        return -1;
    if (wake(pool, job.chunks) != 0 || await(pool) != 0) {
        pool->board->next = job.chunks; /* nobody needs the rest */
        pool->broken = true;
        errno = ECHILD;
        return -1;
    }
    if (out_size > 0)
        memcpy(out, (const char *)pool->board + job.out_at, count * out_size);
    if (pool->board->failed)
        errno = EIO;
    return pool->board->failed ? -1 : 0;
    /* END TODO 6 */
}

int pool_destroy(struct pool *pool)
{
    /* BEGIN TODO 7: hang up, wait for every worker, free */
    if (!pool)
        return 0;
    for (int i = 0; i < pool->processes; i++) {
        /* shutdown reaches the worker even if another process has inherited our end. */
        shutdown(pool->end[i].fd, SHUT_RDWR);
        close(pool->end[i].fd);
        if (pool->broken) /* nobody waits for what the others still do */
            kill(pool->worker[i], SIGKILL);
    }
    for (int i = 0; i < pool->processes; i++)
        while (waitpid(pool->worker[i], NULL, 0) < 0 && errno == EINTR)
            ;
    if (pool->board)
        munmap(pool->board, pool->seen);
    if (pool->memory >= 0)
        close(pool->memory);
    free(pool->worker);
    free(pool->end);
    free(pool);
    return 0;
    /* END TODO 7 */
}
