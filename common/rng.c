/* rng.c: the generator behind all random inputs: xoshiro256** 1.0 by Blackman and
   Vigna, whose reference code is in the public domain (prng.di.unimi.it). */
#include "rng.h"

/* splitmix64: spreads one word of seed over the four words of state, so that
   neighbouring seeds give unrelated sequences and the state is never all zero. */
static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

struct rng rng_seeded(uint64_t seed)
{
    struct rng r;
    for (int i = 0; i < 4; i++)
        r.s[i] = splitmix64(&seed);
    return r;
}

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double rng_double(struct rng *r)
{
    /* A double holds 53 bits: all multiples of 2^-53 in [0, 1), equally likely. */
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

size_t rng_below(struct rng *r, size_t n)
{
    /* 2^64 need not be a multiple of n: the first 2^64 mod n values are thrown
       away, or the small remainders would come up more often. */
    uint64_t surplus = (0 - (uint64_t)n) % n;
    uint64_t x;
    do
        x = rng_next(r);
    while (x < surplus);
    return (size_t)(x % n);
}

void rng_fill(struct rng *r, double *a, size_t count)
{
    for (size_t i = 0; i < count; i++)
        a[i] = 2.0 * rng_double(r) - 1.0; /* exact */
}
