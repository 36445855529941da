/* 100 000 global symbols to be looked at one by one */
#include "pool.h"
__asm__(".altmacro\n.macro one n\n.globl f\\n\nf\\n: nop\n.endm\n.set i,0\n.rept 100000\none %i\n.set i,i+1\n.endr");
