/* perturb.h: system calls as a busy machine may make them: late, and moving fewer
   bytes than was asked for. POSIX allows both at any time, but a quiet machine
   rarely does either, so that code which relies on luck passes.

   The student's object file calls these in place of read, write, ... (lab.mk renames
   the symbols). They do what the originals do, unless LAB_PERTURB=<seed> is set:
   then every process draws, from the seed and its place in the order of forks, how
   long each call waits (0 to 2 ms) and how many bytes of a stream it moves at most;
   one process in four is slower than the others by far; and a forked process
   takes 20 ms to end.

   LAB_FORK_FAIL=<n>: the n-th fork of each process (counted from 0) fails with EAGAIN, as it
   does where a user has too many processes. Whoever then takes the -1 for a pid and kills it
   would kill all processes of the user: that signal is not sent.

   LAB_SIGNALS, with LAB_PERTURB, where the program gets signals that have handlers: recv with MSG_WAITALL, which
   otherwise brings all, ends early too, as it does when a signal comes in between (recv(2)).

   LAB_FOSTER=<pid>: where the parent is process 1, getppid says that it is this one: a process whose parent has died
   goes to a service manager or a container's own first process, which need not be number 1. */
#ifndef PERTURB_H
#define PERTURB_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

ssize_t perturb_read(int fd, void *data, size_t size);
ssize_t perturb_write(int fd, const void *data, size_t size);
ssize_t perturb_recv(int fd, void *data, size_t size, int flags);
ssize_t perturb_send(int fd, const void *data, size_t size, int flags);
ssize_t perturb_readv(int fd, const struct iovec *part, int count);
ssize_t perturb_writev(int fd, const struct iovec *part, int count);
ssize_t perturb_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t perturb_sendmsg(int fd, const struct msghdr *message, int flags);
int perturb_poll(struct pollfd *fds, nfds_t count, int timeout);
pid_t perturb_fork(void);
int perturb_kill(pid_t pid, int signal);
pid_t perturb_getppid(void);
_Noreturn void perturb_exit(int status);
_Noreturn void perturb__exit(int status);

#endif
