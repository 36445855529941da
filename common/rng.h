/* rng.h: a small seeded generator (xoshiro256**, seeded by splitmix64; Blackman
   and Vigna 2018): the same seed gives the same numbers on every machine. */
#ifndef RNG_H
#define RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

struct rng rng_seeded(uint64_t seed);
uint64_t rng_next(struct rng *r);                      /* 64 random bits */
double rng_double(struct rng *r);                      /* uniform in [0, 1) */
size_t rng_below(struct rng *r, size_t n);             /* uniform in 0 ... n - 1; n > 0 */
void rng_fill(struct rng *r, double *a, size_t count); /* count doubles, uniform in [-1, 1) */

#endif
