/* listener.h: the suite's side of the witness (witness.h): collects what the
   program tells, and lets the tellers go on, at once or when the test says so. */
#ifndef LISTENER_H
#define LISTENER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event {
    char kind;            /* enum witness_kind */
    int64_t value, extra; /* as told by the program */
    pid_t pid;            /* who told it, by the kernel's word */
    int64_t token;        /* what the teller is told when it may go on: see witness_tell */
    double time;          /* seconds since the run began, by the suite's clock */
    bool held;            /* still waiting for witness_release */
    int fd;               /* listener.c's */
};

struct witness {
    /* The test's. Called for each event, which is already events[count - 1]. True:
       let it go on at once. False: it is held until witness_release. NULL: always true. */
    bool (*on_event)(struct witness *w, size_t index);
    /* The test's. Called when nothing has come for quiet_seconds while events are
       held; should release one or more. NULL: all are released. */
    void (*on_quiet)(struct witness *w);
    double quiet_seconds; /* 0: 2 seconds */
    void *state;

    /* What came, in order; malloc'd, freed by witness_free. The array moves when it
       grows: keep indices, not pointers. */
    struct event *events;
    size_t count, capacity;
    size_t held; /* how many are held now */

    int listener; /* from here on listener.c's */
    double begun, last;
};

/* Lets event number index go on. Releasing it again does nothing. */
void witness_release(struct witness *w, size_t index);
void witness_release_all(struct witness *w);
void witness_free(struct witness *w);

/* ---- for run.c ---- */

/* Opens the socket "witness" in the current folder. 0, or -1 and errno. */
int listener_open(struct witness *w);
/* Takes in what is waiting; calls on_event. */
void listener_serve(struct witness *w);
/* Calls on_quiet if it is time; returns milliseconds until it will be. */
int listener_quiet(struct witness *w);
void listener_close(struct witness *w);

#endif
