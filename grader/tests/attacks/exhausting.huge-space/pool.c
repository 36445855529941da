/* an array of 64 TiB that takes no place in the object file */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

static volatile char space[1ul << 46];

struct pool *pool_create(int processes)
{
    (void)processes;
    space[processes] = 1;
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
