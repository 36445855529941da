/* an array that makes an object file of 1 GiB */
#include "pool.h"
char x[1 << 30] = {1};
