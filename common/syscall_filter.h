/* syscall_filter.h: takes system calls away from a program that is about to start. */
#ifndef SYSCALL_FILTER_H
#define SYSCALL_FILTER_H

#include <stdbool.h>

/* From now on this process and its descendants cannot make the calls that no lab
   needs and that the kernel is attacked through: they fail with EPERM. allow_ptrace
   leaves ptrace(2), which LeakSanitizer looks at its own threads with. Needs
   PR_SET_NO_NEW_PRIVS. Returns 0, or -1 with errno. */
int filter_system_calls(bool allow_ptrace);

#endif
