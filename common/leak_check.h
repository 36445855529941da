/* leak_check.h: memory that nobody can give back any more. */
#ifndef LEAK_CHECK_H
#define LEAK_CHECK_H

/* Ends the program with LeakSanitizer's words and status if there is memory from malloc that no pointer
   leads to any more. main.c calls it before it writes a result: where there is a result, the check was come
   to, whatever a thread, a handler or another process does at the end. Without AddressSanitizer it does nothing. */
void leak_check(void);

#endif
