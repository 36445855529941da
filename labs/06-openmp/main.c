/* main.c: the program around threads.c.

     threads                                        the demo: cores, a team, A x beside the BLAS
     threads [options] team   MAX IDS.npy  ...      team(ids, MAX):  IDS is its value, then ids[0 ... MAX - 1]
     threads [options] serial A.npy x.npy y.npy ... matvec_serial
     threads [options] matvec A.npy x.npy y.npy ... matvec_omp
     threads [options] sum    a.npy s.npy ...       sum_omp

   One start may hold many cases. A result file has one row for each call: for the
   first team size all calls, then for the next one. */
#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#include "clock.h"
#include "gate.h"
#include "leak_check.h"
#include "npy.h"
#include "rng.h"
#include "threads.h"

static const char usage[] = "usage: threads                                       the demo\n"
                            "       threads [options] team   MAX IDS.npy [MAX IDS.npy]...\n"
                            "       threads [options] serial A.npy x.npy y.npy [A.npy x.npy y.npy]...\n"
                            "       threads [options] matvec A.npy x.npy y.npy [A.npy x.npy y.npy]...\n"
                            "       threads [options] sum    a.npy s.npy [a.npy s.npy]...\n"
                            "  -t N,N,...  sizes of the team, one after the other (OpenMP's own choice)\n"
                            "  -r N        calls of each case; all results are kept (1)\n"
                            "  -w N        calls before them, whose results are not kept (0)\n"
                            "  -f V        what stands in y before each call, a number or nan (0)\n"
                            "  -p          all cases at the same time, each in a thread of a parallel region\n"
                            "  -S N        for a test of speed: N calls, x moves on before each; kept is their sum\n"
                            "  -g          A, a or ids is closed: a suite sees which thread touches it where\n"
                            "  -k          fail where a call does not leave OpenMP's settings as they are\n"
                            "example: threads -t 1,2,4 matvec A.npy x.npy y.npy\n";

enum kind { TEAM, SERIAL, MATVEC, SUM };
static const struct {
    const char *name;
    int words; /* after it, for one case */
} kinds[] = {{"team", 2}, {"serial", 3}, {"matvec", 3}, {"sum", 2}};

enum { MAX_SIZES = 16, MAX_CALLS = 1 << 20, GUARD = 8, EXIT_MEMORY = 3, EXIT_SETTINGS };

static struct {
    int sizes[MAX_SIZES], size_count; /* of teams; 0 stands for OpenMP's own choice */
    int calls, warm_calls, speed_calls;
    double before;
    bool together, gate, keep;
} options = {.size_count = 1, .calls = 1};

/* One case: its inputs, and a row of results for each call. */
struct job {
    enum kind kind;
    struct npy a, x;       /* A and x, or a alone */
    void *a_copy, *x_copy; /* to see that they stay as they are */
    int max;               /* of team */
    const char *out;
    size_t width, items; /* numbers of one call's result; items: of y or ids */
    double *results;     /* width numbers a call; of team int64_t */
    const char *fault;   /* what went wrong in a call */
    char changed[100];   /* which of OpenMP's settings a call has changed */
};

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

/* ---- one call, between guards ---- */

/* items things of size bytes each with GUARD more on both sides, all filled with
   *filler. The guards may not be used: AddressSanitizer watches them. */
static void *guarded(size_t items, size_t size, const void *filler)
{
    char *block = malloc((items + 2 * GUARD) * size);
    if (!block)
        return NULL;
    for (size_t i = 0; i < items + 2 * GUARD; i++)
        memcpy(block + i * size, filler, size);
    ASAN_POISON_MEMORY_REGION(block, GUARD * size);
    ASAN_POISON_MEMORY_REGION(block + (GUARD + items) * size, GUARD * size);
    return block + GUARD * size;
}

/* Looks at the guards and frees the block. */
static bool guards_hold(void *things, size_t items, size_t size, const void *filler)
{
    char *block = (char *)things - GUARD * size;
    bool hold = true;
    ASAN_UNPOISON_MEMORY_REGION(block, (items + 2 * GUARD) * size);
    for (size_t i = 0; i < GUARD; i++)
        hold = hold && memcmp(block + i * size, filler, size) == 0 &&
               memcmp(block + (GUARD + items + i) * size, filler, size) == 0;
    free(block);
    return hold;
}

static void call_team(struct job *job, int64_t *result)
{
    const int filler = -1;
    int *ids = guarded(job->items, sizeof *ids, &filler);
    int *used = ids && options.gate ? gate_close(ids, job->items * sizeof *ids, sizeof *ids) : ids;
    if (!used) {
        job->fault = "no memory for ids";
        return;
    }
    result[0] = team(used, job->max);
    if (used != ids)
        gate_open();
    for (size_t i = 0; i < job->items; i++)
        result[1 + i] = used[i];
    if (!guards_hold(ids, job->items, sizeof *ids, &filler))
        job->fault = "team wrote outside ids[0] ... ids[max - 1]";
}

static void call_matvec(struct job *job, double *result)
{
    double *y = guarded(job->items, sizeof *y, &options.before);
    if (!y) {
        job->fault = "no memory for y";
        return;
    }
    (job->kind == SERIAL ? matvec_serial : matvec_omp)(job->a.data, job->a.shape[0], job->a.shape[1], job->x.data, y);
    memcpy(result, y, job->items * sizeof *y);
    if (!guards_hold(y, job->items, sizeof *y, &options.before))
        job->fault = "the product wrote outside y[0] ... y[rows - 1]";
}

/* OpenMP's settings for regions that this thread begins. */
struct settings {
    const char *name;
    int (*get)(void);
};
static const struct settings settings[] = {{"omp_get_max_threads()", omp_get_max_threads},
                                           {"omp_get_dynamic()", omp_get_dynamic},
                                           {"omp_get_max_active_levels()", omp_get_max_active_levels}};
enum { SETTINGS = sizeof settings / sizeof *settings };

static void get_settings(int value[SETTINGS])
{
    for (size_t i = 0; i < SETTINGS; i++)
        value[i] = settings[i].get();
}

static void compare_settings(struct job *job, const int before[SETTINGS])
{
    int after[SETTINGS];
    get_settings(after);
    for (size_t i = 0; i < SETTINGS; i++)
        if (after[i] != before[i])
            snprintf(job->changed, sizeof job->changed, "%s was %d before the call, and is %d after it",
                     settings[i].name, before[i], after[i]);
}

static void call_once(struct job *job, size_t number)
{
    int before[SETTINGS];
    get_settings(before);
    double *result = job->results + number * job->width;
    if (job->kind == TEAM)
        call_team(job, (int64_t *)(void *)result);
    else if (job->kind == SUM)
        *result = sum_omp(job->a.data, job->a.count);
    else
        call_matvec(job, result);
    compare_settings(job, before);
}

/* What a test of speed times: products that cannot be left out. No two of them have the
   same x, and each result is part of the sum. */
static void call_for_speed(struct job *job)
{
    double *x = job->x.data, *y = malloc((job->items + 1) * sizeof *y);
    const double *x_before = job->x_copy;
    size_t cols = job->x.count;
    if (!y) {
        job->fault = "no memory for y";
        return;
    }
    for (size_t k = 1; k <= (size_t)options.speed_calls; k++) {
        for (size_t j = 0; j < cols; j++)
            x[j] = x_before[(j + k) % cols];
        for (size_t i = 0; i < job->items; i++)
            y[i] = 0; /* what adds to y has lost points for that elsewhere */
        matvec_omp(job->a.data, job->a.shape[0], cols, x, y);
        for (size_t i = 0; i < job->items; i++)
            job->results[i] += y[i];
    }
    for (size_t j = 0; j < cols; j++)
        x[j] = x_before[j];
    free(y);
}

static void call_often(struct job *job, int size_index)
{
    size_t first = (size_t)size_index * (size_t)options.calls;
    if (options.sizes[size_index] > 0)
        omp_set_num_threads(options.sizes[size_index]); /* for this thread's teams */
    for (int c = 0; c < options.warm_calls; c++)
        call_once(job, first);
    for (int c = 0; c < options.calls; c++)
        call_once(job, first + (size_t)c);
}

static void run_jobs(struct job *jobs, int count)
{
    if (options.speed_calls > 0) {
        call_for_speed(&jobs[0]);
        return;
    }
    for (int s = 0; s < options.size_count; s++) {
        if (options.together) {
#pragma omp parallel num_threads(count)
            call_often(&jobs[omp_get_thread_num()], s);
        } else {
            for (int j = 0; j < count; j++)
                call_often(&jobs[j], s);
        }
    }
}

/* ---- cases: read, check, save ---- */

static void *copy_of(const struct npy *array)
{
    size_t bytes = array->count * sizeof(double);
    void *copy = malloc(bytes + 1);
    return copy ? memcpy(copy, array->data, bytes) : NULL;
}

/* A closed array takes the place of the one that was read; it lives until the end. */
static int close_input(struct npy *array)
{
    void *closed = gate_close(array->data, array->count * sizeof(double), 0);
    if (!closed)
        return failed("a closed array");
    free(array->data);
    array->data = closed;
    return EXIT_SUCCESS;
}

static int load_inputs(struct job *job, char **words)
{
    bool product = job->kind != SUM;
    if (npy_load(words[0], &job->a) != 0 || (product && npy_load(words[1], &job->x) != 0)) {
        fprintf(stderr, "%s\n", npy_error());
        return EXIT_FAILURE;
    }
    bool fits = product ? job->a.type == NPY_F8 && job->a.ndim == 2 && job->x.type == NPY_F8 && job->x.ndim == 1 &&
                              job->x.shape[0] == job->a.shape[1]
                        : job->a.type == NPY_F8 && job->a.ndim == 1;
    if (!fits) {
        fprintf(stderr, "%s: needed is float64, %s\n", words[0],
                product ? "A of shape (rows, cols) and x of shape (cols,)" : "a of shape (count,)");
        return EXIT_FAILURE;
    }
    job->items = job->width = product ? job->a.shape[0] : 1;
    job->a_copy = copy_of(&job->a);
    job->x_copy = product ? copy_of(&job->x) : NULL;
    if (!job->a_copy || (product && !job->x_copy))
        return failed("memory for copies");
    return options.gate ? close_input(&job->a) : EXIT_SUCCESS;
}

static int prepare(struct job *job, char **words)
{
    job->out = words[kinds[job->kind].words - 1];
    if (job->kind == TEAM) {
        job->max = atoi(words[0]);
        if (job->max < 0 || job->max > 1024) {
            fprintf(stderr, "%s: MAX is 0 to 1024\n", words[0]);
            return EXIT_FAILURE;
        }
        job->items = (size_t)job->max;
        job->width = 1 + job->items;
    } else if (load_inputs(job, words) != EXIT_SUCCESS) {
        return EXIT_FAILURE;
    }
    size_t calls = (size_t)options.size_count * (size_t)options.calls;
    job->results = calloc(calls * job->width + 1, sizeof *job->results);
    return job->results ? EXIT_SUCCESS : failed("memory for the results");
}

/* The inputs are the caller's: const says so, and here it is checked. */
static void check_inputs(struct job *job)
{
    if (job->kind == TEAM)
        return;
    if (options.gate)
        gate_open();
    if (memcmp(job->a.data, job->a_copy, job->a.count * sizeof(double)) != 0)
        job->fault = job->kind == SUM ? "sum_omp changed a" : "the product changed A";
    if (job->kind != SUM && memcmp(job->x.data, job->x_copy, job->x.count * sizeof(double)) != 0)
        job->fault = "the product changed x";
}

static int save(struct job *job)
{
    check_inputs(job);
    if (job->fault) {
        fprintf(stderr, "%s\n", job->fault);
        return EXIT_MEMORY;
    }
    if (options.keep && job->changed[0]) {
        fprintf(stderr, "%s\n", job->changed);
        return EXIT_SETTINGS;
    }
    size_t shape[] = {(size_t)options.size_count * (size_t)options.calls, job->width};
    if (npy_save(job->out, job->kind == TEAM ? NPY_I8 : NPY_F8, job->kind == SUM ? 1 : 2, shape, job->results) == 0)
        return EXIT_SUCCESS;
    fprintf(stderr, "%s\n", npy_error());
    return EXIT_FAILURE;
}

static void release(struct job *job)
{
    if (!options.gate)
        npy_free(&job->a);
    npy_free(&job->x);
    free(job->a_copy);
    free(job->x_copy);
    free(job->results);
}

static int run_cases(enum kind kind, char **words, int count)
{
    struct job *jobs = calloc((size_t)count, sizeof *jobs);
    int status = jobs ? EXIT_SUCCESS : failed("memory for the cases");
    for (int j = 0; j < count && status == EXIT_SUCCESS; j++) {
        jobs[j].kind = kind;
        status = prepare(&jobs[j], words + j * kinds[kind].words);
    }
    if (status == EXIT_SUCCESS)
        run_jobs(jobs, count);
    leak_check();
    for (int j = 0; j < count && status == EXIT_SUCCESS; j++)
        status = save(&jobs[j]);
    for (int j = 0; jobs && j < count; j++)
        release(&jobs[j]);
    free(jobs);
    return status;
}

/* ---- the demo ---- */

typedef void (*product)(const double *A, size_t rows, size_t cols, const double *x, double *y);

static void matvec_blas(const double *A, size_t rows, size_t cols, const double *x, double *y)
{
    cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)rows, (int)cols, 1, A, (int)cols, x, 1, 0, y, 1);
}

/* Microseconds a call, the best of five rounds of at least 10 ms. */
static double time_of(product f, const double *A, size_t n, const double *x, double *y)
{
    double best = INFINITY;
    size_t calls = 1;
    for (int round = 0; round < 5;) {
        double begun = seconds_now();
        for (size_t c = 0; c < calls; c++)
            f(A, n, n, x, y);
        double seconds = seconds_now() - begun;
        if (seconds < 0.01) { /* too short to measure; it also warms up */
            calls *= 2;
            continue;
        }
        best = fmin(best, 1e6 * seconds / (double)calls);
        round++;
    }
    return best;
}

static void show_times(size_t n, double *A, double *x, double *y, double *expected)
{
    struct rng rng = rng_seeded(n);
    rng_fill(&rng, A, n * n);
    rng_fill(&rng, x, n);
    double serial = time_of(matvec_serial, A, n, x, y), omp = time_of(matvec_omp, A, n, x, y);
    double blas = time_of(matvec_blas, A, n, x, expected), difference = 0;
    for (size_t i = 0; i < n; i++)
        difference = fmax(difference, fabs(y[i] - expected[i]));
    printf("%6zu %13.2f %13.2f %13.2f %18.1e\n", n, serial, omp, blas, difference);
}

static int show_size(size_t n)
{
    double *A = malloc(n * n * sizeof *A), *x = malloc(n * sizeof *x);
    double *y = calloc(n, sizeof *y), *expected = calloc(n, sizeof *expected);
    int status = A && x && y && expected ? EXIT_SUCCESS : failed("memory for the matrix");
    if (status == EXIT_SUCCESS)
        show_times(n, A, x, y, expected);
    free(A);
    free(x);
    free(y);
    free(expected);
    return status;
}

static int demo(void)
{
    int cores = omp_get_num_procs(), ids[1024];
    printf("This system has %d cores\n", cores);
    int size = team(ids, 1024);
    for (int k = 0; k < size && k < 1024; k++)
        printf("Number of threads %d: thread number %d\n", size, ids[k]);
    printf("\ny = A x, time per call in microseconds\n");
    printf("%6s %13s %13s %13s %18s\n", "N", "matvec_serial", "matvec_omp", "cblas_dgemv", "largest difference");
    openblas_set_num_threads(omp_get_max_threads());
    int status = show_size(4 * (size_t)cores);
    return status == EXIT_SUCCESS ? show_size(500 * (size_t)cores) : status;
}

/* ---- the program ---- */

/* "1,2,4" into options.sizes; false if it is not of that form. */
static bool read_sizes(const char *list)
{
    options.size_count = 0;
    for (char *end; options.size_count < MAX_SIZES; list = end + 1) {
        long size = strtol(list, &end, 10);
        if (end == list || size < 1 || size > 1024)
            return false;
        options.sizes[options.size_count++] = (int)size;
        if (*end != ',')
            return *end == '\0';
    }
    return false;
}

static bool read_options(int argc, char **argv)
{
    bool good = true;
    for (int c; (c = getopt(argc, argv, "t:r:w:f:S:pgk")) != -1;) {
        switch (c) {
        case 't':
            good = good && read_sizes(optarg);
            break;
        case 'r':
            options.calls = atoi(optarg);
            break;
        case 'w':
            options.warm_calls = atoi(optarg);
            break;
        case 'f':
            options.before = strtod(optarg, NULL);
            break;
        case 'S':
            options.speed_calls = atoi(optarg);
            good = good && options.speed_calls > 0;
            break;
        case 'p':
            options.together = true;
            break;
        case 'g':
            options.gate = true;
            break;
        case 'k':
            options.keep = true;
            break;
        default:
            return false;
        }
    }
    return good && options.calls >= 1 && options.calls <= MAX_CALLS;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return demo();
    if (strcmp(argv[1], "-h") == 0) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    if (!read_options(argc, argv) || optind == argc) {
        fputs(usage, stderr);
        return 2;
    }
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        int words = argc - optind - 1, count = words / kinds[k].words;
        bool alone = options.gate || options.speed_calls > 0, speed_fits = options.speed_calls == 0 || k == MATVEC;
        bool fits = count > 0 && words % kinds[k].words == 0 && (count == 1 || !alone) && speed_fits;
        if (strcmp(argv[optind], kinds[k].name) == 0 && fits)
            return run_cases((enum kind)k, argv + optind + 1, count);
    }
    fputs(usage, stderr);
    return 2;
}
