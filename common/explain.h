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

/* The last run once more, by the program of another flavour and with env in addition, and what its sanitizer found if
   that is of this cause: intro and its words; "" if it found nothing, or cannot be used. Valid until the next call. */
const char *explain_again(const char *flavour, const char *const *env, enum cause cause, const char *intro);

/* Where a run crashed: the last run once more under AddressSanitizer, and what that found, as further lines;
   "" if it found nothing, or cannot be used. The text is valid until the next call. */
const char *explain_crash(void);

/* Is "engines.c:95", or the name alone, a place in main.c or the parts of common/ that programs are linked with? What
   else a program has is the student's. */
bool explain_is_ours(const char *place);

/* The same for a run that ended well with wrong values: memory that is used wrongly often does no more than that. If
   that run was AddressSanitizer's already, what is special about its memory. */
const char *explain_wrong_value(void);

/* A block that the student's own code asked for and never freed: the last run once more under LeakSanitizer. Words
   with the function and the line; "" if none was found. *known, unless known is NULL: could that be found out? The text
   is valid until the next call. The libraries lose blocks of their own (MPI does), which do not count. */
const char *explain_leak(bool *known);

/* The environment of a run of ranks under AddressSanitizer, so that leaks are told, and MPI's own do not end it. */
extern const char *const explain_leaks_env[];

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
