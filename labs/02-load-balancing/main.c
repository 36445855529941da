/* main.c: the program around views.c.

     views                                      the demo: 4 engines, both views, their Gantt charts
     views [options] VIEW IN.npy OUT.npy        VIEW: sync, all, direct or balanced

   IN of shape (n,), int64:       the task squares; a result is the pair (engine, square)
   IN of shape (n, bytes), uint8: the task reverses the element's bytes
   IN of shape (n,), float64:     the task sleeps for so many seconds; a result is
                                  the row (engine, pid, t0, t1), float64
   OUT has shape (n, ...), for "all" (n, engines, ...): what each engine returned. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "leak_check.h"
#include "npy.h"
#include "rng.h"
#include "views.h"
#include "witness.h"

static const char usage[] =
    "usage: views                              4 engines, 64 delays, both views\n"
    "       views [options] VIEW IN.npy OUT.npy\n"
    "  VIEW   sync (element k on engine k mod N), all, direct, balanced\n"
    "  -n N   engines (4)                      -i ID  for sync: every element on engine ID\n"
    "  -m N   calls on the same engines (1)    -s S   status file: per call, what it returned, errno,\n"
    "  -f V   the task whose element is V fails       and how many engines it left busy\n"
    "  -x V   the engine whose element is V is killed\n"
    "  -o ID  -f and -x only on engine ID      -k ID  engine ID is killed before the calls\n"
    "  -1     -f and -x only in the first map  -d S   the demo's longest delay, in seconds (0.05)\n"
    "example: views -n 4 balanced in.npy out.npy\n";

enum view { VIEW_SYNC, VIEW_ALL, VIEW_DIRECT, VIEW_BALANCED };
static const char *const view_names[] = {"sync", "all", "direct", "balanced"};
static const char *const function_names[] = {"apply_sync", "apply_all", "direct_map", "balanced_map"};

/* Set before the engines start, so that they have a copy. */
static struct {
    int engines, maps;
    int only_engine, sync_engine, dead_engine; /* NO_ENGINE: not asked for */
    int64_t failing, killing;
    double longest;
    bool only_first;
    const char *status;
    size_t bytes; /* of one element, when elements are bytes */
} options;
enum { NO_ENGINE = -1000 };

/* Points at which the suite looks at the processes from outside. */
enum { POINT_ENGINE, POINT_CALL, POINT_RETURN };

/* ---- the tasks, which run in the engines ---- */

static int my_engine = -1;       /* in an engine: its id */
static const size_t *map_number; /* shared with main: of the map that it is about, from 0 */

/* The first task of every engine: it learns its id, and tells the suite. */
static int learn_id(const void *in, void *out)
{
    (void)out;
    my_engine = *(const int *)in;
    witness_tell(WITNESS_POINT, POINT_ENGINE, my_engine);
    return 0;
}

static int get_pid(const void *in, void *out)
{
    (void)in;
    *(pid_t *)out = getpid();
    return 0;
}

struct squared {
    int64_t engine, value;
};

static int square(const void *in, void *out)
{
    int64_t value = *(const int64_t *)in;
    bool chosen = (options.only_engine == NO_ENGINE || options.only_engine == my_engine) &&
                  (!options.only_first || *map_number == 0);
    witness_tell(WITNESS_BEGIN, value, my_engine);
    if (chosen && value == options.killing)
        raise(SIGKILL);
    if (chosen && value == options.failing)
        return 1;
    *(struct squared *)out = (struct squared){my_engine, value * value};
    return 0;
}

static int reverse(const void *in, void *out)
{
    const unsigned char *from = in;
    unsigned char *to = out;
    for (size_t i = 0; i < options.bytes; i++)
        to[i] = from[options.bytes - 1 - i];
    return 0;
}

/* A row of timeline.npy. */
struct span {
    double engine, pid, t0, t1;
};

static int sleep_and_note(const void *in, void *out)
{
    double delay = *(const double *)in, t0 = seconds_now();
    struct timespec left = {.tv_sec = (time_t)delay, .tv_nsec = (long)((delay - (double)(time_t)delay) * 1e9)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    *(struct span *)out = (struct span){my_engine, getpid(), t0, seconds_now()};
    return 0;
}

/* ---- the engines ---- */

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static struct engines *start_engines(int count)
{
    struct engines *e = engines_start(count);
    for (int id = 0; e && id < count; id++)
        if (engines_submit(e, id, learn_id, &id, sizeof id, 0) != 0 || engines_collect(e, id, NULL) != 0) {
            failed("an engine does not start");
            exit(EXIT_FAILURE);
        }
    if (!e)
        failed("engines_start");
    return e;
}

/* Kills an engine, and returns when it is dead; as a zombie it keeps its number. */
static void kill_engine(struct engines *e, int id)
{
    siginfo_t unused;
    pid_t pid = engines_pid(e, id);
    if (pid > 0 && kill(pid, SIGKILL) == 0)
        waitid(P_PID, (id_t)pid, &unused, WEXITED | WNOWAIT);
}

/* How many engines take no further task because they still have one? */
static int count_busy(struct engines *e)
{
    int busy = 0;
    pid_t pid;
    for (int id = 0; id < engines_count(e); id++) {
        if (engines_submit(e, id, get_pid, NULL, 0, sizeof pid) == 0)
            engines_collect(e, id, &pid);
        else
            busy += errno == EBUSY;
    }
    return busy;
}

/* ---- the calls ---- */

/* Results that out has room for beyond the last: a task too many is then told by the suite, in
   words, rather than by a crash. AddressSanitizer's words are as good, so there it has none. */
#ifdef __SANITIZE_ADDRESS__
enum { SLACK = 0 };
#else
enum { SLACK = 16 };
#endif

/* What is to be done with the elements of a file. */
struct work {
    enum view view;
    task_fn task;
    const char *in;
    char *out;
    size_t in_size, out_size; /* of one element */
    size_t count;
    size_t per_element; /* results of one element: 1, or engines */
    size_t calls;       /* that one map over all elements takes */
};

static int call_view(struct engines *e, const struct work *w, size_t k)
{
    const void *in = w->in + k * w->in_size;
    void *out = w->out + k * w->per_element * w->out_size;
    int id = options.sync_engine == NO_ENGINE ? (int)(k % (size_t)options.engines) : options.sync_engine;
    switch (w->view) {
    case VIEW_SYNC:
        return apply_sync(e, id, w->task, in, w->in_size, out, w->out_size);
    case VIEW_ALL:
        return apply_all(e, w->task, in, w->in_size, out, w->out_size);
    case VIEW_DIRECT:
        return direct_map(e, w->task, w->in, w->in_size, w->out, w->out_size, w->count);
    case VIEW_BALANCED:
        return balanced_map(e, w->task, w->in, w->in_size, w->out, w->out_size, w->count);
    }
    return -1;
}

/* Makes the calls -m times, and remembers how each of them ended. */
static int make_calls(struct engines *e, const struct work *w, int64_t (*status)[3], size_t *number)
{
    int result = EXIT_SUCCESS;
    for (size_t k = 0; k < w->calls * (size_t)options.maps; k++) {
        *number = k / w->calls;
        if (k % w->calls == 0) /* nothing that an earlier round has left can pass for a result */
            memset(w->out, 0, w->count * w->per_element * w->out_size);
        witness_tell(WITNESS_POINT, POINT_CALL, (int64_t)k);
        errno = 0;
        status[k][0] = call_view(e, w, k % w->calls);
        status[k][1] = status[k][0] ? errno : 0;
        witness_tell(WITNESS_POINT, POINT_RETURN, (int64_t)k);
        if (status[k][0] && !options.status)
            result = failed(function_names[w->view]);
        status[k][2] = count_busy(e);
    }
    return result;
}

/* ---- files ---- */

/* Chooses task and sizes by what the elements are. */
static bool plan(struct work *w, const struct npy *in)
{
    *w = (struct work){.view = w->view, .in = in->data, .count = in->shape[0], .per_element = 1, .calls = 1};
    if (in->type == NPY_I8 && in->ndim == 1) {
        w->task = square;
        w->out_size = sizeof(struct squared);
    } else if (in->type == NPY_U1 && in->ndim == 2) {
        w->task = reverse;
        w->out_size = options.bytes = in->shape[1];
    } else if (in->type == NPY_F8 && in->ndim == 1) {
        w->task = sleep_and_note;
        w->out_size = sizeof(struct span);
    } else
        return false;
    w->in_size = in->type == NPY_U1 ? in->shape[1] : npy_item_size(in->type);
    if (w->view == VIEW_ALL)
        w->per_element = (size_t)options.engines;
    if (w->view == VIEW_SYNC || w->view == VIEW_ALL)
        w->calls = w->count;
    w->out = calloc(w->count * w->per_element + SLACK, w->out_size + 1);
    return true;
}

static int save(const char *path, enum npy_type type, const struct work *w, int64_t (*status)[3])
{
    size_t shape[3] = {w->count, w->per_element, w->out_size / npy_item_size(type)};
    size_t rows[2] = {w->calls * (size_t)options.maps, 3};
    if (w->view != VIEW_ALL)
        shape[1] = shape[2];
    if (npy_save(path, type, w->view == VIEW_ALL ? 3 : 2, shape, w->out) != 0 ||
        (options.status && npy_save(options.status, NPY_I8, 2, rows, status) != 0)) {
        fprintf(stderr, "%s\n", npy_error());
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* Starts the engines, makes the calls, stops the engines. */
static int run_engines(const struct work *w, int64_t (*status)[3])
{
    size_t *number = mmap(NULL, sizeof *number, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (number == MAP_FAILED)
        return failed("memory for the number of the map");
    map_number = number;
    struct engines *e = start_engines(options.engines);
    if (!e)
        return EXIT_FAILURE;
    if (options.dead_engine != NO_ENGINE)
        kill_engine(e, options.dead_engine);
    int result = make_calls(e, w, status, number);
    engines_stop(e);
    munmap(number, sizeof *number);
    return result;
}

static int run_file(enum view view, const char *in_path, const char *out_path)
{
    struct npy in;
    struct work w = {.view = view};
    if (npy_load(in_path, &in) != 0) {
        fprintf(stderr, "%s\n", npy_error());
        return EXIT_FAILURE;
    }
    if (!plan(&w, &in)) {
        fprintf(stderr, "%s: int64 or float64 of shape (n,) or uint8 of shape (n, bytes) is needed\n", in_path);
        npy_free(&in);
        return EXIT_FAILURE;
    }
    int64_t(*status)[3] = calloc(w.calls * (size_t)options.maps + 1, sizeof *status);
    int result = w.out && status ? run_engines(&w, status) : failed("memory for the results");
    leak_check();
    if (result == EXIT_SUCCESS)
        result = save(out_path, in.type, &w, status);
    free(w.out);
    free(status);
    npy_free(&in);
    return result;
}

/* ---- the demo ---- */

enum { DEMO_ENGINES = 4, DEMO_TASKS = 64, CHART_WIDTH = 80 };

/* A line of the chart: the engine's tasks, drawn in turn as # and =; a dot is idle time. */
static void draw_engine(int id, const struct span *spans, double begin, double end)
{
    char line[CHART_WIDTH + 1];
    int drawn = 0;
    memset(line, '.', CHART_WIDTH);
    line[CHART_WIDTH] = '\0';
    /* In time order: the engine's tasks stand in spans in the order in which it ran them. */
    for (int i = 0; i < DEMO_TASKS; i++) {
        if ((int)spans[i].engine != id)
            continue;
        int from = (int)((spans[i].t0 - begin) / (end - begin) * CHART_WIDTH);
        int to = (int)((spans[i].t1 - begin) / (end - begin) * CHART_WIDTH);
        for (int x = from > 0 ? from : 0; x <= to && x < CHART_WIDTH; x++)
            line[x] = drawn % 2 ? '=' : '#';
        drawn++;
    }
    printf("  engine %d |%s| %2d tasks\n", id, line, drawn);
}

static void draw_chart(const char *name, const double *delays, const struct span *spans)
{
    double begin = spans[0].t0, end = spans[0].t1, work = 0, sum = 0, longest = 0;
    for (int i = 0; i < DEMO_TASKS; i++) {
        begin = spans[i].t0 < begin ? spans[i].t0 : begin;
        end = spans[i].t1 > end ? spans[i].t1 : end;
        work += spans[i].t1 - spans[i].t0;
        sum += delays[i];
        longest = delays[i] > longest ? delays[i] : longest;
    }
    double makespan = end - begin, bound = sum / DEMO_ENGINES > longest ? sum / DEMO_ENGINES : longest;
    printf("\n%s view\n", name);
    for (int id = 0; id < DEMO_ENGINES; id++)
        draw_engine(id, spans, begin, end);
    printf("  makespan %.3f s, %.2f of the lower bound (%.3f s); engines idle for %.1f %% of the time\n", makespan,
           makespan / bound, bound, 100 * (1 - work / (DEMO_ENGINES * makespan)));
}

/* As in the seed: getpid here, on one engine, on all of them. */
static int demo_pids(struct engines *e)
{
    pid_t one, all[DEMO_ENGINES];
    printf("ids: [0, 1, 2, 3]\n");
    printf("getpid here: %d\n", (int)getpid());
    if (apply_sync(e, 0, get_pid, NULL, 0, &one, sizeof one) != 0)
        return failed("apply_sync");
    printf("getpid on engine 0: %d\n", (int)one);
    if (apply_all(e, get_pid, NULL, 0, all, sizeof *all) != 0)
        return failed("apply_all");
    printf("getpid on all engines: [%d, %d, %d, %d]\n", (int)all[0], (int)all[1], (int)all[2], (int)all[3]);
    return EXIT_SUCCESS;
}

static int demo_views(struct engines *e)
{
    double delays[DEMO_TASKS];
    struct span spans[2 * DEMO_TASKS] = {0};
    struct rng rng = rng_seeded((uint64_t)time(NULL));
    for (int i = 0; i < DEMO_TASKS; i++)
        delays[i] = options.longest * rng_double(&rng);
    printf("\n%d tasks that sleep for 0 to %g s\n", DEMO_TASKS, options.longest);
    if (direct_map(e, sleep_and_note, delays, sizeof *delays, spans, sizeof *spans, DEMO_TASKS) != 0)
        return failed("direct_map");
    draw_chart("direct", delays, spans);
    if (balanced_map(e, sleep_and_note, delays, sizeof *delays, spans + DEMO_TASKS, sizeof *spans, DEMO_TASKS) != 0)
        return failed("balanced_map");
    draw_chart("balanced", delays, spans + DEMO_TASKS);
    if (npy_save("timeline.npy", NPY_F8, 2, (size_t[]){2 * DEMO_TASKS, 4}, spans) != 0) {
        fprintf(stderr, "%s\n", npy_error());
        return EXIT_FAILURE;
    }
    printf("\ntimeline.npy: rows (engine, pid, t0, t1), first those of the direct view, then of the balanced one\n");
    return EXIT_SUCCESS;
}

static int demo(void)
{
    struct engines *e = start_engines(DEMO_ENGINES);
    if (!e)
        return EXIT_FAILURE;
    int result = demo_pids(e);
    if (result == EXIT_SUCCESS)
        result = demo_views(e);
    engines_stop(e);
    return result;
}

/* ---- the command line ---- */

static int misused(void)
{
    fputs(usage, stderr);
    return 2;
}

static int find_view(const char *name)
{
    for (int v = VIEW_SYNC; v <= VIEW_BALANCED; v++)
        if (strcmp(name, view_names[v]) == 0)
            return v;
    return -1;
}

int main(int argc, char **argv)
{
    options.engines = 4;
    options.maps = 1;
    options.longest = 0.05;
    options.only_engine = options.sync_engine = options.dead_engine = NO_ENGINE;
    options.failing = options.killing = INT64_MIN;
    for (int c; (c = getopt(argc, argv, "n:i:m:s:f:x:o:k:d:1h")) != -1;) {
        switch (c) {
        case 'n':
            options.engines = atoi(optarg);
            break;
        case 'i':
            options.sync_engine = atoi(optarg);
            break;
        case 'm':
            options.maps = atoi(optarg);
            break;
        case 's':
            options.status = optarg;
            break;
        case 'f':
            options.failing = strtoll(optarg, NULL, 10);
            break;
        case 'x':
            options.killing = strtoll(optarg, NULL, 10);
            break;
        case 'o':
            options.only_engine = atoi(optarg);
            break;
        case 'k':
            options.dead_engine = atoi(optarg);
            break;
        case '1':
            options.only_first = true;
            break;
        case 'd':
            options.longest = strtod(optarg, NULL);
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            return misused();
        }
    }
    if (optind == argc)
        return options.longest > 0 ? demo() : misused();
    int view = argc - optind == 3 ? find_view(argv[optind]) : -1;
    if (view < 0 || options.engines < 1 || options.maps < 1)
        return misused();
    return run_file((enum view)view, argv[optind + 1], argv[optind + 2]);
}
