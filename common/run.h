/* run.h: how a suite starts a lab's program as a user would, limits it, watches
   it through the witness, ends everything that it started, and keeps what it said.

   Between the suite and the program stands the reaper (reaper.c), and around
   the reaper the grader's sandbox, whose words come in the file LAB_LAUNCH.
   Environment: LAB_PROGRAMS (folder of <flavour>/<program>), LAB_REAPER,
   LAB_LAUNCH, LAB_UID, LAB_MEMORY_MB, LAB_PROCESSES; suite.c sets what is missing.
   LAB_RECORD, if it is set, is a file to which every run adds all that it wrote. */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "listener.h"
#include "reaper.h"
#include "words.h"

struct launch {
    const char *flavour;        /* "plain" (NULL means that), "asan", "tsan" */
    int ranks;                  /* > 0: started by mpirun with so many ranks */
    const char *const *env;     /* further "NAME=value", ended by NULL; or NULL */
    const char *const *wrap;    /* words before the program ("oclgrind", ...), ended by NULL; or NULL */
    double seconds;             /* wall-clock limit, without waiting for a processor; 0: 10 */
    struct witness *witness;    /* NULL: nobody listens */
    bool (*watch)(void *state); /* looked at twice a second; true: end the run, nothing more can come. NULL: none */
    void *watch_state;
};

struct run {
    char *command;               /* what a user would type for this run, quoted for a shell */
    int ranks;                   /* as launched; 0: not by mpirun */
    double limit;                /* the wall-clock limit that held, seconds */
    struct reaper_report report; /* how the program ended, and what it left behind */
    bool flooded;                /* it wrote more than RUN_OUTPUT_LIMIT and was ended */
    bool given_up;               /* how->watch said so, and the run was ended */
    bool lost;                   /* the reaper gave no report: something ended or silenced it */
    char *out, *err;             /* stdout and stderr, NUL-terminated; a cut in the middle is marked */
    size_t out_bytes, err_bytes; /* bytes written in all */
};

#define RUN_OUTPUT_LIMIT (16u << 20) /* bytes of each stream before the run is ended */
#define RUN_OUTPUT_KEPT (64u << 10)  /* bytes kept: first and last half */
#define RUN_RECORDED (1u << 20)      /* bytes of each stream that go into the record, about */

#define ARGS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Starts the lab's program with args (ended by NULL; see ARGS) in the current
   folder, which is the test's own, and waits for its end. Never fails by itself:
   what cannot be started ends the test as environment. Files that an earlier run of this
   test left in the folder are removed first. The caller calls run_free. */
void run_program(struct run *r, const struct launch *how, const char *const *args);
void run_free(struct run *r);

/* The last run of run_program once more, by the program of another flavour, with env in addition, nobody listening,
   and four times the time: to find out what a crash was. False if that flavour was not built, or if it was that one
   already. */
bool run_again_with(struct run *r, const char *flavour, const char *const *env);
/* The same, by the same program, with w listening: to find out who did what. False if nothing has run. */
bool run_again_heard(struct run *r, struct witness *w);
/* The flavour of the last run. */
const char *run_flavour(void);

/* Where the suite sees the program of a flavour; malloc'd. */
char *run_program_path(const char *flavour);

/* It came to its end by itself, with exit status 0. */
bool run_ended_well(const struct run *r);

/* The words that put a command into the grader's sandbox, with the current folder as its
   working folder; none where there is no sandbox. */
void run_sandbox_words(struct words *w);

/* The name of the lab's program ("pool"), as suite_main was told. */
const char *run_program_name(void);

#endif
