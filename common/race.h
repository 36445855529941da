/* race.h: times several ways to do the same work, in turns, for the labs' bench.c.

   One contender after the other, and then again from the start: whatever else the
   machine does meanwhile hits all of them alike, so the ratio of two times of one
   round means more than either of them. What is printed is one JSON object a line:

     {"contender": "matvec_omp", "case": {"n": 512}, "seconds": 1.2e-05, "round": 0}

   `python3 -m grader bench` makes tables and figures of it. */
#ifndef RACE_H
#define RACE_H

#include <stdbool.h>
#include <stddef.h>

struct contender {
    const char *name;
    void (*run)(void *with); /* does the work once; it ends the program where it cannot */
    void *with;
};

struct race {
    bool quick;                      /* the smallest sizes only: does everything work? */
    size_t only;                     /* this size only; 0: all */
    int rounds, first;               /* how many, and the number of the first */
    double enough;                   /* seconds that one measurement lasts at least */
    double pause;                    /* seconds of rest before each: teams of threads wait awake for a while */
    double (*agree)(double seconds); /* among processes: waits for all, returns the longest time; NULL: alone */
    bool speaks;                     /* among processes, one prints */
};

/* Reads -q (quick), -n ONLY, -r ROUNDS, -b FIRST; ends the program if there is anything else. */
struct race race_options(int argc, char **argv);

/* Is a size to be raced? quick_size is what a quick race is content with. */
bool race_wants(const struct race *race, size_t size, size_t quick_size);

/* Runs and prints; `about` is the case, as a JSON object. seconds are those of one call
   of run; a quick one is repeated until `enough` has passed. */
void race_run(const struct race *race, const char *about, const struct contender *list, int count);

/* One measurement that was made otherwise. `more` is further JSON, such as ", \"x\": 1", or "". */
void race_tell(const struct race *race, const char *name, const char *about, double seconds, int round,
               const char *more);

/* Text as printf makes it, in a buffer that the next call uses again. */
const char *race_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads bytes (a multiple of 256) at data, 64-byte aligned, as fast as one thread can and
   does nothing else: the machine's limit for whatever has to read as much. */
void race_read(const void *data, size_t bytes);
extern volatile unsigned long race_sink; /* where its result goes, which is of no use */

/* bytes of memory at a multiple of 64, or the end of the program. From 4 MiB on in huge pages,
   as numpy has them: what is compared is then the same memory on both sides. */
void *race_memory(size_t bytes);

#endif
