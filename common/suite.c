/* suite.c: runs the tests of one lab, each in a process (Check's fork mode) and in
   a folder of its own under LAB_WORK. */
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"
#include "words.h"

/* The reaper's limits are the ones that count; Check's own is for a suite that hangs. */
enum { TEST_SECONDS = 300 };

static const char *program_name, *test_name;

const char *run_program_name(void)
{
    return program_name;
}

uint64_t suite_seed(void)
{
    const char *text = getenv("LAB_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 0;
    for (const char *p = test_name; *p; p++)
        seed = seed * 1099511628211u + (unsigned char)*p; /* FNV's prime */
    return seed;
}

/* ---- the test's folder ---- */

/* Makes an empty folder and goes there. When the program runs as another user
   (LAB_UID) the folder is that user's. */
static void enter_folder(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the suite is killed, its test ends too */
    const char *work = getenv("LAB_WORK"), *uid = getenv("LAB_UID");
    if (!work)
        work = "."; /* not reached: see default_settings */
    char *folder = text_format("%s/%s", work, test_name);
    folder_remove(folder);
    if ((mkdir(work, 0755) != 0 && errno != EEXIST) || mkdir(folder, 0755) != 0 || chdir(folder) != 0)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot make the folder %s: %s", folder, strerror(errno));
    if (uid && chown(".", (uid_t)strtoul(uid, NULL, 10), (gid_t)strtoul(uid, NULL, 10)) != 0)
        fail_test(CAUSE_ENVIRONMENT, NULL, "cannot give the folder %s to user %s: %s", folder, uid, strerror(errno));
    free(folder);
}

/* ---- main ---- */

static void default_setting(const char *name, const char *value)
{
    setenv(name, value, 0);
}

static void default_settings(void)
{
    char *seed = text_format("%llu", (unsigned long long)time(NULL));
    char *work = text_format("/tmp/lab-%s-%d", program_name, (int)getpid());
    default_setting("LAB_SEED", seed);
    default_setting("LAB_WORK", work);
    default_setting("CK_MAX_MSG_SIZE", "8192");
    free(seed);
    free(work);
}

/* The test that CK_RUN_CASE names, or each in turn: a setup function has no
   argument, so the folder is made by a fixture that finds the name here. */
static Suite *one_test(const TTest *test)
{
    test_name = test->name;
    Suite *suite = suite_create(program_name);
    TCase *tcase = tcase_create(test->name);
    tcase_set_timeout(tcase, TEST_SECONDS);
    tcase_add_checked_fixture(tcase, enter_folder, NULL);
    tcase_add_test(tcase, test);
    suite_add_tcase(suite, tcase);
    return suite;
}

static int run_one(const TTest *test)
{
    SRunner *runner = srunner_create(one_test(test));
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed;
}

int suite_main(int argc, char **argv, const char *program, const TTest *const tests[], size_t count)
{
    program_name = program;
    default_settings();
    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < count; i++)
            puts(tests[i]->name);
        return EXIT_SUCCESS;
    }
    if (argc > 1) {
        fprintf(stderr, "usage: %s [--list]    (CK_RUN_CASE=name runs one test)\n", argv[0]);
        return 2;
    }
    const char *only = getenv("CK_RUN_CASE");
    int ran = 0, failed = 0;
    for (size_t i = 0; i < count; i++)
        if (!only || strcmp(only, tests[i]->name) == 0) {
            failed += run_one(tests[i]);
            ran++;
        }
    if (ran == 0) {
        fprintf(stderr, "%s: there is no test named %s; --list shows them\n", argv[0], only);
        return 2;
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
