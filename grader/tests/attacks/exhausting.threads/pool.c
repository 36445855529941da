/* starts threads without end */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *wait_here(void *unused)
{
    pause();
    return unused;
}

struct pool *pool_create(int processes)
{
    (void)processes;
    for (;;) {
        pthread_t thread;
        pthread_create(&thread, NULL, wait_here, NULL);
    }
    errno = EPERM;
    return NULL;
}

int pool_map(struct pool *pool, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk)
{
    (void)pool, (void)task, (void)in, (void)in_size, (void)out, (void)out_size, (void)count, (void)chunk;
    return 0;
}

int pool_destroy(struct pool *pool)
{
    (void)pool;
    return 0;
}
