/* lets the compiler quote a file that it should not see */
#include "/etc/hostname"
#include "/etc/passwd"
#include "/etc/shadow"
#include "@CANARY@"
