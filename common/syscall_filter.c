/* syscall_filter.c: a seccomp filter, made with libseccomp. A list of what is taken
   away, not of what is left: four runtimes (MPI, OpenMP, OpenCL, the sanitizers)
   need most of the rest, and the namespaces already hide what is worth reaching. */
#include "syscall_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Other processes' memory, namespaces and mounts, the kernel itself, and interfaces
   with a history of holes. */
static const char *const denied[] = {
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
    "process_madvise",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "fsopen",
    "fsmount",
    "fspick",
    "fsconfig",
    "move_mount",
    "open_tree",
    "mount_setattr",
    "open_by_handle_at",
    "name_to_handle_at",
    "add_key",
    "request_key",
    "keyctl",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "fanotify_init",
    "lookup_dcookie",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "vmsplice",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "quotactl_fd",
    "syslog",
    "nfsservctl",
    "vhangup",
    "uselib",
    "ustat",
    "sysfs",
    "_sysctl",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "stime",
    "sethostname",
    "setdomainname",
    "ioperm",
    "iopl",
    "modify_ldt",
    "move_pages",
    "migrate_pages",
};

/* Sockets that are not for talking to this machine's own processes. AF_NETLINK is how mpirun
   asks for the network interfaces. */
static int deny_odd_sockets(scmp_filter_ctx filter, uint32_t action)
{
    static const int allowed[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    int top = AF_MAX, bad = 0;
    for (int family = 0; family < top; family++) {
        int known = 0;
        for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
            known |= allowed[i] == family;
        if (!known)
            bad |= seccomp_rule_add(filter, action, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0));
    }
    return bad;
}

/* The reaper is process 1 and has the program's user id, which is all that these calls ask for.
   It must not be slowed down, nor lose its descriptors: without /proc it would see nothing. */
static int protect_reaper(scmp_filter_ctx filter, uint32_t action)
{
    static const char *const about_process[] = {"sched_setaffinity", "sched_setscheduler", "sched_setparam",
                                                "sched_setattr"};
    int bad = seccomp_rule_add(filter, action, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_NE, 0, 0)) |
              seccomp_rule_add(filter, action, SCMP_SYS(setpriority), 1, SCMP_A1(SCMP_CMP_NE, 0, 0)) |
              seccomp_rule_add(filter, action, SCMP_SYS(ioprio_set), 1, SCMP_A1(SCMP_CMP_EQ, 1, 0));
    for (size_t i = 0; i < sizeof about_process / sizeof *about_process; i++)
        bad |= seccomp_rule_add(filter, action, seccomp_syscall_resolve_name(about_process[i]), 1,
                                SCMP_A0(SCMP_CMP_EQ, 1, 0));
    return bad;
}

/* No new user namespace, which would give capabilities within it. The flags of clone3 lie in
   memory, where a filter cannot look: it fails as on an old kernel, and glibc then takes clone. */
static int deny_user_namespaces(scmp_filter_ctx filter, uint32_t action)
{
    return seccomp_rule_add(filter, action, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER)) |
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

int filter_system_calls(bool allow_ptrace)
{
    const uint32_t action = SCMP_ACT_ERRNO(EPERM);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter) {
        errno = ENOMEM;
        return -1;
    }
    int bad = 0;
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a search tree, not a list */
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++) {
        int number = seccomp_syscall_resolve_name(denied[i]);
        if (number >= 0) /* not every machine has every call */
            bad |= seccomp_rule_add(filter, action, number, 0);
    }
    if (!allow_ptrace)
        bad |= seccomp_rule_add(filter, action, SCMP_SYS(ptrace), 0);
    bad |= seccomp_rule_add(filter, action, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, TIOCSTI, 0));
    bad |= deny_odd_sockets(filter, action) | protect_reaper(filter, action) | deny_user_namespaces(filter, action);
    if (!bad)
        bad = seccomp_load(filter);
    seccomp_release(filter);
    if (bad)
        errno = bad < 0 && bad > -4096 ? -bad : EINVAL;
    return bad ? -1 : 0;
}
