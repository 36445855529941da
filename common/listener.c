/* listener.c: accepts the program's messages on a Unix socket in the test's folder. */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "witness_message.h"

enum { MAX_EVENTS = 1 << 20, MAX_HELD = 512 };

int listener_open(struct witness *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "witness"};
    unlink(address.sun_path);
    w->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (w->listener < 0 || bind(w->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(w->listener, MAX_HELD) != 0)
        return -1;
    chmod(address.sun_path, 0666); /* the program may run as another user */
    w->begun = w->last = seconds_now();
    return 0;
}

void witness_release(struct witness *w, size_t index)
{
    struct event *e = &w->events[index];
    if (!e->held)
        return;
    send(e->fd, &e->token, sizeof e->token, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(e->fd);
    e->held = false;
    w->held--;
    w->last = seconds_now();
}

void witness_release_all(struct witness *w)
{
    for (size_t i = 0; i < w->count; i++)
        witness_release(w, i);
}

static struct event *new_event(struct witness *w)
{
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 256;
        struct event *larger = capacity > MAX_EVENTS ? NULL : realloc(w->events, capacity * sizeof *larger);
        if (!larger)
            return NULL;
        w->events = larger;
        w->capacity = capacity;
    }
    return &w->events[w->count];
}

/* Reads the one message of a new connection. Whoever connects and says nothing
   of the right form within a moment is not our program, and is cut off. */
static bool read_message(int fd, struct event *e)
{
    struct witness_message m;
    struct ucred who;
    socklen_t size = sizeof who;
    struct timeval moment = {.tv_usec = 200000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || recv(fd, &m, sizeof m, 0) != sizeof m)
        return false;
    *e = (struct event){.kind = m.kind, .value = m.value, .extra = m.extra, .pid = who.pid, .held = true, .fd = fd};
    return getrandom(&e->token, sizeof e->token, 0) == sizeof e->token;
}

void listener_serve(struct witness *w)
{
    int fd;
    while ((fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct event *e = new_event(w);
        if (!e || w->held >= MAX_HELD || !read_message(fd, e)) {
            close(fd);
            continue;
        }
        w->last = seconds_now();
        e->time = w->last - w->begun;
        w->held++;
        size_t index = w->count++;
        if (!w->on_event || w->on_event(w, index))
            witness_release(w, index);
    }
}

int listener_quiet(struct witness *w)
{
    double quiet = w->quiet_seconds > 0 ? w->quiet_seconds : 2;
    if (w->held == 0)
        return 1000;
    /* Before it counts as quiet: it may be the suite that was kept from the processor,
       and a message may be waiting. */
    if (w->last + quiet <= seconds_now())
        listener_serve(w);
    double left = w->last + quiet - seconds_now();
    if (w->held == 0 || left > 0)
        return left > 0 ? 1 + (int)(left * 1000) : 1000;
    w->last = seconds_now();
    if (w->on_quiet)
        w->on_quiet(w);
    else
        witness_release_all(w);
    return 1;
}

void listener_close(struct witness *w)
{
    witness_release_all(w);
    close(w->listener);
    unlink("witness");
}

void witness_free(struct witness *w)
{
    free(w->events);
    w->events = NULL;
    w->count = w->capacity = 0;
}
