/* explain.c: see explain.h. The sanitizers' reports are text, and so are read as text. */
#include "explain.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "explain_race.h"
#include "source_line.h"

/* ---- sanitizers ---- */

struct report_kind {
    const char *sign; /* in the report */
    enum cause cause;
    const char *words; /* what it means */
};

static const struct report_kind report_kinds[] = {
    {"FATAL: ThreadSanitizer: unexpected memory mapping", CAUSE_ENVIRONMENT,
     "ThreadSanitizer cannot run with this kernel's address layout; as root: sysctl vm.mmap_rnd_bits=28"},
    {"heap-buffer-overflow", CAUSE_MEMORY, "it reads or writes past the end of a block from malloc"},
    {"stack-buffer-overflow", CAUSE_MEMORY, "it reads or writes past the end of a local array"},
    {"global-buffer-overflow", CAUSE_MEMORY, "it reads or writes past the end of a global array"},
    {"dynamic-stack-buffer-overflow", CAUSE_MEMORY, "it reads or writes past the end of a variable-length array"},
    {"heap-use-after-free", CAUSE_MEMORY, "it uses a block after free"},
    {"attempting double-free", CAUSE_MEMORY, "it frees a block twice"},
    {"attempting free on address", CAUSE_MEMORY, "it frees something that malloc did not give"},
    {"stack-use-after-return", CAUSE_MEMORY, "it uses a local variable of a function that has returned"},
    {"stack-use-after-scope", CAUSE_MEMORY, "it uses a local variable outside its block"},
    {"stack-overflow", CAUSE_MEMORY, "the stack is full: endless recursion, or a huge local array"},
    {"memcpy-param-overlap", CAUSE_MEMORY, "memcpy is given blocks that overlap; memmove allows that"},
    {"negative-size-param", CAUSE_MEMORY, "a size has become negative"},
    {"allocation-size-too-big", CAUSE_MEMORY, "malloc is asked for an impossible size"},
    {"ERROR: LeakSanitizer", CAUSE_LEAK, "memory from malloc is never freed"},
    {"WARNING: ThreadSanitizer: data race", CAUSE_RACE,
     "data race: two threads use the same variable at the same time, and at least one writes"},
    {"WARNING: ThreadSanitizer: thread leak", CAUSE_LEAK, "a thread is never joined"},
    {"ThreadSanitizer: lock-order-inversion", CAUSE_RACE, "two locks are taken in both orders, which can deadlock"},
    {"ERROR: ThreadSanitizer", CAUSE_MEMORY, "it uses memory that is not its own"},
    {"ERROR: AddressSanitizer", CAUSE_MEMORY, "it uses memory that is not its own"},
    {"runtime error:", CAUSE_MEMORY, "undefined behaviour"},
};

/* Copies the line that p points into, without leading blanks. */
static void copy_line(const char *text, const char *p, char *line, size_t size)
{
    while (p > text && p[-1] != '\n')
        p--;
    while (*p == ' ' || *p == '\t')
        p++;
    snprintf(line, size, "%.*s", (int)strcspn(p, "\n"), p);
}

/* Is this "#3 0x55... in pool_map /submission/pool.c:42:7" a frame in a source
   file of the course (and not in the runtime)? Then "pool_map (pool.c:42)". */
static bool frame_words(const char *frame, char *words, size_t size)
{
    const char *in = strstr(frame, " in "), *name = in ? in + 4 : strchr(frame, ' ');
    size_t line_length = strcspn(frame, "\n");
    const char *end = frame + line_length;
    if (!name || name > end)
        return false;
    name += strspn(name, " ");
    size_t name_length = strcspn(name, " \n");
    const char *path = name + name_length + strspn(name + name_length, " ");
    if (path[0] != '/' && strncmp(path, "../../", 6) != 0)
        return false; /* "libio/iogetdelim.c": the C library, where its debug information is installed */
    const char *dot = NULL;
    for (const char *p = name; p + 3 < end; p++)
        if (p[0] == '.' && p[1] == 'c' && p[2] == ':' && isdigit((unsigned char)p[3]))
            dot = p;
    if (!dot)
        return false;
    const char *file = dot;
    while (file > name && file[-1] != '/' && file[-1] != ' ')
        file--;
    snprintf(words, size, "%.*s (%.*s:%d)", (int)name_length, name, (int)(dot + 2 - file), file, atoi(dot + 3));
    return true;
}

/* The first frames of the course's own code after p, one for each stack of the report. */
static void add_frames(const char *p, char *text, size_t size)
{
    char words[200], last[200] = "";
    int shown = 0;
    bool found = false; /* in this stack */
    for (const char *line = p; line && *line && shown < 3; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *q = line + strspn(line, " ");
        if (q[0] != '#') {
            found = false;
            continue;
        }
        if (found || !frame_words(q, words, sizeof words) || strcmp(words, last) == 0)
            continue;
        found = true;
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", shown++ ? ", and " : "\n  in ", words);
        snprintf(last, sizeof last, "%s", words);
    }
}

/* Is the frame "#1 0x7f... (/lib/libgomp.so.1+0xd09c)", which has no public name, or "#1 0x7f... in
   gomp_..."? omp_alloc and its like have public names: what they give is the caller's to free. */
static bool in_libgomp(const char *frame)
{
    char line[300];
    copy_line(frame, frame, line, sizeof line);
    const char *name = strstr(line, " in ");
    return strstr(line, "/libgomp.so") && (!name || strncmp(name, " in gomp_", 9) == 0);
}

bool explain_is_ours(const char *place)
{
    static const char *const ours[] = {"main.c",     "perturb.c", "engines.c", "witness.c",     "npy.c",
                                       "npy_header", "clock.c",   "gate.c",    "tsan_openmp.c", "leak_check.c",
                                       "rng.c",      "ocl_",      "mpi_trace"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strncmp(place, ours[i], strlen(ours[i])) == 0)
            return true;
    return false;
}

const char *explain_again(const char *flavour, const char *const *env, enum cause cause, const char *intro)
{
    static char words[1700];
    struct explanation e;
    struct run again;
    words[0] = '\0';
    if (!run_again_with(&again, flavour, env))
        return words;
    if (explain_sanitizer(&again, &e) && e.cause == cause)
        snprintf(words, sizeof words, "\n  %s: %s", intro, e.text);
    run_free(&again);
    return words;
}

const char *explain_crash(void)
{
    static const char *const no_leaks[] = {"ASAN_OPTIONS=detect_leaks=0", NULL};
    return explain_again("asan", no_leaks, CAUSE_MEMORY, "Under AddressSanitizer it shows where");
}

/* Does a line with frames, "in add_up (psum.c:31), and main (main.c:98)", name one of the student's? */
static bool names_own_line(const char *text)
{
    const char *p = strstr(text, "\n  in ");
    for (p = p ? p + 1 : ""; *p && *p != '\n'; p++)
        if (*p == '(' && !explain_is_ours(p + 1))
            return true;
    return false;
}

const char *explain_wrong_value(void)
{
    if (strcmp(run_flavour(), "asan") != 0) {
        const char *words = explain_crash();
        return names_own_line(words) ? words : "";
    }
    return "\n  This program was built with AddressSanitizer, where fresh memory from malloc is not 0. If the same "
           "call is\n"
           "  right without it (other tests pass), then something is read that was never set.";
}

/* ---- leaks ---- */

/* Exit status 0 in spite of leaks: mpirun would end the other ranks. */
const char *const explain_leaks_env[] = {"ASAN_OPTIONS=detect_leaks=1", "LSAN_OPTIONS=exitcode=0", NULL};

/* The first block in a report that the student's code itself asked malloc for. main.c and common/ are ours. */
static const char *own_leak(const struct run *r)
{
    char words[200];
    for (const char *p = r->err; (p = strstr(p, "leak of ")); p++) {
        const char *frame = strstr(p, "\n    #1 "), *next = strstr(p + 1, "leak of ");
        if (frame && (!next || frame < next) && frame_words(frame + 5, words, sizeof words) &&
            !explain_is_ours(strchr(words, '(') + 1))
            return p;
    }
    return NULL;
}

const char *explain_leak(bool *known)
{
    static char words[400];
    struct run again;
    words[0] = '\0';
    if (known)
        *known = false;
    if (!run_again_with(&again, "asan", explain_leaks_env))
        return words;
    const char *at = own_leak(&again);
    if (at) {
        snprintf(words, sizeof words,
                 "\n  Under LeakSanitizer it shows which: a block from malloc that is never freed");
        add_frames(at, words, sizeof words);
    }
    if (known)
        *known = at || run_ended_well(&again);
    run_free(&again);
    return words;
}

bool only_libgomp_leaks(const struct run *r)
{
    size_t blocks = 0;
    if (!strstr(r->err, "ERROR: LeakSanitizer") || strstr(r->err, "ERROR: AddressSanitizer"))
        return false;
    for (const char *p = r->err; (p = strstr(p, "leak of ")); p++) {
        const char *who = strstr(p, "\n    #1 "), *next = strstr(p + 1, "leak of ");
        if (!who || (next && who > next) || !in_libgomp(who + 1))
            return false;
        blocks++;
    }
    return blocks > 0;
}

bool explain_sanitizer(const struct run *r, struct explanation *e)
{
    const struct report_kind *kind = NULL;
    const char *at = NULL;
    for (size_t i = 0; i < sizeof report_kinds / sizeof *report_kinds && !at; i++) {
        kind = &report_kinds[i];
        if (kind->cause == CAUSE_LEAK && r->ranks > 0)
            at = own_leak(r);
        else if (kind->cause != CAUSE_LEAK || !only_libgomp_leaks(r))
            at = strstr(r->err, kind->sign);
    }
    if (!at)
        return false;
    char line[300];
    copy_line(r->err, at, line, sizeof line);
    e->cause = kind->cause;
    if (kind->cause == CAUSE_RACE && explain_race(at, e->text, sizeof e->text))
        return true;
    snprintf(e->text, sizeof e->text, "%s", kind->words);
    add_frames(at, e->text, sizeof e->text);
    const char *line_too = strstr(r->err, "runtime error:");
    if (line_too && !strstr(e->text, "\n  in ")) /* of the two sanitizers this one names the line */
        copy_line(r->err, line_too, line, sizeof line);
    size_t used = strlen(e->text);
    snprintf(e->text + used, sizeof e->text - used, "\n  the sanitizer's words: %s", line);
    return true;
}

/* ---- processes ---- */

struct wait_words {
    long syscall;
    bool for_others; /* waits until another process does something */
    const char *words;
};

static const struct wait_words wait_table[] = {
    {SYS_read, true, "waits in read"},
    {SYS_recvfrom, true, "waits in recv"},
    {SYS_recvmsg, true, "waits in recvmsg"},
    {SYS_write, true, "waits in write (nobody reads: the pipe is full)"},
    {SYS_sendto, true, "waits in send (nobody receives)"},
    {SYS_sendmsg, true, "waits in sendmsg (nobody receives)"},
    {SYS_writev, true, "waits in writev (nobody reads: the pipe is full)"},
    {SYS_readv, true, "waits in readv"},
    {SYS_wait4, true, "waits for a child to end"},
    {SYS_waitid, true, "waits for a child to end"},
    {SYS_futex, true, "waits for a lock, semaphore or thread"},
#ifdef SYS_poll
    {SYS_poll, true, "waits in poll"},
#endif
#ifdef SYS_select
    {SYS_select, true, "waits in select"},
#endif
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, true, "waits in epoll_wait"},
#endif
#ifdef SYS_pause
    {SYS_pause, false, "waits in pause"},
#endif
    {SYS_ppoll, true, "waits in poll"},
    {SYS_pselect6, true, "waits in select"},
    {SYS_epoll_pwait, true, "waits in epoll_wait"},
    {SYS_semop, true, "waits for a semaphore"},
    {SYS_semtimedop, true, "waits for a semaphore"},
    {SYS_msgrcv, true, "waits for a message"},
    {SYS_msgsnd, true, "waits to send a message"},
    {SYS_accept, true, "waits for a connection"},
    {SYS_openat, true, "waits to open a file"},
    {SYS_connect, true, "waits for a connection"},
    {SYS_nanosleep, false, "sleeps"},
    {SYS_clock_nanosleep, false, "sleeps"},
};

static const struct wait_words *find_wait(const struct seen_process *p)
{
    for (size_t i = 0; i < sizeof wait_table / sizeof *wait_table; i++)
        if (wait_table[i].syscall == p->syscall)
            return &wait_table[i];
    return NULL;
}

/* The next line of the student's in a thread's list, from *i on, that is not `but`; "" if there is none. */
static const char *own_line(char *const line[REAPER_SITES], int *i, const char *but)
{
    for (; *i < REAPER_SITES; ++*i)
        if (line[*i] && line[*i][0] && !explain_is_ours(line[*i]) && strcmp(line[*i], but) != 0)
            return line[*i];
    return "";
}

/* ", at pool.c:98 (called at pool.c:150)": where in the student's code the threads of p are, each place once. */
static void add_places(const struct run *r, const struct seen_process *p, char *text, size_t size)
{
    char *line[REAPER_THREADS * REAPER_SITES] = {0};
    if (r->ranks > 0 || p->threads < 0 || p->threads > REAPER_THREADS)
        return;
    size_t count = (size_t)p->threads * REAPER_SITES;
    char *program = run_program_path(run_flavour());
    source_lines(program, p->site[0], count, line);
    for (int32_t t = 0; t < p->threads; t++) {
        int i = 0;
        const char *own = own_line(line + t * REAPER_SITES, &i, ""),
                   *caller = own_line(line + t * REAPER_SITES, &i, own);
        size_t used = strlen(text);
        if (!*own || strstr(text, own))
            continue;
        snprintf(text + used, size - used, "%s%s%s%s%s", used ? " and " : ", at ", own, *caller ? " (called at " : "",
                 caller, *caller ? ")" : "");
    }
    for (size_t i = 0; i < count; i++)
        free(line[i]);
    free(program);
}

/* What one process did: "pool, child of 2): waits in recv, at pool.c:66". */
static void process_words(const struct run *r, const struct seen_process *p, char *text, size_t size)
{
    const struct wait_words *wait = find_wait(p);
    const char *words = p->state == 'Z'   ? "has ended, but nobody waited for it (a zombie)"
                        : p->state == 'R' ? "was computing"
                        : p->state == 'T' ? "was stopped"
                        : wait            ? wait->words
                                          : "waits";
    char places[200] = "";
    add_places(r, p, places, sizeof places);
    snprintf(text, size, "%s, child of %d): %s%s", p->name, p->parent, words, places);
}

/* Neighbours that did the same share a line. */
void explain_processes(const struct run *r, char *text, size_t size)
{
    char words[400], next[400] = "";
    text[0] = '\0';
    for (int i = 0, last; i < r->report.seen_count; i = last + 1) {
        const struct seen_process *p = r->report.seen;
        if (i == 0)
            process_words(r, &p[0], next, sizeof next);
        memcpy(words, next, sizeof words);
        for (last = i; last + 1 < r->report.seen_count; last++) {
            process_words(r, &p[last + 1], next, sizeof next);
            if (p[last + 1].pid != p[last].pid + 1 || strcmp(next, words) != 0)
                break;
        }
        size_t used = strlen(text);
        if (last > i)
            snprintf(text + used, size - used, "\n  each of the processes %d to %d (%s", p[i].pid, p[last].pid, words);
        else
            snprintf(text + used, size - used, "\n  process %d (%s", p[i].pid, words);
    }
}

bool all_waiting(const struct run *r)
{
    int waiting = 0, locked = 0;
    for (int i = 0; i < r->report.seen_count; i++) {
        const struct seen_process *p = &r->report.seen[i];
        const struct wait_words *wait = find_wait(p);
        if (p->state == 'Z')
            continue;
        if (p->state != 'S' || !wait || !wait->for_others)
            return false;
        waiting++;
        locked += p->syscall == SYS_futex;
    }
    return waiting >= 2 || locked > 0; /* who waits for a thread alone waits for one of its own */
}

/* How many processes wait with words that begin so. */
static int waiting_with(const struct run *r, const char *words)
{
    int count = 0;
    for (int i = 0; i < r->report.seen_count; i++) {
        const struct wait_words *wait = find_wait(&r->report.seen[i]);
        count += r->report.seen[i].state == 'S' && wait && strncmp(wait->words, words, strlen(words)) == 0;
    }
    return count;
}

const char *explain_deadlock(const struct run *r)
{
    static char words[400];
    int reading = waiting_with(r, "waits in re"),
        writing = waiting_with(r, "waits in write") + waiting_with(r, "waits in send");
    int polling =
        waiting_with(r, "waits in poll") + waiting_with(r, "waits in select") + waiting_with(r, "waits in epoll");
    if (r->ranks > 0)
        return "";
    int dead = 0;
    for (int i = 0; i < r->report.seen_count; i++)
        if (r->report.seen[i].state == 'Z')
            dead = r->report.seen[i].pid;
    if (dead) {
        snprintf(
            words, sizeof words,
            "\n  likely cause: process %d has died, and the others still wait for something that it would have sent,\n"
            "  raised or given back. Its death has to be noticed: by the end of file on its socket or pipe (if no\n"
            "  other process holds a copy of that end), a pidfd, SIGCHLD, or waitpid with WNOHANG.",
            dead);
        return words;
    }
    if (waiting_with(r, "waits for a lock") == 1 && reading + writing + polling == 0)
        return "\n  likely cause: a lock that is set and never unset again, or a barrier that not every thread of the "
               "team\n"
               "  comes to (the end of an omp for is one, too).";
    if (waiting_with(r, "waits for a lock") > 0)
        return "\n  likely cause: a lock or semaphore that somebody holds and never gives back (look at every way "
               "out), or\n"
               "  that was not made for several processes (PTHREAD_PROCESS_SHARED, sem_init with 1); or a thread that\n"
               "  never ends, for which another one waits.";
    if (waiting_with(r, "waits for a child") > 0 && reading > 0 && writing == 0)
        return "\n  likely cause: who waits to read sees the end only when every copy of the other end is closed, and\n"
               "  fork gives each later child a copy. Close it there, or hang up with shutdown.";
    if (writing >= 2)
        return "\n  likely cause: they write to each other, and nobody reads: take an answer before you send more.";
    if (reading >= 1 && writing == 0 && reading + polling >= 2)
        return "\n  likely cause: all wait for something to read. Has one sent less than the other expects? Has one "
               "gone to\n"
               "  sleep after its wake-up had come (a counter or flag that was set too late, or reset in between)? Or "
               "has\n"
               "  one died, and somebody else still holds a copy of its end?";
    return "";
}

/* ---- signals ---- */

const char *explain_signal(int number)
{
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV: it used memory that is not its own, often a NULL pointer or an index out of range";
    case SIGBUS:
        return "SIGBUS: it used a part of a mapping that is not there";
    case SIGABRT:
        return "SIGABRT: abort was called, by a failed assertion or because the heap is damaged";
    case SIGFPE:
        return "SIGFPE: an integer was divided by zero";
    case SIGILL:
        return "SIGILL: the processor met an instruction that is none";
    case SIGPIPE:
        return "SIGPIPE: it wrote to a pipe or socket that nobody reads any more";
    case SIGKILL:
        return "SIGKILL: somebody killed it (it did so itself, or it used up the memory)";
    case SIGXCPU:
        return "SIGXCPU: it used up its processor time";
    case SIGXFSZ:
        return "SIGXFSZ: a file it wrote became too large";
    case SIGALRM:
        return "SIGALRM: an alarm that it had set";
    case SIGTERM:
        return "SIGTERM: somebody ended it";
    default:
        return strsignal(number);
    }
}
