/* timerun.c: runs a lab's program once, exactly as a suite does (sandbox, reaper,
   limits), and prints how long it ran by the reaper's clock, which the program
   cannot reach. The grader's measure stage takes its times with it.

     timerun PROGRAM RANKS SECONDS [NAME=VALUE]... -- args     in the folder of the inputs

   Prints seconds, or on any other end than exit status 0 a sentence, with status 1.
   The environment is the suite's: LAB_PROGRAMS, LAB_REAPER, LAB_LAUNCH, ... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

static const char *program_name;

const char *run_program_name(void)
{
    return program_name;
}

int main(int argc, char **argv)
{
    int options = 4;
    while (options < argc && strcmp(argv[options], "--") != 0)
        options++;
    if (argc < 5 || options == argc) {
        fprintf(stderr, "usage: timerun PROGRAM RANKS SECONDS [NAME=VALUE]... -- args\n");
        return 2;
    }
    program_name = argv[1];
    argv[options] = NULL; /* ends the environment; the arguments follow */
    struct launch how = {
        .ranks = atoi(argv[2]), .seconds = strtod(argv[3], NULL), .env = (const char *const *)&argv[4]};
    struct run r;
    run_program(&r, &how, (const char *const *)&argv[options + 1]);
    if (r.lost || r.report.stopped || r.report.exit_status != 0) {
        printf("ended with exit status %d, signal %d%s\n", r.report.exit_status, r.report.signal,
               r.report.stopped == STOP_TIME ? ", stopped at the time limit" : "");
        return EXIT_FAILURE;
    }
    printf("%.9f\n", r.report.seconds);
    run_free(&r);
    return EXIT_SUCCESS;
}
