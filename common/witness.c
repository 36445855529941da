/* witness.c: the program's side of the witness: one short connection a message. */
#include "witness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "witness_message.h"

bool witness_listens(void)
{
    return getenv("LAB_WITNESS") != NULL;
}

int64_t witness_tell(enum witness_kind kind, int64_t value, int64_t extra)
{
    const char *path = getenv("LAB_WITNESS");
    if (!path)
        return 0;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    struct witness_message message = {.kind = (char)kind, .value = value, .extra = extra};
    int64_t token = 0;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, &message, sizeof message, MSG_NOSIGNAL) == sizeof message)
        while (recv(fd, &token, sizeof token, 0) < 0 && errno == EINTR)
            ;
    close(fd);
    return token;
}
