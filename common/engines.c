/* engines.c: engine processes that run one task at a time (engines.h says what is promised).

   Each engine is a forked process at the other end of a socket pair. A task goes
   over as a request (its function, two sizes) and the bytes of in; the answer is a
   status and, if the task is done, the bytes of out. The function is sent as a
   pointer: a forked process has the same program at the same addresses.

   Nobody waits in a circle: an idle engine always reads, so a submit always ends;
   a busy engine may block in writing its answer until somebody collects it.
   A dead engine shows as the end of its stream, because no other process has its
   end of the pair. */
#include "engines.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

struct engine {
    pid_t pid;
    int fd;          /* our end of the pair; -1 once the engine is lost */
    bool busy;       /* it has a task that was not collected */
    size_t out_size; /* of that task */
};

struct engines {
    int count;
    int next; /* where engines_any begins to look, so that engines take turns */
    struct engine *list;
    struct pollfd *polled; /* engines_any's, one per engine */
};

struct request {
    task_fn task;
    size_t in_size, out_size;
};

/* ---- whole messages over a stream socket, which may cut them anywhere ---- */

/* Takes n bytes, already moved, off the front of what is left of a message. */
static void advance(struct iovec part[2], size_t n)
{
    for (int i = 0; i < 2 && n > 0; i++) {
        size_t step = n < part[i].iov_len ? n : part[i].iov_len;
        if (step == 0)
            continue; /* the part may be a NULL pointer, which nothing may be added to */
        part[i].iov_base = (char *)part[i].iov_base + step;
        part[i].iov_len -= step;
        n -= step;
    }
}

/* Head and body go in one system call where the socket has room. MSG_NOSIGNAL: a
   reader that has died is an error to handle here, not a SIGPIPE that ends the program. */
static bool send_message(int fd, const void *head, size_t head_size, const void *body, size_t body_size)
{
    struct iovec part[2] = {{(void *)head, head_size}, {(void *)body, body_size}};
    while (part[0].iov_len > 0 || part[1].iov_len > 0) {
        struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
        ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            advance(part, (size_t)n);
    }
    return true;
}

/* False at the end of the stream, and at any error. */
static bool receive(int fd, void *to, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t n = recv(fd, (char *)to + got, size - got, MSG_WAITALL);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        if (n > 0)
            got += (size_t)n;
    }
    return true;
}

/* An answer is received like any message, but its body only comes if the status is 0:
   so no waiting for more than the status before the status is known. */
static bool receive_answer(int fd, int *status, void *out, size_t out_size)
{
    struct iovec part[2] = {{status, sizeof *status}, {out, out_size}};
    while (part[0].iov_len > 0 || (*status == 0 && part[1].iov_len > 0)) {
        struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
        ssize_t n = recvmsg(fd, &message, 0);
        if (n == 0)
            errno = ECONNRESET; /* as for an engine that left with something unread */
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        if (n > 0)
            advance(part, (size_t)n);
    }
    return true;
}

/* ---- the engine's side ---- */

/* Buffers are made anew for every task, at their exact size: so a task that
   writes past its element is seen by AddressSanitizer. */
static bool run_one(int fd, const struct request *r)
{
    void *in = malloc(r->in_size > 0 ? r->in_size : 1);
    void *out = calloc(1, r->out_size > 0 ? r->out_size : 1);
    bool sent = false;
    if (in != NULL && out != NULL && receive(fd, in, r->in_size)) {
        int status = r->task(in, out);
        fflush(stdout); /* what the task printed is out before its result is */
        sent = send_message(fd, &status, sizeof status, out, status == 0 ? r->out_size : 0);
    }
    free(in);
    free(out);
    return sent;
}

/* Runs tasks until the caller closes its end or dies. _exit, not exit: the
   caller's exit handlers and its open files are not the engine's to finish. */
static _Noreturn void serve(int fd)
{
    struct request r;
    while (receive(fd, &r, sizeof r)) {
        if (!run_one(fd, &r))
            _exit(EXIT_FAILURE);
    }
    _exit(EXIT_SUCCESS);
}

/* ---- the caller's side ---- */

/* A new engine must not keep the caller's ends of the pairs made before its own:
   the older engines would not see the end of the stream when the caller dies. */
static void close_older(const struct engines *e)
{
    for (int i = 0; i < e->count; i++)
        close(e->list[i].fd);
}

/* Forks the next engine. What is still buffered is written first: both processes
   would have it, and a task that calls exit would write it a second time. */
static bool start_one(struct engines *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        close_older(e);
        serve(pair[1]);
    }
    int why = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        errno = why;
        return false;
    }
    e->list[e->count++] = (struct engine){.pid = pid, .fd = pair[0]};
    return true;
}

static struct engines *allocate(size_t count)
{
    struct engines *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->list = calloc(count, sizeof *e->list);
    e->polled = calloc(count, sizeof *e->polled);
    if (e->list == NULL || e->polled == NULL) {
        engines_stop(e);
        errno = ENOMEM;
        return NULL;
    }
    return e;
}

struct engines *engines_start(int count)
{
    if (count < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct engines *e = allocate((size_t)count);
    while (e != NULL && e->count < count) {
        if (!start_one(e)) {
            int why = errno;
            engines_stop(e);
            errno = why;
            return NULL;
        }
    }
    return e;
}

int engines_count(const struct engines *e)
{
    return e->count;
}

static struct engine *find(const struct engines *e, int id)
{
    return id >= 0 && id < e->count ? &e->list[id] : NULL;
}

static int fail(int why)
{
    errno = why;
    return -1;
}

pid_t engines_pid(const struct engines *e, int id)
{
    const struct engine *one = find(e, id);
    return one != NULL ? one->pid : fail(EINVAL);
}

static void hang_up(struct engine *one)
{
    if (one->fd >= 0)
        close(one->fd);
    one->fd = -1;
}

/* Kills the engine, but only if the number is still that of a child: a program that
   ignores SIGCHLD, or waits for any child, gives it free for another process. It
   stays a zombie, which keeps the number its own, until engines_stop. */
static void end(const struct engine *one)
{
    siginfo_t unused;
    if (waitid(P_PID, (id_t)one->pid, &unused, WEXITED | WNOHANG | WNOWAIT) == 0)
        kill(one->pid, SIGKILL);
}

/* The engine does not answer any more. It may have lost only its end of the pair
   and still run: so it is ended too. That in or out is no memory of the caller's is
   not the engine's death, but half a message may have gone: it cannot serve on. */
static int lose(struct engine *one)
{
    int why = errno == EFAULT ? EFAULT : ECHILD;
    hang_up(one);
    end(one);
    one->busy = false;
    return fail(why);
}

int engines_submit(struct engines *e, int id, task_fn task, const void *in, size_t in_size, size_t out_size)
{
    struct engine *one = find(e, id);
    if (one == NULL || task == NULL || (in == NULL && in_size > 0))
        return fail(EINVAL);
    if (one->busy)
        return fail(EBUSY);
    if (one->fd < 0)
        return fail(ECHILD);
    struct request r = {task, in_size, out_size};
    if (!send_message(one->fd, &r, sizeof r, in, in_size))
        return lose(one);
    one->busy = true;
    one->out_size = out_size;
    return 0;
}

/* Sets up polled: poll passes over a negative descriptor. Is any engine busy? */
static bool list_busy(struct engines *e)
{
    bool any = false;
    for (int i = 0; i < e->count; i++) {
        const struct engine *one = &e->list[i];
        e->polled[i] = (struct pollfd){.fd = one->busy ? one->fd : -1, .events = POLLIN};
        any = any || one->busy;
    }
    return any;
}

int engines_any(struct engines *e)
{
    if (!list_busy(e))
        return fail(ECHILD);
    while (poll(e->polled, (nfds_t)e->count, -1) < 0)
        if (errno != EINTR)
            return -1;
    /* Without turns, quick tasks on engine 0 could keep the others waiting for ever. */
    int id = e->next;
    while (e->polled[id].revents == 0) /* an answer, or the end of the stream */
        id = (id + 1) % e->count;
    e->next = (id + 1) % e->count;
    return id;
}

int engines_collect(struct engines *e, int id, void *out)
{
    struct engine *one = find(e, id);
    if (one == NULL || !one->busy || (out == NULL && one->out_size > 0))
        return fail(EINVAL);
    int status = 0;
    if (!receive_answer(one->fd, &status, out, one->out_size))
        return lose(one);
    one->busy = false;
    return status == 0 ? 0 : fail(EIO);
}

/* A busy engine may never finish its task, so we do not wait for that. An idle one
   has nothing to lose: what its tasks printed and returned is out. */
void engines_stop(struct engines *e)
{
    if (e == NULL)
        return;
    for (int i = 0; i < e->count; i++) {
        hang_up(&e->list[i]);
        end(&e->list[i]);
    }
    for (int i = 0; i < e->count; i++)
        while (waitpid(e->list[i].pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    free(e->list);
    free(e->polled);
    free(e);
}
