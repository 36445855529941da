/* opens descriptors, pipes and sockets in many processes until there are none */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct pool *pool_create(int processes)
{
    (void)processes;
    for (int i = 0; i < 5; i++)
        fork();
    for (int n = 0; n < 2000; n++) {
        int ends[2];
        if (pipe(ends) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
            break;
        write(ends[0], ends, sizeof ends);
    }
    sleep(1);
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
