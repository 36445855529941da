/* clock.h: one clock for everything that is timed. */
#ifndef CLOCK_H
#define CLOCK_H

/* Seconds of CLOCK_MONOTONIC, which no change of the date disturbs. */
double seconds_now(void);

#endif
