/* bench.c: lab 01 against the field: tasks per second of pool_map by chunk, by size of
   the elements and by number of workers. peer.py does the same with multiprocessing.Pool.

   The task does nothing but copy a few bytes: what is measured is the pool itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool.h"
#include "race.h"

struct work {
    struct pool *pool;
    char *in, *out;
    size_t bytes, count, chunk;
};

static size_t element_bytes; /* set before the pool is made, so that the workers have a copy */

static int copy(const void *in, void *out)
{
    memcpy(out, in, element_bytes);
    return 0;
}

static void run_map(void *with)
{
    const struct work *w = with;
    if (pool_map(w->pool, copy, w->in, w->bytes, w->out, w->bytes, w->count, w->chunk) != 0) {
        perror("pool_map");
        exit(EXIT_FAILURE);
    }
}

/* What a loop over the tasks costs without any pool. */
static void run_loop(void *with)
{
    const struct work *w = with;
    for (size_t i = 0; i < w->count; i++)
        if (copy(w->in + i * w->bytes, w->out + i * w->bytes) != 0)
            exit(EXIT_FAILURE);
}

static void race_at(const struct race *race, int processes, size_t bytes, size_t count, size_t chunk)
{
    element_bytes = bytes;
    struct work w = {pool_create(processes), calloc(count, bytes), calloc(count, bytes), bytes, count, chunk};
    if (!w.pool || !w.in || !w.out) {
        perror("pool_create, or memory for the benchmark");
        exit(EXIT_FAILURE);
    }
    const struct contender list[] = {{"pool_map", run_map, &w}, {"plain loop", run_loop, &w}};
    race_run(race,
             race_text("{\"processes\": %d, \"bytes\": %zu, \"chunk\": %zu, \"tasks\": %zu}", processes, bytes, chunk,
                       count),
             list, 2);
    pool_destroy(w.pool);
    free(w.in);
    free(w.out);
}

int main(int argc, char **argv)
{
    static const size_t chunks[] = {1, 4, 16, 64, 256, 0}, sizes[] = {8, 64, 512, 4096, 32768};
    struct race race = race_options(argc, argv);
    int cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    size_t count = race.quick ? 200 : 4000;
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
        if (!race.quick || chunks[i] < 4)
            race_at(&race, cores, 8, count, chunks[i]);
    for (size_t i = 1; i < sizeof sizes / sizeof *sizes; i++)
        if (!race.quick || i == 1) {
            race_at(&race, cores, sizes[i], count, 1);
            race_at(&race, cores, sizes[i], count, 0);
        }
    for (int processes = 1; processes <= (race.quick ? 2 : 4 * cores); processes *= 2)
        if (processes != cores)
            race_at(&race, processes, 8, count, 1);
    return EXIT_SUCCESS;
}
