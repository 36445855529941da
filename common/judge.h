/* judge.h: how a suite fails a test: with a cause the grader knows and words a
   student understands. Each function that finds something wrong ends the test. */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "npy.h"
#include "run.h"

enum cause {
    CAUSE_TIMEOUT,
    CAUSE_DEADLOCK,
    CAUSE_SIGNAL,
    CAUSE_EXIT,
    CAUSE_WRONG_VALUE,
    CAUSE_RACE,
    CAUSE_MEMORY,
    CAUSE_LEAK,
    CAUSE_HYGIENE,
    CAUSE_METHOD,
    CAUSE_SLOW,
    CAUSE_RESOURCE,
    CAUSE_TAMPER,
    CAUSE_ENVIRONMENT
};

/* Ends the test. The message says what was called with which input, what was
   expected, what came, where it first differs, and the likely cause. r (or NULL)
   adds the command and the last lines that the program wrote to stderr. */
_Noreturn void fail_test(enum cause cause, const struct run *r, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* From now on every failure of this test also says words: what is special about its runs. */
void say_also(const char *words);

bool said_also(void); /* words that are not empty */

/* The program ended by itself with the given exit status, in time, without a
   sanitizer's report, and left no process behind; anything else fails with
   timeout, deadlock, signal, exit, race, memory, leak, resource or hygiene. */
void expect_exit(const struct run *r, int status);
void expect_success(const struct run *r); /* exit status 0 */

/* The same without looking at the exit status and at processes left behind. */
void expect_end(const struct run *r);

/* Reads path as hostile data and insists on type and shape (ndim entries). The
   caller calls npy_free. */
struct npy expect_array(const struct run *r, const char *path, enum npy_type type, int ndim, const size_t *shape);

/* |result[i] - expected[i]| <= bound[i]; bound NULL: equal values, and NaN equals
   NaN. what names the values: "y" gives "y[3] is 1.5, expected 2.5". */
void expect_doubles(const struct run *r, const char *what, const double *result, const double *expected,
                    const double *bound, size_t count);
void expect_int64s(const struct run *r, const char *what, const int64_t *result, const int64_t *expected, size_t count);

/* Writes an input array into the test's folder; failing to do so is the environment's fault. */
void put_array(const char *path, enum npy_type type, int ndim, const size_t *shape, const void *data);

#endif
