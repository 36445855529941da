/* 20 000 error messages, each of several lines */
#define A int = 3;
#define B A A A A A A A A A A
#define C B B B B B B B B B B
#define D C C C C C C C C C C
#define E D D D D D D D D D D
E E
