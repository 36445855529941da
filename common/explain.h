/* explain.h: turns the reports of the kernel and of the sanitizers into words. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <stdbool.h>

#include "judge.h"

/* What happened to a run that did not end well. */
struct explanation {
    enum cause cause;
    char text[1500];
};

/* A sanitizer's report in what the program wrote to stderr; false if there is none. */
bool explain_sanitizer(const struct run *r, struct explanation *e);

/* Where a run crashed: the last run once more under AddressSanitizer, and what that found, as further lines;
   "" if it found nothing, or cannot be used. The text is valid until the next call. */
const char *explain_crash(void);

/* Is all that LeakSanitizer found memory that gcc's OpenMP runtime asked for itself? Tasks with depend
   lose some there now and then, whatever the program does. */
bool only_libgomp_leaks(const struct run *r);

/* Who was still there, and what each waited for: at the time limit, or at the end. */
void explain_processes(const struct run *r, char *text, size_t size);

/* Did every process wait for another one (none ran, none slept for a time of its own)? */
bool all_waiting(const struct run *r);

/* A likely reason why all of them wait, as a further line of a message; "" where none is known. */
const char *explain_deadlock(const struct run *r);

/* "SIGSEGV (it used memory that is not its own ...)". */
const char *explain_signal(int signal);

#endif
