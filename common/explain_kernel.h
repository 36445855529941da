/* explain_kernel.h: turns oclgrind's report about a kernel into words. */
#ifndef EXPLAIN_KERNEL_H
#define EXPLAIN_KERNEL_H

#include <stdbool.h>

#include "explain.h"

/* What oclgrind found, in the text that the run wrote to stderr; false if it found
   nothing. (oclgrind ends with the program's own exit status, whatever it found.)
   file: the kernel file's name, "dmv.cl". */
bool explain_kernel(const struct run *r, const char *file, struct explanation *e);

#endif
