/* check_views.c: the Check suite of lab 02. It starts the program as a user would and
   judges what comes out. How tasks are spread over engines it judges in virtual time:
   every task tells the witness that it has begun and is held; the suite knows how
   long each task is to last, waits until all engines that should work have a task,
   and lets the one go on that would end first. No clock decides anything, so a slow
   or busy machine gives the same verdict. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "proc.h"
#include "suite.h"

enum { POINT_ENGINE, POINT_CALL, POINT_RETURN }; /* as in main.c */
enum { SECONDS = 8, MOST_ENGINES = 8, MOST_TASKS = 64, PATIENCE = 3 };

static const struct launch plain = {.seconds = SECONDS}, asan = {.seconds = 3 * SECONDS, .flavour = "asan"};

/* For code with threads of its own. A thread that nobody joins is no race. */
static const struct launch tsan = {.seconds = 3 * SECONDS,
                                   .flavour = "tsan",
                                   .env = (const char *const[]){"TSAN_OPTIONS=report_thread_leaks=0", NULL}};

static const char *function_of(const char *view)
{
    return strcmp(view, "sync") == 0     ? "apply_sync"
           : strcmp(view, "all") == 0    ? "apply_all"
           : strcmp(view, "direct") == 0 ? "direct_map"
                                         : "balanced_map";
}

/* main.c has said "direct_map: Bad address" and ended: what may be behind it, where nothing should go wrong. */
static void expect_no_error(const struct run *r)
{
    static const struct {
        int number;
        const char *words;
    } reasons[] = {{EBUSY, " An engine was given a task before its last result was collected."},
                   {EINVAL,
                    " engines_collect says so of an engine that has no task, engines_submit of one that there is "
                    "not."},
                   {ECHILD, " engines_any says so when no engine is busy."},
                   {EFAULT, " A pointer to an element is wrong. Sizes are in bytes: (char *)out + index * out_size."}};
    static const char *const functions[] = {"apply_sync", "apply_all", "direct_map", "balanced_map"};
    if (r->report.exit_status != 1 || strstr(r->err, strerror(ENOSYS)))
        return;
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        char said[40];
        snprintf(said, sizeof said, "%s: ", functions[f]);
        const char *at = strstr(r->err, said), *reason = "";
        if (!at)
            continue;
        at += strlen(said);
        for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
            if (strncmp(at, strerror(reasons[i].number), strlen(strerror(reasons[i].number))) == 0)
                reason = reasons[i].words;
        fail_test(CAUSE_EXIT, r, "%s did not return 0 (errno: %.*s), although all engines live and no task fails.%s",
                  functions[f], (int)strcspn(at, "\n"), at, reason);
    }
}

/* expect_success, and what a loop without end is likely to wait for. */
static void expect_done(const struct run *r)
{
    char who[1200];
    bool loops = r->report.stopped == STOP_TIME && r->report.seen_count > 0 && r->report.seen[0].state == 'R';
    explain_processes(r, who, sizeof who);
    if (loops && !r->flooded && !r->lost && !strstr(r->err, "Sanitizer"))
        fail_test(
            CAUSE_TIMEOUT, r,
            "the program did not end within %g s: the calling process goes round in a loop. It may ask for what "
            "will not come: engines_submit says EBUSY until somebody collects the engine's result, and ECHILD for "
            "ever if the engine is dead; engines_any says -1 when no engine is busy; a task that failed fails "
            "again.%s",
            r->limit, who);
    if (r->report.stopped == STOP_NONE && r->report.signal == 0)
        expect_no_error(r);
    expect_success(r);
}

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
static int64_t *put_indices(size_t count)
{
    int64_t *values = calloc(count + 1, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (int64_t)i;
    put_array("in.npy", NPY_I8, 1, &count, values);
    return values;
}

/* The engine that began the task of this value, by what w heard; -1 if none did. */
static int engine_of(const struct witness *w, int64_t value)
{
    pid_t pid = 0;
    for (size_t i = 0; i < w->count && pid == 0; i++)
        if (w->events[i].kind == 'b' && w->events[i].value == value)
            pid = w->events[i].pid;
    for (size_t i = 0; i < w->count && pid; i++)
        if (w->events[i].kind == 'p' && w->events[i].value == POINT_ENGINE && w->events[i].pid == pid)
            return (int)w->events[i].extra;
    return -1;
}

/* A task that began more often than its value stands in in, by what w heard; count if there is none. */
static size_t run_twice(const struct witness *w, const int64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t begun = 0, wanted = 0;
        for (size_t k = 0; k < w->count; k++)
            begun += w->events[k].kind == 'b' && w->events[k].value == values[i];
        for (size_t k = 0; k < count; k++)
            wanted += values[k] == values[i];
        if (begun > wanted)
            return i;
    }
    return count;
}

/* Nothing was stored for in[i]: the same run once more tells whether its task ran at all. */
static void lost_words(const int64_t *values, size_t count, size_t i, char *text, size_t size)
{
    struct run again;
    struct witness w = {.quiet_seconds = 1};
    snprintf(text, size, " It is 0, as before the call: nothing was stored there.");
    size_t used = strlen(text);
    if (!run_again_heard(&again, &w))
        return;
    int id = engine_of(&w, values[i]);
    size_t twice = run_twice(&w, values, count);
    if (twice < count)
        snprintf(
            text + used, size - used,
            " The same run once more shows that task %zu was run more than once. Did two threads take the same task? "
            "From reading which is the next to raising that number, nobody else may read it: one lock around both.",
            twice);
    else if (id < 0)
        snprintf(text + used, size - used,
                 " The same run once more shows that no engine ran task %zu. Does a block end too early, does somebody "
                 "get the count %% engines tasks that are left over, and does an engine whose task failed go on?",
                 i);
    else
        snprintf(text + used, size - used,
                 " The same run once more shows that engine %d did run task %zu: what it returned was not collected, "
                 "or not before the function returned, or stored elsewhere.",
                 id, i);
    run_free(&again);
    witness_free(&w);
}

/* Why the last run went wrong, if it has threads that are in each other's way; "" if not. */
static const char *race_words(void)
{
    return explain_again("tsan", tsan.env, CAUSE_RACE, "Under ThreadSanitizer it shows why");
}

/* What a wrong out[i] looks like. */
static void wrong_square(const int64_t *values, size_t count, size_t i, int64_t came, char *text, size_t size)
{
    text[0] = '\0';
    if (came == 0)
        lost_words(values, count, i, text, size);
    for (size_t k = 0; k < count && came != 0; k++)
        if (k != i && values[k] * values[k] == came) {
            snprintf(text, size, " It is the result of in[%zu].", k);
            return;
        }
}

/* out.npy must hold (engine, square) for every value, except for elements from ...
   to - 1, whose results nobody promises. */
static void expect_squares_but(const struct run *r, const char *view, const int64_t *values, size_t count, size_t from,
                               size_t to)
{
    struct npy out = expect_array(r, "out.npy", NPY_I8, 2, (size_t[]){count, 2});
    const int64_t(*pair)[2] = out.data;
    size_t wrong = 0, first = 0;
    for (size_t i = count; i-- > 0;)
        if ((i < from || i >= to) && pair[i][1] != values[i] * values[i]) {
            first = i;
            wrong++;
        }
    if (wrong > 0) {
        char reason[400] = "";
        const char *race = race_words();
        if (!*race)
            wrong_square(values, count, first, pair[first][1], reason, sizeof reason);
        fail_test(*race ? CAUSE_RACE : CAUSE_WRONG_VALUE, r,
                  "%s: out[%zu] is %lld, expected %lld; %zu of %zu are wrong.%s%s", function_of(view), first,
                  (long long)pair[first][1], (long long)values[first] * values[first], wrong, count, reason, race);
    }
    npy_free(&out);
}

static void expect_squares(const struct run *r, const char *view, const int64_t *values, size_t count)
{
    expect_squares_but(r, view, values, count, 0, 0);
}

/* "-1 with errno ECHILD" */
static const char *outcome_words(char text[80], int64_t value, int64_t number)
{
    const char *name = strerrorname_np((int)number);
    if (value == 0)
        snprintf(text, 80, "0");
    else
        snprintf(text, 80, "%lld with errno %s", (long long)value, name ? name : "of a kind that there is not");
    return text;
}

struct status {
    int64_t value, error, busy;
};

/* How call number k of calls ended. That no engine is left busy is asked of every call. */
static struct status read_status(const struct run *r, const char *view, size_t calls, size_t k)
{
    struct npy file = expect_array(r, "status.npy", NPY_I8, 2, (size_t[]){calls, 3});
    const int64_t *row = (const int64_t *)file.data + 3 * k;
    struct status s = {row[0], row[1], row[2]};
    npy_free(&file);
    if (s.busy != 0)
        fail_test(CAUSE_HYGIENE, r,
                  "call %zu: when %s had returned %lld, %lld engine%s still busy: engines_submit says EBUSY. "
                  "Collect from every engine that took a task, also when something has gone wrong with another one.",
                  k + 1, function_of(view), (long long)s.value, (long long)s.busy, s.busy == 1 ? " was" : "s were");
    return s;
}

/* What a wrong outcome looks like. */
static const char *outcome_reason(const struct status *s, int value, int number)
{
    if (value == 0 || s->value == 0)
        return "";
    if (s->value != value)
        return " What went wrong belongs into errno; the function itself returns -1.";
    if (number == EIO && s->error == ECHILD)
        return " No engine has died. engines_any sets errno, too, to ECHILD, when no engine is busy any more: keep "
               "what "
               "engines_collect says, and set errno again before you return.";
    if (s->error == EINVAL)
        return " EINVAL is what engines_collect says of an engine that has no task: collect only from those that took "
               "one, "
               "and keep what was said first.";
    if (s->error != EIO && s->error != ECHILD)
        return " Set errno as the very last thing before you return: other calls (perror, printf, ...) may change it.";
    return "";
}

static void expect_status(const struct run *r, const char *view, size_t calls, size_t k, int value, int number)
{
    struct status s = read_status(r, view, calls, k);
    char came[80], wanted[80];
    if (s.value != value || (value && s.error != number))
        fail_test(CAUSE_WRONG_VALUE, r, "call %zu: %s returned %s; expected %s.%s", k + 1, function_of(view),
                  outcome_words(came, s.value, s.error), outcome_words(wanted, value, number),
                  outcome_reason(&s, value, number));
}

/* The same of values 0 ... count - 1. */
static void expect_index_squares(const struct run *r, const char *view, size_t count, size_t from, size_t to)
{
    int64_t *values = calloc(count + 1, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (int64_t)i;
    expect_squares_but(r, view, values, count, from, to);
    free(values);
}

static void map_and_check(const struct launch *how, const char *engines, const char *view, size_t count)
{
    struct run r;
    int64_t *values = put_values(count);
    run_program(&r, how, ARGS("-n", engines, view, "in.npy", "out.npy"));
    expect_done(&r);
    expect_squares(&r, view, values, count);
    run_free(&r);
    free(values);
}

/* ---- who does what: the engines by the kernel's word, not by the program's ---- */

enum rule { RULE_RECORD, RULE_TOGETHER, RULE_DIRECT, RULE_BALANCED, RULE_AFTER, RULE_LAST_FIRST, RULE_FIRST_FIRST };

struct slot { /* what an engine does, in virtual time */
    bool busy;
    size_t event, task, done; /* done: tasks that it has finished */
    int64_t begin, end;
};

struct watch {
    /* the test's */
    enum rule rule;
    int engines;
    size_t count;
    const int64_t *delay; /* virtual milliseconds of each task */
    int64_t after;        /* RULE_AFTER: this task is held until nothing else happens */
    int dead;             /* so many engines are dead before the call: engine 1, if any */

    /* who is who, and who ran what */
    pid_t main, engine[MOST_ENGINES];
    size_t begun, order[MOST_TASKS];
    int times[MOST_TASKS], ran_on[MOST_TASKS];
    int times_on[MOST_ENGINES];
    bool stranger, stranger_is_main; /* a task ran elsewhere than in an engine */
    int64_t strange_task;

    /* virtual time */
    struct slot slot[MOST_ENGINES];
    size_t running, finished;
    int64_t clock;
    bool broken; /* an engine did not get the task that it should have */
    int idle, patience;
    struct slot seen[MOST_ENGINES]; /* the slots when that came out */
    size_t waiting;                 /* tasks that had not begun then */

    /* what the kernel says of main, before the first call and after the last one */
    int descriptors[2], living[2], zombies[2];
    bool counted[2];
};

static int engine_number(const struct watch *s, pid_t pid)
{
    for (int id = 0; id < s->engines; id++)
        if (s->engine[id] == pid && pid != 0)
            return id;
    return -1;
}

static void take_census(struct watch *s, const struct event *e)
{
    int when = e->value == POINT_RETURN;
    if (when == 0 && s->counted[0])
        return;
    s->counted[when] = true;
    s->descriptors[when] = proc_descriptors(e->pid);
    proc_children(e->pid, &s->living[when], &s->zombies[when]);
}

static void note_point(struct watch *s, const struct event *e)
{
    if (e->value == POINT_ENGINE && e->extra >= 0 && e->extra < s->engines && s->engine[e->extra] == 0)
        s->engine[e->extra] = e->pid;
    if (e->value == POINT_CALL || e->value == POINT_RETURN) {
        s->main = e->pid;
        take_census(s, e);
    }
}

/* Notes that a task has begun. Returns the engine that it runs on, -1 if it is none. */
static int note_begin(struct watch *s, const struct event *e)
{
    int id = engine_number(s, e->pid);
    if (id < 0 && !s->stranger) {
        s->stranger = true;
        s->stranger_is_main = e->pid == s->main;
        s->strange_task = e->value;
    }
    if (s->begun < MOST_TASKS)
        s->order[s->begun] = (size_t)e->value;
    s->begun++;
    if (e->value >= 0 && e->value < MOST_TASKS) {
        s->times[e->value]++;
        s->ran_on[e->value] = id;
    }
    if (id >= 0)
        s->times_on[id]++;
    return id;
}

/* ---- virtual time ---- */

static bool lives(const struct watch *s, int id)
{
    return s->dead == 0 || id != 1;
}

/* How many engines should have a task now? */
static size_t expected_running(const struct watch *s)
{
    size_t engines = (size_t)(s->engines - s->dead), left = s->finished < s->count ? s->count - s->finished : 0,
           expected = 0;
    if (s->rule == RULE_TOGETHER)
        return s->finished == 0 ? engines : 1;
    if (s->rule == RULE_BALANCED)
        return left < engines ? left : engines;
    for (int id = 0; id < s->engines; id++) /* RULE_DIRECT: count is a multiple of engines */
        expected += lives(s, id) && s->slot[id].done < s->count / (size_t)s->engines;
    return expected;
}

/* The task that ends first in virtual time goes on. */
static void finish_earliest(struct witness *w)
{
    struct watch *s = w->state;
    struct slot *first = NULL;
    for (int id = 0; id < s->engines; id++)
        if (s->slot[id].busy && (!first || s->slot[id].end < first->end))
            first = &s->slot[id];
    if (!first)
        return;
    s->clock = first->end;
    first->busy = false;
    first->done++;
    s->running--;
    s->finished++;
    witness_release(w, first->event);
}

static void begin_task(struct watch *s, int id, size_t event, int64_t task)
{
    int64_t delay = s->delay ? s->delay[task] : 1;
    s->slot[id] = (struct slot){true, event, (size_t)task, s->slot[id].done, s->clock, s->clock + delay};
    s->running++;
}

/* Are all tasks held, and let go one after the other? */
static bool in_turn(const struct watch *s)
{
    return s->rule == RULE_LAST_FIRST || s->rule == RULE_FIRST_FIRST;
}

/* on_event of every watch. */
static bool see(struct witness *w, size_t index)
{
    struct watch *s = w->state;
    struct event *e = &w->events[index];
    if (e->kind != 'b') {
        note_point(s, e);
        return true;
    }
    int64_t task = e->value;
    int id = note_begin(s, e);
    s->patience = 0;
    if (s->rule == RULE_AFTER)
        return task != s->after;
    if (in_turn(s))
        return false;
    if (s->rule == RULE_RECORD || s->broken || id < 0 || s->slot[id].busy || task < 0 || (size_t)task >= s->count)
        return true;
    begin_task(s, id, index, task);
    while (s->running > 0 && s->running >= expected_running(s))
        finish_earliest(w);
    return false;
}

/* Somebody who runs may be about to begin a task: then it is only the machine that is slow. */
static bool somebody_runs(const struct watch *s)
{
    bool runs = s->main && proc_runs(s->main);
    for (int id = 0; id < s->engines; id++)
        runs = runs || (s->engine[id] && proc_runs(s->engine[id]));
    return runs;
}

/* Of the tasks that are held the one of the last engine goes on, or of the first one. */
static void release_next(struct witness *w)
{
    struct watch *s = w->state;
    size_t next = w->count;
    int best = 0;
    for (size_t i = 0; i < w->count; i++) {
        int id = engine_number(s, w->events[i].pid), place = s->rule == RULE_LAST_FIRST ? id : -id;
        if (w->events[i].held && (next == w->count || place > best)) {
            next = i;
            best = place;
        }
    }
    if (next < w->count)
        witness_release(w, next);
}

/* on_quiet of every watch: nobody does anything, and yet an engine that should work has no task. */
static void see_quiet(struct witness *w)
{
    struct watch *s = w->state;
    bool short_waits = s->rule == RULE_AFTER || in_turn(s);
    if (somebody_runs(s) && ++s->patience < (short_waits ? 100 : PATIENCE))
        return;
    if (in_turn(s)) {
        s->patience = 0;
        release_next(w);
        return;
    }
    if (!s->broken && s->rule != RULE_AFTER) {
        s->broken = true;
        memcpy(s->seen, s->slot, sizeof s->seen);
        s->waiting = s->begun < s->count ? s->count - s->begun : 0;
        for (s->idle = 0; s->idle < s->engines - 1; s->idle++)
            if (lives(s, s->idle) && !s->slot[s->idle].busy &&
                (s->rule != RULE_DIRECT || s->slot[s->idle].done < s->count / (size_t)s->engines))
                break;
    }
    witness_release_all(w);
}

/* Runs the program under watch, on values 0 ... s->count - 1. The caller calls run_free. */
static void run_watched_with(struct run *r, struct watch *s, const char *const *args)
{
    struct witness w = {.on_event = see, .on_quiet = see_quiet, .quiet_seconds = 1, .state = s};
    struct launch how = {.seconds = SECONDS, .witness = &w};
    free(put_indices(s->count));
    run_program(r, &how, args);
    witness_free(&w);
    expect_done(r);
}

static void run_watched(struct run *r, struct watch *s, const char *view)
{
    char engines[12];
    snprintf(engines, sizeof engines, "%d", s->engines);
    run_watched_with(r, s, ARGS("-n", engines, view, "in.npy", "out.npy"));
}

/* ---- words for what was seen ---- */

static void expect_in_engines(const struct run *r, const struct watch *s, const char *view)
{
    if (s->stranger)
        fail_test(CAUSE_METHOD, r,
                  "%s: task %lld ran in %s, not in one of the %d engines that main.c has started. "
                  "Hand it to an engine with engines_submit.",
                  function_of(view), (long long)s->strange_task,
                  s->stranger_is_main ? "the calling process" : "a process of its own", s->engines);
}

static void expect_each_once(const struct run *r, const struct watch *s, const char *view)
{
    expect_in_engines(r, s, view);
    char list[200] = "";
    size_t wrong = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->times[i] != 1 && wrong++ < 5) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%stask %zu %d times", used ? ", " : "", i, s->times[i]);
        }
    if (wrong > 0)
        fail_test(CAUSE_METHOD, r,
                  "%s, %zu tasks on %d engines: %zu tasks were begun, each is to run once; but %s%s.%s",
                  function_of(view), s->count, s->engines, s->begun, list, wrong > 5 ? ", and more" : "",
                  s->begun > s->count && strcmp(view, "direct") == 0
                      ? " Where a block ends, the next one begins: is the end still part of it?"
                      : "");
}

/* "engine 0 works on task 3 (until 120 ms), engine 2 ..." */
static void busy_words(const struct watch *s, char *text, size_t size)
{
    text[0] = '\0';
    for (int id = 0; id < s->engines; id++)
        if (s->seen[id].busy) {
            size_t used = strlen(text);
            snprintf(text + used, size - used, "%sengine %d works on task %zu, which takes until %lld ms",
                     used ? "; " : "", id, s->seen[id].task, (long long)s->seen[id].end);
        }
}

/* Why would an engine get no task? A student's usual mistakes show in when it happens. */
static const char *idle_reason(const struct watch *s)
{
    if (s->running <= 1 && s->finished == 0 && !s->dead)
        return "The tasks run one after the other: submit to every engine before you wait for any of them.";
    if (s->finished == 0 && s->dead)
        return "Engine 1 is dead: an engine that does not take its task is no reason to leave out those after it.";
    if (s->finished == 0)
        return "Submit to every engine before you wait for any of them.";
    if (s->rule == RULE_BALANCED)
        return "Wait with engines_any for whichever engine is done, and give that one the next task at once: waiting "
               "for a given "
               "engine, for a whole round, or dividing the tasks beforehand leaves engines idle.";
    return "Wait with engines_any for whichever engine is done, and give that one the next task of its own block at "
           "once.";
}

static void expect_no_idle(const struct run *r, const struct watch *s, const char *view)
{
    char busy[1000];
    if (!s->broken)
        return;
    busy_words(s, busy, sizeof busy);
    const char *dead = s->dead ? " (engine 1 was dead before the call)" : "";
    const struct slot *idle = &s->seen[s->idle];
    if (s->rule == RULE_TOGETHER)
        fail_test(CAUSE_METHOD, r,
                  "apply_all on %d engines: engine %d had not begun its task while the others were in theirs "
                  "(%zu of %d ran at the same time). %s",
                  s->engines, s->idle, s->running, s->engines, idle_reason(s));
    if (s->rule == RULE_DIRECT)
        fail_test(CAUSE_METHOD, r,
                  "direct_map, %zu tasks on %d engines%s, at %lld ms of virtual time: engine %d stood idle after %zu "
                  "of the %zu tasks of its block (%s). %s",
                  s->count, s->engines, dead, (long long)s->clock, s->idle, idle->done, s->count / (size_t)s->engines,
                  busy, idle_reason(s));
    fail_test(CAUSE_METHOD, r,
              "%s, %zu tasks on %d engines%s, at %lld ms of virtual time: engine %d stood idle while %zu task%s "
              "waited (%s). %s",
              function_of(view), s->count, s->engines, dead, (long long)s->clock, s->idle, s->waiting,
              s->waiting == 1 ? "" : "s", busy, idle_reason(s));
}

/* ---- one task on one engine, and on all ---- */

START_TEST(sync_result)
{
    map_and_check(&plain, "4", "sync", 6);
}
END_TEST

START_TEST(sync_engine)
{
    struct watch s = {.rule = RULE_RECORD, .engines = 4, .count = 8};
    struct run r;
    run_watched(&r, &s, "sync");
    expect_each_once(&r, &s, "sync");
    for (size_t i = 0; i < s.count; i++)
        if (s.ran_on[i] != (int)i % 4)
            fail_test(CAUSE_METHOD, &r, "apply_sync(e, %zu, ...) ran its task on engine %d.", i % 4, s.ran_on[i]);
    run_free(&r);
    static const char *const wrong[] = {"4", "-1"};
    for (int i = 0; i < 2; i++) {
        free(put_indices(2));
        run_program(&r, &plain, ARGS("-i", wrong[i], "-s", "status.npy", "sync", "in.npy", "out.npy"));
        expect_done(&r);
        expect_status(&r, "sync", 2, 0, -1, EINVAL);
        run_free(&r);
    }
}
END_TEST

/* out.npy must hold, for each value, what every engine returned, in the order of the ids. */
static void expect_from_all(const struct run *r, const int64_t *values, size_t count, size_t engines, int but)
{
    struct npy out = expect_array(r, "out.npy", NPY_I8, 3, (size_t[]){count, engines, 2});
    const int64_t(*pair)[2] = out.data;
    for (size_t i = 0; i < count * engines; i++) {
        size_t id = i % engines;
        int64_t expected = values[i / engines] * values[i / engines];
        if ((int)id != but && pair[i][0] != (int64_t)id)
            fail_test(CAUSE_WRONG_VALUE, r,
                      "apply_all on %zu engines: out[%zu] should come from engine %zu; it says that engine "
                      "%lld made it.",
                      engines, id, id, (long long)pair[i][0]);
        if ((int)id != but && pair[i][1] != expected)
            fail_test(CAUSE_WRONG_VALUE, r, "apply_all(%lld) on %zu engines: out[%zu] is %lld, expected %lld.%s",
                      (long long)values[i / engines], engines, id, (long long)pair[i][1], (long long)expected,
                      pair[i][1] == 0 ? " It is 0, as before the call: nothing was stored there."
                      : pair[i][0] == (int64_t)id
                          ? " Engine and place are right; was it given the right element? in is one element, the same "
                            "for all engines."
                          : "");
    }
    npy_free(&out);
}

/* apply_all on 4 engines, which are done one after the other. The caller calls run_free. */
static void run_in_turn(struct run *r, enum rule rule, const char *const *args)
{
    struct watch s = {.rule = rule, .engines = 4, .count = 1};
    struct witness w = {.on_event = see, .on_quiet = see_quiet, .quiet_seconds = 0.03, .state = &s};
    struct launch how = {.seconds = SECONDS, .witness = &w};
    run_program(r, &how, args);
    witness_free(&w);
    expect_done(r);
}

/* The engines are done in the order 3, 2, 1, 0. */
static void expect_last_first(void)
{
    struct run r;
    int64_t *values = put_values(1);
    say_also("In this run engine 3 is done first, then engine 2, 1 and 0: results come in any order.");
    run_in_turn(&r, RULE_LAST_FIRST, ARGS("all", "in.npy", "out.npy"));
    expect_from_all(&r, values, 1, 4, -1);
    run_free(&r);
    free(values);
}

START_TEST(all_results)
{
    static const char *const engines[] = {"4", "1", "5"};
    for (int i = 0; i < 3; i++) {
        struct run r;
        int64_t *values = put_values(3);
        run_program(&r, &plain, ARGS("-n", engines[i], "all", "in.npy", "out.npy"));
        expect_done(&r);
        expect_from_all(&r, values, 3, (size_t)atoi(engines[i]), -1);
        run_free(&r);
        free(values);
    }
    expect_last_first();
}
END_TEST

START_TEST(all_together)
{
    struct watch s = {.rule = RULE_TOGETHER, .engines = 5, .count = 1};
    struct run r;
    run_watched(&r, &s, "all");
    expect_in_engines(&r, &s, "all");
    expect_no_idle(&r, &s, "all");
    for (int id = 0; id < s.engines; id++)
        if (s.times_on[id] != 1)
            fail_test(CAUSE_METHOD, &r,
                      "apply_all on %d engines: engine %d ran the task %d times; each engine runs it once.", s.engines,
                      id, s.times_on[id]);
    run_free(&r);
}
END_TEST

/* ---- the direct view ---- */

START_TEST(direct_results)
{
    map_and_check(&plain, "4", "direct", 37);
}
END_TEST

/* The first and the last task that engine id ran; false if there is none. */
static bool find_block(const struct watch *s, int id, size_t *first, size_t *last)
{
    bool any = false;
    for (size_t i = 0; i < s->count; i++)
        if (s->ran_on[i] == id) {
            *first = any ? *first : i;
            *last = i;
            any = true;
        }
    return any;
}

static void expect_blocks(const struct run *r, const struct watch *s)
{
    char sizes[200] = "";
    int least = s->times_on[0], most = s->times_on[0];
    for (int id = 0; id < s->engines; id++) {
        size_t first = 0, last = 0, used = strlen(sizes);
        if (find_block(s, id, &first, &last) && last - first + 1 != (size_t)s->times_on[id])
            fail_test(CAUSE_METHOD, r,
                      "direct_map, %zu tasks on %d engines: engine %d ran %d tasks between task %zu and task %zu, "
                      "but not all of those. A block is made of neighbouring tasks, and it is fixed beforehand whose "
                      "they are.",
                      s->count, s->engines, id, s->times_on[id], first, last);
        snprintf(sizes + used, sizeof sizes - used, "%s%d", id ? ", " : "", s->times_on[id]);
        least = s->times_on[id] < least ? s->times_on[id] : least;
        most = s->times_on[id] > most ? s->times_on[id] : most;
    }
    if (most - least > 1)
        fail_test(CAUSE_METHOD, r,
                  "direct_map, %zu tasks on %d engines: the engines ran %s tasks; the blocks' sizes may differ by "
                  "at most one. Let the first count %% engines blocks be one longer than the others.",
                  s->count, s->engines, sizes);
}

START_TEST(direct_blocks)
{
    static const struct {
        size_t count;
        int engines;
    } cases[] = {{10, 4}, {11, 4}, {37, 4}, {5, 4}, {20, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct watch s = {.rule = RULE_RECORD, .engines = cases[i].engines, .count = cases[i].count};
        struct run r;
        run_watched(&r, &s, "direct");
        expect_each_once(&r, &s, "direct");
        expect_blocks(&r, &s);
        run_free(&r);
    }
}
END_TEST

enum delays { DELAYS_RANDOM, DELAYS_FIRST_LONG, DELAYS_GROW };

/* Virtual milliseconds of count tasks, no two ends alike. */
static void choose_delays(int64_t *delay, size_t count, enum delays kind)
{
    struct rng rng = rng_seeded(suite_seed() + (uint64_t)kind + count);
    for (size_t i = 0; i < count; i++)
        delay[i] = 1 + (int64_t)(kind == DELAYS_GROW ? 10 * i + rng_below(&rng, 10) : rng_below(&rng, 250));
    if (kind == DELAYS_FIRST_LONG)
        delay[0] = (int64_t)count * 250;
}

static void expect_busy_engines(enum rule rule, const char *view, int engines, size_t count, enum delays kind)
{
    int64_t delay[MOST_TASKS];
    struct watch s = {.rule = rule, .engines = engines, .count = count, .delay = delay};
    struct run r;
    choose_delays(delay, count, kind);
    run_watched(&r, &s, view);
    expect_in_engines(&r, &s, view);
    expect_no_idle(&r, &s, view);
    expect_each_once(&r, &s, view);
    expect_index_squares(&r, view, count, 0, 0);
    run_free(&r);
}

START_TEST(direct_own_pace)
{
    expect_busy_engines(RULE_DIRECT, "direct", 4, 32, DELAYS_RANDOM);
    expect_busy_engines(RULE_DIRECT, "direct", 3, 12, DELAYS_FIRST_LONG);
    expect_busy_engines(RULE_DIRECT, "direct", 2, 6, DELAYS_GROW);
}
END_TEST

/* ---- the load-balanced view ---- */

START_TEST(balanced_results)
{
    map_and_check(&plain, "4", "balanced", 37);
}
END_TEST

START_TEST(balanced_never_idle)
{
    expect_busy_engines(RULE_BALANCED, "balanced", 4, 64, DELAYS_RANDOM);
    expect_busy_engines(RULE_BALANCED, "balanced", 3, 16, DELAYS_FIRST_LONG);
    expect_busy_engines(RULE_BALANCED, "balanced", 2, 9, DELAYS_GROW);
}
END_TEST

/* When does the last task end, if each in turn goes to the engine that is idle first? */
static int64_t list_makespan(const int64_t *delay, size_t count, int engines)
{
    int64_t free_at[MOST_ENGINES] = {0}, makespan = 0;
    for (size_t i = 0; i < count; i++) {
        int first = 0;
        for (int id = 1; id < engines; id++)
            first = free_at[id] < free_at[first] ? id : first;
        free_at[first] += delay[i];
        makespan = free_at[first] > makespan ? free_at[first] : makespan;
    }
    return makespan;
}

/* The engines' first tasks come at the same time, in any order; then one follows another. */
START_TEST(balanced_in_turn)
{
    int64_t delay[MOST_TASKS];
    struct watch s = {.rule = RULE_BALANCED, .engines = 4, .count = 40, .delay = delay};
    struct run r;
    choose_delays(delay, s.count, DELAYS_RANDOM);
    run_watched(&r, &s, "balanced");
    expect_in_engines(&r, &s, "balanced");
    expect_no_idle(&r, &s, "balanced");
    expect_each_once(&r, &s, "balanced");
    for (size_t i = 0; i < s.count; i++)
        if (i < 4 ? s.order[i] > 3 : s.order[i] != i)
            fail_test(CAUSE_METHOD, &r,
                      "balanced_map, %zu tasks on 4 engines: task %zu began as number %zu; the next task is the "
                      "first one, in the order of in, that no engine has yet. (Makespan in virtual time: %lld ms; in "
                      "that order "
                      "on paper: %lld ms.)",
                      s.count, s.order[i], i, (long long)s.clock, (long long)list_makespan(delay, s.count, s.engines));
    int64_t paper = list_makespan(delay, s.count, s.engines);
    if (s.clock != paper)
        fail_test(CAUSE_METHOD, &r,
                  "balanced_map: makespan %lld ms of virtual time; list scheduling on paper gives %lld ms.",
                  (long long)s.clock, (long long)paper);
    run_free(&r);
}
END_TEST

/* ---- both ---- */

static const char *const maps[] = {"direct", "balanced"};

static void expect_odd_count(const char *view, int engines, size_t count)
{
    struct watch s = {.rule = RULE_RECORD, .engines = engines, .count = count};
    struct run r;
    char *also = text_format("In this run there are %zu tasks for %d engines.%s", count, engines,
                             count == 0 ? " Count down from 0, or take 1 from it, and a size_t is the largest number "
                                          "that there is."
                                        : "");
    say_also(also);
    run_watched(&r, &s, view);
    if (s.begun > count)
        fail_test(
            CAUSE_MEMORY, &r,
            "%s, %zu tasks on %d engines: %zu tasks were begun, in[%zu] lies past the end of in. With fewer tasks than "
            "engines some engines get none.",
            function_of(view), count, engines, s.begun, count);
    expect_each_once(&r, &s, view);
    int64_t *values = put_indices(count);
    expect_squares(&r, view, values, count);
    say_also("");
    free(also);
    free(values);
    run_free(&r);
}

START_TEST(odd_counts)
{
    static const struct {
        size_t count;
        int engines;
    } cases[] = {{3, 4}, {1, 4}, {0, 4}, {5, 1}, {6, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int m = 0; m < 2; m++)
            expect_odd_count(maps[m], cases[i].engines, cases[i].count);
}
END_TEST

static void expect_reversed(const struct run *r, const char *view, const unsigned char *in, const size_t *shape)
{
    struct npy out = expect_array(r, "out.npy", NPY_U1, 2, shape);
    const unsigned char *result = out.data;
    for (size_t i = 0; i < shape[0] * shape[1]; i++) {
        size_t row = i / shape[1], column = i % shape[1];
        unsigned expected = in[row * shape[1] + shape[1] - 1 - column];
        if (result[i] != expected) {
            const char *race = race_words();
            fail_test(*race ? CAUSE_RACE : CAUSE_WRONG_VALUE, r,
                      "%s, elements of 1 MiB: byte %zu of out[%zu] is %u, expected %u.%s", function_of(view), column,
                      row, result[i], expected, race);
        }
    }
    npy_free(&out);
}

START_TEST(large_elements)
{
    size_t shape[] = {12, 1u << 20}, bytes = shape[0] * shape[1];
    unsigned char *in = malloc(bytes);
    struct rng rng = rng_seeded(suite_seed());
    for (size_t i = 0; i < bytes; i++)
        in[i] = (unsigned char)rng_next(&rng);
    put_array("in.npy", NPY_U1, 2, shape, in);
    for (int m = 0; m < 2; m++) {
        struct run r;
        run_program(&r, &plain, ARGS(maps[m], "in.npy", "out.npy"));
        expect_done(&r);
        expect_reversed(&r, maps[m], in, shape);
        run_free(&r);
    }
    free(in);
}
END_TEST

/* ---- what goes wrong ---- */

/* One of 20 tasks on 4 engines. Not the last one of its block, so that something of the block is
   left when it goes wrong; not one of the last block, so that much is left of the others. */
static size_t random_task(void)
{
    struct rng rng = rng_seeded(suite_seed() + 1);
    return 5 * rng_below(&rng, 3) + rng_below(&rng, 4);
}

/* main.c has filled out with zeros: where task bad failed they must still stand. */
static void expect_untouched(const struct run *r, const char *view, size_t count, size_t bad)
{
    struct npy out = expect_array(r, "out.npy", NPY_I8, 2, (size_t[]){count, 2});
    const int64_t(*pair)[2] = out.data;
    if (pair[bad][0] != 0 || pair[bad][1] != 0)
        fail_test(CAUSE_WRONG_VALUE, r,
                  "%s: task %zu failed, so its place in out must stay as it was, all zeros; now it holds (%lld, %lld). "
                  "engines_collect stores nothing when it returns -1: copy nothing either.",
                  function_of(view), bad, (long long)pair[bad][0], (long long)pair[bad][1]);
    npy_free(&out);
}

static const char one_fails[] =
    "In this run one task fails (main.c's option -f). It would fail again: it is run once, like the others.";

/* A task that failed in the first call must not be remembered in the second. */
static void expect_forgotten(const char *view, const char *word, const int64_t *values)
{
    struct run r;
    say_also(
        "In this run the map is called twice, and a task fails in the first call only (main.c's options -m 2 -1); out\n"
        "  is that of the second call, where nothing of the first one may be remembered.");
    run_program(&r, &plain, ARGS("-m", "2", "-1", "-f", word, "-s", "status.npy", view, "in.npy", "out.npy"));
    expect_done(&r);
    expect_status(&r, view, 2, 0, -1, EIO);
    if (read_status(&r, view, 2, 1).value != 0)
        fail_test(
            CAUSE_WRONG_VALUE, &r,
            "%s was called twice; a task failed in the first call only, but the second call returned -1, too. What "
            "your function remembers of an error must begin anew in every call: no static or global variable.",
            function_of(view));
    expect_squares(&r, view, values, 20);
    run_free(&r);
    say_also(one_fails);
}

static const char *number_word(char text[24], int64_t number)
{
    snprintf(text, 24, "%lld", (long long)number);
    return text;
}

START_TEST(failing_task)
{
    struct run r;
    char word[24];
    size_t bad = random_task();
    int64_t *values = put_values(20);
    say_also(one_fails);
    number_word(word, values[bad]);
    for (int m = 0; m < 2; m++) {
        run_program(&r, &plain, ARGS("-f", word, "-s", "status.npy", maps[m], "in.npy", "out.npy"));
        expect_done(&r);
        expect_status(&r, maps[m], 1, 0, -1, EIO);
        expect_squares_but(&r, maps[m], values, 20, bad, bad + 1);
        expect_untouched(&r, maps[m], 20, bad);
        run_free(&r);
        expect_forgotten(maps[m], word, values);
    }
    free(values);
    values = put_values(2);
    number_word(word, values[0]);
    run_program(&r, &plain, ARGS("-f", word, "-o", "1", "-s", "status.npy", "all", "in.npy", "out.npy"));
    expect_done(&r);
    expect_status(&r, "all", 2, 0, -1, EIO);
    expect_status(&r, "all", 2, 1, 0, 0);
    expect_from_all(&r, values, 2, 4, 1);
    run_free(&r);
    run_program(&r, &plain, ARGS("-f", word, "-s", "status.npy", "sync", "in.npy", "out.npy"));
    expect_done(&r);
    expect_status(&r, "sync", 2, 0, -1, EIO);
    expect_status(&r, "sync", 2, 1, 0, 0);
    run_free(&r);
    free(values);
}
END_TEST

/* 20 tasks on 4 engines, one of which is killed by task number bad. In the direct view
   its block is lost, tasks block ... block + 4; in the balanced view only that task. */
static void expect_others_done(const char *view, size_t bad)
{
    struct watch s = {.rule = RULE_RECORD, .engines = 4, .count = 20};
    struct run r;
    char word[24];
    bool direct = strcmp(view, "direct") == 0;
    size_t from = direct ? bad / 5 * 5 : bad, to = direct ? from + 5 : bad + 1;
    run_watched_with(&r, &s,
                     ARGS("-x", number_word(word, (int64_t)bad), "-s", "status.npy", view, "in.npy", "out.npy"));
    expect_in_engines(&r, &s, view);
    expect_status(&r, view, 1, 0, -1, ECHILD);
    for (size_t i = 0; i < s.count; i++) {
        if (s.times[i] > 1)
            fail_test(CAUSE_METHOD, &r, "%s: task %zu was run %d times%s.", function_of(view), i, s.times[i],
                      i == bad ? ". Its engine died with it: given to another engine, it kills that one, too" : "");
        if (direct && i >= from && i < to && s.times[i] > 0 && s.ran_on[i] != s.ran_on[bad])
            fail_test(
                CAUSE_METHOD, &r,
                "direct_map, 20 tasks on 4 engines: engine %d died in task %zu; then engine %d ran task %zu of its "
                "block. In the direct view a block stays with its engine, also when that dies.",
                s.ran_on[bad], bad, s.ran_on[i], i);
        if (s.times[i] == 0 && (i < from || i >= to))
            fail_test(CAUSE_METHOD, &r,
                      "%s, 20 tasks on 4 engines: engine %d died in task %zu; then task %zu was never run, "
                      "although %s.",
                      function_of(view), s.ran_on[bad], bad, i,
                      direct ? "its own engine lives" : "three engines were left to do it");
    }
    int64_t *values = put_indices(s.count);
    expect_squares_but(&r, view, values, s.count, from, to);
    free(values);
    run_free(&r);
}

/* Task 0 and then task 3, which another engine runs: one fails, one kills its engine. Task 3 is
   held until what became of task 0 is known to the caller. */
static void expect_death_counts_more(const char *view, const char *killing, const char *failing)
{
    struct watch s = {.rule = RULE_AFTER, .engines = 2, .count = 6, .after = 3};
    struct witness w = {.on_event = see, .on_quiet = see_quiet, .quiet_seconds = 0.03, .state = &s};
    struct launch how = {.seconds = SECONDS, .witness = &w};
    struct run r;
    free(put_indices(s.count));
    run_program(&r, &how, ARGS("-n", "2", "-x", killing, "-f", failing, "-s", "status.npy", view, "in.npy", "out.npy"));
    witness_free(&w);
    expect_done(&r);
    struct status came = read_status(&r, view, 1, 0);
    if (came.value == -1 && came.error == EIO)
        fail_test(CAUSE_WRONG_VALUE, &r,
                  "%s: an engine died in task %s, task %s failed: errno is EIO, but ECHILD counts more, "
                  "whatever comes first.",
                  function_of(view), killing, failing);
    expect_status(&r, view, 1, 0, -1, ECHILD);
    run_free(&r);
}

/* apply_all with a dead engine 1: the others may be done before the death is noticed, or long after it. */
static void expect_others_collected(const char *const *args, const int64_t *value)
{
    static const enum rule turns[] = {RULE_LAST_FIRST, RULE_FIRST_FIRST};
    for (int i = 0; i < 2; i++) {
        struct run r;
        run_in_turn(&r, turns[i], args);
        expect_status(&r, "all", 1, 0, -1, ECHILD);
        expect_from_all(&r, value, 1, 4, 1);
        run_free(&r);
    }
}

START_TEST(dying_engine)
{
    struct run r;
    say_also(
        "In this run a task kills its engine (main.c's option -x). The engine takes no task from then on, and where\n"
        "  all are dead engines_any returns -1.");
    for (int m = 0; m < 2; m++) {
        expect_others_done(maps[m], random_task());
        expect_death_counts_more(maps[m], "0", "3");
        expect_death_counts_more(maps[m], "3", "0");
    }
    int64_t same[] = {7, 7, 7, 7, 7, 7};
    put_array("in.npy", NPY_I8, 1, (size_t[]){6}, same);
    for (int m = 0; m < 2; m++) { /* every task kills its engine, until there is none */
        run_program(&r, &plain, ARGS("-n", "2", "-x", "7", "-s", "status.npy", maps[m], "in.npy", "out.npy"));
        expect_done(&r);
        expect_status(&r, maps[m], 1, 0, -1, ECHILD);
        run_free(&r);
    }
    put_array("in.npy", NPY_I8, 1, (size_t[]){1}, same);
    expect_others_collected(ARGS("-x", "7", "-o", "1", "-s", "status.npy", "all", "in.npy", "out.npy"), same);
    run_program(&r, &plain, ARGS("-x", "7", "-s", "status.npy", "sync", "in.npy", "out.npy"));
    expect_done(&r);
    expect_status(&r, "sync", 1, 0, -1, ECHILD);
    run_free(&r);
}
END_TEST

/* Engine 1 of 4 is dead before the call. Everything may have been done by the others:
   then 0 is right, too. If not, only tasks of one block of five may be missing. */
static void expect_dead_noticed(const char *view)
{
    bool direct = strcmp(view, "direct") == 0;
    struct watch s = {.rule = direct ? RULE_DIRECT : RULE_BALANCED, .engines = 4, .count = 20, .dead = 1};
    struct run r;
    run_watched_with(&r, &s, ARGS("-k", "1", "-s", "status.npy", view, "in.npy", "out.npy"));
    expect_in_engines(&r, &s, view);
    size_t missing = 0, first = 0;
    for (size_t i = s.count; i-- > 0;)
        if (s.times[i] == 0) {
            missing++;
            first = i;
        }
    for (size_t i = 0; i < s.count; i++)
        if (s.times[i] > 1 || (s.times[i] == 0 && (!direct || i / 5 != first / 5)))
            fail_test(CAUSE_METHOD, &r,
                      "%s, 20 tasks on 4 engines, of which engine 1 was dead before the call: task %zu was run "
                      "%d times%s.",
                      function_of(view), i, s.times[i],
                      s.times[i] ? ""
                                 : ". A task that engines_submit could not hand over is still to be done, by an engine "
                                   "that lives");
    if (missing > 0 || read_status(&r, view, 1, 0).value != 0)
        expect_status(&r, view, 1, 0, -1, ECHILD);
    expect_no_idle(&r, &s, view);
    int64_t *values = put_indices(s.count);
    expect_squares_but(&r, view, values, s.count, missing ? first / 5 * 5 : 0, missing ? first / 5 * 5 + 5 : 0);
    free(values);
    run_free(&r);
}

START_TEST(dead_engine)
{
    struct run r;
    say_also(
        "In this run engine 1 was killed before the call (main.c's option -k): engines_submit says so, every time.");
    expect_dead_noticed("direct");
    expect_dead_noticed("balanced");
    int64_t *values = put_values(1);
    expect_others_collected(ARGS("-k", "1", "-s", "status.npy", "all", "in.npy", "out.npy"), values);
    run_program(&r, &plain, ARGS("-k", "1", "-i", "1", "-s", "status.npy", "sync", "in.npy", "out.npy"));
    expect_done(&r);
    expect_status(&r, "sync", 1, 0, -1, ECHILD);
    run_free(&r);
    free(values);
}
END_TEST

/* ---- what is left ---- */

static void expect_nothing_left(const struct run *r, const struct watch *s, const char *view)
{
    const char *name = function_of(view);
    int more = s->descriptors[1] - s->descriptors[0];
    if (!s->counted[0] || !s->counted[1])
        fail_test(CAUSE_TAMPER, r, "main.c did not come to its end.");
    if (more != 0)
        fail_test(more > 0 ? CAUSE_LEAK : CAUSE_HYGIENE, r,
                  more > 0 ? "after the last of three calls %s has left %d descriptors (pipes, sockets, files) open."
                           : "%s has closed %d descriptors that are not its own.",
                  name, more > 0 ? more : -more);
    if (s->zombies[1] > 0)
        fail_test(CAUSE_HYGIENE, r, "%s has left %d zombie%s: ended, but nobody called waitpid for it.", name,
                  s->zombies[1], s->zombies[1] == 1 ? "" : "s");
    if (s->living[1] != s->living[0])
        fail_test(CAUSE_HYGIENE, r,
                  "there were %d child processes (the engines) before the first call of %s, and %d after the "
                  "last.",
                  s->living[0], name, s->living[1]);
}

START_TEST(used_again)
{
    static const char *const views[] = {"direct", "balanced", "all", "sync"};
    for (int v = 0; v < 4; v++) {
        struct watch s = {.rule = RULE_RECORD, .engines = 4, .count = 9};
        size_t calls = v < 2 ? 3 : 27;
        struct run r;
        run_watched_with(&r, &s, ARGS("-m", "3", "-s", "status.npy", views[v], "in.npy", "out.npy"));
        for (size_t k = 0; k < calls; k++)
            expect_status(&r, views[v], calls, k, 0, 0);
        int64_t *values = put_indices(s.count);
        if (strcmp(views[v], "all") == 0)
            expect_from_all(&r, values, s.count, 4, -1);
        else
            expect_squares(&r, views[v], values, s.count);
        expect_nothing_left(&r, &s, views[v]);
        free(values);
        run_free(&r);
    }
}
END_TEST

START_TEST(memory_clean)
{
    struct run r;
    map_and_check(&asan, "4", "sync", 3);
    for (int m = 0; m < 2; m++) {
        map_and_check(&asan, "5", maps[m], 37);
        map_and_check(&asan, "4", maps[m], 2);
        map_and_check(&tsan, "4", maps[m], 37);
        map_and_check(&asan, "40", maps[m], 45); /* more engines than an array of fixed size has places */
        free(put_indices(9));
        run_program(&r, &asan, ARGS("-f", "4", "-s", "status.npy", maps[m], "in.npy", "out.npy"));
        expect_done(&r);
        run_free(&r);
    }
    static const int64_t same[] = {7, 7, 7, 7, 7, 7};
    put_array("in.npy", NPY_I8, 1, (size_t[]){6}, same);
    for (int m = 0; m < 2; m++) { /* every task kills its engine, until there is none */
        run_program(&r, &asan, ARGS("-n", "2", "-x", "7", "-s", "status.npy", maps[m], "in.npy", "out.npy"));
        expect_done(&r);
        run_free(&r);
    }
    int64_t *values = put_values(3);
    run_program(&r, &asan, ARGS("-n", "5", "all", "in.npy", "out.npy"));
    expect_done(&r);
    expect_from_all(&r, values, 3, 5, -1);
    run_free(&r);
    run_program(&r, &tsan, ARGS("-n", "4", "all", "in.npy", "out.npy"));
    expect_done(&r);
    expect_from_all(&r, values, 3, 4, -1);
    run_free(&r);
    free(values);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        sync_result,     sync_engine,      all_results,         all_together,     direct_results, direct_blocks,
        direct_own_pace, balanced_results, balanced_never_idle, balanced_in_turn, odd_counts,     large_elements,
        failing_task,    dying_engine,     dead_engine,         used_again,       memory_clean,
    };
    return suite_main(argc, argv, "views", tests, sizeof tests / sizeof tests[0]);
}
