/* includes files that never end */
#include "/dev/random"
#include "/dev/stdin"
#include "/dev/zero"
