/* takes a file into the program while it is assembled */
__asm__(".incbin \"@CANARY@\"");
__asm__(".incbin \"@REPO@/solutions/01-pool/pool.c\"");
__asm__(".include \"/etc/shadow\"");
