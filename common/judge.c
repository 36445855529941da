/* judge.c: see judge.h. A failed test's message begins with "[cause] "; the grader reads that. */
#include "judge.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "words.h"

enum { MESSAGE_LIMIT = 3500, LAST_LINES = 6 }; /* Check's own limit is 4096 bytes */

static const char *const cause_names[] = {"timeout", "deadlock", "signal", "exit",       "wrong_value",
                                          "race",    "memory",   "leak",   "hygiene",    "method",
                                          "slow",    "resource", "tamper", "environment"};

/* Where the part of text ends that is worth showing: what follows are leaks of the libraries themselves. */
static const char *shown_end(const char *text)
{
    const char *leaks = strstr(text, "ERROR: LeakSanitizer"), *end = leaks ? leaks : text + strlen(text);
    while (leaks && end > text && strchr("=0123456789\n", end[-1])) /* "==12==", and the rule above it */
        end--;
    return end;
}

/* The last lines of text that are not empty, up to end. */
static const char *last_lines(const char *text, const char *end)
{
    const char *p = end;
    for (int lines = 0; p > text; p--)
        if (p[-1] == '\n' && p < end && p[0] != '\n' && ++lines == LAST_LINES)
            break;
    return p;
}

static const char *also = "";

void say_also(const char *words)
{
    also = words;
}

bool said_also(void)
{
    return *also != '\0';
}

void fail_test(enum cause cause, const struct run *r, const char *format, ...)
{
    char message[MESSAGE_LIMIT];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    size_t used = strlen(message);
    if (cause == CAUSE_WRONG_VALUE && r)
        used += (size_t)snprintf(message + used, sizeof message - used, "%s", explain_wrong_value());
    if (*also && used < sizeof message)
        used += (size_t)snprintf(message + used, sizeof message - used, "\n  %.600s", also);
    if (r && r->command && used < sizeof message)
        used += (size_t)snprintf(message + used, sizeof message - used, "\n  command: %.600s", r->command);
    const char *end = r && r->err ? shown_end(r->err) : NULL;
    if (end && end > r->err && used < sizeof message) {
        const char *lines = last_lines(r->err, end);
        snprintf(message + used, sizeof message - used, "\n  it wrote to stderr:\n%.*s",
                 end - lines < 1200 ? (int)(end - lines) : 1200, lines);
    }
    text_clean(message);
    ck_abort_msg("[%s] %s", cause_names[cause], message);
    abort(); /* not reached; tells the compiler so */
}

/* ---- how the run ended ---- */

static void expect_within_limits(const struct run *r)
{
    char who[1200];
    if (!r->flooded && !r->lost && (r->report.stopped == STOP_NONE || r->report.stopped == STOP_TIME))
        return;
    explain_processes(r, who, sizeof who);
    if (r->flooded)
        fail_test(CAUSE_RESOURCE, NULL, "the program wrote more than %u MiB of output and was ended.\n  command: %s",
                  RUN_OUTPUT_LIMIT >> 20, r->command);
    if (r->lost)
        fail_test(CAUSE_ENVIRONMENT, r, "the program could not be watched to its end.");
    if (r->report.stopped == STOP_MEMORY)
        fail_test(CAUSE_RESOURCE, r, "the program used more memory than it is allowed and was ended.%s", who);
    if (r->report.stopped == STOP_DISK)
        fail_test(CAUSE_RESOURCE, r, "the program wrote more to the disk than it is allowed and was ended.%s", who);
    if (r->report.stopped == STOP_HIDDEN)
        fail_test(CAUSE_TAMPER, r,
                  "the program hides what it has open, so that nobody can see how much, and was ended.%s", who);
    if (r->report.stopped == STOP_PROCESSES)
        fail_test(CAUSE_RESOURCE, r, "the program started more processes than it is allowed and was ended.%s", who);
}

static void expect_no_hang(const struct run *r)
{
    char who[1200];
    if (r->report.stopped != STOP_TIME)
        return;
    explain_processes(r, who, sizeof who);
    if (all_waiting(r))
        fail_test(CAUSE_DEADLOCK, r, "the program hangs: after %g s every %s waits for another one.%s%s", r->limit,
                  r->report.seen_count == 1 ? "thread" : "process", who, explain_deadlock(r));
    fail_test(CAUSE_TIMEOUT, r, "the program did not end within %g s.%s", r->limit, who);
}

/* The signal that ended the program, or 0. mpirun tells that of a rank as 128 + its number. */
static int ending_signal(const struct run *r)
{
    if (r->ranks > 0 && r->report.exit_status > 128 && r->report.exit_status <= 128 + SIGRTMAX)
        return r->report.exit_status - 128;
    return r->report.signal;
}

void expect_end(const struct run *r)
{
    struct explanation e;
    expect_within_limits(r);
    /* A damaged heap often ends as a hang: the sanitizer's words come first. */
    if (explain_sanitizer(r, &e))
        fail_test(e.cause, NULL, "%s\n  command: %s", e.text, r->command);
    expect_no_hang(r);
    int number = ending_signal(r);
    if (number == SIGXFSZ || number == SIGXCPU)
        fail_test(CAUSE_RESOURCE, r, "the program was ended by %s.", explain_signal(number));
    if (number)
        fail_test(CAUSE_SIGNAL, r, "the program was ended by %s.%s", explain_signal(number),
                  number == SIGKILL ? "" : explain_crash());
    if (r->report.exit_status == 127 && strncmp(r->err, "reaper:", 7) == 0)
        fail_test(CAUSE_ENVIRONMENT, r, "the program could not be started.");
}

void expect_exit(const struct run *r, int status)
{
    char who[1200];
    expect_end(r);
    if (r->report.exit_status != status && !(status == 0 && only_libgomp_leaks(r)))
        fail_test(CAUSE_EXIT, r, "the program ended with exit status %d; %d was expected.%s", r->report.exit_status,
                  status,
                  strstr(r->err, strerror(ENOSYS)) ? " The function named below is still as the skeleton has it." : "");
    if (r->report.left > 0) {
        explain_processes(r, who, sizeof who);
        fail_test(CAUSE_HYGIENE, r, "%d process%s of the program %s still there after it had ended.%s", r->report.left,
                  r->report.left == 1 ? "" : "es", r->report.left == 1 ? "was" : "were", who);
    }
}

void expect_success(const struct run *r)
{
    expect_exit(r, 0);
}

/* ---- values ---- */

static const char *type_words(enum npy_type type)
{
    static const char *const words[] = {"float64", "float32", "int64", "int32", "uint8"};
    return words[type];
}

static void shape_words(int ndim, const size_t *shape, char *text, size_t size)
{
    snprintf(text, size, "(");
    for (int i = 0; i < ndim; i++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%zu", i ? ", " : "", shape[i]);
    }
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s)", ndim == 1 ? "," : "");
}

struct npy expect_array(const struct run *r, const char *path, enum npy_type type, int ndim, const size_t *shape)
{
    struct npy a;
    char wanted[120], came[120];
    size_t count = 1;
    for (int i = 0; i < ndim; i++)
        count *= shape[i];
    shape_words(ndim, shape, wanted, sizeof wanted);
    if (npy_load_untrusted(path, count * npy_item_size(type) + 65536, &a) != 0)
        fail_test(
            errno == ENOENT ? CAUSE_EXIT : CAUSE_TAMPER, r,
            "main.c writes %s (%s, shape %s) at its end, but: %s. Does your code call exit, or write files itself?",
            path, type_words(type), wanted, npy_error());
    bool same = a.type == type && a.ndim == ndim;
    for (int i = 0; i < ndim && same; i++)
        same = a.shape[i] == shape[i];
    if (!same) {
        shape_words(a.ndim, a.shape, came, sizeof came);
        fail_test(CAUSE_WRONG_VALUE, r, "%s should hold %s of shape %s; it holds %s of shape %s.", path,
                  type_words(type), wanted, type_words(a.type), came);
    }
    return a;
}

/* How many more differ after the first: "and 12 of the 100 others". */
static void others_words(size_t wrong, size_t count, char *text, size_t size)
{
    text[0] = '\0';
    if (wrong > 1)
        snprintf(text, size, "; %zu of %zu are wrong", wrong, count);
    else if (count > 1)
        snprintf(text, size, "; the other %zu are right", count - 1);
}

static bool double_right(double result, double expected, const double *bound, size_t i)
{
    if (isnan(expected) || isnan(result))
        return isnan(expected) && isnan(result);
    if (isinf(expected) || !bound)
        return result == expected;
    return fabs(result - expected) <= bound[i];
}

void expect_doubles(const struct run *r, const char *what, const double *result, const double *expected,
                    const double *bound, size_t count)
{
    size_t wrong = 0, first = 0;
    for (size_t i = count; i-- > 0;)
        if (!double_right(result[i], expected[i], bound, i)) {
            first = i;
            wrong++;
        }
    char others[80];
    others_words(wrong, count, others, sizeof others);
    if (wrong && bound)
        fail_test(CAUSE_WRONG_VALUE, r, "%s[%zu] is %.17g, expected %.17g (allowed rounding error %.2g)%s.", what,
                  first, result[first], expected[first], bound[first], others);
    if (wrong)
        fail_test(CAUSE_WRONG_VALUE, r, "%s[%zu] is %.17g, expected %.17g%s.", what, first, result[first],
                  expected[first], others);
}

void expect_int64s(const struct run *r, const char *what, const int64_t *result, const int64_t *expected, size_t count)
{
    size_t wrong = 0, first = 0;
    for (size_t i = count; i-- > 0;)
        if (result[i] != expected[i]) {
            first = i;
            wrong++;
        }
    char others[80];
    others_words(wrong, count, others, sizeof others);
    if (wrong)
        fail_test(CAUSE_WRONG_VALUE, r, "%s[%zu] is %lld, expected %lld%s.", what, first, (long long)result[first],
                  (long long)expected[first], others);
}

void put_array(const char *path, enum npy_type type, int ndim, const size_t *shape, const void *data)
{
    if (npy_save(path, type, ndim, shape, data) != 0)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot write the input: %s", npy_error());
}
