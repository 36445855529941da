/* tsan_openmp.c: tells ThreadSanitizer what it cannot know of OpenMP. Most of it Archer
   tells, a tool that comes with clang's runtime: regions, barriers, locks, tasks,
   reductions. Of three things Archer learns nothing, and correct code would seem racy:
   reductions over tasks, `flush`, and `ordered depend`. Only a build for
   ThreadSanitizer has anything in it. */
#include "tsan_openmp.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FOR_THREAD_SANITIZER
#endif
#endif

#ifdef FOR_THREAD_SANITIZER
#include <dlfcn.h>

/* ThreadSanitizer's own: what was done before a release is known to be over after an
   acquire of the same address. */
void __tsan_acquire(void *address);
void __tsan_release(void *address);

/* The functions that clang makes to bring a reduction over tasks together. The runtime
   calls them when the tasks have ended. */
const char *__tsan_default_suppressions(void)
{
    return "race:^.red_comb.\nrace:^.red_init.\nrace:^.red_fini.\n";
}

/* In a correct program only these two stand between two threads that have to wait for
   each other. That they order more here than OpenMP promises can hide a race beside a
   flush, but never shows one that is not there. */
static char everything;

/* #pragma omp flush, in the place of the runtime's */
void __kmpc_flush(const void *place)
{
    (void)place;
    __tsan_release(&everything);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    __tsan_acquire(&everything);
}

typedef void (*doacross)(const void *place, int thread, const long long *iteration);

static doacross runtimes_own(const char *name)
{
    return (doacross)dlsym(RTLD_NEXT, name);
}

/* #pragma omp ordered depend(source), before the runtime's */
void __kmpc_doacross_post(const void *place, int thread, const long long *iteration)
{
    __tsan_release(&everything);
    runtimes_own("__kmpc_doacross_post")(place, thread, iteration);
}

/* #pragma omp ordered depend(sink : ...), around the runtime's */
void __kmpc_doacross_wait(const void *place, int thread, const long long *iteration)
{
    runtimes_own("__kmpc_doacross_wait")(place, thread, iteration);
    __tsan_acquire(&everything);
}
#endif
