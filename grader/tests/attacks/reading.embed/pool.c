/* takes a file into the program by #embed */
static const char text[] = {
#embed "@CANARY@"
};
