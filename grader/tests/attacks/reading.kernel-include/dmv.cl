/* The log is printed by main.c. */
#include "@CANARY@"
#include "/etc/shadow"
#include "@REPO@/solutions/07-opencl/dmv.cl"
#include "/proc/1/environ"
