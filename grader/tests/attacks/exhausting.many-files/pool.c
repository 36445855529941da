/* fills the disk with files */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct pool *pool_create(int processes)
{
    (void)processes;
    static char block[4096];
    for (int i = 0;; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0666);
        write(fd, block, sizeof block);
        close(fd);
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
