/* includes the environment and the command line of the build */
#include "/proc/1/environ"
#include "/proc/self/cmdline"
#include "/proc/self/environ"
int x = ;
