/* goes back into pool_create by setcontext, so that main.c never comes to its end */
#include <ucontext.h>
#include "pool.h"


#include <errno.h>
#include <stdlib.h>

static ucontext_t back;
static int times;
struct pool {
    int processes;
};

struct pool *pool_create(int processes)
{
    getcontext(&back);
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
    if (times++ < 3)
        setcontext(&back);
    return 0;
}
