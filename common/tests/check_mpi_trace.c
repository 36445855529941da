/* check_mpi_trace.c: the tests of the MPI tracing layer and of its stories. Each
   compiles a small program of tests/mpi/ with the layer, starts it with mpirun, and
   asks what the story says. Source lines are looked up by their marker in a
   comment ("HERE", "SENT", ...), never copied from an answer.

   COMMON_DIR names the folder of common/, if this file was not compiled from it. */
#include <check.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mpi_story.h"
#include "rng.h"

#define HANG_LIMIT 2 /* seconds that a program which hangs is given */
#define LIMIT 60     /* seconds that a program which ends is given, on a busy machine */

static char common[PATH_MAX]; /* the folder of the layer's sources */
static char work[] = "/tmp/check_mpi_trace.XXXXXX";

/* Runs a command through the shell; returns its exit status, -1 if it did not exit. */
__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
    char *command;
    va_list args;
    va_start(args, format);
    ck_assert_int_ge(vasprintf(&command, format, args), 0);
    va_end(args);
    int status = system(command);
    free(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Once for all tests: a folder, and the layer compiled in it. */
static void build_layer(void)
{
    ck_assert_ptr_nonnull(mkdtemp(work));
    int status = shell("cd '%s' && for f in '%s'/mpi_trace*.c; do"
                       "  gcc -std=gnu17 -D_GNU_SOURCE -g -O2 -Werror -Wall -Wextra -I'%s' $(mpicc --showme:compile) "
                       "-c \"$f\" || exit 1;"
                       " done",
                       work, common, common);
    ck_assert_msg(status == 0, "the tracing layer does not compile");
}

static void remove_layer(void)
{
    shell("rm -rf '%s'", work);
}

/* What mpirun needs of its surroundings (several ranks on few cores, no network, containers). */
static void set_surroundings(void)
{
    setenv("OMPI_MCA_pml", "ob1", 1);
    setenv("OMPI_MCA_btl", "self,vader", 1);
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 1);
    setenv("OMPI_MCA_osc", "^ucx", 1);
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 1);
    setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 1);
    setenv("OMPI_MCA_plm_rsh_agent", "false", 1);
    if (geteuid() == 0) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    }
}

static char *in_work(const char *name)
{
    static char path[2][PATH_MAX];
    static int turn;
    turn = !turn;
    snprintf(path[turn], PATH_MAX, "%s/%s", work, name);
    return path[turn];
}

/* mpirun can die and leave a rank. Its pid stands in its file, and its program says that it is still the same one. */
static void end_ranks(const struct mpi_story *story, int ranks, const char *program)
{
    for (int r = 0; r < ranks; r++) {
        const struct mpi_story_rank *rank = mpi_story_rank(story, r);
        char link[64], target[PATH_MAX] = "";
        if (!rank->present)
            continue;
        snprintf(link, sizeof link, "/proc/%d/exe", rank->file->pid);
        if (readlink(link, target, sizeof target - 1) > 0 && strcmp(target, program) == 0)
            kill(rank->file->pid, SIGKILL);
    }
}

static bool may_be_short; /* the next story may lack what there was no room for */

/* The story of one run of tests/mpi/<program>.c. env: further "NAME=value" words. A program that is ended by the
   limit must be one that was expected to hang, and the other way round. */
static struct mpi_story *play(const char *program, int ranks, const char *env, bool hangs)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/%s.%d.trace", work, program, (int)getpid());
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    int status =
        shell("cd '%s' && gcc -std=gnu17 -g -O2 -I'%s' $(mpicc --showme:compile) '%s/tests/mpi/%s.c' mpi_trace*.o"
              " $(mpicc --showme:link) -o '%s'",
              work, common, common, program, program);
    ck_assert_msg(status == 0, "%s.c does not compile", program);
    /* mpirun's own time limit (status 110) was once seen to hang; timeout (124, or 137 when it has to kill) does not. */
    int limit = hangs ? HANG_LIMIT : LIMIT;
    status = shell("cd '%s' && env %s LAB_MPI_TRACE='%s' TMPDIR='%s' timeout -k 2 %d mpirun --timeout %d"
                   " --map-by :OVERSUBSCRIBE -n %d './%s' >'%s.out' 2>&1",
                   work, env, folder, work, limit + 5, limit, ranks, program, program);
    struct mpi_story *story = mpi_story_read(folder, ranks, in_work(program));
    end_ranks(story, ranks, in_work(program));
    /* And mpirun was seen to crash itself (139) when it had ended what hung. */
    bool hung = status == 110 || status == 124 || status == 137 || (hangs && status == 139);
    if (hung != hangs || (!hangs && status != 0))
        shell("cat '%s/%s.out' >&2", work, program);
    ck_assert_msg(hung == hangs && (hangs || status == 0), "%s ended with status %d", program, status);
    ck_assert_msg(may_be_short ? mpi_story_present(story) : mpi_story_whole(story), "%s left no whole trace", program);
    return story;
}

/* "program.c:13", the line that has the marker. */
static const char *place(const char *program, const char *marker)
{
    static char where[4][200];
    static int turn;
    char path[PATH_MAX + 64], line[400], comment[64];
    snprintf(path, sizeof path, "%s/tests/mpi/%s.c", common, program);
    snprintf(comment, sizeof comment, "/* %s */", marker);
    FILE *source = fopen(path, "r");
    ck_assert_ptr_nonnull(source);
    int number = 1;
    while (fgets(line, sizeof line, source) && !strstr(line, comment))
        number++;
    ck_assert_msg(!feof(source), "%s has no line marked %s", path, marker);
    fclose(source);
    turn = (turn + 1) % 4;
    snprintf(where[turn], sizeof where[turn], "%s.c:%d", program, number);
    return where[turn];
}

__attribute__((format(printf, 2, 3))) static void says(const char *words, const char *format, ...)
{
    char expected[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(expected, sizeof expected, format, args);
    va_end(args);
    ck_assert_msg(words && strstr(words, expected), "expected to read\n  %s\nin\n  %s", expected,
                  words ? words : "(nothing)");
}

static void silent(char *words)
{
    ck_assert_msg(words == NULL, "expected no complaint, but read\n  %s", words);
}

static char *deadlock_of(const char *program, int ranks, const char *env)
{
    struct mpi_story *story = play(program, ranks, env, true);
    char *words;
    enum mpi_verdict verdict = mpi_story_hang(story, &words);
    ck_assert_msg(verdict == MPI_STORY_DEADLOCK, "not called a deadlock: %s", words);
    mpi_story_free(story);
    return words;
}

/* ---- hangs ---- */

START_TEST(both_receive_first)
{
    char *words = deadlock_of("recv_recv", 2, "");
    const char *here = place("recv_recv", "HERE");
    says(words,
         "deadlock: rank 0 waits in MPI_Recv(source=1, tag=11) at %s, rank 1 waits in MPI_Recv(source=0, tag=11) at "
         "%s\n",
         here, here);
    says(words, "one rank of each pair has to send first");
    free(words);
}
END_TEST

START_TEST(both_send_first_synchronously)
{
    char *words = deadlock_of("send_send", 2, "LAB_MPI_SYNC=1");
    const char *here = place("send_send", "HERE");
    says(words,
         "deadlock: rank 0 waits in MPI_Send(dest=1, tag=13) at %s, rank 1 waits in MPI_Send(dest=0, tag=13) at %s\n",
         here, here);
    says(words, "they all send first");
    free(words);
}
END_TEST

START_TEST(both_send_first_buffered)
{
    struct mpi_story *story = play("send_send", 2, "", false);
    char *words;
    ck_assert_int_eq(mpi_story_hang(story, &words), MPI_STORY_ENDED);
    free(words);
    silent(mpi_story_unreceived(story, 0));
    mpi_story_free(story);
}
END_TEST

START_TEST(a_rank_skips_the_barrier)
{
    char *words = deadlock_of("no_barrier", 4, "");
    says(words, "ranks 0, 1 and 3 wait in MPI_Barrier at %s", place("no_barrier", "HERE"));
    says(words, "rank 2 never entered it; rank 2 is in MPI_Finalize");
    free(words);
}
END_TEST

START_TEST(different_collectives)
{
    char *words = deadlock_of("other_collective", 3, "");
    says(words, "rank 0 made MPI_Barrier at %s where rank 1 made MPI_Allgather", place("other_collective", "HERE"));
    free(words);
}
END_TEST

START_TEST(a_reduction_of_unlike_parts)
{
    struct mpi_story *story = play("unlike", 3, "", true);
    char *mismatch = mpi_story_mismatch(story, 0), *words;
    says(mismatch,
         "rank 0 gave 1 element (8 bytes) to MPI_Allreduce at %s on a communicator of 2 ranks where rank 1 gave 2 "
         "elements (16 bytes) to MPI_Allreduce",
         place("unlike", "TWO"));
    ck_assert_int_eq(mpi_story_hang(story, &words), MPI_STORY_BUSY);
    says(words, "rank 2 is computing");
    says(words, "rank 0 gave 1 element (8 bytes) to MPI_Allreduce at %s where rank 1 gave 2", place("unlike", "ALL"));
    free(mismatch);
    free(words);
    mpi_story_free(story);
}
END_TEST

START_TEST(a_wrong_tag_names_both)
{
    char *words = deadlock_of("wrong_tag", 2, "");
    says(words, "rank 1 waits in MPI_Recv(source=0, tag=13) at %s", place("wrong_tag", "HERE"));
    says(words,
         "rank 1 waits for tag 13, but the message that rank 0 sent it has tag 11: MPI_Send(dest=1, tag=11) at %s",
         place("wrong_tag", "SENT"));
    free(words);
}
END_TEST

START_TEST(an_open_request_of_several)
{
    char *words = deadlock_of("waitall", 2, "");
    says(words, "rank 0 waits in MPI_Waitall for MPI_Irecv(source=1, tag=6) at %s, begun at %s",
         place("waitall", "HERE"), place("waitall", "BEGUN"));
    free(words);
}
END_TEST

START_TEST(asking_for_ever)
{
    char *words = deadlock_of("polling", 2, "");
    says(words, "rank 1 waits in a loop of MPI_Iprobe(source=0, tag=4) at %s", place("polling", "HERE"));
    free(words);
}
END_TEST

START_TEST(computing_is_no_deadlock)
{
    struct mpi_story *story = play("computing", 2, "", true);
    char *words;
    ck_assert_int_eq(mpi_story_hang(story, &words), MPI_STORY_BUSY);
    says(words, "rank 0 is computing");
    says(words, "rank 1 waits in MPI_Recv(source=0, tag=3)");
    free(words);
    mpi_story_free(story);
}
END_TEST

/* ---- runs that end ---- */

START_TEST(what_is_left_behind)
{
    struct mpi_story *story = play("left", 2, "", false);
    char *objects = mpi_story_objects(story, 0), *messages = mpi_story_unreceived(story, 0);
    says(objects, "a datatype was never freed (MPI_Type_free): made by MPI_Type_contiguous at %s on ranks 0 and 1",
         place("left", "TYPE"));
    says(objects, "an operation was never freed (MPI_Op_free): made by MPI_Op_create at %s", place("left", "OP"));
    says(objects,
         "a request was never completed (MPI_Wait and the like): made by MPI_Irecv(source=1, tag=30) at %s on "
         "rank 0",
         place("left", "REQUEST"));
    says(objects,
         "the request of a send was freed before the send had ended (MPI_Wait tells when it has): made by "
         "MPI_Isend(dest=1, tag=32) at %s on rank 0",
         place("left", "GIVEN_AWAY"));
    says(messages, "rank 1 sent it to rank 0 by MPI_Send(dest=0, tag=31) at %s", place("left", "MESSAGE"));
    free(objects);
    free(messages);
    silent(mpi_story_objects(story, 1));
    silent(mpi_story_unreceived(story, 1));
    mpi_story_free(story);
}
END_TEST

static void insist_on_clean(const char *env)
{
    struct mpi_story *story = play("clean", 3, env, false);
    silent(mpi_story_objects(story, MPI_STORY_ALL));
    silent(mpi_story_unreceived(story, MPI_STORY_ALL));
    for (int size = 1; size <= 3; size++) {
        silent(mpi_story_collective(story, size, size, MPI_CALLS(CALL_Allgather, CALL_Allgatherv), 1));
        silent(mpi_story_collective(story, size, size, MPI_CALLS(CALL_Allreduce), 2));
        silent(mpi_story_collective(story, size, size, MPI_CALLS(CALL_Iallreduce), 0));
        silent(mpi_story_collective(story, size, size, MPI_CALLS(CALL_Neighbor_allgather), 1));
        silent(mpi_story_collective(story, size, size, MPI_CALLS(CALL_Win_fence), 2));
        silent(mpi_story_clash(story, size));
        for (int r = 0; r < 3; r++)
            ck_assert_int_eq(mpi_story_count(story, r, size, MPI_CALLS(CALL_Allgatherv)), r >= 3 - size);
    }
    mpi_story_free(story);
}

START_TEST(a_clean_program)
{
    insist_on_clean("");
}
END_TEST

START_TEST(a_clean_program_synchronous_and_delayed)
{
    insist_on_clean("LAB_MPI_SYNC=1 LAB_MPI_HOLD=7");
}
END_TEST

START_TEST(own_operations_in_every_order)
{
    struct mpi_story *story = play("orders", 4, "", false);
    silent(mpi_story_objects(story, MPI_STORY_ALL));
    for (int r = 0; r < 4; r++) {
        const struct mpi_story_rank *rank = mpi_story_rank(story, r);
        for (size_t i = 0; i < rank->count; i++) {
            const struct mpi_trace_call *call = &rank->calls[i];
            bool reduces = call->function == CALL_Allreduce || call->function == CALL_Reduce;
            ck_assert_int_eq((call->flags & MPI_TRACE_OWN_OP) != 0, call->mark == 0 && reduces);
        }
    }
    mpi_story_free(story);
}
END_TEST

START_TEST(collectives_that_were_not_as_asked)
{
    struct mpi_story *story = play("clean", 3, "", false);
    char *words = mpi_story_collective(story, 2, 2, MPI_CALLS(CALL_Bcast, CALL_Reduce), 0);
    says(words, "MPI_Bcast or MPI_Reduce was called by no rank; rank 1 called ");
    says(words, "MPI_Allreduce (2 times)");
    free(words);
    words = mpi_story_collective(story, 2, 3, MPI_CALLS(CALL_Allgatherv), 0);
    says(words, "it was called on a communicator of 2 ranks, but the one that was given has 3");
    free(words);
    words = mpi_story_collective(story, 2, 2, MPI_CALLS(CALL_Allreduce), 1);
    says(words, "every rank called it 2 times, and 1 is enough");
    free(words);
    mpi_story_free(story);
}
END_TEST

START_TEST(memory_that_two_messages_use)
{
    struct mpi_story *story = play("clash", 2, "", false);
    char *words = mpi_story_clash(story, 0), *both = mpi_story_clash(story, 1);
    says(words, "rank 0: MPI_Recv(source=1, tag=2) at %s receives into memory that MPI_Isend at %s still uses",
         place("clash", "HERE"), place("clash", "BEGUN"));
    says(both, "MPI_Sendrecv(dest=1, tag=3, source=1, tag=3) at %s sends from and receives into the same memory",
         place("clash", "BOTH"));
    silent(mpi_story_clash(story, 2));
    char *changed = mpi_story_clash(story, 3), *counts = mpi_story_clash(story, 4);
    says(changed, "rank 0: MPI_Iallreduce at %s only begins, and memory that it was given was changed or freed before",
         place("clash", "CHANGED"));
    says(counts, "rank 0: MPI_Iallgatherv at %s only begins, and memory that it was given was changed or freed before",
         place("clash", "COUNTS"));
    silent(mpi_story_clash(story, 5));
    free(changed);
    free(counts);
    free(words);
    free(both);
    mpi_story_free(story);
}
END_TEST

START_TEST(more_than_there_is_room_for)
{
    may_be_short = true;
    struct mpi_story *story = play("many", 3, "", false);
    ck_assert(!mpi_story_whole(story));
    ck_assert_int_eq(mpi_story_overflow(story), -1);
    char *words = mpi_story_objects(story, 0);
    says(words, "a communicator was never freed (MPI_Comm_free): made by MPI_Comm_dup at %s", place("many", "COMM"));
    says(words, "a window was never freed (MPI_Win_free): made by MPI_Win_create at %s", place("many", "WINDOW"));
    free(words);
    mpi_story_free(story);
}
END_TEST

/* Pairs and their first ranks hang together; a call in the pairs alone joins nobody to the others. */
START_TEST(collectives_in_two_levels)
{
    may_be_short = true;
    struct mpi_story *story = play("many", 3, "", false);
    silent(mpi_story_collective(story, 2, 3, MPI_CALLS(CALL_Reduce, CALL_Allreduce), 0));
    char *words = mpi_story_collective(story, 2, 3, MPI_CALLS(CALL_Reduce, CALL_Bcast), 0);
    says(words, "it was called on a communicator of 2 ranks, but the one that was given has 3");
    free(words);
    ck_assert(!mpi_story_own_reduction(story, 2, 3));
    mpi_story_free(story);
}
END_TEST

START_TEST(a_chart_has_every_message)
{
    struct mpi_story *story = play("left", 2, "", false);
    char *chart = mpi_story_chart(story, 0);
    says(chart, "MPI_Send at %s, tag 31, 4 bytes: not received", place("left", "MESSAGE"));
    says(chart, "x---"); /* it starts at rank 1 and gets nowhere */
    says(chart, "---o");
    free(chart);
    chart = mpi_story_svg(story, 0);
    says(chart, ">MPI_Send at %s</text>", place("left", "MESSAGE"));
    says(chart, ">not received, tag 31</text>");
    free(chart);
    mpi_story_free(story);
}
END_TEST

/* ---- files that somebody hostile wrote ---- */

static void put(const char *folder, const void *bytes, size_t size)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/rank-0", folder);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* Asks everything that can be asked of a story of one rank; what it says is of no interest. */
static void ask_everything(const char *folder)
{
    struct mpi_story *story = mpi_story_read(folder, 1, NULL);
    char *words;
    mpi_story_hang(story, &words);
    free(words);
    free(mpi_story_objects(story, MPI_STORY_ALL));
    free(mpi_story_unreceived(story, MPI_STORY_ALL));
    free(mpi_story_chart(story, MPI_STORY_ALL));
    free(mpi_story_svg(story, MPI_STORY_ALL));
    free(mpi_story_collective(story, 0, 1000, MPI_CALLS(CALL_Barrier), 0));
    mpi_story_free(story);
}

START_TEST(strange_files_are_not_present)
{
    char folder[PATH_MAX], path[PATH_MAX + 64];
    snprintf(folder, sizeof folder, "%s/strange", work);
    snprintf(path, sizeof path, "%s/rank-0", folder);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    struct mpi_trace_file *file = calloc(1, sizeof *file);
    file->magic = MPI_TRACE_MAGIC;
    file->version = MPI_TRACE_VERSION;
    file->size = 1;
    for (int kind = 0; kind < 5; kind++) {
        unlink(path);
        if (kind == 0)
            ck_assert_int_eq(mkfifo(path, 0600), 0);
        if (kind == 1)
            ck_assert_int_eq(symlink("/dev/zero", path), 0);
        if (kind == 2)
            put(folder, file, sizeof *file - 1);
        file->magic += kind == 3; /* and wrong from here on */
        if (kind >= 3)
            put(folder, file, sizeof *file);
        struct mpi_story *story = mpi_story_read(folder, 1, NULL);
        ck_assert_msg(!mpi_story_rank(story, 0)->present, "kind %d was taken for a trace", kind);
        mpi_story_free(story);
        ask_everything(folder);
    }
    free(file);
}
END_TEST

START_TEST(random_files_do_no_harm)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/random", work);
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    struct mpi_trace_file *file = malloc(sizeof *file);
    struct rng r = rng_seeded(4);
    for (int round = 0; round < 20; round++) {
        unsigned char *bytes = (unsigned char *)file;
        for (size_t i = 0; i < sizeof *file; i++) /* small numbers reach further than large ones */
            bytes[i] = round % 2 ? (unsigned char)rng_next(&r) : i % 4 == 0 ? (unsigned char)rng_below(&r, 4) : 0;
        file->magic = MPI_TRACE_MAGIC;
        file->version = MPI_TRACE_VERSION;
        file->rank = 0;
        file->size = 1;
        file->written = rng_below(&r, 300);
        file->finalized = file->exited = 0;
        put(folder, file, sizeof *file);
        ask_everything(folder);
    }
    free(file);
}
END_TEST

static Suite *mpi_trace_suite(void)
{
    const TTest *tests[] = {
        both_receive_first,
        both_send_first_synchronously,
        both_send_first_buffered,
        a_rank_skips_the_barrier,
        different_collectives,
        a_reduction_of_unlike_parts,
        a_wrong_tag_names_both,
        an_open_request_of_several,
        asking_for_ever,
        computing_is_no_deadlock,
        what_is_left_behind,
        a_clean_program,
        a_clean_program_synchronous_and_delayed,
        own_operations_in_every_order,
        collectives_that_were_not_as_asked,
        memory_that_two_messages_use,
        more_than_there_is_room_for,
        collectives_in_two_levels,
        a_chart_has_every_message,
        strange_files_are_not_present,
        random_files_do_no_harm,
    };
    Suite *suite = suite_create("mpi_trace");
    TCase *tcase = tcase_create("mpi_trace");
    tcase_add_unchecked_fixture(tcase, build_layer, remove_layer);
    tcase_set_timeout(tcase, 120);
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    const char *named = getenv("COMMON_DIR");
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", __FILE__);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    else
        strcpy(folder, ".");
    strncat(folder, "/..", sizeof folder - strlen(folder) - 1);
    if (!realpath(named ? named : folder, common)) {
        fprintf(stderr, "check_mpi_trace: no folder %s; set COMMON_DIR to that of common/\n", named ? named : folder);
        return EXIT_FAILURE;
    }
    set_surroundings();
    SRunner *runner = srunner_create(mpi_trace_suite());
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
