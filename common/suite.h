/* suite.h: the main program of every Check suite.

   ./check_pool             runs all tests, one after the other, each in a process
                            and a folder of its own
   ./check_pool --list      prints their names
   CK_RUN_CASE=name         runs one; CK_XML_LOG_FILE_NAME and CK_TAP_LOG_FILE_NAME
                            leave logs, as in any Check program */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "judge.h"
#include "rng.h"
#include "run.h"

/* Returns the exit status of main: 0 if all tests passed. program is the name of
   the lab's program ("pool"); tests are what START_TEST defined, count of them. */
int suite_main(int argc, char **argv, const char *program, const TTest *const tests[], size_t count);

/* The inputs' seed of this run: LAB_SEED, mixed with the test's name. */
uint64_t suite_seed(void);

#endif
