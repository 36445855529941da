/* gives its processes and files names that steer a terminal or break a line, and hangs */
#include <sys/prctl.h>
#include <fcntl.h>
#include <unistd.h>
#include <stdio.h>
#include "pool.h"


#include <errno.h>
#include <stdlib.h>


struct pool {
    int processes;
};

struct pool *pool_create(int processes)
{
    if (processes < 1) {
        errno = EINVAL;
        return NULL;
    }
    struct pool *pool = malloc(sizeof *pool);
    *pool = (struct pool){processes};
    return pool;
}

int pool_map(struct pool *pool, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count,
             size_t chunk)
{
    (void)pool, (void)chunk;
    prctl(PR_SET_NAME, "\x1b[2J\n] (R) 1");
    open("\x1b]0;owned\x07\n[tamper] x", O_CREAT, 0600);
    open("\xe2\x80\xaecba.npy", O_CREAT, 0600);
    fprintf(stderr, "\xe2\x80\xae\x1b[31m\xc2\x9b2J\n[environment] ]]>&#27;&#x0;\xff\xfe\n");
    for (;;)
        pause();
    int failed = 0;
    for (size_t i = 0; i < count; i++)
        failed |= task((const char *)in + i * in_size, (char *)out + i * out_size) != 0;
    if (failed)
        errno = EIO;
    return failed ? -1 : 0;
}

int pool_destroy(struct pool *pool)
{
    free(pool);
    return 0;
}
