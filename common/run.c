/* run.c: starts [sandbox] reaper [mpirun] [wrap] program, listens to it until the
   reaper has reported, and keeps what was said. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "folder.h"
#include "judge.h"
#include "words.h"

enum { KEPT_HALF = RUN_OUTPUT_KEPT / 2, BACKSTOP_SECONDS = 10 };
static const double watch_seconds = 0.5; /* between two looks */

/* One stream of output: the first half of what is kept, and a ring of the last half. All of it, up to
   a bound, goes into the record. */
struct stream {
    int fd;
    FILE *record; /* shared by both streams, which so stand there as on a terminal; or NULL */
    size_t bytes;
    char *head, *tail;
};

/* What run_program was told last, for run_again. */
static struct {
    struct launch how;
    struct words env, wrap, args;
} last;

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

/* ---- the words of the command ---- */

/* The sandbox's words, one a line in the file LAB_LAUNCH; {work} is the current folder. */
void run_sandbox_words(struct words *w)
{
    const char *path = getenv("LAB_LAUNCH");
    if (!path)
        return;
    char *line = NULL, *here = getcwd(NULL, 0);
    size_t size = 0;
    FILE *f = fopen(path, "re");
    if (!f || !here)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot read the sandbox's words in %s: %s", path, strerror(errno));
    for (ssize_t n; (n = getline(&line, &size, f)) > 0;) {
        line[n - (line[n - 1] == '\n')] = '\0';
        const char *mark = strstr(line, "{work}");
        if (mark)
            words_addf(w, "%.*s%s%s", (int)(mark - line), line, here, mark + strlen("{work}"));
        else
            words_add(w, line);
    }
    free(line);
    free(here);
    fclose(f);
}

/* Open MPI's settings; each is explained in docs/adding-a-lab.md. */
static const char *const mpi_settings[] = {"OMPI_MCA_pml=ob1",
                                           "OMPI_MCA_btl=self,vader",
                                           "OMPI_MCA_btl_vader_single_copy_mechanism=none",
                                           "OMPI_MCA_smsc=^cma",
                                           "OMPI_MCA_osc=^ucx",
                                           "OMPI_MCA_coll_tuned_use_dynamic_rules=1",
                                           "OMPI_MCA_coll_tuned_allgatherv_algorithm=3",
                                           "OMPI_MCA_mpi_yield_when_idle=1",
                                           "OMPI_MCA_hwloc_base_binding_policy=none",
                                           "OMPI_MCA_rmaps_base_oversubscribe=1",
                                           "PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe",
                                           "OMPI_MCA_plm_rsh_agent=false",
                                           "OMP_NUM_THREADS=1",
                                           NULL};
static const char *const mpi_as_root[] = {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", NULL};

static void add_environment(struct words *w, const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++) {
        words_add(w, "--env");
        words_add(w, list[i]);
    }
}

/* Two mpiruns at once can race for their session folder (ompi#8510), so each gets a /tmp of its
   own: the sandbox's, or where there is none a folder that is made here. "" where none is needed. */
static char *own_tmpdir(const struct launch *how)
{
    char *folder = strdup(how->ranks > 0 && !getenv("LAB_LAUNCH") ? "/tmp/mpi-XXXXXX" : "");
    if (folder[0] && !mkdtemp(folder))
        folder[0] = '\0';
    return folder;
}

static void add_reaper(struct words *w, const struct launch *how, double limit, int report_fd)
{
    words_add(w, setting("LAB_REAPER", "reaper"));
    words_addf(w, "--report=%d", report_fd);
    words_addf(w, "--seconds=%g", limit);
    words_addf(w, "--grace=%g", how->ranks > 0 ? 3.0 : 1.0);
    words_addf(w, "--memory=%s", setting("LAB_MEMORY_MB", "2048"));
    words_addf(w, "--processes=%s", setting("LAB_PROCESSES", "128"));
    words_addf(w, "--file-size=%s", setting("LAB_FILE_MB", "256"));
    words_addf(w, "--disk=%s", setting("LAB_DISK_MB", "1024"));
    words_addf(w, "--files=%d", 1024);
    words_addf(w, "--cpu=%d", 600);
    if (how->flavour && strcmp(how->flavour, "asan") == 0) {
        words_add(w, "--allow-ptrace"); /* LeakSanitizer stops its threads with it */
        /* Undefined behaviour ends the program: its words alone could be sent nowhere. */
        add_environment(w, ((const char *const[]){"UBSAN_OPTIONS=halt_on_error=1", NULL}));
    }
    add_environment(w, how->env);
    if (how->witness)
        add_environment(w, ((const char *const[]){"LAB_WITNESS=witness", NULL}));
    if (how->ranks > 0) {
        add_environment(w, mpi_settings);
        add_environment(w, ((const char *const[]){"LAB_MPI_TRACE=.", NULL}));
    }
    if (how->ranks > 0 && geteuid() == 0 && !getenv("LAB_UID"))
        add_environment(w, mpi_as_root);
    words_add(w, "--");
}

/* The words a user would type, from the launcher to the arguments. */
static void add_command(struct words *w, const struct launch *how, const char *program, const char *const *args)
{
    if (how->ranks > 0) {
        words_add(w, "mpirun");
        words_add(w, "-n");
        words_addf(w, "%d", how->ranks);
        words_add(w, "--map-by");
        words_add(w, ":OVERSUBSCRIBE");
    }
    words_add_all(w, how->wrap);
    words_add(w, program);
    words_add_all(w, args);
}

static char *command_for_people(const struct launch *how, const char *const *args)
{
    struct words w = {0};
    words_add_all(&w, how->env);
    char *program = text_format("./%s", run_program_name());
    add_command(&w, how, program, args);
    char *text = words_quoted((const char *const *)w.item);
    words_free(&w);
    free(program);
    return text;
}

/* ---- output ---- */

static void keep(struct stream *s, const char *bytes, size_t n)
{
    if (s->record && s->bytes < RUN_RECORDED)
        fwrite(bytes, 1, n, s->record);
    for (size_t i = 0; i < n; i++, s->bytes++) {
        if (s->bytes < KEPT_HALF)
            s->head[s->bytes] = bytes[i];
        else
            s->tail[s->bytes % KEPT_HALF] = bytes[i];
    }
}

/* Reads what is there. False when the stream has ended. */
static bool drain(struct stream *s)
{
    char bytes[16384];
    for (;;) {
        ssize_t n = read(s->fd, bytes, sizeof bytes);
        if (n > 0)
            keep(s, bytes, (size_t)n);
        else if (n < 0 && errno == EINTR)
            continue;
        else
            return n < 0 && errno == EAGAIN;
        if (s->bytes > RUN_OUTPUT_LIMIT)
            return true;
    }
}

static char *finish(struct stream *s)
{
    size_t head = s->bytes < KEPT_HALF ? s->bytes : KEPT_HALF;
    size_t after = s->bytes - head, tail = after < KEPT_HALF ? after : KEPT_HALF;
    const char *cut = after > tail ? "\n[... cut ...]\n" : "";
    char *text = calloc(1, head + strlen(cut) + tail + 1);
    if (!text)
        fail_test(CAUSE_ENVIRONMENT, NULL, "out of memory");
    memcpy(text, s->head, head);
    memcpy(text + head, cut, strlen(cut));
    for (size_t i = 0, at = head + strlen(cut); i < tail; i++)
        text[at + i] = s->tail[(s->bytes - tail + i) % KEPT_HALF];
    for (size_t i = 0, end = head + strlen(cut) + tail; i < end; i++)
        if (text[i] == '\0')
            text[i] = '?';
    close(s->fd);
    free(s->head);
    free(s->tail);
    return text;
}

static struct stream open_stream(int fd, FILE *record)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return (struct stream){.fd = fd, .record = record, .head = malloc(KEPT_HALF), .tail = malloc(KEPT_HALF)};
}

/* The file LAB_RECORD, where a run adds its command and what it writes; NULL where nobody wants it.
   It is of no weight for the verdict, so a full disk is no reason to fail here. */
static FILE *open_record(const struct run *r)
{
    const char *path = getenv("LAB_RECORD");
    FILE *record = path ? fopen(path, "ae") : NULL;
    if (record)
        fprintf(record, "$ %s\n", r->command);
    return record;
}

static void close_record(FILE *record, const struct run *r)
{
    if (!record)
        return;
    fprintf(record, "\n(exit status %d, signal %d)\n", r->report.exit_status, r->report.signal);
    fclose(record);
}

/* ---- the run ---- */

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot make a pipe: %s", strerror(errno));
}

static pid_t start(char **argv, int out, int err, int report)
{
    pid_t pid = fork();
    if (pid < 0)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot start a process: %s", strerror(errno));
    if (pid > 0)
        return pid;
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out, 1);
    dup2(err, 2);
    /* Check keeps its message file and its log open: whoever can write to them gives the verdict. */
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    fcntl(report, F_SETFD, 0); /* the reaper inherits this one, and hides it from the program */
    execvp(argv[0], argv);
    fprintf(stderr, "cannot start %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* The sandbox takes all down with it; a reaper without one has to do so itself. */
static void end_run(pid_t pid)
{
    kill(pid, getenv("LAB_LAUNCH") ? SIGKILL : SIGTERM);
}

/* Listens until the reaper (which keeps the other end of report_fd) has ended. */
static void listen_to(struct run *r, const struct launch *how, struct stream *out, struct stream *err, int report_fd,
                      pid_t pid)
{
    struct witness *w = how->witness;
    double begun = seconds_now(), look = begun + watch_seconds;
    for (bool open = true; open;) {
        struct pollfd wait[] = {{.fd = report_fd, .events = POLLIN},
                                {.fd = out->fd, .events = POLLIN},
                                {.fd = err->fd, .events = POLLIN},
                                {.fd = w ? w->listener : -1, .events = POLLIN}};
        int quiet = w ? listener_quiet(w) : 1000, pause = how->watch ? (int)(1000 * watch_seconds) : 1000;
        poll(wait, 4, quiet < pause ? quiet : pause);
        if (wait[1].revents && !drain(out))
            out->fd = -out->fd - 1; /* poll(2) passes over negative numbers */
        if (wait[2].revents && !drain(err))
            err->fd = -err->fd - 1;
        if (wait[3].revents)
            listener_serve(w);
        open = !wait[0].revents;
        double now = seconds_now();
        if (open && how->watch && now >= look) {
            r->given_up = how->watch(how->watch_state);
            look = seconds_now() + watch_seconds;
        }
        r->flooded = out->bytes > RUN_OUTPUT_LIMIT || err->bytes > RUN_OUTPUT_LIMIT;
        if (open && (r->flooded || r->given_up || now > begun + 3 * r->limit + BACKSTOP_SECONDS)) {
            end_run(pid);
            open = false;
        }
    }
}

/* A stream whose end was seen has its descriptor marked; see listen_to. */
static void drain_rest(struct stream *s)
{
    if (s->fd < 0)
        s->fd = -s->fd - 1;
    else
        drain(s);
}

/* What the program left in the test's folder. It goes before the next run of the same
   test, so that nobody can take an old result for a new one. */
static struct words left_over;

static void remove_left_over(void)
{
    for (size_t i = 0; i < left_over.count; i++)
        folder_remove(left_over.item[i]);
    words_free(&left_over);
}

static bool holds(const struct words *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->item[i], name) == 0)
            return true;
    return false;
}

static void note_left_over(const struct words *before)
{
    struct words after = {0};
    folder_names(".", &after);
    for (size_t i = 0; i < after.count; i++)
        if (!holds(before, after.item[i]))
            words_add(&left_over, after.item[i]);
    words_free(&after);
}

static void copy_words(struct words *to, const char *const *from)
{
    words_free(to);
    words_add_all(to, from);
}

static void remember(const struct launch *how, const char *const *args)
{
    last.how = *how;
    copy_words(&last.env, how->env);
    copy_words(&last.wrap, how->wrap);
    copy_words(&last.args, args);
}

/* The last run once more: the same words and ranks, and more in its environment. */
static void run_last(struct run *r, struct launch how, const char *const *more)
{
    struct words env = last.env, wrap = last.wrap, args = last.args; /* taken out: the new run is the last one then */
    last.env = last.wrap = last.args = (struct words){0};
    words_add_all(&env, more);
    how.ranks = last.how.ranks;
    how.env = (const char *const *)env.item;
    how.wrap = (const char *const *)wrap.item;
    run_program(r, &how, (const char *const *)args.item);
    words_free(&env);
    words_free(&wrap);
    words_free(&args);
}

char *run_program_path(const char *flavour)
{
    return text_format("%s/%s/%s", setting("LAB_PROGRAMS", "."), flavour, run_program_name());
}

bool run_ended_well(const struct run *r)
{
    return r->report.stopped == STOP_NONE && !r->given_up && r->report.exit_status == 0;
}

bool run_again_with(struct run *r, const char *flavour, const char *const *env)
{
    char *program = run_program_path(flavour);
    bool there = access(program, F_OK) == 0, same = last.how.flavour && strcmp(last.how.flavour, flavour) == 0;
    free(program);
    if (!there || same || !last.args.item)
        return false;
    double seconds = 4 * (last.how.seconds > 0 ? last.how.seconds : 10);
    run_last(r, (struct launch){.flavour = flavour, .seconds = seconds}, env);
    return true;
}

bool run_again_heard(struct run *r, struct witness *w)
{
    if (!last.args.item)
        return false;
    run_last(r, (struct launch){.flavour = last.how.flavour, .seconds = last.how.seconds, .witness = w}, NULL);
    return true;
}

const char *run_flavour(void)
{
    return last.how.flavour ? last.how.flavour : "plain";
}

void run_program(struct run *r, const struct launch *how, const char *const *args)
{
    remember(how, args);
    struct words before = {0};
    remove_left_over();
    folder_names(".", &before);
    const char *inside = setting("LAB_PROGRAMS_INSIDE", setting("LAB_PROGRAMS", "."));
    char *program = text_format("%s/%s/%s", inside, how->flavour ? how->flavour : "plain", run_program_name());
    int out[2], err[2], report[2];
    make_pipe(out);
    make_pipe(err);
    make_pipe(report);
    *r = (struct run){
        .ranks = how->ranks, .limit = how->seconds > 0 ? how->seconds : 10, .command = command_for_people(how, args)};
    struct words w = {0};
    char *tmpdir = own_tmpdir(how);
    run_sandbox_words(&w);
    if (tmpdir[0])
        setenv("TMPDIR", tmpdir, 1);
    add_reaper(&w, how, r->limit, report[1]);
    add_command(&w, how, program, args);
    if (how->witness && listener_open(how->witness) != 0)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot listen on the socket 'witness': %s", strerror(errno));

    pid_t pid = start(w.item, out[1], err[1], report[1]);
    close(out[1]);
    close(err[1]);
    close(report[1]);
    FILE *record = open_record(r);
    struct stream streams[2] = {open_stream(out[0], record), open_stream(err[0], record)};
    listen_to(r, how, &streams[0], &streams[1], report[0], pid);
    if (how->witness)
        listener_close(how->witness);
    r->lost = read(report[0], &r->report, sizeof r->report) != sizeof r->report || r->report.magic != REAPER_MAGIC;
    close(report[0]);
    waitpid(pid, NULL, 0);
    drain_rest(&streams[0]);
    drain_rest(&streams[1]);
    close_record(record, r);
    r->out_bytes = streams[0].bytes;
    r->err_bytes = streams[1].bytes;
    r->out = finish(&streams[0]);
    r->err = finish(&streams[1]);
    if (tmpdir[0])
        folder_remove(tmpdir);
    free(tmpdir);
    note_left_over(&before);
    words_free(&before);
    words_free(&w);
    free(program);
}

void run_free(struct run *r)
{
    free(r->command);
    free(r->out);
    free(r->err);
    *r = (struct run){0};
}
