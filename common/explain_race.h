/* explain_race.h: a data race in words: both accesses with their lines, and the variable. */
#ifndef EXPLAIN_RACE_H
#define EXPLAIN_RACE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads ThreadSanitizer's report that begins at report and writes what it means to
   text. Where LAB_SUBMISSION names the student's folder, the lines are quoted. False
   if the report is not of the expected form. */
bool explain_race(const char *report, char *text, size_t size);

#endif
