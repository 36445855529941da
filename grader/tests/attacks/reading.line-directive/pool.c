/* lets the compiler quote a file by claiming that its own error stands there */
#include "pool.h"
#line 1 "@CANARY@"
int x = ;
#line 1 "/proc/1/environ"
int y = ;
