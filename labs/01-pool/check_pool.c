/* check_pool.c: the Check suite of lab 01. It starts the program as a user would and
   judges what comes out; through the witness it sees which process runs which task. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explain.h"
#include "proc.h"
#include "suite.h"

enum { POINT_BEFORE, POINT_CREATED, POINT_MAPPED, POINT_DESTROYED, POINTS }; /* as in main.c */
enum { SECONDS = 5 };

static const struct launch plain = {.seconds = SECONDS}, patient = {.seconds = 4 * SECONDS},
                           asan = {.seconds = 4 * SECONDS, .flavour = "asan"};

/* ---- inputs and results ---- */

/* count distinct values, in an order of their own, written to in.npy. */
static int64_t *put_values(size_t count)
{
    struct rng rng = rng_seeded(suite_seed());
    int64_t *values = calloc(count + 1, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (int64_t)(i * 3 + rng_below(&rng, 3) + 1);
    put_array("in.npy", NPY_I8, 1, &count, values);
    return values;
}

/* values 0 ... count - 1: the witness then tells an element's index. */
static void put_indices(size_t count)
{
    int64_t *values = calloc(count + 1, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (int64_t)i;
    put_array("in.npy", NPY_I8, 1, &count, values);
    free(values);
}

/* What wrong squares look like, in words. */
static const char *squares_cause(const int64_t *result, const int64_t *expected, size_t count, size_t zeros)
{
    static char words[300];
    if (zeros > 0 && zeros == count)
        return "All results are 0. Either they never came into out, or the workers computed with what stood at `in` "
               "when "
               "they were\n  forked: what the parent writes later they do not see, so send the elements, not their "
               "address.";
    if (zeros > 0)
        return "Where out is 0 no result has come. Was a chunk given up in the middle, though a task that fails is no "
               "reason to?\n  Did pool_map return although a worker was still busy? It has to wait for each one that "
               "it "
               "woke. Or was\n  a worker woken before its elements were there, and computed with the 0 that was?";
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count && count <= 1000 && result[i] != expected[i]; k++)
            if (result[i] == expected[k]) {
                snprintf(
                    words, sizeof words,
                    "out[%zu] is the result of in[%zu]: result i belongs at place i, whichever worker is done first.",
                    i, k);
                return words;
            }
    return "";
}

/* out.npy must hold the squares of values. */
static void expect_squares(const struct run *r, const int64_t *values, size_t count)
{
    struct npy out = expect_array(r, "out.npy", NPY_I8, 2, (size_t[]){count, 2});
    const int64_t(*pair)[2] = out.data;
    int64_t *expected = calloc(count + 1, sizeof *expected), *result = calloc(count + 1, sizeof *result);
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++) {
        expected[i] = values[i] * values[i];
        result[i] = pair[i][1];
        zeros += result[i] == 0;
    }
    if (!said_also())
        say_also(squares_cause(result, expected, count, zeros));
    expect_int64s(r, "pool_map: out", result, expected, count);
    free(expected);
    free(result);
    npy_free(&out);
}

/* Of what a worker died that nobody killed, if it did. */
static const char *death_words(void)
{
    static char words[1900];
    const char *crash = explain_crash();
    snprintf(words, sizeof words, "%s%s", *crash ? " A worker has crashed." : "", crash);
    return words;
}

static void expect_no_death(const struct run *r)
{
    struct explanation e;
    if (r->report.exit_status == 1 && strstr(r->err, strerror(ECHILD)) && !explain_sanitizer(r, &e))
        fail_test(CAUSE_EXIT, r, "pool_map returned -1 with errno ECHILD, though nobody killed a worker.%s",
                  death_words());
}

/* Map number m must have returned value with errno number. */
static void expect_status(const struct run *r, size_t maps, size_t m, int value, int number)
{
    struct npy status = expect_array(r, "status.npy", NPY_I8, 2, (size_t[]){maps, 2});
    const int64_t(*came)[2] = status.data;
    if (came[m][0] != value || (value && came[m][1] != number))
        fail_test(CAUSE_WRONG_VALUE, r, "map %zu: pool_map returned %lld with errno %lld (%s); expected %d%s%s.%s",
                  m + 1, (long long)came[m][0], (long long)came[m][1], strerror((int)came[m][1]), value,
                  value ? " with errno " : "", value ? strerrorname_np(number) : "",
                  came[m][0] && came[m][1] == ECHILD ? death_words() : "");
    npy_free(&status);
}

/* main.c belongs to one process: a child that comes back from pool_create goes on in it as a second one. */
static void expect_one_main(const struct run *r, const struct witness *w)
{
    pid_t first = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->events[i].kind != 'p')
            continue;
        if (first == 0)
            first = w->events[i].pid;
        if (w->events[i].pid != first)
            fail_test(CAUSE_HYGIENE, r,
                      "two processes went on in main.c after pool_create: a child came back from your code. After fork "
                      "a worker must never return to its caller: it ends with _exit.");
    }
}

static void map_and_check(const struct launch *how, const char *processes, size_t count, const char *chunk)
{
    struct run r;
    int64_t *values = put_values(count);
    run_program(&r, how, ARGS("-p", processes, "-k", chunk, "in.npy", "out.npy"));
    if (how->witness)
        expect_one_main(&r, how->witness);
    expect_no_death(&r);
    expect_success(&r);
    expect_squares(&r, values, count);
    run_free(&r);
    free(values);
}

/* What a test remembers of the processes that told it something. */
struct workers {
    pid_t main, pid[64];
    size_t count;
    size_t together; /* release tasks when so many are held */
    size_t largest;  /* most tasks ever held at the same time */
    int created;     /* processes that there were when pool_create had returned */
    int64_t victim;  /* the worker whose element is this ... */
    bool killed;     /* ... was killed, by us; or the parent was */
    bool returned;   /* pool_map returned while a task was held */
    bool idle;       /* nothing happened, although tasks were waiting */
    bool spins;      /* the parent used a processor although it had nothing to do */
};

/* Holds the first task until `together` have begun. */
static bool hold_first(struct witness *w, size_t index)
{
    struct workers *s = w->state;
    if (w->events[index].kind != 'b')
        return true;
    s->count++;
    if (s->count == s->together)
        witness_release_all(w);
    return s->count > 1;
}

/* ---- values ---- */

/* The first task is held until others have begun, so that its answer comes late. */
START_TEST(map_in_order)
{
    struct workers s = {.together = 6};
    struct witness w = {.on_event = hold_first, .quiet_seconds = 0.5, .state = &s};
    struct launch how = {.seconds = SECONDS, .witness = &w};
    map_and_check(&how, "4", 37, "1");
    witness_free(&w);
    map_and_check(&plain, "4", 37, "0");
}
END_TEST

START_TEST(odd_counts)
{
    static const struct {
        const char *processes;
        size_t count;
        const char *chunk;
    } cases[] = {{"4", 0, "1"},  {"4", 0, "0"},   {"4", 1, "1"}, {"4", 3, "1"},  {"4", 3, "0"},
                 {"4", 10, "4"}, {"4", 5, "100"}, {"1", 5, "0"}, {"40", 90, "1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (atoi(cases[i].processes) > 4)
            say_also("This pool has 40 workers. Is there a table with room for fewer, or a number that is always 4?");
        else if (cases[i].count < 4)
            say_also(
                "There are fewer chunks than workers here: wait only for those workers that you woke, or that have a "
                "chunk.");
        else
            say_also("The last chunk of this run is shorter than chunk says.");
        map_and_check(&plain, cases[i].processes, cases[i].count, cases[i].chunk);
    }
}
END_TEST

static unsigned char *put_bytes(const size_t shape[2])
{
    unsigned char *in = malloc(shape[0] * shape[1]);
    struct rng rng = rng_seeded(suite_seed());
    for (size_t i = 0; i < shape[0] * shape[1]; i++)
        in[i] = (unsigned char)rng_next(&rng);
    put_array("in.npy", NPY_U1, 2, shape, in);
    return in;
}

/* The first rows of out.npy must be those of in, each reversed. */
static void expect_reversed(const struct run *r, const unsigned char *in, const size_t shape[2], size_t rows,
                            const char *advice)
{
    struct npy out = expect_array(r, "out.npy", NPY_U1, 2, shape);
    const unsigned char *result = out.data;
    for (size_t i = 0; i < rows * shape[1]; i++) {
        size_t row = i / shape[1], column = i % shape[1];
        unsigned expected = in[row * shape[1] + shape[1] - 1 - column];
        if (result[i] != expected)
            fail_test(CAUSE_WRONG_VALUE, r, "elements of %zu bytes: byte %zu of out[%zu] is %u, expected %u.%s",
                      shape[1], column, row, result[i], expected, advice);
    }
    npy_free(&out);
}

START_TEST(many_elements)
{
    map_and_check(&patient, "4", 100000, "0");
    /* 14 286 chunks: whoever looks for answers once a millisecond takes long. */
    map_and_check(&patient, "4", 100000, "7");
}
END_TEST

/* Elements of `size` random bytes, which come back reversed. */
static void map_bytes(const struct launch *how, size_t count, size_t size, const char *chunk)
{
    size_t shape[] = {count, size};
    unsigned char *in = put_bytes(shape);
    struct run r;
    run_program(&r, how, ARGS("-k", chunk, "in.npy", "out.npy"));
    if (how == &plain && strstr(r.err, strerror(ECHILD)))
        say_also("A worker has ended. The elements are large: is there a buffer of a fixed size, or a large one on the "
                 "stack?");
    expect_no_death(&r);
    expect_success(&r);
    expect_reversed(&r, in, shape, count,
                    " A pipe or socket takes large elements in pieces: read and write until all is there. Shared "
                    "memory has to be large enough for all of them, and results must not lie on elements.");
    run_free(&r);
    free(in);
}

START_TEST(large_elements)
{
    map_bytes(&plain, 12, 1u << 20, "1");
    map_bytes(&plain, 12, 1u << 20, "3");
}
END_TEST

START_TEST(bad_argument)
{
    put_indices(3);
    static const char *const wrong[] = {"0", "-1"};
    say_also("After pool_create has returned NULL, main.c calls pool_destroy(NULL), which is allowed.");
    for (int i = 0; i < 2; i++) {
        struct run r;
        run_program(&r, &plain, ARGS("-p", wrong[i], "in.npy", "out.npy"));
        expect_exit(&r, 1);
        if (!strstr(r.err, "pool_create: Invalid argument"))
            fail_test(CAUSE_WRONG_VALUE, &r, "pool_create(%s) should return NULL with errno EINVAL.", wrong[i]);
        run_free(&r);
    }
}
END_TEST

/* ---- who works ---- */

static size_t worker_number(struct workers *s, pid_t pid)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->pid[i] == pid)
            return i;
    if (s->count < 64)
        s->pid[s->count++] = pid;
    return s->count - 1;
}

/* Holds tasks until `together` of them are held, then lets all go on. */
static bool gather(struct witness *w, size_t index)
{
    struct workers *s = w->state;
    struct event *e = &w->events[index];
    if (e->kind != 'b') {
        s->main = e->pid;
        if (e->value == POINT_CREATED)
            proc_children(e->pid, &s->created, &(int){0});
        return true;
    }
    worker_number(s, e->pid);
    if (w->held > s->largest)
        s->largest = w->held;
    if (w->held >= s->together)
        witness_release_all(w);
    return false;
}

/* So many never come together: from now on nobody is held, or each task would cost the same wait again. */
static void stop_gathering(struct witness *w)
{
    struct workers *s = w->state;
    s->together = 0;
    witness_release_all(w);
}

/* Was the token told to a process that began the task of this value, and that is not the parent? */
static bool holds_token(const struct witness *w, int64_t value, int64_t token)
{
    pid_t parent = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct event *e = &w->events[i];
        if (e->kind == 'p')
            parent = e->pid;
        if (e->kind == 'b' && e->value == value && e->token == token)
            return e->pid != parent;
    }
    return false;
}

/* Each result holds what the suite told the process that ran its task, and nobody else: so the
   results are the workers' own, and not only the sight of somebody working. */
static void expect_results_of_workers(const struct run *r, const struct witness *w, const int64_t *values, size_t count)
{
    struct npy out = expect_array(r, "out.npy", NPY_I8, 2, (size_t[]){count, 2});
    const int64_t(*pair)[2] = out.data;
    for (size_t i = 0; i < count; i++)
        if (!pair[i][0] && !pair[i][1])
            fail_test(CAUSE_METHOD, r,
                      "out[%zu] is 0: no result has come. Did pool_map return although a worker was still busy?", i);
        else if (!holds_token(w, values ? values[i] : (int64_t)i, pair[i][0]))
            fail_test(CAUSE_METHOD, r,
                      "out[%zu] is not what a worker made: its first half is the number of who ran the task.", i);
    npy_free(&out);
}

static void expect_tasks(const struct run *r, const struct witness *w, size_t tasks)
{
    size_t begun = 0;
    for (size_t i = 0; i < w->count; i++)
        begun += w->events[i].kind == 'b';
    if (begun != tasks)
        fail_test(CAUSE_METHOD, r, "%zu tasks were given; %zu were really run.", tasks, begun);
}

static void expect_none_in_parent(const struct run *r, const struct witness *w, const struct workers *s)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->events[i].kind == 'b' && w->events[i].pid == s->main)
            fail_test(CAUSE_METHOD, r,
                      "the task of element %lld ran in the parent, not in a worker. All tasks do, those of the last, "
                      "shorter chunk as well.",
                      (long long)w->events[i].value);
}

static void expect_workers(const struct run *r, const struct witness *w, struct workers *s, size_t tasks,
                           size_t expected)
{
    expect_tasks(r, w, tasks);
    expect_none_in_parent(r, w, s);
    if (s->created == 0)
        fail_test(CAUSE_METHOD, r,
                  "when pool_create had returned there was no worker yet. It forks them all, before there is any work: "
                  "forked by pool_map, they would have a copy of the elements, and each map would pay for them again.");
    if (s->count != expected)
        fail_test(CAUSE_METHOD, r, "the tasks ran in %zu different process%s; expected %zu workers, each forked once.",
                  s->count, s->count == 1 ? "" : "es", expected);
}

START_TEST(tasks_in_workers)
{
    static const struct {
        size_t count, workers;
        const char *chunk;
    } cases[] = {{8, 4, "1"}, {3, 3, "1"}, {12, 4, "0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct workers s = {.together = cases[i].workers};
        struct witness w = {.on_event = gather, .on_quiet = stop_gathering, .quiet_seconds = 1, .state = &s};
        struct launch how = {.seconds = SECONDS, .witness = &w};
        struct run r;
        put_indices(cases[i].count);
        run_program(&r, &how, ARGS("-k", cases[i].chunk, "in.npy", "out.npy"));
        expect_success(&r);
        expect_workers(&r, &w, &s, cases[i].count, cases[i].workers);
        expect_results_of_workers(&r, &w, NULL, cases[i].count);
        run_free(&r);
        witness_free(&w);
    }
}
END_TEST

/* Nanoseconds that a process's first thread has had a processor; 0 if that cannot be seen. */
static long long processor_time(pid_t pid)
{
    char path[40];
    long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%lld", &ns) != 1)
        ns = 0;
    if (f)
        fclose(f);
    return ns;
}

/* While all workers are held, there is nothing for the parent to do but to sleep. Whoever waits for a processor on a
   busy machine, to fall asleep, gets it within this second. */
static bool parent_spins(pid_t parent)
{
    long long begun = processor_time(parent);
    for (int look = 0; look < 100; look++, usleep(10000))
        if (!proc_runs(parent))
            return false;
    return processor_time(parent) - begun > 2000000;
}

static bool gather_and_look(struct witness *w, size_t index)
{
    struct workers *s = w->state;
    if (w->events[index].kind == 'b' && s->largest < s->together && w->held >= s->together && s->main > 1)
        s->spins = parent_spins(s->main);
    return gather(w, index);
}

START_TEST(side_by_side)
{
    struct workers s = {.together = 4};
    struct witness w = {.on_event = gather_and_look, .on_quiet = stop_gathering, .quiet_seconds = 1, .state = &s};
    struct launch how = {.seconds = 2 * SECONDS, .witness = &w};
    struct run r;
    put_indices(8);
    run_program(&r, &how, ARGS("-k", "1", "-d", "100000", "in.npy", "out.npy"));
    expect_success(&r);
    if (s.largest < 4)
        fail_test(CAUSE_METHOD, &r,
                  "8 sleeps on 4 workers: never more than %zu ran at the same time; expected 4. "
                  "Wake every worker, or send it its chunk, before you wait for the first answer.",
                  s.largest);
    if (s.spins)
        fail_test(
            CAUSE_METHOD, &r,
            "while all 4 workers were busy, the parent ran all the time, asking again and again whether somebody "
            "has answered. That takes a processor from the workers: poll (or select, or read) lets it sleep until "
            "one has.");
    expect_tasks(&r, &w, 8);
    expect_results_of_workers(&r, &w, NULL, 8);
    run_free(&r);
    witness_free(&w);
}
END_TEST

/* Holds the first task until nothing else happens any more, and sees whether pool_map waits for it. */
static bool hold_first_to_the_end(struct witness *w, size_t index)
{
    struct workers *s = w->state;
    if (w->events[index].kind == 'p' && w->events[index].value == POINT_MAPPED)
        s->returned = w->held > 1; /* the parent itself is held, too */
    return hold_first(w, index);
}

static void note_idle(struct witness *w)
{
    struct workers *s = w->state;
    s->idle |= s->count < 9;
    witness_release_all(w);
}

START_TEST(free_worker_goes_on)
{
    struct workers s = {0};
    struct witness w = {.on_event = hold_first_to_the_end, .on_quiet = note_idle, .quiet_seconds = 1, .state = &s};
    struct launch how = {.seconds = SECONDS, .witness = &w};
    struct run r;
    put_indices(9);
    run_program(&r, &how, ARGS("-p", "2", "-k", "1", "in.npy", "out.npy"));
    expect_success(&r);
    if (s.idle)
        fail_test(CAUSE_METHOD, &r,
                  "while one worker was busy with a long task the other one stood idle, although "
                  "tasks were waiting. A worker has to get, or take, its next chunk as soon as it has finished the "
                  "last.");
    if (s.returned)
        fail_test(CAUSE_METHOD, &r,
                  "pool_map returned while a worker was still busy with its chunk: its result is missing in out. The "
                  "last chunk need not be the last that is done: wait for all workers that you woke.");
    expect_tasks(&r, &w, 9);
    expect_results_of_workers(&r, &w, NULL, 9);
    run_free(&r);
    witness_free(&w);
}
END_TEST

/* Holds tasks until `together` of them are held, the first time only. */
static bool gather_once(struct witness *w, size_t index)
{
    struct workers *s = w->state;
    bool go = gather(w, index);
    if (s->largest >= s->together)
        s->together = 0;
    return go;
}

START_TEST(chunks_stay_together)
{
    struct workers s = {.together = 3};
    struct witness w = {.on_event = gather_once, .on_quiet = stop_gathering, .quiet_seconds = 1, .state = &s};
    struct launch how = {.seconds = SECONDS, .witness = &w};
    struct run r;
    pid_t ran_by[10] = {0};
    put_indices(10);
    run_program(&r, &how, ARGS("-p", "3", "-k", "4", "in.npy", "out.npy"));
    expect_success(&r);
    for (size_t i = 0; i < w.count; i++)
        if (w.events[i].kind == 'b' && w.events[i].value >= 0 && w.events[i].value < 10)
            ran_by[w.events[i].value] = w.events[i].pid;
    expect_tasks(&r, &w, 10);
    expect_none_in_parent(&r, &w, &s);
    for (int i = 0; i < 10; i++)
        if (ran_by[i] == 0 || ran_by[i] != ran_by[i - i % 4])
            fail_test(CAUSE_METHOD, &r,
                      "chunk = 4: elements %d and %d belong to one chunk, but were not run by the same worker.",
                      i - i % 4, i);
    if (s.largest < 3)
        fail_test(CAUSE_METHOD, &r,
                  "10 elements in chunks of 4 are three chunks (4, 4 and 2), and there are 3 workers; only %zu of them "
                  "were at work at the same time. Is the last chunk longer than 4?",
                  s.largest);
    expect_results_of_workers(&r, &w, NULL, 10);
    run_free(&r);
    witness_free(&w);
}
END_TEST

/* ---- a pool lives on ---- */

/* Maps of 700, 3000 and 1200 elements. */
static void map_larger_and_smaller(void)
{
    struct run r;
    int64_t *values = put_values(3000);
    run_program(&r, &plain,
                ARGS("-m", "3", "-n", "700,3000,1200", "-k", "100", "-s", "status.npy", "in.npy", "out.npy"));
    say_also("The three maps of this run have 700, 3000 and 1200 elements.");
    expect_success(&r);
    for (size_t m = 0; m < 3; m++)
        expect_status(&r, 3, m, 0, 0);
    expect_squares(&r, values, 3000);
    run_free(&r);
    free(values);
}

/* Each task must have been run once, in all processes and maps together. */
static void expect_each_once(const struct run *r)
{
    struct npy tasks = expect_array(r, "tasks.npy", NPY_I8, 1, (size_t[]){2});
    const int64_t *run = tasks.data, *given = run + 1;
    if (*run != *given)
        fail_test(CAUSE_METHOD, r, "%lld tasks were given; %lld were run.%s", (long long)*given, (long long)*run,
                  *run > *given
                      ? " Did two workers take the same chunk? Where workers take chunks themselves, one step has "
                        "to both read the counter and raise it: atomic_fetch_add."
                      : " Some never were, or not before pool_map returned. Did what was left of one map, such "
                        "as a byte that nobody received, end the next one too early? Where workers count down "
                        "who is the last, the number has to be there before the first of them is woken.");
    npy_free(&tasks);
}

/* Two workers take the same chunk only where both are running, and then seldom. Hence small tasks, chunks
   of one, and larger and larger maps, until half a second has passed. */
static void map_many_times(void)
{
    size_t shape[] = {400000, 8};
    unsigned char *in = put_bytes(shape);
    struct run r;
    run_program(&r, &patient, ARGS("-k", "1", "-t", "500", "-r", "tasks.npy", "in.npy", "out.npy"));
    expect_success(&r);
    expect_reversed(&r, in, shape, 1000, "");
    expect_each_once(&r);
    run_free(&r);
    free(in);
}

START_TEST(several_maps)
{
    struct workers s = {.together = 4};
    struct witness w = {.on_event = gather, .on_quiet = stop_gathering, .quiet_seconds = 1, .state = &s};
    struct launch how = {.seconds = SECONDS, .witness = &w};
    struct run r;
    int64_t *values = put_values(8);
    run_program(&r, &how, ARGS("-k", "1", "-m", "3", "-s", "status.npy", "in.npy", "out.npy"));
    expect_success(&r);
    for (size_t m = 0; m < 3; m++)
        expect_status(&r, 3, m, 0, 0);
    expect_squares(&r, values, 8);
    expect_workers(&r, &w, &s, 24, 4);
    expect_results_of_workers(&r, &w, values, 8);
    run_free(&r);
    witness_free(&w);
    free(values);
    map_larger_and_smaller();
    say_also("");
    map_many_times();
}
END_TEST

START_TEST(two_pools)
{
    struct run r;
    int64_t *values = put_values(20);
    say_also(
        "There are two pools here: a worker of the second one inherits the parent's ends of the first one's, and each "
        "pool is to\n  wait for its own workers only (waitpid with their pids).");
    run_program(&r, &plain, ARGS("-2", "-m", "4", "-k", "3", "-s", "status.npy", "in.npy", "out.npy"));
    expect_success(&r);
    for (size_t m = 0; m < 4; m++)
        expect_status(&r, 4, m, 0, 0);
    expect_squares(&r, values, 20);
    run_free(&r);
    free(values);
}
END_TEST

/* ---- tasks and workers that fail ---- */

START_TEST(failing_task)
{
    struct run r;
    int64_t *values = put_values(20);
    char failing[24];
    snprintf(failing, sizeof failing, "%lld", (long long)values[rng_below(&(struct rng){{suite_seed(), 1, 2, 3}}, 20)]);
    say_also("In this run one task fails, in a chunk of 3 elements. The others are run all the same, also those of its "
             "chunk,\n"
             "  and their results are in out when pool_map returns.");
    run_program(&r, &plain, ARGS("-k", "3", "-m", "2", "-f", failing, "-s", "status.npy", "in.npy", "out.npy"));
    expect_success(&r);
    expect_status(&r, 2, 0, -1, EIO);
    expect_status(&r, 2, 1, -1, EIO);
    expect_squares(&r, values, 20);
    run_free(&r);
    /* The second map stops short of the element that fails. */
    say_also("In this run a task of the first map fails, and none of the second: what failed before is to be forgotten "
             "then.");
    snprintf(failing, sizeof failing, "%lld", (long long)values[19]);
    run_program(&r, &plain, ARGS("-m", "2", "-n", "20,10", "-f", failing, "-s", "status.npy", "in.npy", "out.npy"));
    expect_success(&r);
    expect_status(&r, 2, 0, -1, EIO);
    expect_status(&r, 2, 1, 0, 0);
    run_free(&r);
    free(values);
}
END_TEST

/* Kills whoever runs the victim's task, once. From outside: nothing tells the program beforehand. */
static bool kill_worker(struct witness *w, size_t index)
{
    struct workers *s = w->state;
    const struct event *e = &w->events[index];
    if (e->kind == 'b' && e->value == s->victim && !s->killed && e->pid > 1)
        s->killed = kill(e->pid, SIGKILL) == 0;
    return true;
}

/* When every worker holds a task, kills the one that was forked first (victim 0) or last; the others go on only when
   pool_map has returned, or nothing happens any more. */
static bool kill_one_of_all(struct witness *w, size_t index)
{
    struct workers *s = w->state;
    const struct event *e = &w->events[index];
    if (e->kind == 'p') {
        if (e->value == POINT_MAPPED && w->held > 1) /* one is the parent */
            s->returned = true;
        if (e->value >= POINT_MAPPED)
            witness_release_all(w);
        return true;
    }
    worker_number(s, e->pid);
    if (s->killed || s->together == 0)
        return true;
    if (w->held < s->together)
        return false;
    pid_t victim = e->pid;
    for (size_t i = 0; i < s->count; i++)
        if (s->victim == 0 ? s->pid[i] < victim : s->pid[i] > victim)
            victim = s->pid[i];
    s->killed = victim > 1 && kill(victim, SIGKILL) == 0;
    return false;
}

/* A death is to be seen at once, whichever worker it is, and though the others have long tasks. */
static void kill_while_others_are_busy(int64_t which)
{
    struct workers s = {.victim = which, .together = 4};
    struct witness w = {.on_event = kill_one_of_all, .on_quiet = stop_gathering, .quiet_seconds = 1, .state = &s};
    struct launch how = {.seconds = 2 * SECONDS, .witness = &w};
    struct run r;
    put_indices(4);
    run_program(&r, &how, ARGS("-k", "1", "-s", "status.npy", "in.npy", "out.npy"));
    expect_success(&r);
    if (s.killed) /* else the four never worked side by side, which side_by_side tells */
        expect_status(&r, 1, 0, -1, ECHILD);
    if (s.killed && !s.returned)
        fail_test(
            CAUSE_METHOD, &r,
            "a worker was killed while the other three had long tasks. pool_map noticed it only when those had "
            "ended; it should return at once. Wait for all workers at the same time (poll), not for one after the "
            "other.");
    run_free(&r);
    witness_free(&w);
}

START_TEST(killed_worker)
{
    struct run r;
    int64_t *values = put_values(20);
    struct workers s = {.victim = values[rng_below(&(struct rng){{suite_seed(), 1, 2, 3}}, 20)]};
    struct witness w = {.on_event = kill_worker, .state = &s};
    struct launch how = {.seconds = SECONDS, .witness = &w};
    run_program(&r, &how, ARGS("-k", "2", "-m", "2", "-s", "status.npy", "in.npy", "out.npy"));
    expect_success(&r);
    if (!s.killed)
        fail_test(CAUSE_METHOD, &r,
                  "the worker that runs the task with element %lld was to be killed, but nobody ran it.",
                  (long long)s.victim);
    expect_status(&r, 2, 0, -1, ECHILD);
    expect_status(&r, 2, 1, -1, ECHILD);
    run_free(&r);
    witness_free(&w);
    free(values);
    kill_while_others_are_busy(0);
    kill_while_others_are_busy(1);
}
END_TEST

/* ---- hygiene ---- */

START_TEST(output_once)
{
    struct run r;
    bool seen[12] = {0};
    put_indices(12);
    run_program(&r, &plain, ARGS("-v", "-k", "2", "in.npy", "out.npy"));
    expect_success(&r);
    size_t lines = 0, heads = 0;
    bool returned = false;
    for (const char *p = r.out; *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : p + strlen(p)) {
        int task;
        if (strncmp(p, "4 workers\n", 10) == 0) {
            heads++;
            continue;
        }
        if (strncmp(p, "map 0 has returned\n", 19) == 0) {
            returned = true;
            continue;
        }
        if (sscanf(p, "task %d\n", &task) != 1 || task < 0 || task >= 12)
            fail_test(CAUSE_HYGIENE, &r,
                      "the tasks print \"task 0\" to \"task 11\"; this line is not among them: %.40s", p);
        if (seen[task])
            fail_test(
                CAUSE_HYGIENE, &r,
                "\"task %d\" was printed twice. Did two workers run it? Or did a worker return instead of calling "
                "_exit, and run the rest of the program a second time?",
                task);
        if (returned)
            fail_test(
                CAUSE_HYGIENE, &r,
                "what task %d printed came out only after pool_map had returned. What a worker prints waits in its "
                "buffer: call fflush(stdout) after the tasks, before the worker says that it has finished.",
                task);
        seen[task] = true;
        lines++;
    }
    if (heads != 1)
        fail_test(CAUSE_HYGIENE, &r,
                  "main.c printed \"4 workers\" once, before pool_create; it came out %zu times. What waits "
                  "in stdio's buffer is copied by fork: call fflush(NULL) before it.",
                  heads);
    if (lines != 12)
        fail_test(CAUSE_HYGIENE, &r,
                  "12 tasks print a line each; %zu of them came out. What a worker prints waits in its buffer: "
                  "call fflush(stdout) after the tasks, since _exit drops it.",
                  lines);
    run_free(&r);
}
END_TEST

struct census {
    int descriptors[POINTS], living[POINTS], zombies[POINTS];
    size_t shared[POINTS]; /* bytes of shared memory */
    size_t named[POINTS];  /* files in /dev/shm: shared memory and semaphores with a name */
    int at_once;           /* living when pool_destroy had just returned */
    bool seen[POINTS];
};

/* At each point of main.c, looks at its process from outside. */
static bool take_census(struct witness *w, size_t index)
{
    struct census *c = w->state;
    const struct event *e = &w->events[index];
    if (e->kind == 'p' && e->value >= POINT_BEFORE && e->value <= POINT_DESTROYED) {
        c->seen[e->value] = true;
        c->descriptors[e->value] = proc_descriptors(e->pid);
        c->shared[e->value] = proc_mapped_shared(e->pid);
        c->named[e->value] = proc_named_shared(e->pid);
        /* Workers that nobody waited for may still be about to end: they are the more zombies in a moment. */
        for (int look = 0; look < 100; look++) {
            proc_children(e->pid, &c->living[e->value], &c->zombies[e->value]);
            if (look == 0 && e->value == POINT_DESTROYED)
                c->at_once = c->living[e->value];
            if (e->value != POINT_DESTROYED || c->living[e->value] == 0)
                break;
            usleep(5000);
        }
    }
    return true;
}

/* Children and descriptors at the end of the pool's life must be those before it. */
static void expect_none_left(const struct run *r, const struct census *c, const char *since)
{
    if (!c->seen[POINT_BEFORE] || !c->seen[POINT_DESTROYED])
        fail_test(CAUSE_TAMPER, r, "main.c did not come to its end.");
    int zombies = c->zombies[POINT_DESTROYED], living = c->living[POINT_DESTROYED];
    if (zombies > 0)
        fail_test(CAUSE_HYGIENE, r, "after %s %d worker%s a zombie: ended, but nobody called waitpid for it.", since,
                  zombies, zombies == 1 ? " is" : "s are each");
    if (living > 0)
        fail_test(CAUSE_HYGIENE, r, "after %s %d worker%s still alive.", since, living, living == 1 ? " is" : "s are");
    int left = c->descriptors[POINT_DESTROYED] - c->descriptors[POINT_BEFORE];
    if (left > 0)
        fail_test(CAUSE_LEAK, r,
                  "after %s %d descriptor%s (pipes, sockets, memory) more %s open than before pool_create.", since,
                  left, left == 1 ? "" : "s", left == 1 ? "is" : "are");
    if (left < 0)
        fail_test(CAUSE_HYGIENE, r, "after %s %d descriptors that are not the pool's were closed.", since, -left);
    size_t mapped = c->shared[POINT_DESTROYED], before = c->shared[POINT_BEFORE];
    if (mapped > before)
        fail_test(CAUSE_LEAK, r,
                  "after %s %zu bytes of shared memory more are mapped than before pool_create: munmap gives "
                  "back what mmap gave.",
                  since, mapped - before);
}

/* The third fork fails. Whoever does not call fork, or tries once more, has a pool, which is as good. */
static void expect_nothing_left_without_pool(void)
{
    struct census c = {0};
    struct witness w = {.on_event = take_census, .state = &c};
    struct launch how = {.seconds = SECONDS, .witness = &w, .env = (const char *const[]){"LAB_FORK_FAIL=2", NULL}};
    struct run r;
    say_also(
        "In this run (LAB_FORK_FAIL=2) the third fork fails with EAGAIN, as it does where there are too many "
        "processes:\n  pool_create has to end the workers that it has, to close what it opened, and to return NULL "
        "with that errno.");
    run_program(&r, &how, ARGS("in.npy", "out.npy"));
    expect_end(&r);
    if (r.report.exit_status != 0) {
        expect_exit(&r, 1);
        if (!strstr(r.err, "pool_create: Resource temporarily unavailable"))
            fail_test(CAUSE_WRONG_VALUE, &r, "pool_create should return NULL with errno EAGAIN, as fork left it.");
        expect_none_left(&r, &c, "pool_create, which returned NULL,");
    }
    run_free(&r);
    witness_free(&w);
}

/* Each of two pools has a map of 8 elements, and then one for which a page is not enough. */
#define GROWING "-n", "8,8,400,400"

/* One run, with one more variable in the environment, or NULL; the task of element `failing` fails, or none if NULL.
   Returns how many files in /dev/shm are left. */
static size_t expect_nothing_left(const char *setting, const char *failing)
{
    struct census c = {0};
    struct witness w = {.on_event = take_census, .state = &c};
    struct launch how = {.seconds = SECONDS, .witness = &w, .env = (const char *const[]){setting, NULL}};
    struct run r;
    say_also(failing ? "One task had failed: what pool_map holds is to be given back then, too." : "");
    run_program(&r, &how,
                failing ? ARGS("-2", "-m", "4", GROWING, "-f", failing, "-s", "status.npy", "in.npy", "out.npy")
                        : ARGS("-2", "-m", "4", GROWING, "in.npy", "out.npy"));
    expect_success(&r);
    expect_none_left(&r, &c, "pool_destroy");
    if (c.at_once > 0)
        fail_test(CAUSE_HYGIENE, &r,
                  "when pool_destroy returned %d worker%s still alive, and ended only a moment later. It has to wait "
                  "for each of them: waitpid.",
                  c.at_once, c.at_once == 1 ? " was" : "s were");
    run_free(&r);
    witness_free(&w);
    return c.named[POINT_DESTROYED] > c.named[POINT_BEFORE] ? c.named[POINT_DESTROYED] - c.named[POINT_BEFORE] : 0;
}

START_TEST(nothing_left)
{
    char slowly[40];
    snprintf(slowly, sizeof slowly, "LAB_PERTURB=%" PRIu64, suite_seed() % 1000000);
    put_indices(400);
    size_t first = expect_nothing_left(NULL, NULL);
    size_t second = expect_nothing_left(slowly, NULL); /* workers take their time to end */
    expect_nothing_left(NULL, "5");
    expect_nothing_left_without_pool();
    say_also("");
    /* In every run: outside a sandbox another program of the user's may have made one meanwhile. */
    if (first > 0 && second > 0)
        fail_test(
            CAUSE_LEAK, NULL,
            "after pool_destroy %zu files more are in /dev/shm than before pool_create: shared memory (shm_open) or "
            "a semaphore (sem_open) that has a name stays until shm_unlink or sem_unlink, even when no process is "
            "left.",
            first);
}
END_TEST

/* Kills the parent while its workers are in the middle of tasks. */
static bool kill_parent(struct witness *w, size_t index)
{
    struct workers *s = w->state;
    if (w->events[index].kind != 'b') {
        s->main = w->events[index].pid;
        return true;
    }
    if (s->killed) /* a task that begins only now: held, it would outlast the reaper's patience */
        return true;
    if (w->held >= 2) {
        s->killed = s->main > 1 && kill(s->main, SIGKILL) == 0;
        witness_release_all(w);
    }
    return false;
}

/* Tasks of 50 ms; the parent is killed while two are running, and nobody wants those that have not begun. also: what
   is said of this run. */
static void kill_and_look(size_t count, const char *also)
{
    struct workers s = {0};
    struct witness w = {.on_event = kill_parent, .quiet_seconds = 1, .state = &s};
    struct launch how = {.seconds = SECONDS, .witness = &w, .env = (const char *const[]){"LAB_FOSTER=99999", NULL}};
    struct run r;
    put_indices(count);
    say_also(also);
    run_program(&r, &how, ARGS("-k", "1", "-d", "50000", "in.npy", "out.npy"));
    if (r.report.signal != SIGKILL || !s.killed)
        fail_test(CAUSE_METHOD, &r,
                  "two tasks should run at the same time, so that the parent can be killed between them.");
    if (r.report.left > 0) {
        char who[1200];
        explain_processes(&r, who, sizeof who);
        fail_test(CAUSE_HYGIENE, &r,
                  "the parent was killed in the middle of pool_map; a second later %d worker%s still there. "
                  "A worker has to end when its pipe or socket does, and it only does if no other worker holds its "
                  "other end. A worker that takes chunks by itself has to look now and then whether its parent is "
                  "still there.%s",
                  r.report.left, r.report.left == 1 ? " was" : "s were", who);
    }
    run_free(&r);
    witness_free(&w);
}

START_TEST(parent_killed)
{
    kill_and_look(200,
                  "In this run (LAB_FOSTER) whose parent has died is given to process 99999, as it is to a service "
                  "manager or in\n  a container: getppid is no longer the parent's pid then, but not always 1.");
    kill_and_look(
        2, "In this run there are fewer chunks than workers: some sleep when the parent dies. What they sleep in\n"
           "  has to end then, too: a lock or a semaphore does not.");
}
END_TEST

/* 40 tasks of 5 ms, and a signal every millisecond; once more with what a signal may do to a recv. */
static void map_through_signals(void)
{
    char seed[40];
    snprintf(seed, sizeof seed, "LAB_PERTURB=%" PRIu64, suite_seed() % 1000000);
    const struct launch early = {.seconds = SECONDS, .env = (const char *const[]){seed, "LAB_SIGNALS=1", NULL}};
    const struct launch *const how[] = {&plain, &early};
    int64_t *values = put_values(40);
    say_also(
        "In this run (main.c's option -i) the program gets a signal every millisecond, which has a handler. What waits "
        "then,\n  such as poll, returns -1 with errno EINTR, and recv what it has so far, also with MSG_WAITALL: call "
        "it "
        "again.");
    for (int i = 0; i < 2; i++) {
        struct run r;
        run_program(&r, how[i], ARGS("-k", "1", "-d", "5000", "-i", "1000", "in.npy", "out.npy"));
        expect_no_death(&r);
        expect_success(&r);
        expect_squares(&r, values, 40);
        run_free(&r);
    }
    free(values);
}

/* Reads and writes that are late and move fewer bytes than asked, workers that are slow: all within POSIX. */
START_TEST(any_schedule)
{
    say_also(
        "In this run (LAB_PERTURB, by its seed) every read, write, recv and send may wait and may move fewer bytes\n"
        "  than it was asked for, as POSIX allows: go on until all bytes have gone.");
    for (uint64_t i = 0; i < 4; i++) {
        char seed[40];
        snprintf(seed, sizeof seed, "LAB_PERTURB=%" PRIu64, (suite_seed() + i) % 1000000);
        struct launch how = {.seconds = 2 * SECONDS, .env = (const char *const[]){seed, NULL}};
        map_and_check(&how, "4", 37, i % 2 ? "0" : "5");
        if (i < 2) /* more than a pipe takes whole */
            map_bytes(&how, 9, 9000, "2");
    }
    map_through_signals();
}
END_TEST

static bool note_end(struct witness *w, size_t index)
{
    bool *ended = w->state;
    *ended |= w->events[index].kind == 'p' && w->events[index].value == POINT_DESTROYED;
    return true;
}

/* Whoever leaves before main.c's end leaves before the sanitizer looks for leaks. */
START_TEST(memory_clean)
{
    static const struct {
        const char *processes;
        size_t count;
        const char *chunk;
    } cases[] = {{"4", 37, "5"}, {"4", 2, "0"}, {"20", 37, "1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool ended = false;
        struct witness w = {.on_event = note_end, .state = &ended};
        struct launch how = asan;
        how.witness = &w;
        map_and_check(&how, cases[i].processes, cases[i].count, cases[i].chunk);
        if (!ended)
            fail_test(CAUSE_TAMPER, NULL, "the program ended before main.c did: does your code call exit or _exit?");
        witness_free(&w);
    }
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        map_in_order,     odd_counts,   many_elements,       large_elements,       several_maps, two_pools,
        tasks_in_workers, side_by_side, free_worker_goes_on, chunks_stay_together, failing_task, killed_worker,
        bad_argument,     output_once,  nothing_left,        parent_killed,        any_schedule, memory_clean,
    };
    return suite_main(argc, argv, "pool", tests, sizeof tests / sizeof *tests);
}
