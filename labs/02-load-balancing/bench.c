/* bench.c: lab 02 against the field: the direct and the balanced view on the same delays,
   with the times at which each task ran, and how many empty tasks a second either view
   gives out. peer.py does the same with ipyparallel's two views.

   The delays are those of peer.py: delay k is ((k * 40503) mod 65536) / 65536 of the longest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "race.h"
#include "views.h"

enum { ENGINES = 4, TASKS = 64 };

struct span {
    double pid, begin, end;
};

typedef int (*view_fn)(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                       size_t count);

static void expect_done(int result, const char *what)
{
    if (result != 0) {
        perror(what);
        exit(EXIT_FAILURE);
    }
}

/* ---- delays ---- */

static int sleep_for(const void *in, void *out)
{
    double delay = *(const double *)in;
    struct span *span = out;
    span->begin = seconds_now();
    /* Until a point in time: a sleep that a signal cuts short goes on, and rounding does not add up. */
    double end = span->begin + delay;
    struct timespec until = {(time_t)end, (long)(1e9 * (end - (double)(time_t)end))};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        continue;
    span->end = seconds_now();
    span->pid = (double)getpid();
    return 0;
}

/* Longest, rounds and so on as JSON: the spans of all tasks, from the start of the call. */
static const char *gantt_of(const struct span *span, double start)
{
    static char text[TASKS * 64];
    size_t used = (size_t)snprintf(text, sizeof text, ", \"gantt\": [");
    for (int i = 0; i < TASKS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s[%.0f, %.6f, %.6f]", i ? ", " : "", span[i].pid,
                                 span[i].begin - start, span[i].end - start);
    snprintf(text + used, sizeof text - used, "]");
    return text;
}

static void delays_once(const struct race *race, struct engines *e, const char *name, view_fn view,
                        const double *delays, const char *about, int round)
{
    struct span span[TASKS] = {{0}};
    double begin = seconds_now();
    expect_done(view(e, sleep_for, delays, sizeof *delays, span, sizeof *span, TASKS), name);
    race_tell(race, name, about, seconds_now() - begin, round, gantt_of(span, begin));
}

static void race_delays(const struct race *race, double longest)
{
    double delays[TASKS];
    for (int k = 0; k < TASKS; k++)
        delays[k] = longest * (double)(k * 40503 % 65536) / 65536;
    struct engines *e = engines_start(ENGINES);
    expect_done(e ? 0 : -1, "engines_start");
    const char *about =
        race_text("{\"engines\": %d, \"tasks\": %d, \"longest\": %g, \"what\": \"delays\"}", ENGINES, TASKS, longest);
    for (int round = race->first; round < race->first + race->rounds; round++) {
        delays_once(race, e, "direct_map", direct_map, delays, about, round);
        delays_once(race, e, "balanced_map", balanced_map, delays, about, round);
    }
    engines_stop(e);
}

/* ---- empty tasks ---- */

static int nothing(const void *in, void *out)
{
    memcpy(out, in, sizeof(long));
    return 0;
}

struct work {
    struct engines *engines;
    view_fn view;
    size_t count;
    long *in, *out;
};

static void run_view(void *with)
{
    const struct work *w = with;
    expect_done(w->view(w->engines, nothing, w->in, sizeof *w->in, w->out, sizeof *w->out, w->count), "the view");
}

static void race_empty(const struct race *race, size_t count)
{
    struct engines *e = engines_start(ENGINES);
    long *in = calloc(count, sizeof *in), *out = calloc(count, sizeof *out);
    expect_done(e && in && out ? 0 : -1, "engines_start");
    struct work direct = {e, direct_map, count, in, out}, balanced = {e, balanced_map, count, in, out};
    const struct contender list[] = {{"direct_map", run_view, &direct}, {"balanced_map", run_view, &balanced}};
    race_run(race, race_text("{\"engines\": %d, \"tasks\": %zu, \"what\": \"empty\"}", ENGINES, count), list, 2);
    engines_stop(e);
    free(in);
    free(out);
}

int main(int argc, char **argv)
{
    struct race race = race_options(argc, argv);
    race_delays(&race, race.quick ? 0.005 : 0.25);
    race_empty(&race, race.quick ? 100 : 1000);
    return EXIT_SUCCESS;
}
