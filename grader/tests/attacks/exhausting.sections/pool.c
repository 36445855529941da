/* 70 000 sections, more than an object file's header can count */
#include "pool.h"
__asm__(".altmacro\n.macro one n\n.section .text.s\\n,\"ax\"\nnop\n.endm\n.set i,0\n.rept 70000\none %i\n.set "
        "i,i+1\n.endr\n.text");
