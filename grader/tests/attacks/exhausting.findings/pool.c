/* 20 000 functions that are not allowed, each of which would have its line looked up */
#include "pool.h"
__asm__(
    ".altmacro\n.macro one n\n.globl MPI_\\n\nMPI_\\n: nop\n.endm\n.set i,0\n.rept 20000\none %i\n.set i,i+1\n.endr");
