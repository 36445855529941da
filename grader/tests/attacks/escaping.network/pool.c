/* listens to the network, and sends to it */
#include "pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct pool *pool_create(int processes)
{
    (void)processes;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(45117)}, out = any;
    struct sockaddr_un name = {AF_UNIX, "\0attackmark"};
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0),
        local = socket(AF_UNIX, SOCK_STREAM, 0);
    prctl(PR_SET_NAME, "attackmark");
    bind(tcp, (struct sockaddr *)&any, sizeof any);
    listen(tcp, 9);
    bind(local, (struct sockaddr *)&name, sizeof name);
    listen(local, 9);
    inet_aton("192.0.2.1", &out.sin_addr);
    if (sendto(udp, "x", 1, 0, (struct sockaddr *)&out, sizeof out) == 1)
        fputs("a packet left\n", stderr);
    if (fork() == 0)
        for (;;)
            pause();
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
