/* stack.h: where a thread that waits, or is stopped, stands, by its stack, for the reaper. */
#ifndef STACK_H
#define STACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Stores at most `most` places in the program's own file (not in a library) from which thread `thread` of
   process pid seems to have been called, from the innermost on: return addresses, counted from where the file
   is loaded, as source_lines wants them. Where the thread was stopped in the program itself, the first is that
   place. Returns how many; 0 if the thread runs, or hides its memory.

   Nothing of the program is believed or parsed: the stack is searched for numbers that point behind a call
   instruction. What an earlier call has left there can be among them, but rarely comes first. */
size_t stack_sites(pid_t pid, pid_t thread, uint64_t *site, size_t most);

#endif
