/* check_run.c: how a program is started, limited, watched and ended. The programs
   are shell scripts; a run is judged in a Check test of its own, whose failure and
   message are what this suite asserts on. LAB_REAPER names the reaper. */
#include <check.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "explain.h"
#include "judge.h"
#include "proc.h"
#include "run.h"

const char *run_program_name(void)
{
    return "script";
}

static char folder[] = "/tmp/check_run.XXXXXX";

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(strcpy(folder, "/tmp/check_run.XXXXXX")));
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(mkdir("plain", 0755), 0);
    setenv("LAB_PROGRAMS", folder, 1);
}

static void teardown(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Runs a shell script as the lab's program. */
static void run_script(struct run *r, const struct launch *how, const char *script)
{
    FILE *f = fopen("plain/script", "w");
    fprintf(f, "#!/bin/bash\n%s\n", script);
    fclose(f);
    chmod("plain/script", 0755);
    run_program(r, how, ARGS("one", "two words"));
}

START_TEST(output_and_status_are_kept)
{
    struct run r;
    run_script(&r, &(struct launch){0}, "echo \"$1|$2\"; echo oops >&2; exit 7");
    ck_assert_str_eq(r.out, "one|two words\n");
    ck_assert_str_eq(r.err, "oops\n");
    ck_assert_int_eq(r.report.exit_status, 7);
    ck_assert_int_eq(r.report.signal, 0);
    ck_assert_int_eq(r.report.left, 0);
    ck_assert_str_eq(r.command, "./script one 'two words'");
    run_free(&r);
}
END_TEST

START_TEST(signal_is_told)
{
    struct run r;
    run_script(&r, &(struct launch){0}, "kill -SEGV $$");
    ck_assert_int_eq(r.report.signal, SIGSEGV);
    ck_assert_int_eq(r.report.exit_status, -1);
    run_free(&r);
}
END_TEST

/* name is a pattern that does not match itself, since pgrep's own shell has it in its command. */
static bool is_running(const char *name)
{
    char command[64];
    snprintf(command, sizeof command, "pgrep -f '%s' >/dev/null", name);
    return system(command) == 0;
}

START_TEST(hang_ends_at_the_limit_with_all_it_started)
{
    struct run r;
    run_script(&r, &(struct launch){.seconds = 0.5}, "setsid sleep 98761 & (trap '' TERM INT; sleep 98762) & wait");
    ck_assert_int_eq(r.report.stopped, STOP_TIME);
    ck_assert_int_ge(r.report.seen_count, 3);
    ck_assert(!is_running("sleep 9876[12]"));
    run_free(&r);
}
END_TEST

START_TEST(left_processes_are_counted_and_ended)
{
    struct run r;
    run_script(&r, &(struct launch){0}, "setsid sleep 98763 >/dev/null 2>&1 & echo gone");
    ck_assert_int_eq(r.report.left, 1);
    ck_assert_str_eq(r.report.seen[0].name, "sleep");
    ck_assert(!is_running("sleep [9]8763"));
    run_free(&r);
}
END_TEST

START_TEST(a_moment_to_end_is_granted)
{
    struct run r;
    run_script(&r, &(struct launch){0}, "sleep 0.3 & exit 0");
    ck_assert_int_eq(r.report.left, 0);
    run_free(&r);
}
END_TEST

START_TEST(flood_is_ended_and_cut)
{
    struct run r;
    run_script(&r, &(struct launch){.seconds = 60}, "yes 0123456789");
    ck_assert(r.flooded);
    ck_assert_uint_lt(strlen(r.out), RUN_OUTPUT_KEPT + 100);
    ck_assert_ptr_nonnull(strstr(r.out, "[... cut ...]"));
    ck_assert(!is_running("yes [0]123456789"));
    run_free(&r);
}
END_TEST

START_TEST(head_and_tail_are_kept)
{
    struct run r;
    run_script(&r, &(struct launch){0}, "echo first; for i in {1..20000}; do echo $i; done; echo last");
    ck_assert_int_eq(strncmp(r.out, "first\n", 6), 0);
    ck_assert_str_eq(r.out + strlen(r.out) - 11, "20000\nlast\n");
    run_free(&r);
}
END_TEST

START_TEST(memory_limit_holds)
{
    struct run r;
    setenv("LAB_MEMORY_MB", "64", 1);
    run_script(&r, &(struct launch){.seconds = 30}, "x=$(head -c 200000000 /dev/zero | tr '\\0' a); sleep 30");
    ck_assert_int_eq(r.report.stopped, STOP_MEMORY);
    run_free(&r);
}
END_TEST

START_TEST(process_limit_holds)
{
    struct run r;
    setenv("LAB_PROCESSES", "20", 1);
    run_script(&r, &(struct launch){.seconds = 30}, "for i in {1..40}; do sleep 98764 & done; wait");
    ck_assert_int_eq(r.report.stopped, STOP_PROCESSES);
    ck_assert(!is_running("sleep [9]8764"));
    run_free(&r);
}
END_TEST

START_TEST(disk_limit_holds)
{
    struct run r;
    setenv("LAB_DISK_MB", "20", 1);
    run_script(&r, &(struct launch){.seconds = 30},
               "for i in {1..30}; do head -c 1000000 /dev/zero >$i; done; sleep 30");
    ck_assert_int_eq(r.report.stopped, STOP_DISK);
    run_free(&r);
    run_script(&r, &(struct launch){.seconds = 30}, "exec 5>x; rm x; head -c 30000000 /dev/zero >&5; sleep 30");
    ck_assert_int_eq(r.report.stopped, STOP_DISK);
    run_free(&r);
}
END_TEST

/* Compiles a program, lets it run into the time limit, and returns what is said of its processes. */
static const char *where_it_stood(const char *name, const char *source)
{
    static char text[1200];
    char command[128];
    struct run r;
    FILE *f = fopen(name, "w");
    fputs(source, f);
    fclose(f);
    snprintf(command, sizeof command, "gcc -O2 -g -o plain/script %s -lpthread", name);
    ck_assert_int_eq(system(command), 0);
    run_program(&r, &(struct launch){.seconds = 0.5}, ARGS("x"));
    ck_assert_int_eq(r.report.stopped, STOP_TIME);
    explain_processes(&r, text, sizeof text);
    run_free(&r);
    return text;
}

START_TEST(lines_of_those_that_hang_are_told)
{
    const char *said = where_it_stood("wait.c", "#include <unistd.h>\n"
                                                "static __attribute__((noinline)) long take(int fd)\n"
                                                "{\n"
                                                "    char c;\n"
                                                "    return read(fd, &c, 1) + c;\n"
                                                "}\n"
                                                "int main(void)\n"
                                                "{\n"
                                                "    int ends[2];\n"
                                                "    return pipe(ends) + (int)take(ends[0]);\n"
                                                "}\n");
    ck_assert_ptr_nonnull(strstr(said, "waits in read, at wait.c:5 (called at wait.c:10)"));
    said = where_it_stood("spin.c", "int main(void)\n"
                                    "{\n"
                                    "    volatile int i = 0;\n"
                                    "    for (;;)\n"
                                    "        i++;\n"
                                    "}\n");
    ck_assert_ptr_nonnull(strstr(said, "was computing, at spin.c:5"));
    said = where_it_stood("join.c", "#include <pthread.h>\n"
                                    "#include <unistd.h>\n"
                                    "static void *sleeps(void *none)\n"
                                    "{\n"
                                    "    pause();\n"
                                    "    return none;\n"
                                    "}\n"
                                    "int main(void)\n"
                                    "{\n"
                                    "    pthread_t t;\n"
                                    "    pthread_create(&t, 0, sleeps, 0);\n"
                                    "    return pthread_join(t, 0);\n"
                                    "}\n");
    ck_assert_ptr_nonnull(strstr(said, "at join.c:12"));
    ck_assert_ptr_nonnull(strstr(said, "join.c:5"));
}
END_TEST

START_TEST(old_results_are_removed)
{
    struct run r;
    run_script(&r, &(struct launch){0}, "touch out.npy; mkdir -p deep/er; touch deep/er/file");
    run_free(&r);
    ck_assert_int_eq(access("out.npy", F_OK), 0);
    run_script(&r, &(struct launch){0}, "ls");
    ck_assert_str_eq(r.out, "plain\n");
    run_free(&r);
}
END_TEST

START_TEST(system_calls_are_taken_away)
{
    struct run r;
    run_script(&r, &(struct launch){0},
               "unshare --user true && echo user; unshare --mount true && echo mount; "
               "python3 -c 'import socket; socket.socket(socket.AF_UNIX); socket.socket(); "
               "socket.socket(38, socket.SOCK_SEQPACKET)' 2>&1 | tail -1; true");
    ck_assert_str_eq(r.out, "PermissionError: [Errno 1] Operation not permitted\n");
    run_free(&r);
}
END_TEST

START_TEST(output_held_by_others_does_not_block)
{
    struct run r;
    double begun = seconds_now();
    run_script(&r, &(struct launch){0}, "sleep 98765 & echo done");
    ck_assert_str_eq(r.out, "done\n");
    ck_assert_double_lt(seconds_now() - begun, 9);
    run_free(&r);
}
END_TEST

/* ---- verdicts: the message that a test which judges this run fails with ---- */

static char verdict_message[8192];

static struct judged {
    const char *script;
    void (*judge)(const struct run *r);
} judged;

START_TEST(judge_it)
{
    struct run r;
    __lsan_disable(); /* a test that fails frees nothing */
    run_script(&r, &(struct launch){.seconds = 1}, judged.script);
    judged.judge(&r);
    run_free(&r);
}
END_TEST

static const char *verdict(const char *script, void (*judge)(const struct run *))
{
    judged = (struct judged){script, judge};
    setenv("CK_MAX_MSG_SIZE", "8192", 1);
    Suite *suite = suite_create("judged");
    TCase *tcase = tcase_create("judged");
    tcase_add_test(tcase, judge_it);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_SILENT);
    verdict_message[0] = '\0';
    if (srunner_ntests_failed(runner)) {
        TestResult **failures = srunner_failures(runner);
        snprintf(verdict_message, sizeof verdict_message, "%s", tr_msg(failures[0]));
        free(failures);
    }
    srunner_free(runner);
    return verdict_message;
}

static void ck_assert_verdict(const char *script, void (*judge)(const struct run *), const char *words)
{
    const char *message = verdict(script, judge);
    ck_assert_msg(strstr(message, words) != NULL, "%s: %s", script, message);
}

static void one_value(const struct run *r)
{
    expect_success(r);
    struct npy a = expect_array(r, "out.npy", NPY_F8, 1, (size_t[]){2});
    npy_free(&a);
}

START_TEST(verdicts_name_their_cause)
{
    static const struct {
        const char *script, *begins, *contains;
    } cases[] = {
        {"exit 0", "", ""},
        {"exit 3", "[exit]", "exit status 3; 0 was expected"},
        {"kill -SEGV $$", "[signal]", "SIGSEGV"},
        {"kill -XFSZ $$", "[resource]", "file it wrote became too large"},
        {"sleep 9", "[timeout]", "did not end within 1 s"},
        {"sleep 98766 & exit 0", "[hygiene]", "1 process of the program was still there"},
        {"echo '==1==ERROR: AddressSanitizer: heap-use-after-free on' >&2; "
         "echo '    #0 0x1 in pool_map /submission/pool.c:42:7' >&2; exit 1",
         "[memory]", "pool_map (pool.c:42)"},
        {"echo 'WARNING: ThreadSanitizer: data race' >&2; exit 66", "[race]", "at the same time"},
        {"echo '==1==ERROR: LeakSanitizer: detected memory leaks' >&2; exit 1", "[leak]", "never freed"},
        {"printf '\\033[31mred' >&2; exit 1", "[exit]", "?[31mred"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *message = verdict(cases[i].script, expect_success);
        ck_assert_msg(strncmp(message, cases[i].begins, strlen(cases[i].begins)) == 0 &&
                          strstr(message, cases[i].contains) && (cases[i].begins[0] || !message[0]),
                      "%s: %s", cases[i].script, message);
    }
}
END_TEST

START_TEST(all_waiting_is_a_deadlock)
{
    ck_assert_verdict("mkfifo a b; (read x <a; echo >b) & read y <b", expect_success, "[deadlock]");
    const char *message = verdict("mkfifo a; (read x <a) & exec 3<>a; wait", expect_success);
    ck_assert_msg(strstr(message, "every copy of the other end") != NULL, "%s", message);
}
END_TEST

START_TEST(outputs_are_hostile)
{
    ck_assert_verdict("exit 0", one_value, "[exit] main.c writes out.npy");
    ck_assert_verdict("rm -rf out.npy; mkfifo out.npy", one_value, "[tamper]");
    ck_assert_verdict("rm -rf out.npy; ln -s /etc/passwd out.npy", one_value, "[tamper]");
    ck_assert_verdict("rm -rf out.npy; mkdir out.npy", one_value, "[tamper]");
    ck_assert_verdict("rm -rf out.npy; truncate -s 200M out.npy", one_value, "[tamper]");
    ck_assert_verdict("rm -rf out.npy; echo hello >out.npy", one_value, "[tamper]");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run");
    TCase *tcase = tcase_create("run");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    const TTest *const tests[] = {output_and_status_are_kept,
                                  signal_is_told,
                                  hang_ends_at_the_limit_with_all_it_started,
                                  left_processes_are_counted_and_ended,
                                  a_moment_to_end_is_granted,
                                  flood_is_ended_and_cut,
                                  head_and_tail_are_kept,
                                  memory_limit_holds,
                                  process_limit_holds,
                                  disk_limit_holds,
                                  lines_of_those_that_hang_are_told,
                                  old_results_are_removed,
                                  system_calls_are_taken_away,
                                  output_held_by_others_does_not_block,
                                  verdicts_name_their_cause,
                                  all_waiting_is_a_deadlock,
                                  outputs_are_hostile};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
