/* check_dmv.c: the Check suite of lab 07. It starts the program as a user would and
   judges what comes out; the tracing layer tells which OpenCL calls were made. No
   OpenCL call is made in this process: after one, no child of it would be safe. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dmv.h"
#include "explain_kernel.h"
#include "ocl_story.h"
#include "suite.h"
#include "words.h"

/* The first build of a kernel takes more than a second, on a busy machine several. */
enum { SECONDS = 40, NO_DEVICE = 77, GUARD = 16, LOG_GUARD = 64, UNTOUCHED = 0xaa }; /* as in main.c */
/* NARROW is two columns and not one: PoCL 3.1 compiles a loop from get_local_id(0) to a constant 1, in steps of
   the group's size, wrongly, and right kernels fail. */
enum { WIDTH = 101, NARROW = 2, WIDE = 4099, KERNEL_LIMIT = 1 << 20, HOLD = 200 /* ms */ };

/* Two compute units are enough for any test, and a grader runs many. PoCL 4 has another name for it. */
#define SETTINGS                                                                                                       \
    "POCL_MAX_PTHREAD_COUNT=2", "POCL_CPU_MAX_CU_COUNT=2", "OPENBLAS_NUM_THREADS=1", "LAB_OCL_TRACE=ocl-trace"

static const char *const settings[] = {SETTINGS, NULL};
static const struct launch plain = {.seconds = SECONDS, .env = settings};

/* ---- files ---- */

static void put_text(const char *path, const char *text)
{
    unlink(path); /* between two runs the program may have put a link there */
    FILE *f = fopen(path, "wxe");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot write %s: %s", path, strerror(errno));
}

/* At most KERNEL_LIMIT bytes of a regular file, as a text. */
static char *get_text(const char *path)
{
    char *text = calloc(1, KERNEL_LIMIT + 1);
    struct stat info;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (!text || fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || read(fd, text, KERNEL_LIMIT) < 0)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot read the kernel file %s: %s", path, strerror(errno));
    close(fd);
    return text;
}

/* The student's kernel file, into the test's folder. */
static void put_kernel(void)
{
    const char *folder = getenv("LAB_SUBMISSION");
    if (!folder)
        fail_test(CAUSE_ENVIRONMENT, NULL, "LAB_SUBMISSION does not say where dmv.cl is.");
    char *path = text_format("%s/dmv.cl", folder), *text = get_text(path);
    put_text("dmv.cl", text);
    free(text);
    free(path);
}

static const char broken_kernel[] = "__kernel void dmv(__global const float *A, __global float *y)\n"
                                    "{\n"
                                    "    y[get_global_id(0)] = no_such_variable * A[0];\n"
                                    "}\n";

/* ---- runs ---- */

/* The first OpenCL call that failed, in words; malloc'd, may be empty. */
static char *failure_words(void)
{
    char text[600] = "";
    char *program = run_program_path("plain");
    struct ocl_trace_file *t = ocl_story_read("ocl-trace");
    if (t)
        ocl_story_failure(t, program, text, sizeof text);
    free(t);
    free(program);
    return strdup(text);
}

/* main.c looks for devices before it calls dmv.c. That there are none must be true for
   main.c alone as well: a submission could end with the same status. */
static void expect_device(const struct run *r, const struct launch *how)
{
    struct run again;
    if (r->report.exit_status != NO_DEVICE || !strstr(r->err, "no OpenCL device"))
        return;
    run_program(&again, how, ARGS("-Q", "none.npy"));
    if (again.report.exit_status == NO_DEVICE)
        fail_test(CAUSE_ENVIRONMENT, &again,
                  "this machine has no OpenCL device, so nothing of this lab can be tested.");
    run_free(&again);
}

static void run_dmv(struct run *r, const struct launch *how, const char *const *args)
{
    unlink("ocl-trace");
    run_program(r, how, args);
    expect_device(r, how);
}

static const char *signal_word(const struct run *r)
{
    return r->report.signal == SIGSEGV ? "SIGSEGV" : r->report.signal == SIGABRT ? "SIGABRT" : "a signal";
}

/* Whoever releases an object twice often crashes later, somewhere in OpenCL. */
static void expect_no_double_release(const struct run *r)
{
    char text[800];
    size_t leaks, extra;
    struct ocl_trace_file *t = ocl_story_read("ocl-trace");
    if (!t)
        return;
    for (size_t i = 0; i < t->objects; i++)
        if (t->object[i].references > 0)
            t->object[i].references = 0; /* it had no time to release these */
    char *program = run_program_path("plain");
    ocl_story_objects(t, program, &leaks, &extra, text, sizeof text);
    if (extra > 0)
        fail_test(CAUSE_MEMORY, r, "the program was ended by %s, after this:%s", signal_word(r), text);
    free(program);
    free(t);
}

/* What may be behind a crash, by the record of the calls before it. */
static void expect_no_crash(const struct run *r)
{
    if (!r->report.signal || r->report.stopped != STOP_NONE)
        return;
    expect_no_double_release(r);
    char *failure = failure_words();
    if (failure[0])
        fail_test(CAUSE_SIGNAL, r,
                  "the program was ended by %s. Before that an OpenCL call had failed; did it go on with what it had "
                  "not got?%s",
                  signal_word(r), failure);
    free(failure);
    if (!said_also())
        say_also(
            "No OpenCL call had failed. What a kernel writes beyond the end of a buffer damages the program's memory,\n"
            "  too: the test kernel_clean names the kernel's line.");
}

static void expect_done(const struct run *r)
{
    expect_no_crash(r);
    expect_end(r);
    if (r->report.exit_status == 1) {
        char *failure = failure_words();
        fail_test(CAUSE_EXIT, r, "dmv_open or dmv_run reported an error.%s", failure);
    }
    expect_success(r);
}

static struct ocl_trace_file *expect_trace(const struct run *r)
{
    struct ocl_trace_file *t = ocl_story_read("ocl-trace");
    if (!t)
        fail_test(CAUSE_TAMPER, r, "the record of the OpenCL calls, ocl-trace, is missing or damaged.");
    return t;
}

/* ---- products ---- */

/* The inputs of main.c's three files, number `number`: A0.npy, x0.npy, y0.npy. */
struct product {
    int number;
    size_t runs, rows, cols; /* runs = 0: A has two axes */
    float *A, *x;
};

static float *random_floats(struct rng *rng, size_t count)
{
    float *a = calloc(count + 1, sizeof *a);
    for (size_t i = 0; i < count; i++)
        a[i] = (float)(2 * rng_double(rng) - 1);
    return a;
}

static struct product put_product(int number, size_t runs, size_t rows, size_t cols)
{
    struct rng rng = rng_seeded(suite_seed() + (uint64_t)number);
    size_t all = runs ? runs : 1, shape[] = {runs, rows, cols}, x_shape[] = {runs, cols};
    int skip = runs ? 0 : 1;
    struct product p = {
        number, runs, rows, cols, random_floats(&rng, all * rows * cols), random_floats(&rng, all * cols)};
    char *a_path = text_format("A%d.npy", number), *x_path = text_format("x%d.npy", number);
    put_array(a_path, NPY_F4, 3 - skip, shape + skip, p.A);
    put_array(x_path, NPY_F4, 2 - skip, x_shape + skip, p.x);
    /* With -w the program writes over them. */
    const char *uid = getenv("LAB_UID");
    if (uid && (chown(a_path, (uid_t)strtoul(uid, NULL, 10), (gid_t)-1) != 0 ||
                chown(x_path, (uid_t)strtoul(uid, NULL, 10), (gid_t)-1) != 0))
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot give the inputs to user %s: %s", uid, strerror(errno));
    free(a_path);
    free(x_path);
    return p;
}

static void free_product(struct product *p)
{
    free(p->A);
    free(p->x);
}

/* Row i of run `run`, over the first `cols` columns: its value, and how far rounding may
   bring any order of float additions from it: n eps sum |a||x|. */
static double row_times(const struct product *p, size_t matrix, size_t vector, size_t i, size_t cols, double *bound)
{
    const float *a = p->A + (matrix * p->rows + i) * p->cols, *x = p->x + vector * p->cols;
    double sum = 0, size = 0;
    for (size_t j = 0; j < cols; j++) {
        sum += (double)a[j] * x[j];
        size += fabs((double)a[j] * x[j]);
    }
    *bound = (double)(cols + 2) * FLT_EPSILON * size + (double)cols * FLT_MIN;
    return sum;
}

static double expected_row(const struct product *p, size_t run, size_t i, size_t cols, double *bound)
{
    return row_times(p, run, run, i, cols, bound);
}

static bool row_right(const struct product *p, size_t run, size_t i, float y)
{
    double bound, expected = expected_row(p, run, i, p->cols, &bound);
    return fabs(y - expected) <= bound; /* false for NaN, too */
}

/* Does y[i] lack columns first ... last? A sum of some hundred floats is far nearer to its value than it has to be. */
static bool lacks_columns(const struct product *p, size_t run, size_t i, float y, size_t *first, size_t *last)
{
    double bound, whole = expected_row(p, run, i, p->cols, &bound), near = bound / 256, ignored;
    for (size_t from = 0; from < p->cols && p->cols <= 512; from++) {
        double before = expected_row(p, run, i, from, &ignored);
        for (size_t to = from + 1; to <= p->cols; to++) {
            double part = expected_row(p, run, i, to, &ignored) - before;
            bool all = from == 0 && to == p->cols; /* then nobody has computed the row */
            if (!all && fabs(part) > bound && fabs(whole - part - y) <= near) {
                *first = from;
                *last = to - 1;
                return true;
            }
        }
    }
    return false;
}

/* What a wrong y[i] looks like. */
static void likely_cause(const struct product *p, size_t run, size_t i, size_t wrong, float y, char *text, size_t size)
{
    double bound;
    text[0] = '\0';
    if (isnan(y))
        snprintf(text, size,
                 " It is NaN, as before the call: either no work-item wrote it (do they cover all rows, is "
                 "y fetched?), or the kernel adds to what stood in y.");
    for (size_t k = p->cols - 1; k > 0 && k + 1024 > p->cols && !text[0]; k--)
        if (fabs(y - expected_row(p, run, i, k, &bound)) <= bound / 16)
            snprintf(text, size,
                     " It is the sum over the first %zu of the %zu columns: what about the rest, which fills "
                     "no vector or tile?",
                     k, p->cols);
    size_t first, last;
    if (!text[0] && lacks_columns(p, run, i, y, &first, &last))
        snprintf(
            text, size,
            " Columns %zu to %zu are missing in the sum: where does one loop end, and where does the next one begin?",
            first, last);
    for (size_t other = 0; other < (p->runs ? p->runs : 1) && !text[0]; other++)
        if (other != run && row_right(p, other, i, y))
            snprintf(text, size, " It is the result of run %zu: does each run use the A and x that it is given?",
                     other);
    for (size_t other = 0; other < p->runs && !text[0]; other++) {
        bool old_matrix = other != run && fabs(y - row_times(p, other, run, i, p->cols, &bound)) <= bound;
        bool old_vector = other != run && fabs(y - row_times(p, run, other, i, p->cols, &bound)) <= bound;
        if (old_matrix || old_vector)
            snprintf(
                text, size,
                " It is what the %s of run %zu gives: each run has to bring its own A and x to the device. The same "
                "address does not mean the same numbers.",
                old_matrix ? "A" : "x", other);
    }
    for (size_t row = 0; row < p->rows && !text[0]; row++)
        if (row != i && row_right(p, run, row, y))
            snprintf(text, size, " It is the value of row %zu.", row);
    for (size_t other = 0; other < p->runs && !text[0]; other++)
        if (other != run && fabs(y - expected_row(p, run, i, p->cols, &bound) -
                                 expected_row(p, other, i, p->cols, &bound)) <= 2 * bound)
            snprintf(text, size, " It is the right value plus the result of run %zu: y has to begin at 0 in every run.",
                     other);
    if (2 * wrong <= p->rows && i + wrong == p->rows && !text[0])
        snprintf(text, size,
                 " The others are right; the last %zu %s computed by nobody: where rows are dealt out in equal parts, "
                 "somebody has to take those that are left over.",
                 wrong, wrong == 1 ? "was" : "were");
}

/* y holds the rows of one run. */
static void expect_rows(const struct run *r, const struct product *p, size_t run, const float *y)
{
    size_t wrong = 0, first = 0;
    for (size_t i = p->rows; i-- > 0;)
        if (!row_right(p, run, i, y[i])) {
            first = i;
            wrong++;
        }
    if (wrong == 0)
        return;
    char cause[400], where[60] = "";
    double bound, expected = expected_row(p, run, first, p->cols, &bound);
    likely_cause(p, run, first, wrong, y[first], cause, sizeof cause);
    if (p->runs)
        snprintf(where, sizeof where, ", run %zu of %zu on one dmv", run, p->runs);
    fail_test(CAUSE_WRONG_VALUE, r,
              "dmv_run with %zu rows and %zu columns%s: y[%zu] is %.9g, expected %.9g (allowed "
              "rounding error %.2g); %zu of %zu rows are wrong.%s",
              p->rows, p->cols, where, first, (double)y[first], expected, bound, wrong, p->rows, cause);
}

static void expect_product(const struct run *r, const struct product *p)
{
    size_t shape[] = {p->runs, p->rows};
    char *path = text_format("y%d.npy", p->number);
    struct npy y = expect_array(r, path, NPY_F4, p->runs ? 2 : 1, p->runs ? shape : shape + 1);
    for (size_t run = 0; run < (p->runs ? p->runs : 1); run++)
        expect_rows(r, p, run, (const float *)y.data + run * p->rows);
    npy_free(&y);
    free(path);
}

/* The words for main.c: options (ended by NULL), then three files for each product. */
static void run_products(struct run *r, const struct launch *how, const char *const *options, const struct product *p,
                         size_t count)
{
    struct words w = {0};
    words_add_all(&w, options);
    for (size_t i = 0; i < count; i++) {
        words_addf(&w, "A%d.npy", p[i].number);
        words_addf(&w, "x%d.npy", p[i].number);
        words_addf(&w, "y%d.npy", p[i].number);
    }
    run_dmv(r, how, (const char *const *)w.item);
    words_free(&w);
}

/* Runs the program on the products, and expects all to be right. */
static void multiply_and_check(const struct launch *how, const char *const *options, struct product *p, size_t count)
{
    struct run r;
    put_kernel();
    run_products(&r, how, options, p, count);
    expect_done(&r);
    for (size_t i = 0; i < count; i++) {
        expect_product(&r, &p[i]);
        free_product(&p[i]);
    }
    run_free(&r);
}

/* ---- values ---- */

/* Did the first dmv_run return before its kernel, held back for HOLD ms, could have begun? */
static bool hurried(void)
{
    struct ocl_trace_file *t = ocl_story_read("ocl-trace");
    uint64_t started = 0, last = 0;
    for (size_t i = 0; t && i < t->calls; i++) {
        const struct ocl_trace_call *c = &t->call[i];
        if (c->phase != OCL_RUN || c->index != 0)
            continue;
        started = c->items ? c->begin : started;
        last = c->end;
    }
    free(t);
    return started > 0 && last < started + HOLD * 1000000u;
}

static bool all_right(const struct product *p, const float *y)
{
    size_t right = 0;
    for (size_t i = 0; i < p->rows; i++)
        right += row_right(p, 0, i, y[i]);
    return right == p->rows;
}

#define IN_ORDER "LAB_OCL_IN_ORDER=1"

/* Only to find the reason of a wrong result: is it right with one more variable in the environment? */
static bool right_with(const char *setting, const struct product *p)
{
    const char *const env[] = {SETTINGS, "LAB_OCL_HOLD=200", setting, NULL};
    struct launch how = {.seconds = SECONDS, .env = env};
    struct run r;
    unlink("y0.npy");
    run_products(&r, &how, NULL, p, 1);
    bool right = false;
    struct ocl_trace_file *t = ocl_story_read("ocl-trace");
    bool changed = strcmp(setting, IN_ORDER) != 0 || (t && ocl_story_count(t, OCL_TRACE_ORDERED, OCL_OPEN, -1) > 0);
    free(t);
    if (r.report.exit_status == 0 && changed) {
        struct npy y = expect_array(&r, "y0.npy", NPY_F4, 1, &p->rows);
        right = all_right(p, y.data);
        npy_free(&y);
    }
    run_free(&r);
    return right;
}

/* The product again, with slow copies to the device; what the program frees is overwritten at once. */
static void expect_patience(const struct product *p)
{
    static const char *const held[] = {SETTINGS, "LAB_OCL_HOLD=200", "LAB_OCL_HOLD_WRITES=1", "MALLOC_PERTURB_=165",
                                       NULL};
    struct launch how = {.seconds = SECONDS, .env = held};
    struct run r;
    say_also(
        "In this run (LAB_OCL_HOLD_WRITES) copies to the device that do not block, such as clEnqueueWriteBuffer with\n"
        "  CL_FALSE, begin 0.2 s late, as on a busy device. The kernel must wait for them: by the order of the queue\n"
        "  or, in an out-of-order queue, by events. Until then the memory that they copy from must stay as it is.");
    unlink("y0.npy");
    run_products(&r, &how, NULL, p, 1);
    expect_done(&r);
    expect_product(&r, p);
    run_free(&r);
    say_also("");
}

/* Each kernel is held back, so that nothing is right by luck. */
START_TEST(product)
{
    static const char *const held[] = {SETTINGS, "LAB_OCL_HOLD=200", NULL};
    struct launch how = {.seconds = SECONDS, .env = held};
    struct run r;
    struct product p = put_product(0, 0, 97, WIDTH);
    put_kernel();
    run_products(&r, &how, NULL, &p, 1);
    expect_done(&r);
    struct npy y = expect_array(&r, "y0.npy", NPY_F4, 1, &p.rows);
    const float *rows = y.data;
    char *failure = failure_words(); /* of dmv_open too, where one that fails may mean nothing */
    if (!all_right(&p, rows) && (strstr(failure, "clSetKernelArg") || strstr(failure, "clEnqueue")))
        fail_test(CAUSE_WRONG_VALUE, &r,
                  "dmv_run returned 0, but y is wrong, since a call failed and nobody looked at what it returned.%s\n  "
                  "Then dmv_run is to return -1, with errno EIO.",
                  failure);
    free(failure);
    if (hurried() && !row_right(&p, 0, 0, rows[0]) && !row_right(&p, 0, p.rows - 1, rows[p.rows - 1]))
        fail_test(CAUSE_WRONG_VALUE, &r,
                  "the kernel was held back for 0.2 s, as on a slow device, and dmv_run returned without "
                  "waiting for it: y[0] was %g then, %s. clEnqueue... only puts a command into the queue; a "
                  "blocking read or map, clFinish or clWaitForEvents waits for its end. In an out-of-order queue a "
                  "blocking read waits for itself alone, unless the kernel's event stands in its list.",
                  (double)rows[0],
                  isnan(rows[0]) ? "as before the call" : "what stood in the buffer before the kernel wrote it");
    if (!all_right(&p, rows) && right_with(IN_ORDER, &p))
        fail_test(
            CAUSE_WRONG_VALUE, &r,
            "dmv_run with %zu rows and %zu columns: y is wrong, y[0] is %g; with a queue that keeps its order it is "
            "right. "
            "Yours was made with CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE: there no command waits for those before it. "
            "The kernel has to wait for the copies to the device, and what fetches y for the kernel: put their events "
            "into the wait list.",
            p.rows, p.cols, (double)rows[0]);
    if (!all_right(&p, rows) && right_with("LAB_OCL_BLOCK_WRITES=1", &p))
        fail_test(
            CAUSE_WRONG_VALUE, &r,
            "dmv_run with %zu rows and %zu columns: y is wrong; with every copy to the device made to wait for its "
            "end (CL_TRUE) it is right. Yours are copies that do not block (CL_FALSE): until such a copy has "
            "ended, the memory that it is made from must neither change nor be freed, and the kernel must wait "
            "for it, by the order of the queue or by events.",
            p.rows, p.cols);
    expect_rows(&r, &p, 0, rows);
    npy_free(&y);
    run_free(&r);
    expect_patience(&p);
    free_product(&p);
}
END_TEST

/* Neighbours differ in width, so that each has a dmv of its own. None has one column: PoCL was seen to give wrong
   sums then for kernels that are right. */
START_TEST(odd_shapes)
{
    struct product p[] = {put_product(0, 0, 1, WIDTH),   put_product(1, 0, 1, NARROW), put_product(2, 0, 257, WIDTH),
                          put_product(3, 0, 19, NARROW), put_product(4, 0, 0, WIDTH),  put_product(5, 0, 6, 3),
                          put_product(6, 0, 9, 20),      put_product(7, 0, 5, 7)};
    multiply_and_check(&plain, NULL, p, sizeof p / sizeof *p);
}
END_TEST

START_TEST(wide_rows)
{
    struct product p[] = {put_product(0, 0, 13, WIDE)};
    multiply_and_check(&plain, NULL, p, 1);
}
END_TEST

START_TEST(many_runs)
{
    struct product p[] = {put_product(0, 100, 23, WIDTH), put_product(1, 0, 3, WIDTH), put_product(2, 0, 300, WIDTH)};
    multiply_and_check(&plain, NULL, p, 3);
}
END_TEST

START_TEST(several_at_once)
{
    struct product p[] = {put_product(0, 0, 19, WIDTH), put_product(1, 0, 5, WIDE), put_product(2, 0, 7, NARROW),
                          put_product(3, 0, 11, WIDTH)};
    say_also("In this run four dmv are open at the same time, and the first one is closed first: what one of them "
             "needs must\n"
             "  stand in its struct dmv, not in a global or static variable that the next dmv_open writes over.");
    multiply_and_check(&plain, ARGS("-a"), p, 4);
}
END_TEST

/* ---- what must stay as it is ---- */

static void expect_unchanged(const struct run *r, const char *name, const char *path, int ndim, const size_t *shape,
                             const float *before)
{
    struct npy after = expect_array(r, path, NPY_F4, ndim, shape);
    const float *now = after.data;
    for (size_t i = 0; i < after.count; i++)
        if (memcmp(&now[i], &before[i], sizeof now[i]) != 0)
            fail_test(CAUSE_MEMORY, r,
                      "dmv_run changed %s, which is the caller's: element %zu was %.9g and is now %.9g.", name, i,
                      (double)before[i], (double)now[i]);
    npy_free(&after);
}

static void expect_guards(const struct run *r, const struct product *p)
{
    size_t width = p->rows + 2 * GUARD;
    struct npy y = expect_array(r, "y0.npy", NPY_F4, 1, &width);
    const float *all = y.data;
    for (size_t i = 0; i < width; i++) {
        long place = (long)i - GUARD;
        if ((place < 0 || place >= (long)p->rows) && !isnan(all[i]))
            fail_test(CAUSE_MEMORY, r,
                      "dmv_run with %zu rows wrote y[%ld], which is outside of y. Work-items beyond the last "
                      "row must not store, and no more than rows * sizeof(float) bytes may be fetched.",
                      p->rows, place);
    }
    expect_rows(r, p, 0, all + GUARD);
    npy_free(&y);
}

START_TEST(only_y_changes)
{
    struct run r;
    struct product p = put_product(0, 0, 97, WIDTH);
    put_kernel();
    run_products(&r, &plain, ARGS("-g", "-w"), &p, 1);
    expect_done(&r);
    expect_guards(&r, &p);
    expect_unchanged(&r, "A", "A0.npy", 2, (size_t[]){p.rows, p.cols}, p.A);
    expect_unchanged(&r, "x", "x0.npy", 1, &p.cols, p.x);
    run_free(&r);
    free_product(&p);
}
END_TEST

/* ---- devices ---- */

/* Where the tests want more devices than one: PoCL can show two, and oclgrind is a platform of its own.
   PoCL takes a device's memory from what is free when the program starts, up to this many GiB: two
   programs are compared here, and what is free changes between them. */
static const char *const many_devices[] = {SETTINGS, "POCL_DEVICES=pthread basic", "OCL_ICD_VENDORS=vendors",
                                           "POCL_MEMORY_LIMIT=1", NULL};
static const struct launch many = {.seconds = SECONDS, .env = many_devices};

static void copy_vendor(const char *from, const char *name)
{
    char *to = text_format("vendors/%s", name), *text = get_text(from);
    put_text(to, text);
    free(text);
    free(to);
}

/* The system's list of OpenCL platforms, and oclgrind. */
static void put_vendors(void)
{
    static const char *const simulators[] = {"/usr/lib/oclgrind/liboclgrind-rt-icd.so",
                                             "/usr/local/lib/oclgrind/liboclgrind-rt-icd.so"};
    DIR *folder = opendir("/etc/OpenCL/vendors");
    if (mkdir("vendors", 0755) != 0)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot make the folder vendors: %s", strerror(errno));
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char *path = text_format("/etc/OpenCL/vendors/%s", entry->d_name);
        size_t length = strlen(entry->d_name);
        struct stat info;
        if (length > 4 && strcmp(entry->d_name + length - 4, ".icd") == 0 && lstat(path, &info) == 0 &&
            S_ISREG(info.st_mode))
            copy_vendor(path, entry->d_name);
        free(path);
    }
    if (folder)
        closedir(folder);
    for (size_t i = 0; i < sizeof simulators / sizeof *simulators; i++)
        if (access(simulators[i], R_OK) == 0)
            put_text("vendors/oclgrind.icd", simulators[i]);
}

/* What OpenCL says of the devices, by main.c's query; the caller frees it. */
static struct device_info *own_list(const struct launch *how, size_t *count)
{
    struct run r;
    struct npy list;
    run_dmv(&r, how, ARGS("-Q", "own.npy"));
    expect_success(&r);
    if (npy_load_untrusted("own.npy", 1 << 20, &list) != 0 || list.shape[1] != sizeof(struct device_info))
        fail_test(CAUSE_ENVIRONMENT, &r, "the list of devices cannot be read: %s", npy_error());
    *count = list.shape[0];
    struct device_info *info = calloc(*count + 1, sizeof *info);
    memcpy(info, list.data, *count * sizeof *info);
    npy_free(&list);
    run_free(&r);
    return info;
}

static void expect_same_text(const struct run *r, size_t i, const char *field, const char *came, const char *expected)
{
    if (memchr(came, '\0', 128) == NULL)
        fail_test(CAUSE_WRONG_VALUE, r, "device_list: list[%zu].%s has no NUL within its 128 bytes.", i, field);
    if (strcmp(came, expected) != 0)
        fail_test(CAUSE_WRONG_VALUE, r, "device_list: list[%zu].%s is \"%s\", expected \"%s\".", i, field, came,
                  expected);
}

static void expect_same_device(const struct run *r, size_t i, const struct device_info *came,
                               const struct device_info *expected)
{
    expect_same_text(r, i, "name", came->name, expected->name);
    expect_same_text(r, i, "vendor", came->vendor, expected->vendor);
    expect_same_text(r, i, "version", came->version, expected->version);
    if (came->compute_units != expected->compute_units)
        fail_test(CAUSE_WRONG_VALUE, r, "device_list: list[%zu].compute_units is %u, expected %u.", i,
                  came->compute_units, expected->compute_units);
    if (came->global_bytes != expected->global_bytes)
        fail_test(CAUSE_WRONG_VALUE, r, "device_list: list[%zu].global_bytes is %llu, expected %llu.", i,
                  came->global_bytes, expected->global_bytes);
}

/* device_list(list, max) returned found: the number of devices; the first max are described, nothing behind them touched. */
static void expect_list(const struct run *r, const struct device_info *own, size_t count, size_t max, size_t room,
                        const struct device_info *list, int64_t found)
{
    const unsigned char *bytes = (const void *)list;
    size_t stored = count < max ? count : max;
    if (found != (int64_t)count)
        fail_test(CAUSE_WRONG_VALUE, r,
                  "device_list(list, %zu) returned %lld, but there are %zu devices (all platforms, all "
                  "types), whatever room there is in list.",
                  max, (long long)found, count);
    for (size_t i = 0; i < stored; i++)
        expect_same_device(r, i, &list[i], &own[i]);
    for (size_t i = stored * sizeof *own; i < room * sizeof *own; i++)
        if (bytes[i] != UNTOUCHED)
            fail_test(CAUSE_MEMORY, r,
                      "device_list(list, %zu) wrote list[%zu]; there are %zu devices, and room for %zu.", max,
                      i / sizeof *own, count, max);
}

START_TEST(devices_listed)
{
    struct run r;
    size_t count;
    put_vendors();
    struct device_info *own = own_list(&many, &count);
    size_t room = count + 2; /* max is 0, 1, ... room - 1 */
    char *word = text_format("%zu", room - 1);
    run_dmv(&r, &many, ARGS("-q", word, "-s", "status.npy", "list.npy"));
    expect_done(&r);
    struct npy list = expect_array(&r, "list.npy", NPY_U1, 2, (size_t[]){room * room, sizeof *own});
    struct npy status = expect_array(&r, "status.npy", NPY_I8, 2, (size_t[]){room, 2});
    for (size_t max = room; max-- > 0;)
        expect_list(&r, own, count, max, room, (struct device_info *)list.data + max * room,
                    ((int64_t *)status.data)[2 * max]);
    npy_free(&list);
    npy_free(&status);
    run_free(&r);
    free(word);
    free(own);
}
END_TEST

static void check_device(const struct device_info *own, size_t device)
{
    struct run r;
    struct product p = put_product(0, 0, 19, WIDTH);
    char *word = text_format("%zu", device);
    run_products(&r, &many, ARGS("-d", word), &p, 1);
    expect_done(&r);
    struct ocl_trace_file *t = expect_trace(&r);
    const char *used = ocl_story_device(t, OCL_RUN, 0);
    if (!used[0])
        fail_test(CAUSE_METHOD, &r, "no kernel was started on any device: the product was not computed by one.");
    if (strncmp(used, own[device].name, 64) != 0)
        fail_test(CAUSE_WRONG_VALUE, &r,
                  "dmv_open(%zu, ...): device %zu is \"%.64s\", but the kernel was started on \"%s\". "
                  "Devices are numbered through all platforms, as device_list shows them.",
                  device, device, own[device].name, used);
    expect_product(&r, &p);
    free(t);
    free(word);
    free_product(&p);
    run_free(&r);
}

START_TEST(other_device)
{
    size_t count;
    put_vendors();
    put_kernel();
    struct device_info *own = own_list(&many, &count);
    for (size_t i = 1; i < count; i++)
        check_device(own, i);
    free(own);
}
END_TEST

/* ---- what cannot be opened ---- */

/* One DEVICE:COLS:FILE for main.c, and what is to come of it: errno, or 0 for an open dmv. */
struct attempt {
    const char *spec;
    int number;
    const char *why;
};

static void expect_attempts(const struct run *r, const struct attempt *a, size_t count)
{
    struct npy status = expect_array(r, "status.npy", NPY_I8, 2, (size_t[]){count, 2});
    const int64_t(*came)[2] = status.data;
    for (size_t i = 0; i < count; i++) {
        bool opened = came[i][0] != 0;
        if (opened == (a[i].number == 0) && (opened || came[i][1] == a[i].number))
            continue;
        const char *number = a[i].number ? strerrorname_np(a[i].number) : "";
        const char *other = opened ? NULL : strerrorname_np((int)came[i][1]);
        char *failure = a[i].number ? strdup("") : failure_words();
        fail_test(CAUSE_WRONG_VALUE, r,
                  "dmv_open for device:columns:file = %s: %s; it should return %s%s, because %s.%s", a[i].spec,
                  opened  ? "it returned a dmv"
                  : other ? other
                          : "it returned NULL with an unknown errno",
                  a[i].number ? "NULL with errno " : "a dmv", number, a[i].why, failure);
    }
    npy_free(&status);
}

static void run_attempts(struct run *r, const struct launch *how, const char *const *options, const struct attempt *a,
                         size_t count)
{
    struct words w = {0};
    words_add_all(&w, options);
    for (size_t i = 0; i < count; i++)
        words_add(&w, a[i].spec);
    put_kernel();
    put_text("broken.cl", broken_kernel);
    run_dmv(r, how, (const char *const *)w.item);
    words_free(&w);
    expect_success(r);
}

/* Every call of one kind that dmv_run makes fails: it has to say so. */
static void expect_told(const char *what, const char *call, const char *code)
{
    char *fail = text_format("LAB_OCL_FAIL=%s", what), *io = text_format("dmv_run: %s\n", strerror(EIO));
    const char *const failing[] = {SETTINGS, fail, NULL};
    struct launch how = {.seconds = SECONDS, .env = failing};
    struct run r;
    struct product p = put_product(0, 0, 19, WIDTH);
    char *also = text_format("In this run (LAB_OCL_FAIL) every %s in dmv_run fails with %s.", call, code);
    say_also(also);
    unlink("y0.npy");
    run_products(&r, &how, NULL, &p, 1);
    expect_no_crash(&r);
    expect_end(&r);
    if (r.report.exit_status == 0) { /* right, where it found another way */
        size_t wrong = 0;
        struct npy y = expect_array(&r, "y0.npy", NPY_F4, 1, &p.rows);
        for (size_t i = 0; i < p.rows; i++)
            wrong += !row_right(&p, 0, i, ((const float *)y.data)[i]);
        if (wrong > 0)
            fail_test(CAUSE_WRONG_VALUE, &r,
                      "%s failed, and dmv_run returned 0 all the same; %zu of %zu rows are wrong. Look at what each "
                      "OpenCL call returns: -1 and EIO if one fails.",
                      call, wrong, p.rows);
        npy_free(&y);
    } else if (!strstr(r.err, io))
        fail_test(CAUSE_WRONG_VALUE, &r, "%s failed: dmv_run should return -1 with errno EIO. errno was another one.",
                  call);
    say_also("");
    free_product(&p);
    run_free(&r);
    free(also);
    free(fail);
    free(io);
}

START_TEST(wrong_arguments)
{
    struct run r;
    size_t count;
    free(own_list(&plain, &count));
    char *next = text_format("%zu:101:dmv.cl", count);
    const struct attempt a[] = {
        {"99:101:dmv.cl", ENODEV, "there is no device 99"},           {next, ENODEV, "the devices are numbered from 0"},
        {"-1:101:dmv.cl", ENODEV, "no device has a negative number"}, {"0:0:dmv.cl", EINVAL, "a matrix needs a column"},
        {"0:101:missing.cl", ENOENT, "there is no such file"},        {"0:101:dmv.cl", 0, "all is as it should be"}};
    size_t attempts = sizeof a / sizeof *a;
    run_attempts(&r, &plain, ARGS("-n", "-s", "status.npy", "-t", "--"), a, attempts);
    expect_attempts(&r, a, attempts);
    run_free(&r);
    free(next);
    expect_told("kernels", "clEnqueueNDRangeKernel", "CL_OUT_OF_RESOURCES");
    expect_told("buffers", "clCreateBuffer", "CL_MEM_OBJECT_ALLOCATION_FAILURE");
}
END_TEST

/* What dmv_open left in its log, whose buffer had size bytes. */
static void expect_log(const struct run *r, const char *log, const char *spec, size_t size)
{
    if (memchr(log, '\0', size) == NULL)
        fail_test(CAUSE_MEMORY, r,
                  "dmv_open for %s with log_size = %zu: the log has no NUL within its %zu bytes. "
                  "clGetProgramBuildInfo stores nothing if the log is longer than the room for it: ask for its length, "
                  "read it whole, copy what fits (snprintf).",
                  spec, size, size);
    for (size_t i = size; i < size + LOG_GUARD; i++)
        if ((unsigned char)log[i] != UNTOUCHED)
            fail_test(CAUSE_MEMORY, r, "dmv_open for %s with log_size = %zu wrote log[%zu].", spec, size, i);
}

static const struct attempt broken[] = {{"0:101:broken.cl", ENOEXEC, "its line 3 uses a variable that is not declared"},
                                        {"0:101:dmv.cl", 0, "a kernel that does not compile spoils nothing"},
                                        {"0:101:broken.cl", ENOEXEC, "log may be NULL"}};

START_TEST(broken_kernel_file)
{
    enum { LOG_SIZE = 4096 };
    struct run r;
    run_attempts(&r, &plain, ARGS("-l", "4096", "-L", "log.npy", "-s", "status.npy", "-t"), broken, 2);
    expect_attempts(&r, broken, 2);
    struct npy logs = expect_array(&r, "log.npy", NPY_U1, 2, (size_t[]){2, LOG_SIZE + LOG_GUARD});
    const char *log = logs.data;
    expect_log(&r, log, broken[0].spec, LOG_SIZE);
    if (!strstr(log, "no_such_variable"))
        fail_test(CAUSE_WRONG_VALUE, &r,
                  "broken.cl uses a variable that is not declared. The compiler says so, but the log that "
                  "dmv_open gave back does not: \"%.200s\"",
                  log);
    npy_free(&logs);
    run_free(&r);
}
END_TEST

/* A buffer of 0 bytes has no room for anything. */
static void expect_no_log(void)
{
    struct run r;
    say_also("In this run log is not NULL, but log_size is 0: there is no room for anything.");
    run_attempts(&r, &plain, ARGS("-l", "0", "-L", "log.npy", "-s", "status.npy", "-t"), broken, 2);
    expect_attempts(&r, broken, 2);
    struct npy logs = expect_array(&r, "log.npy", NPY_U1, 2, (size_t[]){2, LOG_GUARD});
    for (size_t i = 0; i < logs.count; i++)
        if (((const unsigned char *)logs.data)[i] != UNTOUCHED)
            fail_test(CAUSE_MEMORY, &r,
                      "dmv_open for %s with log_size = 0 wrote log[%zu]. There is room for nothing then, not even for "
                      "a NUL.",
                      broken[i / LOG_GUARD].spec, i % LOG_GUARD);
    npy_free(&logs);
    run_free(&r);
    say_also("");
}

START_TEST(log_cut)
{
    enum { LOG_SIZE = 40 };
    struct run r;
    expect_no_log();
    run_attempts(&r, &plain, ARGS("-N", "-l", "40", "-L", "log.npy", "-s", "status.npy", "-t"), broken, 3);
    expect_attempts(&r, broken, 3);
    struct npy logs = expect_array(&r, "log.npy", NPY_U1, 2, (size_t[]){3, LOG_SIZE + LOG_GUARD});
    const char *log = logs.data;
    for (size_t i = 0; i < 2; i++)
        expect_log(&r, log + i * (LOG_SIZE + LOG_GUARD), broken[i].spec, LOG_SIZE);
    if (log[0] == '\0')
        fail_test(
            CAUSE_WRONG_VALUE, &r,
            "dmv_open for broken.cl with log_size = %d: the log is empty; expected was the beginning "
            "of what the compiler said. clGetProgramBuildInfo stores nothing if the log is longer than the room for "
            "it: read it whole, then copy what fits.",
            LOG_SIZE);
    npy_free(&logs);
    run_free(&r);
}
END_TEST

/* ---- method ---- */

static void expect_launches(const struct run *r, const struct product *p)
{
    struct ocl_trace_file *t = expect_trace(r);
    for (size_t run = 0; run < p->runs; run++) {
        size_t launches;
        uint64_t items = ocl_story_items(t, OCL_RUN, (int)run, &launches);
        if (launches == 0)
            fail_test(CAUSE_METHOD, r,
                      "run %zu started no kernel: the product was not computed on the device. "
                      "clEnqueueNDRangeKernel starts one.",
                      run);
        if (items < 2)
            fail_test(
                CAUSE_METHOD, r,
                "run %zu, with %zu rows, started %zu kernel%s of one work-item: one row is computed after "
                "the other while the rest of the device stands idle. Give clEnqueueNDRangeKernel a global size that "
                "grows with the rows.",
                run, p->rows, launches, launches == 1 ? "" : "s, each");
        if (ocl_story_unfetched(t, OCL_RUN, (int)run))
            fail_test(CAUSE_METHOD, r,
                      "run %zu: a buffer lies in the caller's memory (CL_MEM_USE_HOST_PTR), and after the kernel was "
                      "started nothing was read or mapped. y is right all the same, because this device is the host "
                      "itself; another one may keep y in its own memory. Map the buffer (clEnqueueMapBuffer with "
                      "CL_TRUE and CL_MAP_READ, then clEnqueueUnmapMemObject), which brings it back.",
                      run);
    }
    free(t);
}

/* With the kernels left out y cannot be right, unless the host computes it. What lies in fresh memory is made none of
   the numbers of A and x, of which one in some hundred thousand would do for a row. */
static void expect_host_idle(const struct product *p)
{
    static const char *const without[] = {SETTINGS, "LAB_OCL_SKIP_KERNELS=1", "MALLOC_PERTURB_=165", NULL};
    struct launch how = {.seconds = SECONDS, .env = without};
    struct run r;
    unlink("y0.npy");
    run_products(&r, &how, NULL, p, 1);
    if (r.report.exit_status == 0) {
        size_t right = 0;
        struct npy y = expect_array(&r, "y0.npy", NPY_F4, 2, (size_t[]){p->runs, p->rows});
        for (size_t i = 0; i < y.count; i++)
            right += row_right(p, i / p->rows, i % p->rows, ((const float *)y.data)[i]) &&
                     fabsf(((const float *)y.data)[i]) > 0.1F; /* what is near 0 may be right by chance */
        if (right > 0)
            fail_test(CAUSE_METHOD, &r,
                      "with the kernels left out, %zu of %zu rows were right all the same: the host computed "
                      "them. All the work belongs into the kernel, in dmv.cl, also that on rows that are left over.",
                      right, y.count);
        npy_free(&y);
    }
    run_free(&r);
}

/* The same matrix with its elements in the other order, as the layer gives it to the kernels. */
static struct product turned(const struct product *p)
{
    size_t count = p->rows * p->cols;
    struct product t = *p;
    t.A = calloc(p->runs * count, sizeof *t.A);
    for (size_t i = 0; i < p->runs * count; i++)
        t.A[i] = p->A[i / count * count + count - 1 - i % count];
    return t;
}

static size_t rows_right(const struct product *p, size_t run, const float *y)
{
    size_t right = 0;
    for (size_t i = 0; i < p->rows; i++)
        right += row_right(p, run, i, y[i]);
    return right;
}

/* The kernels find another A in the device's memory than the host has. Where A could be exchanged (it stands in a
   buffer as it was given), y is then that of the other A, unless the host computes it and the kernel only hands it on. */
static void expect_kernel_computes(const struct product *p)
{
    static const char *const exchanged[] = {SETTINGS, "LAB_OCL_EXCHANGE=1", NULL};
    struct launch how = {.seconds = SECONDS, .env = exchanged};
    struct product other = turned(p);
    struct run r;
    run_products(&r, &how, NULL, p, 1);
    expect_done(&r);
    struct ocl_trace_file *t = expect_trace(&r);
    struct npy y = expect_array(&r, "y0.npy", NPY_F4, 2, (size_t[]){p->runs, p->rows});
    for (size_t run = 0; run < p->runs; run++) {
        const float *rows = (const float *)y.data + run * p->rows;
        size_t of_host = rows_right(p, run, rows), of_device = rows_right(&other, run, rows);
        if (ocl_story_count(t, OCL_TRACE_EXCHANGE, OCL_RUN, (int)run) > 0 && of_host > p->rows / 2 &&
            of_device < of_host)
            fail_test(
                CAUSE_METHOD, &r,
                "run %zu: the kernel was given another matrix in the device's memory than dmv_run had been, and %zu "
                "of %zu rows of y are those of dmv_run's all the same: the host computed them, and the kernel "
                "only hands them on. The work belongs into the kernel, in dmv.cl.",
                run, of_host, p->rows);
    }
    npy_free(&y);
    free(t);
    free(other.A);
    run_free(&r);
}

START_TEST(on_the_device)
{
    struct run r;
    struct product p = put_product(0, 2, 203, WIDTH);
    put_kernel();
    run_products(&r, &plain, NULL, &p, 1);
    expect_done(&r);
    expect_launches(&r, &p);
    expect_host_idle(&p);
    expect_kernel_computes(&p);
    run_free(&r);
    free_product(&p);
}
END_TEST

START_TEST(built_once)
{
    static const char *const dear[] = {"clBuildProgram", "clCompileProgram", "clLinkProgram", "clCreateProgram*",
                                       "clCreateContext*"};
    struct run r;
    struct product p = put_product(0, 5, 7, WIDTH);
    put_kernel();
    run_products(&r, &plain, NULL, &p, 1);
    expect_done(&r);
    struct ocl_trace_file *t = expect_trace(&r);
    for (size_t i = 0; i < sizeof dear / sizeof *dear; i++) {
        size_t count = ocl_story_count(t, dear[i], OCL_RUN, -1);
        if (count > 0)
            fail_test(CAUSE_METHOD, &r,
                      "%zu runs on one dmv called %s %zu time%s. That takes much longer than a product: do it "
                      "once, in dmv_open.",
                      p.runs, dear[i], count, count == 1 ? "" : "s");
    }
    free(t);
    run_free(&r);
    free_product(&p);
}
END_TEST

/* ---- hygiene ---- */

static void expect_released(const struct run *r, const char *when)
{
    char text[1500];
    size_t leaks, extra;
    char *program = run_program_path("plain");
    struct ocl_trace_file *t = expect_trace(r);
    ocl_story_objects(t, program, &leaks, &extra, text, sizeof text);
    if (leaks + extra > 0)
        fail_test(leaks ? CAUSE_LEAK : CAUSE_MEMORY, r, "%s:%s", when, text);
    free(t);
    free(program);
}

/* More dmv_open, one after the other, than files may be open at the same time. */
static void open_many_times(void)
{
    enum { TIMES = 30 };
    static const char *const few_files[] = {"prlimit", "--nofile=24", NULL};
    struct launch how = {.seconds = 4 * SECONDS, .env = plain.env, .wrap = few_files};
    struct words w = {0};
    struct run r;
    words_add_all(&w, ARGS("-s", "status.npy", "-t"));
    for (int i = 0; i < TIMES; i++)
        words_add(&w, "0:101:dmv.cl");
    put_kernel();
    run_dmv(&r, &how, (const char *const *)w.item);
    words_free(&w);
    if (strstr(r.err, strerror(EMFILE)))
        fail_test(
            CAUSE_LEAK, NULL,
            "dmv_open was called %d times, each time followed by dmv_close, in a process that may have 24 files open "
            "at the same time; then it could open no more. Each file that is opened has to be closed, on every way "
            "out.",
            TIMES);
    expect_success(&r);
    run_free(&r);
}

START_TEST(objects_released)
{
    struct run r;
    struct product p = put_product(0, 10, 23, WIDTH);
    put_kernel();
    run_products(&r, &plain, NULL, &p, 1);
    expect_done(&r);
    expect_released(&r, "after dmv_open, 10 times dmv_run and dmv_close");
    run_free(&r);
    free_product(&p);

    const struct attempt a[] = {{"0:101:broken.cl", ENOEXEC, "it does not compile"},
                                {"0:101:missing.cl", ENOENT, "there is no such file"}};
    run_attempts(&r, &plain, ARGS("-s", "status.npy", "-t"), a, 2);
    expect_released(&r, "after a dmv_open that failed (a kernel that does not compile, a file that is not there)");
    run_free(&r);

    static const char *const failing[] = {SETTINGS, "LAB_OCL_FAIL=kernels", NULL};
    struct launch how = {.seconds = SECONDS, .env = failing};
    p = put_product(0, 0, 23, WIDTH);
    run_products(&r, &how, NULL, &p, 1);
    expect_end(&r);
    expect_released(&r, "after a dmv_run whose clEnqueueNDRangeKernel failed, and dmv_close");
    run_free(&r);
    free_product(&p);
    open_many_times();
}
END_TEST

START_TEST(kernel_clean)
{
    static const char *const simulator[] = {"oclgrind", "--data-races", "--max-errors", "20", NULL};
    struct launch how = {.seconds = 2 * SECONDS, .env = settings, .wrap = simulator};
    struct explanation e;
    struct run r;
    /* More rows than a work-group, and more columns than a tile. */
    struct product p[] = {put_product(0, 0, 70, 37), put_product(1, 0, 5, 1103)};
    put_kernel();
    run_products(&r, &how, NULL, p, 2);
    if (strstr(r.err, "reaper: cannot start oclgrind"))
        fail_test(CAUSE_ENVIRONMENT, &r, "oclgrind is missing. Debian: apt-get install oclgrind");
    if (explain_kernel(&r, "dmv.cl", &e))
        fail_test(e.cause, NULL, "the kernel, run on a simulated device: %s\n  command: %s", e.text, r.command);
    expect_done(&r);
    for (int i = 0; i < 2; i++) {
        expect_product(&r, &p[i]);
        free_product(&p[i]);
    }
    run_free(&r);
}
END_TEST

/* PoCL and the compiler in it leave blocks behind; only what the program's own code leaves counts. */
static const char suppressions[] = "leak:libpocl\nleak:libOpenCL\nleak:libLLVM\nleak:libclang\nleak:libopenblas\n";

START_TEST(memory_clean)
{
    /* The slow way through the stack, too: the fast one ends in the C library, before it comes to dmv.c. */
    static const char *const checked[] = {SETTINGS, "LSAN_OPTIONS=suppressions=suppressions:print_suppressions=0",
                                          "ASAN_OPTIONS=fast_unwind_on_malloc=0", NULL};
    struct launch how = {.seconds = 3 * SECONDS, .flavour = "asan", .env = checked};
    struct run r;
    const struct attempt a[] = {{"0:101:broken.cl", ENOEXEC, "it does not compile"}};
    struct product p = put_product(0, 0, 97, WIDTH);
    /* First without the sanitizer: PoCL then keeps the compiled kernel, and its compiler, which is very slow under
       a sanitizer, need not run again. */
    put_kernel();
    run_products(&r, &plain, NULL, &p, 1);
    expect_done(&r);
    run_free(&r);
    put_text("suppressions", suppressions);
    multiply_and_check(&how, NULL, &p, 1);
    run_attempts(&r, &how, ARGS("-l", "40", "-s", "status.npy", "-t"), a, 1);
    run_free(&r);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        product,        odd_shapes,       wide_rows,       only_y_changes,     many_runs, several_at_once,
        devices_listed, other_device,     wrong_arguments, broken_kernel_file, log_cut,   on_the_device,
        built_once,     objects_released, kernel_clean,    memory_clean,
    };
    return suite_main(argc, argv, "dmv", tests, sizeof tests / sizeof *tests);
}
