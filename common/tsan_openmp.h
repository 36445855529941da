/* tsan_openmp.h: functions that clang's code, its OpenMP runtime or ThreadSanitizer
   calls by these names; see tsan_openmp.c. Nobody else calls them. */
#ifndef TSAN_OPENMP_H
#define TSAN_OPENMP_H

#include <stddef.h>
#include <stdint.h>

/* The beginning of what the runtime knows of a task. */
struct task {
    void *shared; /* variables that it shares with others */
};
typedef int (*task_body)(int thread, struct task *task);

/* Reports that are to be passed over, one a line. */
const char *__tsan_default_suppressions(void);

/* Atomic reads, after which a thread is late for up to 2 ms where LAB_PERTURB=<seed> is set. It is so, too, in and after
   critical sections and locks: who reads in one and writes back in another is then overtaken. */
int64_t late_atomic64_load(const volatile int64_t *address, int order);
int32_t late_atomic32_load(const volatile int32_t *address, int order);

void __kmpc_critical(const void *place, int thread, void *lock);
void __kmpc_end_critical(const void *place, int thread, void *lock);
void __kmpc_flush(const void *place);
void __kmpc_doacross_post(const void *place, int thread, const long long *iteration);
void __kmpc_doacross_wait(const void *place, int thread, const long long *iteration);
struct task *__kmpc_omp_task_alloc(const void *place, int thread, int flags, size_t size, size_t shared_size,
                                   task_body body);
void __kmpc_omp_task_complete_if0(const void *place, int thread, struct task *task);

#endif
