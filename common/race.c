/* race.c: times several ways to do the same work, in turns (race.h says more). */
#include "race.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"

struct race race_options(int argc, char **argv)
{
    struct race race = {.rounds = 5, .enough = 0.02, .speaks = true};
    for (int c; (c = getopt(argc, argv, "qn:r:b:")) != -1;) {
        if (c == 'q') {
            race.quick = true;
            race.enough = 0.0005;
        } else if (c == 'n') {
            race.only = strtoul(optarg, NULL, 10);
        } else if (c == 'r') {
            race.rounds = atoi(optarg);
        } else if (c == 'b') {
            race.first = atoi(optarg);
        } else {
            fputs("usage: bench [-q] [-n SIZE] [-r ROUNDS] [-b FIRST]\n", stderr);
            exit(2);
        }
    }
    return race;
}

bool race_wants(const struct race *race, size_t size, size_t quick_size)
{
    return race->only ? size == race->only : !race->quick || size == quick_size;
}

const char *race_text(const char *format, ...)
{
    static char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return text;
}

void *race_memory(size_t bytes)
{
    const size_t large = 4 << 20, page = 2 << 20;
    size_t unit = bytes < large ? 64 : page;
    void *memory = aligned_alloc(unit, (bytes + unit) / unit * unit);
    if (!memory) {
        perror("memory for the benchmark");
        exit(EXIT_FAILURE);
    }
    if (bytes >= large) /* an advice: where the system does not take it, small pages do as well */
        madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

void race_tell(const struct race *race, const char *name, const char *about, double seconds, int round,
               const char *more)
{
    if (!race->speaks)
        return;
    printf("{\"contender\": \"%s\", \"case\": %s, \"seconds\": %.9g, \"round\": %d%s}\n", name, about, seconds, round,
           more);
    fflush(stdout);
}

/* ---- the race ---- */

static double agreed(const struct race *race, double seconds)
{
    return race->agree ? race->agree(seconds) : seconds;
}

/* The seconds of `times` calls, by the slowest process. */
static double time_of(const struct race *race, const struct contender *one, long times)
{
    agreed(race, 0); /* all begin together */
    double begin = seconds_now();
    for (long i = 0; i < times; i++)
        one->run(one->with);
    return agreed(race, seconds_now() - begin);
}

/* How often a contender has to work for `enough` seconds. */
static long times_for(const struct race *race, const struct contender *one)
{
    long times = 1;
    time_of(race, one, 1); /* the first call finds cold caches, and threads that are not there yet */
    for (;;) {
        double took = time_of(race, one, times);
        if (took >= race->enough || times >= 1L << 30)
            return times;
        double factor = took > 0 ? 1.1 * race->enough / took : 100;
        times = (long)((double)times * (factor > 100 ? 100 : factor)) + 1;
    }
}

/* One call that does not count wakes one's threads and drives out of the caches what others have
   left there; where a measurement is a single long call, that is a small part of it. */
static void get_ready(const struct race *race, const struct contender *one, long times)
{
    if (race->pause > 0)
        usleep((useconds_t)(1e6 * race->pause));
    if (race->pause > 0 || times > 1)
        one->run(one->with);
}

void race_run(const struct race *race, const char *about, const struct contender *list, int count)
{
    long times[count];
    for (int k = 0; k < count; k++) {
        get_ready(race, &list[k], 1);
        times[k] = times_for(race, &list[k]);
    }
    for (int round = race->first; round < race->first + race->rounds; round++)
        for (int i = 0; i < count; i++) {
            /* Everyone is first once, and in odd rounds the order is turned round: nobody always follows the same one. */
            int k = (round % 2 ? count - 1 - i + round : i + round) % count;
            get_ready(race, &list[k], times[k]);
            double seconds = time_of(race, &list[k], times[k]);
            race_tell(race, list[k].name, about, seconds / (double)times[k], round, "");
        }
}

/* ---- the limit ---- */

volatile unsigned long race_sink; /* what is put here no compiler can leave out */

/* Four streams with vector registers of their own: no operation waits for another, and the
   memory has four places to fetch from ahead of time. Of 32 bytes: gcc takes a vector apart
   that is wider than the processor's, which reads at a third of the speed. */
void race_read(const void *data, size_t bytes)
{
    typedef uint64_t lanes __attribute__((vector_size(32), may_alias));
    const lanes *a = data;
    size_t quarter = bytes / sizeof *a / 4;
    const lanes *b = a + quarter, *c = b + quarter, *d = c + quarter;
    lanes s = {0}, t = {0}, u = {0}, v = {0};
    for (size_t i = 0; i < quarter; i++) {
        s ^= a[i];
        t ^= b[i];
        u ^= c[i];
        v ^= d[i];
    }
    s ^= t ^ u ^ v;
    race_sink = s[0] ^ s[1] ^ s[2] ^ s[3];
}
