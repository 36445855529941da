/* writes to both streams without end */
#include "pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct pool *pool_create(int processes)
{
    (void)processes;
    signal(SIGPIPE, SIG_IGN);
    for (;;)
        fputs("all work and no play makes jack a dull boy all work and no play makes jack a dull boy\n",
              rand() & 1 ? stdout : stderr);
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
