/* gate.h: shows a suite which thread touches an array where and when, without a
   word from the code that touches it.

   A closed array lies on pages that may not be used yet. The first touch of each
   part of it is a fault; the handler tells the suite which element it was and
   which thread, waits until the suite lets that thread go on, and opens the part.
   So a suite can hold threads until enough of them are at work at the same time:
   evidence that needs no clock. Where no suite listens, nothing is held. */
#ifndef GATE_H
#define GATE_H

#include <stddef.h>

/* A closed copy of data, bytes long, in which the byte at offset boundary begins a
   page (so touches before and from there on are told apart). Each first touch of a
   part is told as WITNESS_BEGIN: value = the byte's offset in data, extra = the
   thread's id. One array at a time. NULL and errno if there is no memory. */
void *gate_close(const void *data, size_t bytes, size_t boundary);

/* From now on the array is ordinary memory. */
void gate_open(void);

#endif
