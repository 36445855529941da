/* perturb.c: see perturb.h. Only streams are cut short: a datagram that is read in
   part loses its rest, which no kernel would do to a correct program. */
#include "perturb.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "rng.h"

/* Each thread draws its own numbers; a child goes on from the thread that forked it. */
static _Thread_local struct {
    bool ready, on, signals, slow, child;
    struct rng rng;
} state;

static void get_ready(void)
{
    const char *seed = getenv("LAB_PERTURB");
    state.ready = true;
    state.on = seed != NULL;
    state.signals = getenv("LAB_SIGNALS") != NULL;
    if (state.on)
        state.rng = rng_seeded(strtoull(seed, NULL, 10));
}

/* Waits a while, often not at all. */
static void delay(void)
{
    if (!state.ready)
        get_ready();
    if (!state.on)
        return;
    size_t longest = state.slow ? 4000 : 400; /* microseconds */
    struct timespec t = {.tv_nsec = 1000 * (long)(rng_below(&state.rng, 2) * rng_below(&state.rng, longest))};
    nanosleep(&t, NULL);
}

/* May a call on fd move fewer bytes than it was asked for? On streams it may; and a
   pipe keeps writes of up to PIPE_BUF bytes whole, which programs may rely on. */
static bool is_stream(int fd, bool writing, size_t size)
{
    int type;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0)
        return type == SOCK_STREAM;
    return lseek(fd, 0, SEEK_CUR) < 0 && !(writing && size <= PIPE_BUF); /* a pipe cannot seek */
}

/* How many of size bytes the call shall move. */
static size_t cut(int fd, bool writing, size_t size)
{
    delay();
    if (!state.on || size < 2 || !is_stream(fd, writing, size) || rng_below(&state.rng, 2) == 0)
        return size;
    /* Mostly a large part, so that a long transfer does not take for ever. */
    return rng_below(&state.rng, 8) == 0 ? 1 + rng_below(&state.rng, size - 1)
                                         : size - rng_below(&state.rng, size / 2 + 1);
}

/* Bytes in all parts. */
static size_t total(const struct iovec *part, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += part[i].iov_len;
    return sum;
}

/* Shortens copies of parts to size bytes in all; returns how many parts are left. */
static size_t shorten(const struct iovec *part, size_t count, struct iovec *copy, size_t size)
{
    size_t used = 0;
    for (; used < count && size > 0; used++) {
        copy[used] = part[used];
        if (copy[used].iov_len > size)
            copy[used].iov_len = size;
        size -= copy[used].iov_len;
    }
    return used;
}

enum { MAX_PARTS = 16 }; /* of a call that is cut; a call with more goes through as it is */

ssize_t perturb_read(int fd, void *data, size_t size)
{
    return read(fd, data, cut(fd, false, size));
}

ssize_t perturb_write(int fd, const void *data, size_t size)
{
    return write(fd, data, cut(fd, true, size));
}

/* MSG_WAITALL is a promise of the kernel's where no signal comes, and peeking takes nothing away. */
static bool comes_whole(int flags)
{
    if (!state.ready)
        get_ready();
    return flags & (MSG_PEEK | MSG_TRUNC) || (flags & MSG_WAITALL && !state.signals);
}

ssize_t perturb_recv(int fd, void *data, size_t size, int flags)
{
    return recv(fd, data, comes_whole(flags) ? (delay(), size) : cut(fd, false, size), flags);
}

ssize_t perturb_send(int fd, const void *data, size_t size, int flags)
{
    return send(fd, data, cut(fd, true, size), flags);
}

ssize_t perturb_readv(int fd, const struct iovec *part, int count)
{
    struct iovec copy[MAX_PARTS];
    if (count < 1 || count > MAX_PARTS)
        return readv(fd, part, count);
    size_t size = cut(fd, false, total(part, (size_t)count));
    return readv(fd, copy, (int)shorten(part, (size_t)count, copy, size));
}

ssize_t perturb_writev(int fd, const struct iovec *part, int count)
{
    struct iovec copy[MAX_PARTS];
    if (count < 1 || count > MAX_PARTS)
        return writev(fd, part, count);
    size_t size = cut(fd, true, total(part, (size_t)count));
    return writev(fd, copy, (int)shorten(part, (size_t)count, copy, size));
}

ssize_t perturb_recvmsg(int fd, struct msghdr *message, int flags)
{
    struct iovec copy[MAX_PARTS], *part = message->msg_iov;
    size_t count = message->msg_iovlen;
    if (count < 1 || count > MAX_PARTS || comes_whole(flags))
        return recvmsg(fd, message, flags);
    message->msg_iovlen = shorten(part, count, copy, cut(fd, false, total(part, count)));
    message->msg_iov = copy;
    ssize_t n = recvmsg(fd, message, flags);
    message->msg_iov = part;
    message->msg_iovlen = count;
    return n;
}

ssize_t perturb_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct iovec copy[MAX_PARTS];
    struct msghdr shorter = *message;
    if (message->msg_iovlen < 1 || message->msg_iovlen > MAX_PARTS)
        return sendmsg(fd, message, flags);
    shorter.msg_iovlen = shorten(message->msg_iov, message->msg_iovlen, copy,
                                 cut(fd, true, total(message->msg_iov, message->msg_iovlen)));
    shorter.msg_iov = copy;
    return sendmsg(fd, &shorter, flags);
}

int perturb_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    delay();
    return poll(fds, count, timeout);
}

/* Is this the call that LAB_FORK_FAIL wants to fail? */
static bool fork_fails(void)
{
    static long forks; /* of this process; a child counts its own */
    const char *failing = getenv("LAB_FORK_FAIL");
    return failing && forks++ == strtol(failing, NULL, 10);
}

pid_t perturb_fork(void)
{
    if (fork_fails()) {
        errno = EAGAIN;
        return -1;
    }
    delay();
    uint64_t seed = rng_next(&state.rng); /* another one for each child */
    pid_t pid = fork();
    if (pid == 0 && state.on) {
        state.rng = rng_seeded(seed);
        state.slow = rng_below(&state.rng, 4) == 0;
        state.child = true;
    }
    return pid;
}

int perturb_kill(pid_t pid, int signal)
{
    if (pid == -1 && getenv("LAB_FORK_FAIL")) {
        errno = EPERM;
        return -1;
    }
    return kill(pid, signal);
}

pid_t perturb_getppid(void)
{
    const char *foster = getenv("LAB_FOSTER");
    pid_t parent = getppid();
    return foster && parent == 1 ? (pid_t)strtol(foster, NULL, 10) : parent;
}

static void linger(void)
{
    struct timespec t = {.tv_nsec = 20000000};
    if (state.child)
        nanosleep(&t, NULL);
}

void perturb_exit(int status)
{
    linger();
    exit(status);
}

void perturb__exit(int status)
{
    linger();
    _exit(status);
}
