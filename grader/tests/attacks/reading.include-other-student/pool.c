/* includes the file of another student */
#include "@CLASS@/honest.a/01-pool/pool.c"
