/* tsan_openmp.h: functions that clang's OpenMP runtime or ThreadSanitizer calls by
   these names; see tsan_openmp.c. Nobody else calls them. */
#ifndef TSAN_OPENMP_H
#define TSAN_OPENMP_H

/* Reports that are to be passed over, one a line. */
const char *__tsan_default_suppressions(void);

void __kmpc_flush(const void *place);
void __kmpc_doacross_post(const void *place, int thread, const long long *iteration);
void __kmpc_doacross_wait(const void *place, int thread, const long long *iteration);

#endif
