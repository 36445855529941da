/* check_threads.c: the Check suite of lab 06. It starts the program with teams of
   several sizes and judges the arrays that come out; closed arrays (common/gate.h)
   show which thread works where, and ThreadSanitizer which threads are in each
   other's way. */
#include <float.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explain.h"
#include "suite.h"
#include "words.h"

enum { SECONDS = 8, EXIT_MEMORY = 3, EXIT_SETTINGS /* as in main.c */, MAX_CASES = 12, MAX_SIZES = 8, CALLERS = 3 };

#define ONE_TO_EIGHT "1,2,3,4,5,6,7,8"
#define LARGE_TEAMS "12,35" /* more threads than somebody may think that there are */
#define SETTINGS "OMP_DYNAMIC=false", "OMP_WAIT_POLICY=passive", "OPENBLAS_NUM_THREADS=1"
static const char *const settings[] = {"OMP_NUM_THREADS=4", SETTINGS, NULL};
static const char *const one_level[] = {"OMP_NUM_THREADS=4", "OMP_MAX_ACTIVE_LEVELS=1", SETTINGS, NULL};
static const char *const two_levels[] = {"OMP_NUM_THREADS=4", "OMP_MAX_ACTIVE_LEVELS=2", SETTINGS, NULL};
static const struct launch plain = {.seconds = SECONDS, .env = settings};
static const struct launch patient = {.seconds = 4 * SECONDS, .env = settings}; /* a team for each row takes long */
static const struct launch asan = {.seconds = 4 * SECONDS, .env = settings, .flavour = "asan"};

/* ---- how a run ended ---- */

static void expect_good_run(const struct run *r)
{
    bool astray = r->report.exit_status > EXIT_SETTINGS && r->report.exit_status != 127 &&
                  !strstr(r->err, "Sanitizer"); /* main.c never says that */
    if (r->report.signal || astray)
        say_also(
            "Teams of up to 35 threads are tried: an array with a place for each thread needs as many places as the "
            "team has.\n  And a task must not outlive the local variables that it shares: taskwait.");
    else if (r->report.stopped == STOP_TIME)
        say_also(
            "The command tells which function was called, and with which teams. A critical section inside another one, "
            "also\n  in a function that it calls, waits for itself: all that have no name are the same one.");
    expect_end(r);
    if (astray)
        fail_test(
            CAUSE_MEMORY, r,
            "the program ended with exit status %d, which main.c never gives: memory that is not yours was written "
            "over.%s",
            r->report.exit_status, explain_crash());
    if (r->report.exit_status == EXIT_MEMORY)
        fail_test(CAUSE_MEMORY, r, "main.c found, after the call, numbers changed that are not yours to write.%s",
                  strstr(r->err, "wrote outside y")
                      ? " Does a thread's block end behind the last row, because rows / threads was rounded up, or "
                        "begin there? end = rows * (k + 1) / n never does."
                      : "");
    if (r->report.exit_status == EXIT_SETTINGS)
        fail_test(CAUSE_METHOD, r,
                  "main.c found, after the call, OpenMP's settings changed. They are the caller's: who calls your "
                  "function gets other teams afterwards. A clause (if, num_threads) is for one region alone.");
    expect_success(r);
}

/* ---- cases: inputs, and what should come out ---- */

/* One matrix and vector (or, of cols = 0 and rows = count, an array to sum). */
struct item {
    size_t rows, cols;
    double *A, *x;
    double *expected, *bound;
    char *A_file, *x_file, *out_file;
};

struct cases {
    struct item item[MAX_CASES];
    size_t count;
};

/* sum of a[j] * x[j], to more digits than the program can have, and the error that
   adding in double in any order may make: n eps sum |a||x| (Higham, Accuracy and
   Stability of Numerical Algorithms, section 3.1). x NULL: all ones. */
static double dot(const double *a, const double *x, size_t n, double *bound)
{
    long double sum = 0, size = 0;
    for (size_t j = 0; j < n; j++) {
        long double term = x ? (long double)a[j] * x[j] : a[j];
        sum += term;
        size += fabsl(term);
    }
    *bound = (double)((long double)(n + 1) * DBL_EPSILON * size);
    return (double)sum;
}

static double *numbers(struct rng *rng, size_t count)
{
    double *a = calloc(count + 1, sizeof *a);
    if (!a)
        fail_test(CAUSE_ENVIRONMENT, NULL, "out of memory");
    rng_fill(rng, a, count);
    return a;
}

static void add_product(struct cases *c, struct rng *rng, size_t rows, size_t cols)
{
    struct item *item = &c->item[c->count];
    *item = (struct item){.rows = rows, .cols = cols, .A = numbers(rng, rows * cols), .x = numbers(rng, cols)};
    item->expected = numbers(rng, rows);
    item->bound = numbers(rng, rows);
    for (size_t i = 0; i < rows; i++)
        item->expected[i] = dot(item->A + i * cols, item->x, cols, &item->bound[i]);
    item->A_file = text_format("A%zu.npy", c->count);
    item->x_file = text_format("x%zu.npy", c->count);
    item->out_file = text_format("y%zu.npy", c->count);
    put_array(item->A_file, NPY_F8, 2, (size_t[]){rows, cols}, item->A);
    put_array(item->x_file, NPY_F8, 1, &cols, item->x);
    c->count++;
}

static void add_sum(struct cases *c, struct rng *rng, size_t count)
{
    struct item *item = &c->item[c->count];
    *item = (struct item){.rows = 1, .cols = count, .A = numbers(rng, count)};
    item->expected = numbers(rng, 1);
    item->bound = numbers(rng, 1);
    item->expected[0] = dot(item->A, NULL, count, item->bound);
    item->A_file = text_format("a%zu.npy", c->count);
    item->out_file = text_format("s%zu.npy", c->count);
    put_array(item->A_file, NPY_F8, 1, &count, item->A);
    c->count++;
}

static void free_cases(struct cases *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct item *item = &c->item[i];
        free(item->A);
        free(item->x);
        free(item->expected);
        free(item->bound);
        free(item->A_file);
        free(item->x_file);
        free(item->out_file);
    }
    c->count = 0;
}

/* ---- runs ---- */

/* How the program is called, and so what each row of a result file stands for. */
struct calls {
    const char *verb;  /* "matvec", "serial" or "sum" */
    const char *sizes; /* of the team: "1,2,3" */
    int repeats;       /* calls of each; 0: one */
    double before;     /* what stands in y */
    bool together;     /* all cases at the same time */
    bool closed;       /* the first array is closed; see gate.h */
    bool keep;         /* main.c looks whether OpenMP's settings stay as they are */
    bool late;         /* threads were late after atomic reads, locks and critical sections */
};

static const char *function_of(const struct calls *how)
{
    return strcmp(how->verb, "sum") == 0      ? "sum_omp"
           : strcmp(how->verb, "serial") == 0 ? "matvec_serial"
                                              : "matvec_omp";
}

static void run_cases(struct run *r, const struct launch *launch, const struct calls *how, const struct cases *c)
{
    struct words w = {0};
    words_add(&w, "-t");
    words_add(&w, how->sizes);
    if (how->closed)
        words_add(&w, "-g");
    if (how->repeats) {
        words_add(&w, "-r");
        words_addf(&w, "%d", how->repeats);
    }
    if (how->before != 0) {
        words_add(&w, "-f");
        words_addf(&w, "%g", how->before);
    }
    if (how->together)
        words_add(&w, "-p");
    if (how->keep)
        words_add(&w, "-k");
    words_add(&w, how->verb);
    for (size_t i = 0; i < c->count; i++) {
        words_add(&w, c->item[i].A_file);
        if (c->item[i].x)
            words_add(&w, c->item[i].x_file);
        words_add(&w, c->item[i].out_file);
    }
    run_program(r, launch, (const char *const *)w.item);
    words_free(&w);
}

/* ---- runs under ThreadSanitizer ---- */

/* Archer tells ThreadSanitizer what OpenMP's own synchronisation means; without it
   correct code would seem racy. */
static char *archer_setting(void)
{
    glob_t found;
    char *setting = NULL;
    if (glob("/usr/lib/llvm-*/lib/libarcher.so", 0, NULL, &found) == 0)
        setting = text_format("OMP_TOOL_LIBRARIES=%s", found.gl_pathv[0]);
    globfree(&found);
    return setting;
}

/* Runs the cases, or the words if there are none, under ThreadSanitizer with Archer; there
   threads are late, by the seed, after atomic reads, locks and critical sections (common/tsan_openmp.h). */
static void run_watched(struct run *r, const struct calls *how, const struct cases *c, const char *const *words)
{
    char *archer = archer_setting();
    if (!archer)
        fail_test(CAUSE_ENVIRONMENT, NULL,
                  "Archer (libarcher.so, in Debian's package libomp-14-dev) is not installed.");
    char seed[40];
    snprintf(seed, sizeof seed, "LAB_PERTURB=%llu", (unsigned long long)(suite_seed() % 1000000));
    const char *const env[] = {"OMP_NUM_THREADS=4",
                               SETTINGS,
                               seed,
                               archer,
                               "ARCHER_OPTIONS=verbose=1",
                               "TSAN_OPTIONS=ignore_noninstrumented_modules=1",
                               NULL};
    struct launch tsan = {.seconds = 4 * SECONDS, .env = env, .flavour = "tsan"};
    if (c)
        run_cases(r, &tsan, how, c);
    else
        run_program(r, &tsan, words);
    if (!strstr(r->out, "Archer detected OpenMP application"))
        fail_test(CAUSE_ENVIRONMENT, r,
                  "Archer was not loaded, so races cannot be told from OpenMP's own synchronisation.");
    free(archer);
}

/* "1,2,4" as numbers. */
static size_t team_sizes(const char *list, int sizes[MAX_SIZES])
{
    size_t count = 0;
    for (char *end = NULL; count < MAX_SIZES; list = end + 1) {
        sizes[count++] = (int)strtol(list, &end, 10);
        if (*end != ',')
            break;
    }
    return count;
}

/* ---- judging values ---- */

/* One call's result that is wrong at index at. */
struct wrong {
    const struct run *run;
    const struct calls *how;
    const struct cases *cases;
    const struct item *item;
    size_t at, wrong_count;
    int team;
    double came;
    double last;   /* the result of the call before, by the same team; NaN if there was none */
    bool unstable; /* another call, with the same team, had another result */
    bool later;    /* the first call by this team was right */
};

static bool near(double a, double b, double bound)
{
    return fabs(a - b) <= bound;
}

/* When callers work at the same time: did one get what belongs to another? */
static const char *mixed_up(const struct wrong *w)
{
    for (size_t i = 0; i < w->cases->count; i++) {
        const struct item *other = &w->cases->item[i];
        if (w->how->together && other != w->item && w->at < other->rows &&
            near(w->came, other->expected[w->at], other->bound[w->at]))
            return "That is the result of another caller, which works at the same time with other data: a static or "
                   "global variable is shared by all callers. Keep everything in local variables.";
    }
    return w->how->together ? "Alone the function is right. Called by several threads at the same time it must not "
                              "keep anything in static "
                              "or global variables; an omp for without a region of its own shares the loop out among "
                              "the callers; and in "
                              "a region inside a region the team may be smaller than omp_get_max_threads() says: ask "
                              "omp_get_num_threads() inside."
                            : NULL;
}

static const char *likely_product(const struct wrong *w)
{
    double expected = w->item->expected[w->at], bound = w->item->bound[w->at], before = w->how->before;
    bool untouched = memcmp(&w->came, &before, sizeof before) == 0;
    if (isnan(before) && isnan(w->came))
        return "y held NaN before the call, and still does there: y[i] is added to without being set to 0 first, or "
               "was never computed.";
    if (w->item->cols == 0 && untouched)
        return "That is what stood in y before the call. Without columns each row is a sum of nothing: 0, which has to "
               "be written, too.";
    if (w->item->cols == 0 && isnan(w->came))
        return "Without columns each row is a sum of nothing, 0, and neither A nor x may be read: there is nothing.";
    if (untouched && w->wrong_count == w->item->rows)
        return "That is what stood in y before the call: no row was computed at all, or all went into another array "
               "(an "
               "assignment to y itself, y = malloc(...), changes only your copy of the pointer).";
    if (untouched && w->came == 0 && w->item->rows % (size_t)w->team == 0)
        return "0 stood in y before the call, too. Either no thread computed this row (omp for before a loop that "
               "already "
               "runs over the thread's own rows shares those out again), or another one set it to 0 afterwards (where "
               "one loop clears y and the next one adds to it, all threads have to wait between them: no nowait).";
    if (untouched)
        return "That is what stood in y before the call: no thread computed this row. When the threads do not divide "
               "the rows, somebody has to take those that are left over (rows / threads rounds down).";
    if (before != 0 && near(w->came, expected + before, bound + 4 * DBL_EPSILON * fabs(before)))
        return "That is the right value plus what stood in y before the call. Add up in a local variable that begins "
               "at 0, and assign it to y[i] at the end.";
    for (int k = 2; k <= w->team; k++)
        if (near(w->came, k * expected, k * bound))
            return "That is a multiple of the right value: several threads added the same products to it.";
    return NULL;
}

/* How many numbers at the end are missing; 0 if that is not what is wrong. */
static size_t missing_at_end(const struct wrong *w)
{
    size_t count = w->item->cols, most = count < 64 ? count : 64;
    double ignored, bound = w->item->bound[0];
    for (size_t missing = 1; missing <= most; missing++)
        if (near(w->came, dot(w->item->A, NULL, count - missing, &ignored), bound))
            return missing;
    return 0;
}

/* The thread whose block alone is missing in the sum; -1: that is not what is wrong. */
static int missing_thread(const struct wrong *w)
{
    size_t count = w->item->cols, n = (size_t)w->team;
    double ignored, all = w->item->expected[0];
    for (size_t k = 0; k < n && n > 1; k++) {
        size_t first = count * k / n, end = count * (k + 1) / n;
        double part = dot(w->item->A + first, NULL, end - first, &ignored);
        if (near(w->came, all - part, w->item->bound[0]))
            return (int)k;
    }
    return -1;
}

/* How many numbers at the end were added by every thread of the team; 0: that is not what is wrong. */
static size_t added_by_all(const struct wrong *w)
{
    size_t count = w->item->cols, most = count < 64 ? count : 64;
    double ignored, more = w->came - w->item->expected[0];
    for (size_t last = 1; last <= most && w->team > 1; last++)
        if (near(more, (w->team - 1) * dot(w->item->A + count - last, NULL, last, &ignored), 2 * w->item->bound[0]))
            return last;
    return 0;
}

static const char *likely_sum(const struct wrong *w)
{
    static char words[300];
    double expected = w->item->expected[0], bound = w->item->bound[0];
    if (missing_thread(w) >= 0) {
        snprintf(words, sizeof words,
                 "That is the sum without the block of thread %d of the team's %d: its part was added to nobody. Where "
                 "parts are joined two by two, mind a number of threads that is odd, or no power of two.",
                 missing_thread(w), w->team);
        return words;
    }
    if (added_by_all(w) > 0) {
        snprintf(
            words, sizeof words,
            "The last %zu of the numbers were added once by every thread of the team: what is left over of the loop "
            "that the team shares is for one thread (single, or behind the region).",
            added_by_all(w));
        return words;
    }
    if (w->team > 1 && near(w->came, expected * w->team, bound * w->team))
        return "That is the sum once for every thread: each added all numbers. The loop needs to be shared by the team "
               "(omp for).";
    if (missing_at_end(w) > 0)
        return "The last numbers are missing: when the threads, or the steps of a loop, do not divide count, somebody "
               "has "
               "to take those that are left over (count / threads rounds down).";
    if (w->came == 0)
        return "Nothing arrived: what the threads added up in variables of their own was not brought together. "
               "reduction(+ : sum) does that.";
    return NULL;
}

/* Has the call added to what it had at the end of the call before? */
static const char *goes_on(const struct wrong *w)
{
    double expected = w->item->expected[w->at];
    if (w->last == 0 || !near(w->came, expected + w->last, 3 * w->item->bound[w->at]))
        return NULL;
    return "That is the right value plus the result of the call before: something that lives on from call to call (a "
           "static, global or threadprivate variable) is not set to 0 at the beginning.";
}

static const char lives_on[] =
    "The first call by this team was right, and a later one with the same numbers is not: something lives on from call "
    "to call (a static, global or threadprivate variable) that is not set again at the beginning, by each thread that "
    "has one; or a variable is read that was never set (private does not copy the value from outside).";
static const char unknown_product[] =
    "Likely causes: the sum is not set to 0 for each row, the element is not A[i * cols + j], or the threads share a "
    "variable (a sum, an index) that each should have for itself.";
static const char unknown_sum[] =
    "Likely causes: the threads add to one shared variable and overwrite each other (reduction gives each one of its "
    "own), or their blocks leave out some numbers or overlap.";

/* If threads are in each other's way, that is the reason, and ThreadSanitizer knows where. */
static void report_race(const struct wrong *w, const char *call)
{
    struct calls how = {.verb = w->how->verb, .sizes = "4"};
    struct explanation e;
    struct run r;
    run_watched(&r, &how, w->cases, NULL);
    if (explain_sanitizer(&r, &e) && e.cause == CAUSE_RACE)
        fail_test(CAUSE_RACE, w->run,
                  "%s, team of %d: a result is %.17g, expected %.17g%s. Under ThreadSanitizer it shows why:\n  %s",
                  call, w->team, w->came, w->item->expected[w->at],
                  w->unstable ? ", and another one the next time" : "", e.text);
    run_free(&r);
}

static _Noreturn void report_wrong(const struct wrong *w)
{
    bool sum = strcmp(w->how->verb, "sum") == 0;
    const char *likely = goes_on(w) ? goes_on(w) : mixed_up(w);
    char call[200], who[80] = "";
    if (!likely)
        likely = sum ? likely_sum(w) : likely_product(w);
    if (sum)
        snprintf(call, sizeof call, "sum_omp of %zu number%s", w->item->cols, w->item->cols == 1 ? "" : "s");
    else
        snprintf(call, sizeof call, "%s, A is %zu x %zu", function_of(w->how), w->item->rows, w->item->cols);
    enum cause cause = w->how->late ? CAUSE_RACE : CAUSE_WRONG_VALUE;
    bool rows_left_out = !sum && w->came == 0 && w->how->before == 0 && w->item->rows % (size_t)w->team == 0;
    bool part_missing = sum && missing_thread(w) >= 0; /* or it came too late */
    if ((rows_left_out || ((w->unstable || !likely || part_missing) && w->team > 1)) && !w->how->together &&
        !w->how->late)
        report_race(w, call);
    if (!likely && w->later && !w->how->together && !w->how->late)
        likely = lives_on;
    if (!likely && sum && w->team == 1)
        likely = "There is only one thread here: it is the loop itself, where it begins and ends, what it adds up, and "
                 "whether the sum begins at 0.";
    if (!likely)
        likely = sum ? unknown_sum : unknown_product;
    if (strcmp(w->how->verb, "serial") != 0)
        snprintf(who, sizeof who, ", team of %d thread%s%s", w->team, w->team == 1 ? "" : "s",
                 w->how->together ? ", several callers at the same time" : "");
    if (sum)
        fail_test(cause, w->run, "%s%s: the result is %.17g, expected %.17g (allowed rounding error %.2g). %s", call,
                  who, w->came, w->item->expected[0], w->item->bound[0], likely);
    fail_test(cause, w->run,
              "%s%s: y[%zu] is %.17g, expected %.17g (allowed rounding error %.2g); %zu of %zu are wrong. %s", call,
              who, w->at, w->came, w->item->expected[w->at], w->item->bound[w->at], w->wrong_count, w->item->rows,
              likely);
}

/* Call number `call` of those that one team made; all: their results. */
static void judge_call(struct wrong *w, const double *all, size_t call, size_t repeats)
{
    const double *y = all + call * w->item->rows;
    const struct item *item = w->item;
    w->wrong_count = 0;
    for (size_t i = item->rows; i-- > 0;)
        if (!near(y[i], item->expected[i], item->bound[i])) { /* NaN is never near */
            w->at = i;
            w->wrong_count++;
        }
    if (w->wrong_count == 0)
        return;
    w->came = y[w->at];
    w->later = call > 0; /* or that one would have been reported */
    w->last = call > 0 ? all[(call - 1) * item->rows + w->at] : (double)NAN;
    for (size_t k = 0; k < repeats; k++)
        if (!near(all[k * item->rows + w->at], w->came, 2 * item->bound[w->at]))
            w->unstable = true;
    report_wrong(w);
}

static void judge_cases(const struct run *r, const struct calls *how, const struct cases *c)
{
    int sizes[MAX_SIZES];
    size_t repeats = how->repeats ? (size_t)how->repeats : 1, calls = team_sizes(how->sizes, sizes) * repeats;
    for (size_t i = 0; i < c->count; i++) {
        const struct item *item = &c->item[i];
        size_t shape[] = {calls, item->rows};
        struct npy out = expect_array(r, item->out_file, NPY_F8, item->x ? 2 : 1, shape);
        struct wrong w = {.run = r, .how = how, .cases = c, .item = item};
        for (size_t k = 0; k < calls; k++) {
            size_t first = k / repeats * repeats; /* of the calls by this team */
            w.team = sizes[k / repeats];
            judge_call(&w, (const double *)out.data + first * item->rows, k - first, repeats);
        }
        npy_free(&out);
    }
}

static void run_and_judge(const struct launch *launch, const struct calls *how, const struct cases *c)
{
    struct run r;
    run_cases(&r, launch, how, c);
    expect_good_run(&r);
    judge_cases(&r, how, c);
    run_free(&r);
}

/* ---- closed arrays ---- */

/* What a test learns from the touches of a closed array. */
struct touches {
    size_t together;     /* let all go on when so many are held; 0: hold nobody */
    int patience, quiet; /* how often nothing more may come while threads are held, and how often it was so */
    size_t most;         /* held at the same time */
    bool same;           /* two were held at the same element */
    long long element;   /* which one */
    int64_t thread[16];  /* all that touched anything */
    size_t threads;
};

static void count_thread(struct touches *t, int64_t id)
{
    for (size_t i = 0; i < t->threads; i++)
        if (t->thread[i] == id)
            return;
    if (t->threads < sizeof t->thread / sizeof *t->thread)
        t->thread[t->threads++] = id;
}

static bool touch(struct witness *w, size_t index)
{
    struct touches *t = w->state;
    const struct event *e = &w->events[index];
    if (e->kind != 'b')
        return true;
    count_thread(t, e->extra);
    for (size_t i = 0; i < index; i++)
        if (w->events[i].held && w->events[i].value == e->value) {
            t->same = true;
            t->element = (long long)(e->value / (int64_t)sizeof(double));
        }
    if (w->held > t->most)
        t->most = w->held;
    if (t->most >= t->together || t->quiet >= t->patience) {
        witness_release_all(w);
        return true;
    }
    return false;
}

static void nobody_came(struct witness *w)
{
    struct touches *t = w->state;
    t->quiet++;
    witness_release_all(w);
}

/* One call by a team of size threads on a closed array; t learns who touches it. */
static void run_closed(struct run *r, struct touches *t, double quiet, const char *verb, int size,
                       const struct cases *c)
{
    struct witness w = {.on_event = touch, .on_quiet = nobody_came, .quiet_seconds = quiet, .state = t};
    struct launch launch = {.seconds = 2 * SECONDS, .env = settings, .witness = &w};
    char *sizes = text_format("%d", size);
    struct calls how = {.verb = verb, .sizes = sizes, .closed = true};
    run_cases(r, &launch, &how, c);
    expect_good_run(r);
    if (w.count == 0)
        fail_test(CAUSE_METHOD, r, "the call did not read its array at all.");
    witness_free(&w);
    free(sizes);
}

/* ---- team ---- */

/* What one call of team returned and wrote: row[0], then ids[0 ... max - 1]. */
static void judge_team(const struct run *r, const int64_t *row, int size, int max, const char *where)
{
    long long came = (long long)row[0];
    if (came != size) {
        const char *likely =
            came == 1 ? "Outside a parallel region omp_get_num_threads() is always 1: ask inside, and keep the answer."
            : came == max ? "It should be the size of the team, not how many ids there is room for."
            : came == 0   ? "Is the answer kept in a variable that all threads share?"
            : max < size  ? "It should be the size of the team, whatever max is."
                          : "The size of the team is the user's choice: no num_threads clause, no number of cores.";
        fail_test(CAUSE_WRONG_VALUE, r, "team(ids, %d) %s a team of %d: it returned %lld, expected %d. %s", max, where,
                  size, came, size, likely);
    }
    for (int k = 0; k < max; k++) {
        long long id = (long long)row[1 + k];
        if (k < size && id == -1)
            fail_test(CAUSE_WRONG_VALUE, r,
                      "team(ids, %d) %s a team of %d: ids[%d] was not written. Each thread of the team "
                      "writes its own number: ids[k] = k with k = omp_get_thread_num().",
                      max, where, size, k);
        if (id != (k < size ? k : -1))
            fail_test(
                CAUSE_WRONG_VALUE, r, "team(ids, %d) %s a team of %d: ids[%d] is %lld, expected %d%s.", max, where,
                size, k, id, k < size ? k : -1,
                k < size
                    ? ". Is the thread's number kept in a variable that the team shares? Declare it inside the region"
                    : " (nobody's place, so it stays as it was)");
    }
}

/* Runs team with each of max, and sizes 1 ... 8. */
static void run_team(const struct launch *launch, const int *max, size_t count)
{
    struct run r;
    struct words w = {0};
    words_add(&w, "-t");
    words_add(&w, ONE_TO_EIGHT);
    words_add(&w, "team");
    for (size_t i = 0; i < count; i++) {
        words_addf(&w, "%d", max[i]);
        words_addf(&w, "ids%d.npy", max[i]);
    }
    run_program(&r, launch, (const char *const *)w.item);
    expect_good_run(&r);
    for (size_t i = 0; i < count; i++) {
        size_t width = 1 + (size_t)max[i];
        char *file = text_format("ids%d.npy", max[i]);
        struct npy ids = expect_array(&r, file, NPY_I8, 2, (size_t[]){MAX_SIZES, width});
        for (int size = 1; size <= MAX_SIZES; size++)
            judge_team(&r, (const int64_t *)ids.data + (size_t)(size - 1) * width, size, max[i], "with");
        npy_free(&ids);
        free(file);
    }
    words_free(&w);
    run_free(&r);
}

START_TEST(team_ids)
{
    run_team(&plain, (const int[]){8, 12}, 2);
}
END_TEST

START_TEST(team_larger_than_ids)
{
    run_team(&plain, (const int[]){3, 1, 0, 7}, 4);
}
END_TEST

/* ---- values ---- */

START_TEST(serial_product)
{
    struct rng rng = rng_seeded(suite_seed());
    struct cases c = {0};
    struct calls how = {.verb = "serial", .sizes = "4"};
    static const size_t shapes[][2] = {{64, 64}, {7, 5}, {13, 31}, {1, 9}, {9, 1}, {1, 1}, {0, 6}, {5, 0}, {301, 211}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        add_product(&c, &rng, shapes[i][0], shapes[i][1]);
    run_and_judge(&plain, &how, &c);
    free_cases(&c);
}
END_TEST

START_TEST(product)
{
    struct rng rng = rng_seeded(suite_seed());
    struct cases c = {0};
    struct calls how = {.verb = "matvec", .sizes = ONE_TO_EIGHT, .repeats = 3};
    add_product(&c, &rng, 840, 84); /* every team divides 840 rows */
    add_product(&c, &rng, 1680, 40);
    run_and_judge(&patient, &how, &c);
    free_cases(&c);
}
END_TEST

START_TEST(odd_shapes)
{
    struct rng rng = rng_seeded(suite_seed());
    struct cases c = {0};
    struct calls how = {.verb = "matvec", .sizes = ONE_TO_EIGHT};
    static const size_t shapes[][2] = {{1021, 67}, {3, 22003}, {5, 13109}, {1, 65539}, {8219, 8},
                                       {7, 5},     {13, 31},   {1, 1},     {0, 6},     {5, 0}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        add_product(&c, &rng, shapes[i][0], shapes[i][1]);
    run_and_judge(&patient, &how, &c);
    how.sizes = LARGE_TEAMS;
    run_and_judge(&patient, &how, &c);
    free_cases(&c);
}
END_TEST

START_TEST(old_values)
{
    static const char *const verbs[] = {"serial", "matvec"};
    struct rng rng = rng_seeded(suite_seed());
    struct cases c = {0};
    add_product(&c, &rng, 840, 84);
    add_product(&c, &rng, 24, 10);
    add_product(&c, &rng, 7, 0);
    for (int i = 0; i < 2; i++) {
        run_and_judge(&plain, &(struct calls){.verb = verbs[i], .sizes = "4", .before = 1234.5}, &c);
        run_and_judge(&plain, &(struct calls){.verb = verbs[i], .sizes = "4", .before = (double)NAN}, &c);
    }
    free_cases(&c);
}
END_TEST

static void sum_counts(const size_t *counts, size_t n, int repeats)
{
    struct rng rng = rng_seeded(suite_seed());
    struct cases c = {0};
    for (size_t i = 0; i < n; i++)
        add_sum(&c, &rng, counts[i]);
    run_and_judge(&plain, &(struct calls){.verb = "sum", .sizes = ONE_TO_EIGHT, .repeats = repeats}, &c);
    run_and_judge(&patient, &(struct calls){.verb = "sum", .sizes = LARGE_TEAMS}, &c);
    free_cases(&c);
}

/* Holds the threads until all have begun to read. One that adds to a variable which
   others add to as well has looked at it by then, and will overwrite what they write. */
static void sum_begun_together(void)
{
    struct rng rng = rng_seeded(suite_seed());
    struct touches t = {.together = 4, .patience = 2};
    struct cases c = {0};
    struct run r;
    add_sum(&c, &rng, 67200);
    run_closed(&r, &t, 1, "sum", 4, &c);
    judge_cases(&r, &(struct calls){.verb = "sum", .sizes = "4"}, &c);
    run_free(&r);
    free_cases(&c);
}

START_TEST(sum)
{
    sum_counts((const size_t[]){67200, 840}, 2, 2);
    sum_begun_together();
}
END_TEST

START_TEST(odd_counts)
{
    sum_counts((const size_t[]){0, 1, 2, 3, 5, 7, 11, 841, 65539, 70003}, 10, 1);
}
END_TEST

/* ---- races ---- */

/* Is all right when nobody makes threads late? */
static bool right_otherwise(const struct calls *how, const struct cases *c)
{
    struct run r;
    run_cases(&r, &plain, how, c);
    bool right = r.report.exit_status == 0 && !r.report.stopped;
    for (size_t i = 0; i < c->count && right; i++) {
        const struct item *item = &c->item[i];
        struct npy out = expect_array(&r, item->out_file, NPY_F8, item->x ? 2 : 1, (size_t[]){1, item->rows});
        for (size_t k = 0; k < item->rows; k++)
            right = right && near(((const double *)out.data)[k], item->expected[k], item->bound[k]);
        npy_free(&out);
    }
    run_free(&r);
    return right;
}

/* A race shows in how the run ends, or, where every single access is protected, in values that are right
   otherwise. */
static void look_for_races(const struct calls *how, const struct cases *c, const char *const *words)
{
    struct run r;
    bool judge = c && right_otherwise(how, c);
    run_watched(&r, how, c, words);
    expect_good_run(&r);
    if (judge) {
        struct calls late = *how;
        late.late = true;
        say_also("In this run (LAB_PERTURB, by its seed) threads are late after atomic reads, locks and critical "
                 "sections. If one\n  construct reads what another one then writes back, a thread in between is "
                 "forgotten: let one atomic, critical\n  or reduction do both.");
        judge_cases(&r, &late, c);
        say_also("");
    }
    run_free(&r);
}

START_TEST(race_free)
{
    struct rng rng = rng_seeded(suite_seed());
    struct cases products = {0}, sums = {0};
    add_product(&products, &rng, 841, 84);
    add_product(&products, &rng, 7, 5);
    add_sum(&sums, &rng, 65539);
    add_sum(&sums, &rng, 7);
    look_for_races(NULL, NULL, ARGS("-t", "4", "team", "8", "ids.npy"));
    look_for_races(&(struct calls){.verb = "matvec", .sizes = "4"}, &products, NULL);
    look_for_races(&(struct calls){.verb = "sum", .sizes = "4"}, &sums, NULL);
    free_cases(&products);
    free_cases(&sums);
}
END_TEST

/* ---- callers beside each other ---- */

static void call_beside(const struct launch *launch, const struct calls *how, size_t rows, size_t cols)
{
    struct rng rng = rng_seeded(suite_seed());
    struct cases c = {0};
    for (int i = 0; i < CALLERS; i++)
        if (rows > 0)
            add_product(&c, &rng, rows, cols);
        else
            add_sum(&c, &rng, cols);
    if (launch)
        run_and_judge(launch, how, &c);
    else
        look_for_races(how, &c, NULL);
    free_cases(&c);
}

/* launch NULL: under ThreadSanitizer. */
static void products_beside(const struct launch *launch, size_t rows, size_t cols, int repeats)
{
    call_beside(launch, &(struct calls){.verb = "matvec", .sizes = "4", .repeats = repeats, .together = true}, rows,
                cols);
}

static void sums_beside(const struct launch *launch, size_t count, int repeats)
{
    call_beside(launch, &(struct calls){.verb = "sum", .sizes = "4", .repeats = repeats, .together = true}, 0, count);
}

/* If matvec_serial is right at all: it has a test of its own. */
static void serials_beside(const struct launch *launch)
{
    struct rng rng = rng_seeded(suite_seed());
    struct calls alone = {.verb = "serial", .sizes = "4"}, beside = alone;
    struct cases c = {0};
    beside.together = true;
    for (int i = 0; i < CALLERS; i++)
        add_product(&c, &rng, 301, 211);
    if (right_otherwise(&alone, &c))
        run_and_judge(launch, &beside, &c);
    free_cases(&c);
}

static void teams_beside(const struct launch *launch, int size)
{
    struct run r;
    run_program(&r, launch,
                ARGS("-p", "-t", "4", "-r", "5", "team", "6", "ids0.npy", "6", "ids1.npy", "6", "ids2.npy"));
    expect_good_run(&r);
    for (int caller = 0; caller < CALLERS; caller++) {
        char *file = text_format("ids%d.npy", caller);
        struct npy ids = expect_array(&r, file, NPY_I8, 2, (size_t[]){5, 7});
        for (size_t k = 0; k < 5; k++)
            judge_team(&r, (const int64_t *)ids.data + 7 * k, size, 6,
                       size == 1 ? "called inside a parallel region, where nested regions are off, so with"
                                 : "called inside a parallel region, with");
        npy_free(&ids);
        free(file);
    }
    run_free(&r);
}

START_TEST(inside_a_region)
{
    static const struct launch flat = {.seconds = SECONDS, .env = one_level},
                               nested = {.seconds = SECONDS, .env = two_levels};
    static const struct launch many = {.seconds = 3 * SECONDS, .env = one_level};
    products_beside(NULL, 840, 84, 1); /* first, because it names the variable, if it finds one */
    sums_beside(NULL, 67200, 1);
    teams_beside(&flat, 1);
    teams_beside(&nested, 4);
    serials_beside(&flat);
    products_beside(&flat, 840, 84, 8);
    products_beside(&nested, 840, 84, 8);
    sums_beside(&flat, 67200, 8);
    sums_beside(&nested, 67200, 8);
    /* So short that the callers are in each other's way for most of the time. */
    products_beside(&many, 4, 3, 3000);
    sums_beside(&many, 12, 15000);
}
END_TEST

/* ---- who works where ---- */

/* A size that is not the number of cores, so that it cannot be right by chance. */
static int unusual_size(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN) == 3 ? 5 : 3;
}

/* The whole team has to be at work at the same time, each thread at a place of its own. */
static void expect_team_work(const struct run *r, const struct touches *t, const char *call, const char *loop, int size)
{
    if (t->threads == 1)
        fail_test(
            CAUSE_METHOD, r,
            "%s, team of %d: one thread alone did all the work. The loop over the %s is to be shared by a "
            "team: a parallel region, and inside it either omp for or a block for each thread. Whether a team is worth "
            "it depends on the number of elements, not of rows or columns. (Of a taskloop "
            "with more than 64 tasks a thread gcc lets one thread do all: give it a larger grainsize.)",
            call, size, loop);
    if (t->same)
        fail_test(CAUSE_METHOD, r,
                  "%s, team of %d: two threads read the same number, at index %lld: each of them does all the "
                  "work. In a parallel region every thread runs the whole loop, unless omp for shares it out.",
                  call, size, t->element);
    if (t->most == 1)
        fail_test(CAUSE_METHOD, r,
                  "%s, team of %d: threads work, but only one at a time. A critical section, a lock or "
                  "ordered around the work makes them wait for each other: let each add up on its own, without a lock.",
                  call, size);
    if (t->most < (size_t)size)
        fail_test(CAUSE_METHOD, r,
                  "%s, team of %d: never more than %zu threads worked at the same time. The size of the team is "
                  "the user's choice, and every thread needs a part: no num_threads, no large chunks, no sections.",
                  call, size, t->most);
    if (t->threads > (size_t)size)
        fail_test(CAUSE_METHOD, r,
                  "%s, team of %d: %zu threads worked. The size of the team is the user's choice: no num_threads, "
                  "no omp_set_num_threads.",
                  call, size, t->threads);
}

START_TEST(each_writes_its_own)
{
    static const char *const sizes[] = {"2", "4"};
    for (int i = 0; i < 2; i++) {
        struct touches t = {0};
        struct witness w = {.on_event = touch, .state = &t};
        struct launch how = {.seconds = SECONDS, .env = settings, .witness = &w};
        struct run r;
        run_program(&r, &how, ARGS("-g", "-t", sizes[i], "team", "4", "ids.npy"));
        expect_good_run(&r);
        if (t.threads == 0)
            fail_test(CAUSE_METHOD, &r, "team did not write to ids at all.");
        if (t.threads == 1)
            fail_test(CAUSE_METHOD, &r,
                      "team(ids, 4) with a team of %s: ids[0] and the ids after it were written by the same "
                      "thread. Each thread of the team is to write its own: inside the region, ids[k] = k with "
                      "k = omp_get_thread_num().",
                      sizes[i]);
        run_free(&r);
        witness_free(&w);
    }
    struct run r;
    run_program(&r, &plain, ARGS("-k", "-t", "3", "team", "4", "ids.npy"));
    expect_good_run(&r);
    run_free(&r);
}
END_TEST

START_TEST(serial_alone)
{
    struct rng rng = rng_seeded(suite_seed());
    struct touches t = {.together = 2, .patience = 1};
    struct cases c = {0};
    struct run r;
    add_product(&c, &rng, 2520, 512);
    run_closed(&r, &t, 0.25, "serial", 4, &c); /* who comes, comes at once */
    if (t.threads > 1)
        fail_test(CAUSE_METHOD, &r,
                  "matvec_serial, A is 2520 x 512: %zu threads worked. It is the one that the others are "
                  "measured by: the calling thread alone, no parallel region.",
                  t.threads);
    run_free(&r);
    free_cases(&c);
}
END_TEST

/* Did the whole team work at the same time, each thread at a place of its own? */
static bool team_works(const struct touches *t, int size)
{
    return t->threads == (size_t)size && t->most == (size_t)size && !t->same;
}

/* A call that is just large enough for a team to be a must; t learns who works. It is judged if it is the
   last, and in any case if one thread did it alone. */
static void watch_team(struct touches *t, const char *verb, int size, size_t rows, size_t cols, bool last)
{
    struct rng rng = rng_seeded(suite_seed());
    struct cases c = {0};
    struct run r;
    *t = (struct touches){.together = (size_t)size, .patience = 2};
    if (rows > 0)
        add_product(&c, &rng, rows, cols);
    else
        add_sum(&c, &rng, cols);
    run_closed(&r, t, 1, verb, size, &c);
    if (last || t->threads == 1) {
        char *call = rows > 0 ? text_format("matvec_omp, A is %zu x %zu", rows, cols)
                              : text_format("sum_omp of %zu numbers", cols);
        expect_team_work(&r, t, call, rows > 0 ? "rows" : "numbers", size);
        free(call);
    }
    run_free(&r);
    free_cases(&c);
}

/* A small call and large ones, also with fewer rows than threads: afterwards OpenMP's settings have to be what they were before. */
static void expect_settings_kept(const char *verb)
{
    struct rng rng = rng_seeded(suite_seed());
    struct cases c = {0};
    struct run r;
    bool of_sum = strcmp(verb, "sum") == 0;
    static const size_t shapes[][2] = {{7, 5}, {509, 129}, {2, 33001}, {33001, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (of_sum)
            add_sum(&c, &rng, shapes[i][0] * shapes[i][1]);
        else
            add_product(&c, &rng, shapes[i][0], shapes[i][1]);
    run_cases(&r, &plain, &(struct calls){.verb = verb, .sizes = "3", .keep = true}, &c);
    expect_good_run(&r);
    run_free(&r);
    free_cases(&c);
}

/* Threads take rows in chunks of any size: what is too coarse for one shape suits the other, or is too fine. */
START_TEST(product_by_a_team)
{
    struct touches t;
    int size = unusual_size();
    watch_team(&t, "matvec", size, 131, 501, false);
    if (!team_works(&t, size))
        watch_team(&t, "matvec", size, 509, 129, true);
    expect_settings_kept("matvec");
}
END_TEST

START_TEST(sum_by_a_team)
{
    struct touches t;
    watch_team(&t, "sum", unusual_size(), 0, 65701, true);
    expect_settings_kept("sum");
}
END_TEST

/* ---- memory ---- */

START_TEST(memory_clean)
{
    struct rng rng = rng_seeded(suite_seed());
    struct cases c = {0}, sums = {0};
    struct run r;
    add_product(&c, &rng, 1021, 67);
    add_product(&c, &rng, 3, 5);
    add_product(&c, &rng, 0, 5);
    add_sum(&sums, &rng, 65539);
    add_sum(&sums, &rng, 3);
    add_sum(&sums, &rng, 0);
    run_program(&r, &asan, ARGS("-t", "1,4,8", "team", "3", "ids3.npy", "0", "ids0.npy"));
    expect_good_run(&r);
    run_free(&r);
    run_cases(&r, &asan, &(struct calls){.verb = "serial", .sizes = "1"}, &c);
    expect_good_run(&r);
    run_free(&r);
    run_cases(&r, &asan, &(struct calls){.verb = "matvec", .sizes = "1,4,8"}, &c);
    expect_good_run(&r);
    run_free(&r);
    run_cases(&r, &asan, &(struct calls){.verb = "sum", .sizes = "1,4,8"}, &sums);
    expect_good_run(&r);
    run_free(&r);
    free_cases(&c);
    free_cases(&sums);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        team_ids,
        team_larger_than_ids,
        serial_product,
        product,
        odd_shapes,
        old_values,
        sum,
        odd_counts,
        inside_a_region,
        each_writes_its_own,
        serial_alone,
        product_by_a_team,
        sum_by_a_team,
        race_free,
        memory_clean,
    };
    return suite_main(argc, argv, "threads", tests, sizeof tests / sizeof *tests);
}
