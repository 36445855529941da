/* tsan_openmp.c: tells ThreadSanitizer what it cannot know of OpenMP. Most of it Archer
   tells, a tool that comes with clang's runtime: regions, barriers, locks, tasks,
   reductions. Of four things Archer says nothing, and correct code would seem racy:
   `flush`, `ordered depend`, reductions over tasks, and memory that the runtime uses
   for one task after another. Only a build for ThreadSanitizer has anything in it. */
#include "tsan_openmp.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FOR_THREAD_SANITIZER
#endif
#endif

#ifdef FOR_THREAD_SANITIZER
#include <dlfcn.h>
#include <omp.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "rng.h"

/* What these functions do themselves is nothing to watch. */
#undef no_sanitize /* which labs/lab.mk takes away */
#pragma clang attribute push(__attribute__((no_sanitize("thread"))), apply_to = function)

/* ThreadSanitizer's own: what was done before a release is known to be over after an
   acquire of the same address. */
void __tsan_acquire(const void *address);
void __tsan_release(const void *address);

/* The runtime's own function, in whose place ours is called. */
#define RUNTIMES(function) ((__typeof__(&(function)))dlsym(RTLD_NEXT, #function))

/* ---- reductions over tasks ---- */

/* The functions that clang makes to bring one together. The runtime calls them when the
   tasks have ended. */
const char *__tsan_default_suppressions(void)
{
    return "race:^.red_comb.\nrace:^.red_init.\nrace:^.red_fini.\n";
}

/* ---- flush, and ordered depend ---- */

/* In a correct program one of these stands between two threads that have to wait for
   each other. That they order more here than OpenMP promises can hide a race, but
   never shows one that is not there. */
static const char everything;

/* #pragma omp flush */
void __kmpc_flush(const void *place)
{
    (void)place;
    __tsan_release(&everything);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    __tsan_acquire(&everything);
}

/* #pragma omp ordered depend(source) */
void __kmpc_doacross_post(const void *place, int thread, const long long *iteration)
{
    __tsan_release(&everything);
    RUNTIMES(__kmpc_doacross_post)(place, thread, iteration);
}

/* #pragma omp ordered depend(sink : ...) */
void __kmpc_doacross_wait(const void *place, int thread, const long long *iteration)
{
    RUNTIMES(__kmpc_doacross_wait)(place, thread, iteration);
    __tsan_acquire(&everything);
}

/* ---- threads that are late ---- */

/* The student's object calls these in place of ThreadSanitizer's (lab.mk renames them). */
int64_t __tsan_atomic64_load(const volatile int64_t *address, int order);
int32_t __tsan_atomic32_load(const volatile int32_t *address, int order);

/* Each thread is late so often, and then no more, or a loop of atomic additions would take for ever. */
static _Thread_local int late_times = 40;
static _Thread_local struct rng rng;

static void be_late(void)
{
    const char *seed = late_times > 0 ? getenv("LAB_PERTURB") : NULL;
    if (!seed)
        return;
    if (late_times-- == 40)
        rng = rng_seeded(strtoull(seed, NULL, 10) + (uint64_t)omp_get_thread_num());
    struct timespec t = {.tv_nsec = 1000 * (long)rng_below(&rng, 2000)};
    nanosleep(&t, NULL);
}

int64_t late_atomic64_load(const volatile int64_t *address, int order)
{
    int64_t value = __tsan_atomic64_load(address, order);
    be_late();
    return value;
}

int32_t late_atomic32_load(const volatile int32_t *address, int order)
{
    int32_t value = __tsan_atomic32_load(address, order);
    be_late();
    return value;
}

/* #pragma omp critical. Late inside, too, so that two of different names are entered at the same time: Archer's own
   locks order them, when one comes after the other. */
void __kmpc_critical(const void *place, int thread, void *lock)
{
    RUNTIMES(__kmpc_critical)(place, thread, lock);
    be_late();
}

/* Its end. */
void __kmpc_end_critical(const void *place, int thread, void *lock)
{
    RUNTIMES(__kmpc_end_critical)(place, thread, lock);
    be_late();
}

void omp_set_lock(omp_lock_t *lock)
{
    RUNTIMES(omp_set_lock)(lock);
    be_late();
}

void omp_unset_lock(omp_lock_t *lock)
{
    RUNTIMES(omp_unset_lock)(lock);
    be_late();
}

/* ---- the memory of tasks ---- */

/* Stands before the variables that a task shares with others. */
struct note {
    task_body body; /* that clang has made of the task */
    size_t size, shared_size;
};
enum { NOTE = (sizeof(struct note) + 15) / 16 * 16 };

static struct note *note_of(const struct task *task)
{
    return (struct note *)(void *)((char *)task->shared - NOTE);
}

/* Gives each word of the task's memory to tell. */
static void for_each_word(const struct task *task, void (*tell)(const void *))
{
    const struct note *note = note_of(task);
    for (size_t i = 0; i < note->size; i += sizeof(void *))
        tell((const char *)task + i);
    for (size_t i = 0; i < note->shared_size; i += sizeof(void *))
        tell((const char *)task->shared + i);
}

/* Runs a task; then its memory may be another one's. */
static int run_task(int thread, struct task *task)
{
    int result = note_of(task)->body(thread, task);
    for_each_word(task, __tsan_release);
    return result;
}

/* #pragma omp task: memory for it, in which run_task takes the place of its body */
struct task *__kmpc_omp_task_alloc(const void *place, int thread, int flags, size_t size, size_t shared_size,
                                   task_body body)
{
    struct task *task = RUNTIMES(__kmpc_omp_task_alloc)(place, thread, flags, size, NOTE + shared_size, run_task);
    task->shared = (char *)task->shared + NOTE;
    *note_of(task) = (struct note){body, size, shared_size};
    for_each_word(task, __tsan_acquire);
    return task;
}

/* The end of a task that its maker runs at once, without run_task: #pragma omp task if (0) */
void __kmpc_omp_task_complete_if0(const void *place, int thread, struct task *task)
{
    for_each_word(task, __tsan_release);
    RUNTIMES(__kmpc_omp_task_complete_if0)(place, thread, task);
}

#pragma clang attribute pop
#endif
