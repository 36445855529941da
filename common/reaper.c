/* reaper.c: stands between the suite and a lab's program. It starts the program
   under limits, waits for its end, counts the processes that it left behind,
   ends them all, and reports to the suite through a pipe that the program cannot
   reach.

     reaper --report FD --seconds S [--grace S] [--env NAME=VALUE]... [--memory MIB]
            [--processes N] [--disk MIB] [--files N] [--file-size MIB] [--cpu S] [--allow-ptrace] -- program args

   In the sandbox it is process 1 of a PID namespace: whatever is started there
   dies with it, and no signal from inside can end it. Outside a sandbox it is
   the "subreaper" that orphans are handed to (prctl(2)). */
#include "reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "folder.h"
#include "proc.h"
#include "stack.h"
#include "syscall_filter.h"

struct limits {
    double seconds, grace;
    size_t memory;    /* bytes of all processes together; 0: none */
    size_t processes; /* at one time; 0: none */
    size_t disk;      /* bytes of all files below the current folder, and of files without a name; 0: none */
    rlim_t files, file_size, cpu;
    bool allow_ptrace;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "reaper: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* ---- the processes in our care ---- */

/* All descendants that are not ourselves, malloc'd; *count of them. */
static struct proc *descendants(size_t *count)
{
    size_t all = 0, kept = 0;
    struct proc *list = proc_list(&all);
    struct proc *ours = malloc((all ? all : 1) * sizeof *ours);
    if (!list || !ours)
        die("cannot see the processes"); /* and must not take that for their absence */
    for (size_t i = 0; i < all; i++)
        if (list[i].pid != getpid() && (getpid() == 1 || proc_descends(list, all, &list[i], getpid())))
            ours[kept++] = list[i];
    free(list);
    *count = kept;
    return ours;
}

/* Who computes is stopped, to see where: what is remembered will be ended anyway. */
static void stop(pid_t pid)
{
    struct proc p;
    kill(pid, SIGSTOP);
    for (int i = 0; i < 20 && proc_read(pid, &p) && p.state != 'T'; i++)
        usleep(1000);
}

static void remember_threads(struct seen_process *s)
{
    pid_t thread[REAPER_THREADS];
    if (s->state == 'R')
        stop(s->pid);
    s->threads = (int32_t)proc_threads(s->pid, thread, REAPER_THREADS);
    for (int32_t i = 0; i < s->threads; i++)
        stack_sites(s->pid, thread[i], s->site[i], REAPER_SITES);
}

static void remember(struct reaper_report *report, const struct proc *list, size_t count)
{
    report->seen_count = 0;
    for (size_t i = 0; i < count && report->seen_count < REAPER_SEEN; i++) {
        struct seen_process *s = &report->seen[report->seen_count++];
        char state = list[i].state == 'S' && proc_runs(list[i].pid) ? 'R' : list[i].state; /* any of its threads */
        *s = (struct seen_process){.pid = list[i].pid, .parent = list[i].parent, .state = state};
        memcpy(s->name, list[i].name, sizeof s->name);
        s->syscall = proc_syscall(list[i].pid);
        remember_threads(s);
    }
}

/* Ends every process in our care and waits for it. A process may fork between
   the look and the kill, so go on until there is none. */
static void end_all(void)
{
    for (int round = 0; round < 1000; round++) {
        size_t count;
        struct proc *list = descendants(&count);
        if (getpid() == 1)
            kill(-1, SIGKILL);
        else
            for (size_t i = 0; i < count; i++)
                kill(list[i].pid, SIGKILL);
        free(list);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (count == 0)
            return;
        usleep(1000);
    }
}

/* Memory of all processes in bytes. The cheap sum counts pages that a fork shares
   several times, so only when that is over the limit is the exact share added up.
   Where a process hides its share (it is not "dumpable"), all of it counts. */
static size_t memory_used(const struct proc *list, size_t count, size_t limit)
{
    /* System V segments are the sandbox's own only where the processes are, too. */
    size_t unattached = getpid() == 1 ? proc_unattached_bytes() : 0, sum = unattached, exact = unattached;
    for (size_t i = 0; i < count; i++)
        sum += list[i].resident;
    if (sum <= limit)
        return sum;
    for (size_t i = 0; i < count; i++) {
        size_t share = proc_share(list[i].pid);
        exact += share ? share : list[i].resident;
    }
    return exact;
}

/* *hidden: is there a process that cannot be looked into? */
static size_t disk_used(const struct proc *list, size_t count, size_t limit, bool *hidden)
{
    const char *cache = getenv("POCL_CACHE_DIR");
    size_t bytes = folder_bytes(".", limit) + (cache && getpid() == 1 ? folder_bytes(cache, limit) : 0);
    *hidden = false;
    for (size_t i = 0; i < count && bytes <= limit; i++)
        *hidden |= list[i].state != 'Z' && !proc_nameless_bytes(list[i].pid, &bytes);
    return bytes;
}

/* Closed by exec: until then the program's process is a copy of ours, which cannot be looked
   into either, and on a busy machine it can be that for seconds. */
static int until_exec = -1;

static bool has_begun(void)
{
    struct pollfd end = {.fd = until_exec, .events = POLLIN};
    if (until_exec >= 0 && poll(&end, 1, 0) == 0)
        return false;
    if (until_exec >= 0)
        close(until_exec);
    until_exec = -1;
    return true;
}

/* A process that ends cannot be looked into for a moment. One that cannot be looked into for
   longer hides its descriptors, and may write any amount behind them. */
static bool hidden_for_long(bool hidden)
{
    static const double moment = 1;
    static double since;
    if (!hidden || !has_begun())
        since = 0;
    else if (since == 0)
        since = seconds_now();
    return since > 0 && seconds_now() - since > moment;
}

/* The time limit is for a machine with a processor for whoever wants one. On a busy one the time
   that a process stood in the queue for a processor comes on top, but no more than twice the limit:
   a program can make its own queue. */
static double seconds_allowed(const struct limits *limits)
{
    size_t count;
    double waited = 0;
    struct proc *list = descendants(&count);
    for (size_t i = 0; i < count; i++)
        waited = fmax(waited, proc_waited(list[i].pid));
    free(list);
    return limits->seconds + fmin(waited, 2 * limits->seconds);
}

static enum reaper_stop over_limit(const struct limits *limits, struct reaper_report *report)
{
    size_t count;
    enum reaper_stop stop = STOP_NONE;
    bool hidden = false;
    struct proc *list = descendants(&count);
    if (limits->processes && count > limits->processes)
        stop = STOP_PROCESSES;
    else if (limits->memory && memory_used(list, count, limits->memory) > limits->memory)
        stop = STOP_MEMORY;
    else if (limits->disk && disk_used(list, count, limits->disk, &hidden) > limits->disk)
        stop = STOP_DISK;
    else if (hidden_for_long(hidden))
        stop = STOP_HIDDEN;
    if (stop)
        remember(report, list, count);
    free(list);
    return stop;
}

/* ---- the program ---- */

static void set_limit(int resource, rlim_t value)
{
    struct rlimit limit = {value, value};
    if (value && setrlimit((__rlimit_resource_t)resource, &limit) != 0)
        die("setrlimit");
}

static pid_t start(char **argv, const struct limits *limits, const sigset_t *old_mask)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        die("pipe");
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid > 0) {
        close(ends[1]);
        until_exec = ends[0];
        return pid;
    }
    setsid();
    sigprocmask(SIG_SETMASK, old_mask, NULL);
    set_limit(RLIMIT_NOFILE, limits->files);
    set_limit(RLIMIT_FSIZE, limits->file_size);
    set_limit(RLIMIT_CPU, limits->cpu);
    /* The limit counts all processes and threads of a user: it is only ours to set
       where the user namespace, and so the count, is the sandbox's own. */
    if (getppid() == 1)
        set_limit(RLIMIT_NPROC, limits->processes);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || filter_system_calls(limits->allow_ptrace) != 0)
        die("seccomp filter");
    execvp(argv[0], argv);
    fprintf(stderr, "reaper: cannot start %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Waits for any signal that concerns us, at most for seconds. */
static int wait_signal(const sigset_t *signals, double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    return sigtimedwait(signals, NULL, &t);
}

/* Reaps what has ended. True when the program itself is among it. */
static bool reap(pid_t program, struct reaper_report *report)
{
    int status;
    bool ended = false;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == program) {
            ended = true;
            report->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
            report->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        }
    return ended;
}

/* False when it did not end by itself: a limit was passed, or we were told to end it. */
static bool watch(pid_t program, const struct limits *limits, const sigset_t *signals, struct reaper_report *report)
{
    double begun = seconds_now(), look = begun + 0.05;
    bool ended;
    while (!(ended = reap(program, report))) {
        double t = seconds_now();
        if (t - begun > limits->seconds && t - begun > seconds_allowed(limits))
            report->stopped = STOP_TIME;
        else if (t >= look) {
            report->stopped = (int32_t)over_limit(limits, report);
            look = seconds_now() + 0.05;
        }
        if (report->stopped) {
            if (report->stopped == STOP_TIME) {
                size_t count;
                struct proc *list = descendants(&count);
                remember(report, list, count);
                free(list);
            }
            break;
        }
        if (wait_signal(signals, 0.05) == SIGTERM)
            break;
    }
    report->seconds = seconds_now() - begun;
    return ended;
}

static bool any_runs(const struct proc *list, size_t count)
{
    bool runs = false;
    for (size_t i = 0; i < count && !runs; i++)
        runs = proc_runs(list[i].pid);
    return runs;
}

/* What is still there once the program has ended? Workers that notice the end of
   their parent may need a moment, so there is a grace; a longer one for those that
   have something to do, since they may not have had a processor yet. */
static void look_for_rest(double grace, struct reaper_report *report)
{
    double begun = seconds_now(), end = begun + grace, last = begun + 5 * grace;
    for (;; usleep(2000)) {
        size_t count;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        struct proc *list = descendants(&count);
        report->left = (int32_t)count;
        double now = seconds_now();
        if (count == 0 || now > last || (now > end && !any_runs(list, count))) {
            remember(report, list, count);
            free(list);
            return;
        }
        free(list);
    }
}

static void add_usage(struct reaper_report *report)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    report->cpu_seconds =
        (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    report->max_rss_kib = u.ru_maxrss;
}

static char **parse(int argc, char **argv, struct limits *limits, int *report_fd)
{
    static const struct option options[] = {
        {"report", required_argument, NULL, 'r'}, {"seconds", required_argument, NULL, 's'},
        {"grace", required_argument, NULL, 'g'},  {"env", required_argument, NULL, 'e'},
        {"memory", required_argument, NULL, 'm'}, {"processes", required_argument, NULL, 'p'},
        {"files", required_argument, NULL, 'f'},  {"file-size", required_argument, NULL, 'z'},
        {"cpu", required_argument, NULL, 'c'},    {"disk", required_argument, NULL, 'd'},
        {"allow-ptrace", no_argument, NULL, 'a'}, {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        switch (c) {
        case 'r':
            *report_fd = atoi(optarg);
            break;
        case 's':
            limits->seconds = strtod(optarg, NULL);
            break;
        case 'g':
            limits->grace = strtod(optarg, NULL);
            break;
        case 'e':
            putenv(optarg);
            break;
        case 'm':
            limits->memory = strtoul(optarg, NULL, 10) << 20;
            break;
        case 'p':
            limits->processes = strtoul(optarg, NULL, 10);
            break;
        case 'f':
            limits->files = strtoul(optarg, NULL, 10);
            break;
        case 'z':
            limits->file_size = strtoul(optarg, NULL, 10) << 20;
            break;
        case 'a':
            limits->allow_ptrace = true;
            break;
        case 'd':
            limits->disk = strtoul(optarg, NULL, 10) << 20;
            break;
        case 'c':
            limits->cpu = strtoul(optarg, NULL, 10);
            break;
        default:
            exit(125);
        }
    }
    if (optind == argc || *report_fd < 0) {
        fprintf(stderr, "usage: reaper --report FD --seconds S [options] -- program args\n");
        exit(125);
    }
    return argv + optind;
}

int main(int argc, char **argv)
{
    struct limits limits = {.seconds = 10, .grace = 1};
    struct reaper_report report = {.magic = REAPER_MAGIC, .exit_status = -1};
    int report_fd = -1;
    char **program = parse(argc, argv, &limits, &report_fd);

    /* Nobody inside may read our memory or open our descriptors through /proc. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (getpid() != 1)
        prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (fcntl(report_fd, F_SETFD, FD_CLOEXEC) != 0)
        die("report descriptor");
    sigset_t signals, old_mask;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    if (getpid() != 1) /* in the sandbox it could only come from inside */
        sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, &old_mask);

    pid_t pid = start(program, &limits, &old_mask);
    if (watch(pid, &limits, &signals, &report))
        look_for_rest(limits.grace, &report);
    end_all();
    add_usage(&report);
    if (write(report_fd, &report, sizeof report) != sizeof report)
        die("report");
    return 0;
}
