/* reaper.h: what the reaper tells the suite when a run has ended. */
#ifndef REAPER_H
#define REAPER_H

#include <stdint.h>

#define REAPER_MAGIC 0x72656170
#define REAPER_SEEN 16
#define REAPER_THREADS 8
#define REAPER_SITES 16

/* Why the reaper ended the program, if it did. */
enum reaper_stop { STOP_NONE, STOP_TIME, STOP_MEMORY, STOP_PROCESSES, STOP_DISK, STOP_HIDDEN };

struct seen_process {
    int32_t pid, parent; /* as numbered inside the sandbox */
    char state;          /* R, S, D, Z, ... of /proc/PID/stat */
    char name[16];
    int64_t syscall;                             /* the system call it sat in, -1 if unknown or running */
    int32_t threads;                             /* rows in site, the main thread's first */
    uint64_t site[REAPER_THREADS][REAPER_SITES]; /* where in the program each stands: see stack.h; 0: no more */
};

struct reaper_report {
    uint32_t magic;
    int32_t exit_status; /* -1 if the program did not exit */
    int32_t signal;      /* that ended the program, 0 if none */
    int32_t stopped;     /* enum reaper_stop */
    double seconds;      /* wall clock, start to end of the program */
    double cpu_seconds;  /* of the program and of all that was waited for */
    int64_t max_rss_kib; /* of the largest process */
    int32_t left;        /* processes still there when the program had ended and the grace was over */
    int32_t seen_count;  /* entries in seen: those left, or those alive when it was stopped */
    struct seen_process seen[REAPER_SEEN];
};

#endif
