/* main.c: the program around pool.c.

     pool                                       the demo: 4 workers, a task over 1 ... 8
     pool [options] IN.npy OUT.npy              maps a task over the elements of IN

   IN of shape (n,), int64:       OUT is int64 (n, 2): the worker's pid, and the square
   IN of shape (n, bytes), uint8: OUT is uint8 (n, bytes): each element's bytes reversed */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "leak_check.h"
#include "npy.h"
#include "pool.h"
#include "witness.h"

static const char usage[] =
    "usage: pool                               4 workers print their pid for 1 ... 8\n"
    "       pool [options] IN.npy OUT.npy\n"
    "  -p N   workers (4)                      -k N   elements in a chunk (0: the pool chooses)\n"
    "  -m N   maps on one pool (1)             -2     two pools, used in turn\n"
    "  -n N,N,...  elements of each map, the first of IN (all)\n"
    "  -s S   status file: per map, what pool_map returned, and errno\n"
    "  -t MS  the first map has 1000 elements, the next ones twice as many each, until MS ms have passed\n"
    "  -r R   file for the number of tasks that were run, and of those that should have been\n"
    "  -d US  each task sleeps for US microseconds\n"
    "  -f V   the task whose element is V fails\n"
    "  -x V   the worker whose element is V is killed\n"
    "  -i US  while it maps, the program gets a signal every US microseconds\n"
    "  -v     the program, each task and the end of each map print a line\n"
    "example: pool -p 4 -k 2 in.npy out.npy\n";

/* Set before the pool is made, so that the workers have a copy. */
static struct {
    int processes, maps;
    size_t chunk;
    bool two_pools, verbose;
    unsigned delay, time, interrupt;
    int64_t failing, killing;
    const char *status, *runs, *counts;
    size_t bytes; /* of one element, when elements are bytes */
} options = {.processes = 4, .maps = 1, .failing = INT64_MIN, .killing = INT64_MIN};

/* Tasks that were given to pool_map, and that were run, by whomever: all processes see this.
   Each counts on a line of memory of its own, so that to count keeps nobody waiting. */
static struct {
    int64_t given;
    _Atomic size_t lines;
    struct {
        alignas(64) _Atomic int64_t run;
    } line[64];
} * tasks;

/* Points at which the suite looks at the process from outside. */
enum { POINT_BEFORE, POINT_CREATED, POINT_MAPPED, POINT_DESTROYED };

/* ---- the tasks, which run in the workers ---- */

/* pid is who made the value; where a suite listens, a number that it told the maker alone. */
struct pair {
    int64_t pid, value;
};

static void count_task(void)
{
    static _Atomic int64_t *mine;
    if (!mine)
        mine = &tasks->line[atomic_fetch_add(&tasks->lines, 1) % 64].run;
    atomic_fetch_add(mine, 1);
}

static int64_t tasks_run(void)
{
    int64_t sum = 0;
    for (int i = 0; i < 64; i++)
        sum += tasks->line[i].run;
    return sum;
}

static int say_and_return(const void *in, void *out)
{
    const int64_t *arg = in;
    struct pair *result = out;
    printf("PID = %d, args = %" PRId64 "\n", (int)getpid(), *arg);
    *result = (struct pair){getpid(), *arg};
    return 0;
}

static int square(const void *in, void *out)
{
    const int64_t *value = in;
    struct pair *result = out;
    int64_t token = witness_tell(WITNESS_BEGIN, *value, 0);
    count_task();
    if (options.delay)
        usleep(options.delay);
    if (*value == options.killing)
        raise(SIGKILL);
    if (options.verbose)
        printf("task %" PRId64 "\n", *value);
    *result = (struct pair){token ? token : getpid(), *value * *value};
    return *value == options.failing ? 1 : 0;
}

static int reverse(const void *in, void *out)
{
    const unsigned char *from = in;
    unsigned char *to = out;
    count_task();
    for (size_t i = 0; i < options.bytes; i++)
        to[i] = from[options.bytes - 1 - i];
    return 0;
}

/* ---- the program ---- */

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static int demo(void)
{
    int64_t args[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct pair result[8];
    struct pool *pool = pool_create(4);
    if (!pool)
        return failed("pool_create(4)");
    if (pool_map(pool, say_and_return, args, sizeof *args, result, sizeof *result, 8, 1) != 0)
        return failed("pool_map");
    pool_destroy(pool);
    printf("[");
    for (int i = 0; i < 8; i++)
        printf("%s(%" PRId64 ", %" PRId64 ")", i ? ", " : "", result[i].pid, result[i].value);
    printf("]\n");
    return EXIT_SUCCESS;
}

static void do_nothing(int signal)
{
    (void)signal;
}

/* A SIGALRM every so many microseconds, 0: none. It has a handler, and system calls that wait return EINTR. */
static void send_signals(unsigned microseconds)
{
    struct sigaction action = {.sa_handler = do_nothing};
    sigaction(SIGALRM, &action, NULL);
    struct timeval pause = {.tv_usec = (suseconds_t)microseconds};
    setitimer(ITIMER_REAL, &(struct itimerval){.it_interval = pause, .it_value = pause}, NULL);
}

/* Elements of map number i: the next number of -n, or with -t 1000, 2000, 4000, ...; no more than there are. */
static size_t next_count(const char **list, int i, size_t all)
{
    size_t count = options.time && i < 32 ? (size_t)1000 << i : all;
    if (*list) {
        char *end;
        count = strtoul(*list, &end, 10);
        *list = *end == ',' ? end + 1 : NULL;
    }
    return count < all ? count : all;
}

/* Maps -m times, and remembers how each map ended. */
static int run_maps(struct pool *pools[2], const struct npy *in, const void *elements, void *out, int64_t status[][2])
{
    bool bytes = in->type == NPY_U1;
    size_t in_size = bytes ? options.bytes : sizeof(int64_t);
    size_t out_size = bytes ? options.bytes : sizeof(struct pair);
    const char *counts = options.counts;
    int result = 0;
    double end = seconds_now() + options.time / 1e3;
    for (int i = 0; i < options.maps || (result == 0 && seconds_now() < end); i++) {
        int m = i < options.maps ? i : options.maps - 1;
        size_t count = next_count(&counts, i, in->shape[0]);
        tasks->given += (int64_t)count;
        if (options.interrupt)
            send_signals(options.interrupt);
        errno = 0;
        status[m][0] = pool_map(pools[options.two_pools ? i % 2 : 0], bytes ? reverse : square, elements, in_size, out,
                                out_size, count, options.chunk);
        status[m][1] = status[m][0] ? errno : 0;
        if (options.interrupt)
            send_signals(0);
        witness_tell(WITNESS_POINT, POINT_MAPPED, m);
        if (options.verbose) {
            printf("map %d has returned\n", m);
            fflush(stdout);
        }
        if (status[m][0] && !options.status)
            result = failed("pool_map");
    }
    return result;
}

static int save(const char *path, const struct npy *in, const void *out, int64_t status[][2])
{
    size_t pairs[] = {in->shape[0], 2}, bytes[] = {in->shape[0], options.bytes}, maps[] = {(size_t)options.maps, 2};
    int bad = in->type == NPY_U1 ? npy_save(path, NPY_U1, 2, bytes, out) : npy_save(path, NPY_I8, 2, pairs, out);
    if (!bad && options.status)
        bad = npy_save(options.status, NPY_I8, 2, maps, status);
    if (!bad && options.runs)
        bad = npy_save(options.runs, NPY_I8, 1, (size_t[]){2}, (int64_t[]){tasks_run(), tasks->given});
    if (bad)
        fprintf(stderr, "%s\n", npy_error());
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* From pool_create to pool_destroy; the suite is told of every step. elements is room for
   those of in, all zeros until the workers have been forked: they must not have a copy.
   Never inlined: what pool_destroy forgot to free is to have no pointer left, and leak_check
   would take one that still stands here for one. */
static __attribute__((noinline)) int use_pools(const struct npy *in, void *elements, void *out, int64_t status[][2])
{
    if (options.verbose)
        printf("%d workers\n", options.processes);
    witness_tell(WITNESS_POINT, POINT_BEFORE, 0);
    struct pool *pools[2] = {pool_create(options.processes), options.two_pools ? pool_create(options.processes) : NULL};
    if (!pools[0] || (options.two_pools && !pools[1])) {
        int why = failed("pool_create");
        pool_destroy(pools[0]); /* NULL is allowed */
        pool_destroy(pools[1]);
        witness_tell(WITNESS_POINT, POINT_DESTROYED, 0);
        return why;
    }
    witness_tell(WITNESS_POINT, POINT_CREATED, 0);
    memcpy(elements, in->data, in->count * npy_item_size(in->type));
    int result = run_maps(pools, in, elements, out, status);
    pool_destroy(pools[0]);
    if (options.two_pools)
        pool_destroy(pools[1]);
    witness_tell(WITNESS_POINT, POINT_DESTROYED, 0);
    return result;
}

static int map_file(const char *in_path, const char *out_path)
{
    struct npy in;
    if (npy_load(in_path, &in) != 0) {
        fprintf(stderr, "%s\n", npy_error());
        return EXIT_FAILURE;
    }
    if (!(in.type == NPY_I8 && in.ndim == 1) && !(in.type == NPY_U1 && in.ndim == 2)) {
        fprintf(stderr, "%s: int64 of shape (n,) or uint8 of shape (n, bytes) is needed\n", in_path);
        npy_free(&in);
        return EXIT_FAILURE;
    }
    options.bytes = in.type == NPY_U1 ? in.shape[1] : sizeof(struct pair);
    tasks = mmap(NULL, sizeof *tasks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    void *elements = calloc(in.count + 1, npy_item_size(in.type)), *out = calloc(in.shape[0] + 1, options.bytes + 1);
    int64_t(*status)[2] = calloc((size_t)options.maps, sizeof *status);
    int result = tasks != MAP_FAILED && elements && out && status ? use_pools(&in, elements, out, status)
                                                                  : failed("memory for the results");
    leak_check();
    if (result == EXIT_SUCCESS)
        result = save(out_path, &in, out, status);
    free(elements);
    free(out);
    free(status);
    npy_free(&in);
    return result;
}

int main(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "p:k:m:2n:t:s:r:d:f:x:i:vh")) != -1;) {
        switch (c) {
        case 'p':
            options.processes = atoi(optarg);
            break;
        case 'k':
            options.chunk = strtoul(optarg, NULL, 10);
            break;
        case 'm':
            options.maps = atoi(optarg);
            break;
        case '2':
            options.two_pools = true;
            break;
        case 'n':
            options.counts = optarg;
            break;
        case 't':
            options.time = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 's':
            options.status = optarg;
            break;
        case 'r':
            options.runs = optarg;
            break;
        case 'd':
            options.delay = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            options.failing = strtoll(optarg, NULL, 10);
            break;
        case 'x':
            options.killing = strtoll(optarg, NULL, 10);
            break;
        case 'i':
            options.interrupt = (unsigned)strtoul(optarg, NULL, 10) % 1000000;
            break;
        case 'v':
            options.verbose = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (argc == 1)
        return demo();
    if (argc - optind != 2 || options.maps < 1) {
        fputs(usage, stderr);
        return 2;
    }
    return map_file(argv[optind], argv[optind + 1]);
}
