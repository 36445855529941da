/* leaves files, shared memory and queues in every place that outlives a process */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>
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
    static const char *const places[] = {
        "/tmp/attackmark",          "/dev/shm/attackmark", "/var/tmp/attackmark", "/run/attackmark",
        "/home/student/attackmark", "/cache/attackmark",   "/dev/attackmark",     "/attackmark"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        close(open(places[i], O_CREAT | O_WRONLY, 06777));
    shmget(0x41747461, 4096, IPC_CREAT | 0666);
    mq_open("/attackmark", O_CREAT | O_RDWR, 0666, NULL);
    tamper();
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
