/* proc.h: what /proc says of processes, for the reaper and for the suites. */
#ifndef PROC_H
#define PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct proc {
    pid_t pid, parent;
    char state; /* R, S, D, Z, T, ... */
    char name[16];
    size_t resident, shared; /* bytes */
};

/* Reads one process; false if it is gone. */
bool proc_read(pid_t pid, struct proc *p);

/* Every process that can be seen, in a malloc'd array of *count; NULL if /proc cannot be read. */
struct proc *proc_list(size_t *count);

/* Is p a descendant of ancestor, going by the parents in list? */
bool proc_descends(const struct proc *list, size_t count, const struct proc *p, pid_t ancestor);

/* Its threads, at most `most` of them, in the order in which they began. Returns how many are stored. */
size_t proc_threads(pid_t pid, pid_t *thread, size_t most);

/* The system call that pid waits in, or -1. */
long proc_syscall(pid_t pid);

/* Its share of the memory in bytes, shared pages divided by their users; 0 if unknown: a process can hide it. */
size_t proc_share(pid_t pid);

/* Open descriptors; -1 if the process is gone. */
int proc_descriptors(pid_t pid);

/* Bytes that it has mapped with MAP_SHARED; 0 if unknown. */
size_t proc_mapped_shared(pid_t pid);

/* Files in the process's /dev/shm that belong to its user: memory (shm_open) and semaphores (sem_open)
   with a name. 0 if unknown. */
size_t proc_named_shared(pid_t pid);

/* Does any of its threads run, or wait for the disk? If not, it waits for somebody or something else. */
bool proc_runs(pid_t pid);

/* Seconds that a thread of it could have run and waited for a processor; of the one that
   waited longest, since it began. 0 if the kernel does not tell. */
double proc_waited(pid_t pid);

/* Adds to *bytes what the files hold on the disk that pid has open and that have no name any
   more. False if that cannot be seen: it ended just now, or hides its descriptors. */
bool proc_nameless_bytes(pid_t pid, size_t *bytes);

/* Bytes of System V shared memory that nobody has attached, and that so counts for no process. */
size_t proc_unattached_bytes(void);

/* Direct children of pid: those that live, and those that ended and were not waited for. */
void proc_children(pid_t pid, int *living, int *zombies);

#endif
