/* includes the reference solution by its full path, and as a system header */
#include "@REPO@/solutions/01-pool/pool.c"
#include <@REPO@/solutions/01-pool/pool.c>
