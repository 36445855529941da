/* makes folders so deep that their path is longer than any path may be */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct pool *pool_create(int processes)
{
    (void)processes;
    for (int i = 0; i < 3000; i++)
        if (mkdir("a-folder-with-a-long-name", 0777) != 0 || chdir("a-folder-with-a-long-name") != 0)
            break;
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
