/* mpi_story_run.c: see mpi_story_run.h. */
#include "mpi_story_run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explain.h"
#include "words.h"

/* What the last look at a running program saw. */
struct look {
    int ranks;
    bool deadlock;
    uint64_t changes;
};

/* Was it deadlocked at the last look, is it still, and has no rank begun or ended a
   call since? Then no rank ever will. */
static bool is_stuck(void *state)
{
    struct look *last = state;
    struct mpi_story *story = mpi_story_read(".", last->ranks, NULL);
    char *words = NULL;
    bool deadlock = mpi_story_whole(story) && mpi_story_hang(story, &words) == MPI_STORY_DEADLOCK;
    uint64_t changes = mpi_story_changes(story);
    bool stuck = deadlock && last->deadlock && changes == last->changes;
    last->deadlock = deadlock;
    last->changes = changes;
    free(words);
    mpi_story_free(story);
    return stuck;
}

static struct mpi_story *run_once(struct run *r, const struct launch *how, const char *const *args)
{
    struct look look = {.ranks = how->ranks};
    struct launch watched = *how;
    watched.watch = is_stuck;
    watched.watch_state = &look;
    for (int i = 0; i < how->ranks; i++) { /* what an earlier run of this test left is not to be read again */
        char name[32];
        snprintf(name, sizeof name, "rank-%d", i);
        unlink(name);
    }
    run_program(r, &watched, args);
    char *program = run_program_path(run_flavour());
    struct mpi_story *story = mpi_story_read(".", how->ranks, program);
    free(program);
    return story;
}

/* mpirun ends with 128 + the signal that ended a rank, and says which rank it was. -1: none was. */
static int crashed_rank(const struct run *r)
{
    static const char noticed[] = "mpirun noticed that process rank ";
    int signal = r->report.exit_status - 128;
    const char *said = strstr(r->err, noticed);
    return signal > 0 && signal < 32 && said ? atoi(said + strlen(noticed)) : -1;
}

/* Was a rank ended by a signal before it came out of MPI_Init, or in MPI_Finalize or later? */
static bool crashed_outside(const struct run *r, const struct mpi_story *story)
{
    const struct mpi_story_rank *rank = mpi_story_rank(story, crashed_rank(r));
    return !r->given_up && r->report.stopped == STOP_NONE && rank && (!rank->present || rank->finished);
}

/* Open MPI 4.1 itself was seen to crash, once in some thousand runs on a busy machine and whatever the program. Where
   that may have been it, the run counts for nothing and is made again; a fault of the program comes again, too. */
struct mpi_story *run_mpi(struct run *r, const struct launch *how, const char *const *args)
{
    struct mpi_story *story = run_once(r, how, args);
    if (crashed_outside(r, story)) {
        mpi_story_free(story);
        run_free(r);
        story = run_once(r, how, args);
    }
    return story;
}

/* ---- how it ended ---- */

static bool nobody_came(const struct mpi_story *story)
{
    for (int i = 0; mpi_story_rank(story, i); i++)
        if (mpi_story_rank(story, i)->present)
            return false;
    return true;
}

/* Leaves the run as a picture in the test's folder. Whatever the program put in its place goes; a link is
   not followed. Returns words about it, or "". */
static const char *leave_chart(struct mpi_story *story)
{
    char *svg = mpi_story_svg(story, MPI_STORY_ALL);
    unlink("chart.svg");
    int fd = svg ? open("chart.svg", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644) : -1;
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool written = file && fputs(svg, file) >= 0;
    written = file && fclose(file) == 0 && written;
    free(svg);
    return written ? "\n  picture: chart.svg, among the test's files, shows every call of yours until then" : "";
}

/* What the C library says before it calls abort, in other words. */
static const char *heap_words(const char *err)
{
    static const char *const said[][2] = {
        {"free(): double free", "; the same block was given to free twice"},
        {"free(): invalid pointer", "; free was given a pointer that is not from malloc"},
        {"munmap_chunk(): invalid pointer", "; free was given a pointer that is not from malloc"},
        {"malloc(): ", "; something was written beyond the end of a block from malloc"},
        {"free(): invalid next size", "; something was written beyond the end of a block from malloc"},
        {"corrupted", "; something was written beyond the end of a block from malloc"},
        {"stack smashing", "; something was written beyond the end of a local array"},
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (strstr(err, said[i][0]))
            return said[i][1];
    return "";
}

static void expect_no_hang(const struct run *r, struct mpi_story *story)
{
    if (!r->given_up && r->report.stopped != STOP_TIME)
        return;
    struct explanation e;
    if (explain_sanitizer(r, &e)) /* a damaged heap often ends as a hang */
        fail_test(e.cause, NULL, "%s\n  command: %s", e.text, r->command);
    char *words = NULL, *left = mpi_story_objects(story, MPI_STORY_ALL);
    bool deadlock = mpi_story_hang(story, &words) == MPI_STORY_DEADLOCK;
    if (!deadlock && (*heap_words(r->err) || strstr(r->err, "Process received signal")))
        fail_test(CAUSE_TIMEOUT, r, "a rank damaged its memory, and then nothing went on%s.%s%s%s", heap_words(r->err),
                  left ? "\n" : "", left ? left : "", explain_crash());
    if (deadlock)
        fail_test(CAUSE_DEADLOCK, r, "%s%s", words, leave_chart(story));
    fail_test(CAUSE_TIMEOUT, r, "after %g s: %s%s", r->limit, words, leave_chart(story));
}

static void expect_no_signal(const struct run *r)
{
    int signal = r->report.exit_status - 128, rank = crashed_rank(r);
    struct explanation e;
    if (rank < 0 || explain_sanitizer(r, &e))
        return;
    fail_test(CAUSE_SIGNAL, NULL, "rank %d was ended by %s%s.%s\n  command: %s", rank, explain_signal(signal),
              signal == SIGABRT ? heap_words(r->err) : "", explain_crash(), r->command);
}

int mpi_aborting_rank(const struct mpi_story *story, bool ours)
{
    for (int i = 0; mpi_story_rank(story, i); i++) {
        const struct mpi_story_rank *rank = mpi_story_rank(story, i);
        for (size_t k = 0; k <= rank->count; k++) {
            const struct mpi_trace_call *call = k < rank->count ? &rank->calls[k] : &rank->current;
            if ((k < rank->count || rank->in_call) && call->function == CALL_Abort && (call->mark < 0) == ours)
                return i;
        }
    }
    return -1;
}

/* The student's own MPI_Abort: the caller is told of errors by what the function returns. */
static void expect_no_abort(const struct run *r, const struct mpi_story *story)
{
    int rank = mpi_aborting_rank(story, false);
    if (rank >= 0)
        fail_test(CAUSE_EXIT, r,
                  "rank %d ended the whole program with MPI_Abort, in the tested function. It is the caller's to "
                  "decide that: return the error's code.",
                  rank);
}

void expect_mpi_success(const struct run *r, struct mpi_story *story)
{
    if (!r->flooded)
        expect_no_hang(r, story);
    if (!r->flooded && !r->lost && r->report.stopped == STOP_NONE) {
        expect_no_signal(r);
        if (r->report.exit_status != 0)
            expect_no_abort(r, story);
        if (r->report.exit_status != 0 && nobody_came(story))
            fail_test(CAUSE_ENVIRONMENT, r, "mpirun did not get the program's ranks through MPI_Init.");
    }
    expect_success(r);
}

void expect_written_down(const struct run *r, const struct mpi_story *story)
{
    if (!mpi_story_present(story))
        fail_test(CAUSE_TAMPER, r, "what the ranks wrote down about their MPI calls is not whole.");
    int rank = mpi_story_overflow(story);
    if (rank >= 0)
        fail_test(CAUSE_METHOD, r,
                  "rank %d made %llu MPI calls, more than are written down (%d). A few collective calls are enough.",
                  rank, (unsigned long long)mpi_story_rank(story, rank)->file->written, MPI_TRACE_RING);
}

const char *mpi_error_advice(const char *said)
{
    static const char *const advice[][2] = {
        {"MPI_ERR_BUFFER",
         "A buffer is NULL, or the one that is sent and the one that is received into overlap (then say "
         "MPI_IN_PLACE); or a buffered send (MPI_Bsend) found no room: it needs MPI_Buffer_attach, with "
         "MPI_BSEND_OVERHEAD bytes more for each message."},
        {"MPI_ERR_TYPE",
         "A datatype has to be committed (MPI_Type_commit) before it is used, and not to be freed before."},
        {"MPI_ERR_OP",
         "That is no operation that this call knows: was it made (MPI_Op_create), and not freed yet? Those of "
         "MPI, such as MPI_SUM, work on MPI's own datatypes only."},
        {"MPI_ERR_ROOT", "The root has to be a rank of the communicator."},
        {"MPI_ERR_RANK", "That rank is not in the communicator."},
        {"MPI_ERR_COUNT", "A count is negative, or not what the call can take."},
        {"MPI_ERR_REQUEST", "That is no request, or one that was completed or freed before."},
        {"MPI_ERR_COMM", "That is no communicator: was it freed, or is this rank not in it (MPI_COMM_NULL)?"},
        {"MPI_ERR_TRUNCATE", "More came than there is room for: the counts of the two sides do not agree."},
    };
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++) {
        const char *found = strstr(said, advice[i][0]);
        if (found && strchr(": \n", found[strlen(advice[i][0])]))
            return advice[i][1];
    }
    return "";
}

void expect_nothing_left(const struct run *r, struct mpi_story *story, int mark)
{
    if (!mpi_story_present(story))
        fail_test(CAUSE_TAMPER, r, "what the ranks wrote down about their MPI calls is not whole.");
    /* Where calls or communicators were too many to keep, nobody knows which message went where. */
    char *words = mpi_story_whole(story) ? mpi_story_unreceived(story, mark) : NULL;
    if (words)
        fail_test(CAUSE_HYGIENE, r, "%s.", words);
    words = mpi_story_objects(story, mark);
    if (words)
        fail_test(CAUSE_LEAK, r, "%s.", words);
}
