/* witness_message.h: what goes over the witness's socket. The answer is an int64_t, the token. */
#ifndef WITNESS_MESSAGE_H
#define WITNESS_MESSAGE_H

#include <stdint.h>

struct witness_message {
    int64_t value, extra;
    char kind;
    char unused[7];
};

#endif
