/* mpi_story_run.c: see mpi_story_run.h. */
#include "mpi_story_run.h"

#include <fcntl.h>
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

struct mpi_story *run_mpi(struct run *r, const struct launch *how, const char *const *args)
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
    const char *programs = getenv("LAB_PROGRAMS");
    char *program =
        text_format("%s/%s/%s", programs ? programs : ".", how->flavour ? how->flavour : "plain", run_program_name());
    struct mpi_story *story = mpi_story_read(".", how->ranks, program);
    free(program);
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

static void expect_no_hang(const struct run *r, struct mpi_story *story)
{
    if (!r->given_up && r->report.stopped != STOP_TIME)
        return;
    struct explanation e;
    if (explain_sanitizer(r, &e)) /* a damaged heap often ends as a hang */
        fail_test(e.cause, NULL, "%s\n  command: %s", e.text, r->command);
    char *words = NULL;
    bool deadlock = mpi_story_hang(story, &words) == MPI_STORY_DEADLOCK;
    if (deadlock)
        fail_test(CAUSE_DEADLOCK, r, "%s%s", words, leave_chart(story));
    fail_test(CAUSE_TIMEOUT, r, "after %g s: %s%s", r->limit, words, leave_chart(story));
}

/* mpirun ends with 128 + the signal that ended a rank, and says which rank it was. */
static void expect_no_signal(const struct run *r)
{
    int signal = r->report.exit_status - 128;
    const char *said = strstr(r->err, "mpirun noticed that process rank ");
    struct explanation e;
    if (signal <= 0 || signal >= 32 || !said || explain_sanitizer(r, &e))
        return;
    fail_test(CAUSE_SIGNAL, NULL, "rank %d was ended by %s.\n  command: %s",
              atoi(said + strlen("mpirun noticed that process rank ")), explain_signal(signal), r->command);
}

void expect_mpi_success(const struct run *r, struct mpi_story *story)
{
    if (!r->flooded)
        expect_no_hang(r, story);
    if (!r->flooded && !r->lost && r->report.stopped == STOP_NONE) {
        expect_no_signal(r);
        if (r->report.exit_status != 0 && nobody_came(story))
            fail_test(CAUSE_ENVIRONMENT, r, "mpirun did not get the program's ranks through MPI_Init.");
    }
    expect_success(r);
}

void expect_nothing_left(const struct run *r, struct mpi_story *story, int mark)
{
    if (!mpi_story_whole(story))
        fail_test(CAUSE_TAMPER, r, "what the ranks wrote down about their MPI calls is not whole.");
    char *words = mpi_story_unreceived(story, mark);
    if (words)
        fail_test(CAUSE_HYGIENE, r, "%s.", words);
    words = mpi_story_objects(story, mark);
    if (words)
        fail_test(CAUSE_LEAK, r, "%s.", words);
}
