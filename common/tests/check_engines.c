/* check_engines.c: every promise of engines.h, kept by engines.c.

   ./check_engines           runs the tests; each of them also asserts, when it ends,
                             that it left no descriptor and no child process
   ./check_engines --speed   prints how many tasks a second go through engines_submit
                             and engines_collect, best of five */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engines.h"

enum { ENGINES = 4, MIB = 1 << 20 };

/* ---- what the kernel says of this process ---- */

static int descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return -1;
    int count = -1; /* the folder's own descriptor is among them */
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* Reads state and parent of a process; false if there is none. */
static bool process_stat(const char *pid, char *state, int *parent)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    char *name_end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    fclose(file);
    return name_end != NULL && sscanf(name_end, ") %c %d", state, parent) == 2;
}

/* Counts the children of this process, zombies among them. */
static int children(int *zombies)
{
    int count = 0;
    DIR *folder = opendir("/proc");
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char state;
        int parent;
        if (!process_stat(entry->d_name, &state, &parent) || parent != getpid())
            continue;
        count++;
        *zombies += state == 'Z';
    }
    closedir(folder);
    return count;
}

static void pause_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- a word that the test and its engines share ---- */

static atomic_int *gate; /* held_task waits until it is not 0 */
static atomic_int *held; /* how many tasks have come to the gate */
static int descriptors_before;

static void share(void)
{
    gate = mmap(NULL, 2 * sizeof *gate, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(gate, MAP_FAILED);
    held = gate + 1;
    descriptors_before = descriptors();
    ck_assert_int_ge(descriptors_before, 0);
}

static void nothing_left(void)
{
    int zombies = 0, left = children(&zombies);
    ck_assert_msg(left == 0, "%d child processes are left, %d of them zombies", left, zombies);
    ck_assert_int_eq(descriptors(), descriptors_before);
    munmap(gate, 2 * sizeof *gate);
}

static char state_of(pid_t pid)
{
    char name[24], state = '?';
    int parent;
    snprintf(name, sizeof name, "%d", pid);
    ck_assert(process_stat(name, &state, &parent));
    return state;
}

/* An engine that was given a quick task sleeps when it has answered: it was woken by
   the submit already, and waits for nothing else. */
static void wait_until_asleep(pid_t pid)
{
    while (state_of(pid) != 'S')
        pause_ms(1);
}

static void wait_until_held(int count)
{
    while (atomic_load(held) < count)
        pause_ms(1);
}

/* Sends a signal, and returns when the kernel has delivered it; the zombie stays for engines.c. */
static void kill_and_see(pid_t pid)
{
    siginfo_t info;
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void stop_and_see(pid_t pid)
{
    siginfo_t info;
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
}

/* ---- tasks ---- */

static int square_task(const void *in, void *out)
{
    int x = *(const int *)in;
    *(int *)out = x * x;
    return 0;
}

static int negate_task(const void *in, void *out)
{
    *(int *)out = -*(const int *)in;
    return 0;
}

static int pid_task(const void *in, void *out)
{
    (void)in;
    *(pid_t *)out = getpid();
    return 0;
}

static int empty_task(const void *in, void *out)
{
    return in != NULL && out != NULL ? 0 : 1;
}

/* Fails at 13, and writes before it does. */
static int unlucky_task(const void *in, void *out)
{
    *(int *)out = 99;
    return *(const int *)in == 13 ? 7 : 0;
}

static int exit_task(const void *in, void *out)
{
    (void)out;
    exit(*(const int *)in);
}

static int held_task(const void *in, void *out)
{
    atomic_fetch_add(held, 1);
    while (atomic_load(gate) == 0)
        pause_ms(1);
    return square_task(in, out);
}

static int descriptors_task(const void *in, void *out)
{
    (void)in;
    *(int *)out = descriptors();
    return 0;
}

static int close_task(const void *in, void *out)
{
    (void)in;
    (void)out;
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    while (pause() < 0)
        continue;
    return 0;
}

static int print_task(const void *in, void *out)
{
    (void)out;
    printf("task %d\n", *(const int *)in);
    return 0;
}

/* out begins as zero bytes: 0, or the number of those that are not. */
static int zero_task(const void *in, void *out)
{
    int size = *(const int *)in, dirty = 0;
    for (int i = 0; i < size; i++)
        dirty += ((unsigned char *)out)[i] != 0;
    memset(out, 0xff, (size_t)size);
    return dirty;
}

/* Reverses blocks of bytes; their size stands in the test, and is the same here after fork. */
static size_t block_size;

static int reverse_task(const void *in, void *out)
{
    const unsigned char *from = in;
    unsigned char *to = out;
    for (size_t i = 0; i < block_size; i++)
        to[i] = from[block_size - 1 - i];
    return 0;
}

static int held_reverse_task(const void *in, void *out)
{
    int zero = 0, unused;
    held_task(&zero, &unused);
    return reverse_task(in, out);
}

/* ---- helpers ---- */

static struct engines *start(int count)
{
    struct engines *e = engines_start(count);
    ck_assert_msg(e != NULL, "engines_start(%d): %s", count, strerror(errno));
    return e;
}

static void submit_int(struct engines *e, int id, task_fn task, int x)
{
    ck_assert_msg(engines_submit(e, id, task, &x, sizeof x, sizeof x) == 0, "engine %d: %s", id, strerror(errno));
}

static int collect_int(struct engines *e, int id)
{
    int result = -1;
    ck_assert_msg(engines_collect(e, id, &result) == 0, "engine %d: %s", id, strerror(errno));
    return result;
}

#define ck_assert_fails(call, why)                                                                                     \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        ck_assert_int_eq((call), -1);                                                                                  \
        ck_assert_msg(errno == (why), "%s: errno is %s, not %s", #call, strerror(errno), #why);                        \
    } while (0)

/* What a dead engine must look like, once it has been noticed. */
static void assert_dead(struct engines *e, int id)
{
    int x = 2;
    ck_assert_fails(engines_collect(e, id, &x), EINVAL);
    ck_assert_fails(engines_submit(e, id, square_task, &x, sizeof x, sizeof x), ECHILD);
}

static void assert_alive(struct engines *e, int id)
{
    submit_int(e, id, square_task, 9);
    ck_assert_int_eq(collect_int(e, id), 81);
}

/* A block whose bytes tell the engine and the place. */
static unsigned char *make_block(int id)
{
    unsigned char *block = malloc(block_size > 0 ? block_size : 1);
    ck_assert_ptr_nonnull(block);
    for (size_t i = 0; i < block_size; i++)
        block[i] = (unsigned char)((i * 31 + i / 251 + (size_t)id * 7) & 0xff);
    return block;
}

static void submit_block(struct engines *e, int id, task_fn task)
{
    unsigned char *in = make_block(id);
    ck_assert_int_eq(engines_submit(e, id, task, in, block_size, block_size), 0);
    memset(in, 0, block_size); /* the engine must have a copy of its own */
    free(in);
}

static void collect_block(struct engines *e, int id)
{
    unsigned char *in = make_block(id), *out = malloc(block_size > 0 ? block_size : 1);
    ck_assert_int_eq(engines_collect(e, id, out), 0);
    size_t right = 0; /* no assertion for every byte: each of them writes to Check's log */
    while (right < block_size && out[right] == in[block_size - 1 - right])
        right++;
    ck_assert_msg(right == block_size, "engine %d: byte %zu of %zu is wrong", id, right, block_size);
    free(in);
    free(out);
}

/* ---- starting ---- */

START_TEST(start_refuses_less_than_one)
{
    errno = 0;
    ck_assert_ptr_null(engines_start(0));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(engines_start(-3));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(start_without_descriptors)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)descriptors_before + 4; /* enough for some engines, not for ten */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    errno = 0;
    ck_assert_ptr_null(engines_start(10));
    ck_assert_int_eq(errno, EMFILE);
}
END_TEST

START_TEST(count_and_pids)
{
    struct engines *e = start(ENGINES);
    ck_assert_int_eq(engines_count(e), ENGINES);
    int zombies = 0;
    ck_assert_int_eq(children(&zombies), ENGINES);
    ck_assert_int_eq(zombies, 0);
    for (int id = 0; id < ENGINES; id++) {
        submit_int(e, id, pid_task, 0);
        ck_assert_int_eq(collect_int(e, id), engines_pid(e, id));
        ck_assert_int_ne(engines_pid(e, id), getpid());
        for (int other = 0; other < id; other++)
            ck_assert_int_ne(engines_pid(e, id), engines_pid(e, other));
    }
    ck_assert_fails(engines_pid(e, -1), EINVAL);
    ck_assert_fails(engines_pid(e, ENGINES), EINVAL);
    engines_stop(e);
}
END_TEST

START_TEST(engines_hold_only_their_own_descriptor)
{
    struct engines *e = start(ENGINES);
    for (int id = 0; id < ENGINES; id++) {
        submit_int(e, id, descriptors_task, 0);
        ck_assert_int_eq(collect_int(e, id), descriptors_before + 1);
    }
    engines_stop(e);
}
END_TEST

/* ---- tasks and results ---- */

START_TEST(many_tasks)
{
    struct engines *e = start(ENGINES);
    for (int i = 0; i < 2000; i++) {
        int id = i % ENGINES;
        submit_int(e, id, i % 3 == 0 ? negate_task : square_task, i);
        ck_assert_int_eq(collect_int(e, id), i % 3 == 0 ? -i : i * i);
    }
    engines_stop(e);
}
END_TEST

START_TEST(nothing_in_nothing_out)
{
    struct engines *e = start(2);
    int x = 5;
    ck_assert_int_eq(engines_submit(e, 0, empty_task, NULL, 0, 0), 0);
    ck_assert_int_eq(engines_submit(e, 1, pid_task, NULL, 0, sizeof(pid_t)), 0);
    ck_assert_int_eq(engines_collect(e, 0, NULL), 0);
    ck_assert_int_eq(collect_int(e, 1), engines_pid(e, 1));
    ck_assert_int_eq(engines_submit(e, 0, empty_task, &x, sizeof x, 0), 0);
    ck_assert_int_eq(engines_any(e), 0);
    ck_assert_int_eq(engines_collect(e, 0, &x), 0);
    ck_assert_int_eq(x, 5);
    engines_stop(e);
}
END_TEST

static const size_t sizes[] = {1, 4095, 4096, 65537, 212993, MIB - 1, MIB, 5 * MIB + 3};

/* All engines have their task before the first result is taken, which then is the last one's. */
START_TEST(large_elements)
{
    block_size = sizes[_i];
    struct engines *e = start(ENGINES);
    for (int round = 0; round < 2; round++) {
        for (int id = 0; id < ENGINES; id++)
            submit_block(e, id, reverse_task);
        for (int id = ENGINES - 1; id >= 0; id--)
            collect_block(e, id);
    }
    engines_stop(e);
}
END_TEST

START_TEST(in_is_copied_at_once)
{
    block_size = MIB;
    struct engines *e = start(1);
    submit_block(e, 0, held_reverse_task); /* overwrites its in while the task is held */
    atomic_store(gate, 1);
    collect_block(e, 0);
    engines_stop(e);
}
END_TEST

START_TEST(out_begins_as_zeros)
{
    struct engines *e = start(1);
    unsigned char out[1000];
    int size = sizeof out;
    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(engines_submit(e, 0, zero_task, &size, sizeof size, sizeof out), 0);
        ck_assert_int_eq(engines_collect(e, 0, out), 0);
    }
    engines_stop(e);
}
END_TEST

START_TEST(wrong_calls)
{
    struct engines *e = start(2);
    int x = 3;
    ck_assert_fails(engines_submit(e, -1, square_task, &x, sizeof x, sizeof x), EINVAL);
    ck_assert_fails(engines_submit(e, 2, square_task, &x, sizeof x, sizeof x), EINVAL);
    ck_assert_fails(engines_submit(e, 0, NULL, &x, sizeof x, sizeof x), EINVAL);
    ck_assert_fails(engines_submit(e, 0, square_task, NULL, sizeof x, sizeof x), EINVAL);
    ck_assert_fails(engines_collect(e, -1, &x), EINVAL);
    ck_assert_fails(engines_collect(e, 2, &x), EINVAL);
    ck_assert_fails(engines_collect(e, 0, &x), EINVAL); /* it has no task */
    ck_assert_fails(engines_any(e), ECHILD);
    submit_int(e, 0, square_task, 4);
    ck_assert_fails(engines_collect(e, 0, NULL), EINVAL);
    ck_assert_int_eq(collect_int(e, 0), 16);
    ck_assert_fails(engines_collect(e, 0, &x), EINVAL); /* it was collected */
    ck_assert_fails(engines_any(e), ECHILD);
    engines_stop(e);
}
END_TEST

/* Busy until it is collected, whether the task has finished or not. */
START_TEST(busy_engine_takes_no_task)
{
    struct engines *e = start(2);
    int x = 3;
    submit_int(e, 0, held_task, 5);
    ck_assert_fails(engines_submit(e, 0, square_task, &x, sizeof x, sizeof x), EBUSY);
    atomic_store(gate, 1);
    ck_assert_int_eq(engines_any(e), 0);
    ck_assert_fails(engines_submit(e, 0, square_task, &x, sizeof x, sizeof x), EBUSY);
    ck_assert_int_eq(collect_int(e, 0), 25);
    assert_alive(e, 0);
    engines_stop(e);
}
END_TEST

START_TEST(failed_task)
{
    struct engines *e = start(1);
    for (int i = 11; i < 16; i++) {
        int out = -5;
        submit_int(e, 0, unlucky_task, i);
        ck_assert_int_eq(engines_any(e), 0);
        if (i == 13)
            ck_assert_fails(engines_collect(e, 0, &out), EIO);
        else
            ck_assert_int_eq(engines_collect(e, 0, &out), 0);
        ck_assert_int_eq(out, i == 13 ? -5 : 99);
    }
    engines_stop(e);
}
END_TEST

/* ---- engines_any ---- */

START_TEST(any_finds_the_finished_one)
{
    struct engines *e = start(ENGINES);
    for (int quick = 0; quick < ENGINES; quick++) {
        atomic_store(gate, 0);
        for (int id = 0; id < ENGINES; id++)
            submit_int(e, id, id == quick ? square_task : held_task, id);
        ck_assert_int_eq(engines_any(e), quick);
        ck_assert_int_eq(engines_any(e), quick); /* it is, until it is collected */
        ck_assert_int_eq(collect_int(e, quick), quick * quick);
        atomic_store(gate, 1);
        for (int left = ENGINES - 1; left > 0; left--) {
            int id = engines_any(e);
            ck_assert_int_eq(collect_int(e, id), id * id);
        }
        ck_assert_fails(engines_any(e), ECHILD);
    }
    engines_stop(e);
}
END_TEST

/* The engine cannot finish its write before somebody reads: it must be reported all the same. */
START_TEST(any_reports_a_result_too_large_for_the_socket)
{
    block_size = 5 * MIB;
    struct engines *e = start(2);
    submit_int(e, 0, held_task, 6);
    submit_block(e, 1, reverse_task);
    ck_assert_int_eq(engines_any(e), 1);
    collect_block(e, 1);
    atomic_store(gate, 1);
    ck_assert_int_eq(engines_any(e), 0);
    ck_assert_int_eq(collect_int(e, 0), 36);
    engines_stop(e);
}
END_TEST

/* With answers of all engines there each time, each of them gets every fourth turn. */
START_TEST(any_gives_turns)
{
    struct engines *e = start(ENGINES);
    int turns[ENGINES] = {0};
    for (int id = 0; id < ENGINES; id++)
        submit_int(e, id, square_task, id);
    for (int i = 0; i < 25 * ENGINES; i++) {
        for (int id = 0; id < ENGINES; id++)
            wait_until_asleep(engines_pid(e, id));
        int id = engines_any(e);
        turns[id]++;
        collect_int(e, id);
        submit_int(e, id, square_task, id);
    }
    for (int id = 0; id < ENGINES; id++)
        ck_assert_msg(turns[id] == 25, "engine %d had %d of %d turns", id, turns[id], 25 * ENGINES);
    engines_stop(e);
}
END_TEST

/* ---- engines that die ---- */

START_TEST(killed_in_a_task)
{
    struct engines *e = start(ENGINES);
    for (int id = 0; id < ENGINES; id++)
        submit_int(e, id, held_task, id);
    wait_until_held(ENGINES);
    kill_and_see(engines_pid(e, 2));
    ck_assert_int_eq(engines_any(e), 2);
    int x;
    ck_assert_fails(engines_collect(e, 2, &x), ECHILD);
    assert_dead(e, 2);
    ck_assert_int_gt(engines_pid(e, 2), 0);

    atomic_store(gate, 1);
    for (int left = ENGINES - 1; left > 0; left--) {
        int id = engines_any(e);
        ck_assert_int_ne(id, 2);
        ck_assert_int_eq(collect_int(e, id), id * id);
    }
    ck_assert_fails(engines_any(e), ECHILD);
    assert_alive(e, 3);
    engines_stop(e);
}
END_TEST

static void *kill_soon(void *pid)
{
    pause_ms(100);
    kill(*(pid_t *)pid, SIGKILL);
    return NULL;
}

/* The caller is already inside engines_any or engines_collect when the engine dies. */
START_TEST(killed_while_the_caller_waits)
{
    struct engines *e = start(2);
    for (int id = 0; id < 2; id++) {
        submit_int(e, id, held_task, 1);
        pid_t pid = engines_pid(e, id);
        pthread_t killer;
        ck_assert_int_eq(pthread_create(&killer, NULL, kill_soon, &pid), 0);
        if (id == 0)
            ck_assert_int_eq(engines_any(e), 0);
        int x;
        ck_assert_fails(engines_collect(e, id, &x), ECHILD);
        pthread_join(killer, NULL);
        assert_dead(e, id);
    }
    engines_stop(e);
}
END_TEST

START_TEST(killed_idle)
{
    struct engines *e = start(2);
    assert_alive(e, 0);
    kill_and_see(engines_pid(e, 0));
    int x = 1;
    ck_assert_fails(engines_any(e), ECHILD); /* an idle engine is no news */
    /* Nothing ignores SIGPIPE here: the test process is still alive after this. */
    ck_assert_fails(engines_submit(e, 0, square_task, &x, sizeof x, sizeof x), ECHILD);
    ck_assert_fails(engines_any(e), ECHILD); /* and it did not become busy */
    assert_dead(e, 0);
    assert_alive(e, 1);
    engines_stop(e);
}
END_TEST

/* The answer was whole when the engine died: it counts. The death shows at the next task. */
START_TEST(killed_after_its_answer)
{
    struct engines *e = start(1);
    submit_int(e, 0, square_task, 8);
    ck_assert_int_eq(engines_any(e), 0);
    kill_and_see(engines_pid(e, 0));
    ck_assert_int_eq(collect_int(e, 0), 64);
    int x = 1;
    ck_assert_fails(engines_submit(e, 0, square_task, &x, sizeof x, sizeof x), ECHILD);
    engines_stop(e);
}
END_TEST

START_TEST(killed_in_its_answer)
{
    block_size = 5 * MIB;
    struct engines *e = start(2);
    submit_block(e, 0, reverse_task);
    ck_assert_int_eq(engines_any(e), 0);
    kill_and_see(engines_pid(e, 0)); /* the first bytes are here, the socket has no room for all */
    ck_assert_int_eq(engines_any(e), 0);
    void *out = malloc(block_size);
    ck_assert_fails(engines_collect(e, 0, out), ECHILD);
    free(out);
    assert_dead(e, 0);
    assert_alive(e, 1);
    engines_stop(e);
}
END_TEST

/* The engine is stopped, so that the submit blocks half-way until the engine dies. */
START_TEST(killed_in_submit)
{
    block_size = 5 * MIB;
    struct engines *e = start(2);
    pid_t pid = engines_pid(e, 0);
    stop_and_see(pid);
    unsigned char *in = make_block(0);
    pthread_t killer;
    ck_assert_int_eq(pthread_create(&killer, NULL, kill_soon, &pid), 0);
    ck_assert_fails(engines_submit(e, 0, reverse_task, in, block_size, block_size), ECHILD);
    pthread_join(killer, NULL);
    free(in);
    ck_assert_fails(engines_any(e), ECHILD);
    assert_dead(e, 0);
    assert_alive(e, 1);
    engines_stop(e);
}
END_TEST

START_TEST(task_that_exits)
{
    struct engines *e = start(2);
    int x;
    submit_int(e, 0, exit_task, 0);
    ck_assert_int_eq(engines_any(e), 0);
    ck_assert_fails(engines_collect(e, 0, &x), ECHILD);
    assert_dead(e, 0);
    assert_alive(e, 1);
    engines_stop(e);
}
END_TEST

/* It runs on, but cannot answer: the same as dead, and no process may be left of it. */
START_TEST(task_that_closes_everything)
{
    struct engines *e = start(2);
    int x;
    submit_int(e, 0, close_task, 0);
    ck_assert_fails(engines_collect(e, 0, &x), ECHILD);
    assert_dead(e, 0);
    assert_alive(e, 1);
    engines_stop(e);
}
END_TEST

/* ---- stopping ---- */

START_TEST(stop_in_every_state)
{
    engines_stop(NULL);
    block_size = 5 * MIB;
    struct engines *e = start(6);
    assert_alive(e, 0);               /* idle */
    submit_int(e, 1, held_task, 1);   /* in a task that does not end */
    submit_block(e, 2, reverse_task); /* blocked in its answer */
    kill_and_see(engines_pid(e, 3));  /* dead, and nobody noticed */
    submit_int(e, 4, exit_task, 1);   /* dead, and noticed */
    int x;
    ck_assert_fails(engines_collect(e, 4, &x), ECHILD);
    stop_and_see(engines_pid(e, 5)); /* idle, but stopped: it cannot see its stream end */
    wait_until_held(1);
    engines_stop(e);
}
END_TEST

START_TEST(stop_where_children_are_ignored)
{
    signal(SIGCHLD, SIG_IGN); /* the kernel reaps: waitpid in engines_stop finds nobody */
    struct engines *e = start(ENGINES);
    submit_int(e, 0, held_task, 1);
    assert_alive(e, 1);
    engines_stop(e);
}
END_TEST

START_TEST(start_and_stop_many_times)
{
    for (int i = 0; i < 50; i++) {
        struct engines *e = start(ENGINES);
        assert_alive(e, i % ENGINES);
        engines_stop(e);
        ck_assert_int_eq(descriptors(), descriptors_before);
    }
}
END_TEST

/* The engines of the younger cluster have copies of the older one's descriptors. */
START_TEST(two_clusters)
{
    struct engines *older = start(2), *younger = start(2);
    assert_alive(older, 1);
    assert_alive(younger, 1);
    engines_stop(older);
    assert_alive(younger, 0);
    struct engines *third = start(2);
    engines_stop(younger);
    assert_alive(third, 0);
    engines_stop(third);
}
END_TEST

/* ---- the caller dies ---- */

static _Noreturn void doomed_caller(void)
{
    block_size = 5 * MIB;
    struct engines *e = engines_start(ENGINES), *second = engines_start(ENGINES);
    int x = 1;
    if (e == NULL || second == NULL || engines_submit(e, 0, square_task, &x, sizeof x, sizeof x) < 0 ||
        engines_submit(e, 1, held_task, &x, sizeof x, sizeof x) < 0)
        _exit(EXIT_FAILURE);
    submit_block(second, 2, reverse_task);
    while (engines_any(second) != 2)
        continue;
    wait_until_held(1);
    raise(SIGKILL);
    _exit(EXIT_FAILURE);
}

/* As subreaper the test inherits the engines: it sees them end, and would see them stay. */
START_TEST(no_engine_outlives_its_caller)
{
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    pid_t caller = fork();
    if (caller == 0)
        doomed_caller();
    int status;
    ck_assert_int_eq(waitpid(caller, &status, 0), caller);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    for (int i = 0; i < 2 * ENGINES - 1; i++)
        ck_assert_int_gt(waitpid(-1, &status, 0), 0); /* all but the one that is held */
    int zombies = 0;
    ck_assert_int_eq(children(&zombies), 1);
    atomic_store(gate, 1); /* its task ends, and so does it */
    ck_assert_int_gt(waitpid(-1, &status, 0), 0);
    ck_assert_fails(waitpid(-1, &status, 0), ECHILD);
}
END_TEST

/* ---- signals, output, threads ---- */

static volatile sig_atomic_t alarms, alarm_that_opens;

static void count_alarm(int signal_number)
{
    (void)signal_number;
    if (++alarms == alarm_that_opens)
        atomic_store(gate, 1);
}

static void ring_every(suseconds_t us)
{
    struct itimerval timer = {{0, us}, {0, us}};
    ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* No SA_RESTART: the calls of engines.c are interrupted for real. The engine has the same
   handler, and gets its own signals from the test. */
START_TEST(signals_interrupt_nothing)
{
    struct sigaction action = {.sa_handler = count_alarm};
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    block_size = 5 * MIB;
    struct engines *e = start(2);
    ring_every(500);
    for (int i = 0; i < 20; i++) {
        submit_block(e, 0, reverse_task);
        kill(engines_pid(e, 0), SIGALRM);
        ck_assert_int_eq(engines_any(e), 0);
        kill(engines_pid(e, 0), SIGALRM);
        collect_block(e, 0);
        wait_until_asleep(engines_pid(e, 0));
        kill(engines_pid(e, 0), SIGALRM); /* now it waits for a task */
        pause_ms(2);
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(gate, 0);
        submit_int(e, 1, held_task, 3);
        alarm_that_opens = alarms + 10; /* so both calls are interrupted while they wait */
        if (i == 0)
            ck_assert_int_eq(engines_any(e), 1);
        ck_assert_int_eq(collect_int(e, 1), 9);
    }
    engines_stop(e);
    ring_every(0);
}
END_TEST

static void print_with_engines(const char *path)
{
    if (freopen(path, "w", stdout) == NULL)
        _exit(EXIT_FAILURE);
    printf("before, "); /* stays in the buffer: the file is no terminal */
    struct engines *e = engines_start(2);
    for (int i = 0; i < 3; i++) {
        int id = i % 2, x;
        engines_submit(e, id, print_task, &i, sizeof i, 0);
        engines_collect(e, id, &x);
        printf("result %d\n", i);
        fflush(stdout);
    }
    int zero = 0, x;
    printf("end\n");
    engines_submit(e, 0, exit_task, &zero, sizeof zero, 0);
    engines_collect(e, 0, &x);
    engines_stop(e);
    fclose(stdout);
    _exit(EXIT_SUCCESS);
}

START_TEST(output_appears_once_and_in_order)
{
    char path[] = "/tmp/check_engines.XXXXXX", text[256];
    int fd = mkstemp(path), status;
    ck_assert_int_ge(fd, 0);
    pid_t printer = fork();
    if (printer == 0)
        print_with_engines(path);
    ck_assert_int_eq(waitpid(printer, &status, 0), printer);
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    unlink(path);
    ck_assert_int_eq(status, 0);
    ck_assert_int_ge(size, 0);
    text[size] = '\0';
    ck_assert_str_eq(text, "before, task 0\nresult 0\ntask 1\nresult 1\ntask 2\nresult 2\nend\n");
}
END_TEST

struct share_of_work {
    struct engines *e;
    int id, wrong;
};

static void *work_on_one(void *argument)
{
    struct share_of_work *mine = argument;
    for (int i = 0; i < 2000; i++) {
        int out = -1;
        bool ok = engines_submit(mine->e, mine->id, square_task, &i, sizeof i, sizeof i) == 0 &&
                  engines_collect(mine->e, mine->id, &out) == 0 && out == i * i;
        mine->wrong += !ok;
    }
    return NULL;
}

START_TEST(a_thread_for_every_engine)
{
    struct engines *e = start(ENGINES);
    pthread_t thread[ENGINES];
    struct share_of_work work[ENGINES];
    for (int id = 0; id < ENGINES; id++) {
        work[id] = (struct share_of_work){e, id, 0};
        ck_assert_int_eq(pthread_create(&thread[id], NULL, work_on_one, &work[id]), 0);
    }
    for (int id = 0; id < ENGINES; id++) {
        pthread_join(thread[id], NULL);
        ck_assert_int_eq(work[id].wrong, 0);
    }
    engines_stop(e);
}
END_TEST

/* ---- the speed ---- */

static double tasks_per_second(struct engines *e, int count)
{
    int n = engines_count(e), x = 3, out;
    double began = now();
    for (int i = 0; i < n; i++)
        engines_submit(e, i, square_task, &x, sizeof x, sizeof x);
    for (int i = 0; i < count; i++) {
        int id = n > 1 ? engines_any(e) : 0;
        engines_collect(e, id, &out);
        engines_submit(e, id, square_task, &x, sizeof x, sizeof x);
    }
    for (int i = 0; i < n; i++)
        engines_collect(e, i, &out);
    return (count + n) / (now() - began);
}

static int measure_speed(void)
{
    for (int n = 1; n <= ENGINES; n *= 2) {
        struct engines *e = engines_start(n);
        if (e == NULL)
            return EXIT_FAILURE;
        double best = 0;
        for (int trial = 0; trial < 5; trial++) {
            double speed = tasks_per_second(e, 20000);
            best = speed > best ? speed : best;
        }
        printf("%d engine%s: %.0f tasks/s\n", n, n > 1 ? "s" : "", best);
        engines_stop(e);
    }
    return EXIT_SUCCESS;
}

/* ---- the suite ---- */

static Suite *engines_suite(void)
{
    const TTest *const tests[] = {
        start_refuses_less_than_one,
        start_without_descriptors,
        count_and_pids,
        engines_hold_only_their_own_descriptor,
        many_tasks,
        nothing_in_nothing_out,
        in_is_copied_at_once,
        out_begins_as_zeros,
        wrong_calls,
        busy_engine_takes_no_task,
        failed_task,
        any_finds_the_finished_one,
        any_reports_a_result_too_large_for_the_socket,
        any_gives_turns,
        killed_in_a_task,
        killed_while_the_caller_waits,
        killed_idle,
        killed_after_its_answer,
        killed_in_its_answer,
        killed_in_submit,
        task_that_exits,
        task_that_closes_everything,
        stop_in_every_state,
        stop_where_children_are_ignored,
        start_and_stop_many_times,
        two_clusters,
        no_engine_outlives_its_caller,
        signals_interrupt_nothing,
        output_appears_once_and_in_order,
        a_thread_for_every_engine,
    };
    Suite *suite = suite_create("engines");
    TCase *tcase = tcase_create("engines");
    tcase_add_checked_fixture(tcase, share, nothing_left);
    tcase_set_timeout(tcase, 60);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    tcase_add_loop_test(tcase, large_elements, 0, (int)(sizeof sizes / sizeof *sizes));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--speed") == 0)
        return measure_speed();
    SRunner *runner = srunner_create(engines_suite());
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
