/* timerun.c: runs a lab's program once, exactly as a suite does (sandbox, reaper,
   limits), and prints how long it ran by the reaper's clock, which the program
   cannot reach. The grader's measure stage takes its times with it.

     timerun PROGRAM RANKS SECONDS RESULT keep EXPECTED [NAME=VALUE]... -- args
     timerun PROGRAM RANKS SECONDS RESULT like EXPECTED TOLERANCE [NAME=VALUE]... -- args

   in the folder of the inputs. RESULT is the file that the program has to write: the
   reference solution's is kept as EXPECTED, anybody else's must be like it, or the
   time would be that of work which was not done. TOLERANCE is relative to each number.

   Prints seconds, or on any other end than exit status 0 a sentence, with status 1.
   The environment is the suite's: LAB_PROGRAMS, LAB_REAPER, LAB_LAUNCH, ... */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"
#include "run.h"

enum { RESULT_BYTES = 64 << 20 }; /* no test of speed writes as much */

static const char usage[] =
    "usage: timerun PROGRAM RANKS SECONDS RESULT keep EXPECTED [NAME=VALUE]... -- args\n"
    "       timerun PROGRAM RANKS SECONDS RESULT like EXPECTED TOLERANCE [NAME=VALUE]... -- args\n";

static const char *program_name;

const char *run_program_name(void)
{
    return program_name;
}

static double number(const struct npy *a, size_t i)
{
    return a->type == NPY_F4 ? (double)((const float *)a->data)[i] : ((const double *)a->data)[i];
}

static bool same_kind(const struct npy *a, const struct npy *b)
{
    return a->type == b->type && (a->type == NPY_F8 || a->type == NPY_F4) && a->ndim == b->ndim &&
           memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

/* Says what is wrong with the result, in a sentence that begins with "the program". */
static bool is_like(const struct npy *result, const struct npy *expected, double tolerance)
{
    if (!same_kind(result, expected)) {
        puts("wrote a result of another type or shape than the reference solution's");
        return false;
    }
    for (size_t i = 0; i < result->count; i++) {
        double came = number(result, i), wanted = number(expected, i);
        if (!(fabs(came - wanted) <= tolerance * fabs(wanted))) {
            printf("did not do all of the work, or did it wrong: number %zu of the sum of all results is %.9g, "
                   "expected %.9g\n",
                   i, came, wanted);
            return false;
        }
    }
    return true;
}

static bool keep(const char *path, const char *expected_path)
{
    struct npy result;
    bool kept = npy_load_untrusted(path, RESULT_BYTES, &result) == 0 &&
                npy_save(expected_path, result.type, result.ndim, result.shape, result.data) == 0;
    if (!kept)
        printf("left no result: %s\n", npy_error());
    npy_free(&result);
    return kept;
}

static bool compare(const char *path, const char *expected_path, double tolerance)
{
    struct npy result, expected = {0};
    bool like = false;
    if (npy_load_untrusted(path, RESULT_BYTES, &result) != 0 || npy_load(expected_path, &expected) != 0)
        printf("left no result: %s\n", npy_error());
    else
        like = is_like(&result, &expected, tolerance);
    npy_free(&result);
    npy_free(&expected);
    return like;
}

/* The place of "--" in argv, or 0. */
static int end_of_options(int argc, char **argv, int first)
{
    for (int i = first; i < argc; i++)
        if (strcmp(argv[i], "--") == 0)
            return i;
    return 0;
}

int main(int argc, char **argv)
{
    bool keeps = argc > 5 && strcmp(argv[5], "keep") == 0, likes = argc > 7 && strcmp(argv[5], "like") == 0;
    int env = likes ? 8 : 7, options = keeps || likes ? end_of_options(argc, argv, env) : 0;
    if (!options) {
        fputs(usage, stderr);
        return 2;
    }
    program_name = argv[1];
    argv[options] = NULL; /* ends the environment; the arguments follow */
    struct launch how = {
        .ranks = atoi(argv[2]), .seconds = strtod(argv[3], NULL), .env = (const char *const *)&argv[env]};
    struct run r;
    run_program(&r, &how, (const char *const *)&argv[options + 1]);
    if (r.lost || r.report.stopped || r.report.exit_status != 0) {
        printf("ended with exit status %d, signal %d%s\n", r.report.exit_status, r.report.signal,
               r.report.stopped == STOP_TIME ? ", stopped at the time limit" : "");
        return EXIT_FAILURE;
    }
    if (!(keeps ? keep(argv[4], argv[6]) : compare(argv[4], argv[6], strtod(argv[7], NULL))))
        return EXIT_FAILURE;
    printf("%.9f\n", r.report.seconds);
    run_free(&r);
    return EXIT_SUCCESS;
}
