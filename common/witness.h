/* witness.h: how a lab's program tells the suite what happens, while it happens.

   The suite listens on a Unix socket; each message is a connection of its own,
   so the kernel, not the program, says which process speaks (SO_PEERCRED), and
   the suite can make the speaker wait. That is how the suite counts workers,
   holds tasks until enough of them run side by side, and looks at a process's
   descriptors and children from outside. Where nobody listens (no LAB_WITNESS
   in the environment) nothing happens. */
#ifndef WITNESS_H
#define WITNESS_H

#include <stdbool.h>
#include <stdint.h>

enum witness_kind {
    WITNESS_BEGIN = 'b', /* a task begins; value = its index */
    WITNESS_END = 'e',   /* a task ends; value = its index */
    WITNESS_POINT = 'p', /* the program has come to a point; value = its number */
};

/* Is a suite listening? */
bool witness_listens(void);

/* Tells the suite, and blocks until it lets us go on. extra is whatever the lab
   wants to add (an engine's id, a virtual duration in microseconds, ...).
   Returns a number that nobody but the suite and the teller knows, 0 where nobody
   listens: a task that puts it into its result proves where the result comes from. */
int64_t witness_tell(enum witness_kind kind, int64_t value, int64_t extra);

#endif
