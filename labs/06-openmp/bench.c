/* bench.c: lab 06 against the field: the student's serial and threaded product beside
   OpenBLAS's dgemv (what numpy.dot calls) with as many threads, and beside threads that
   do nothing but read the matrix. Cases: sizes with all cores, then one size by threads. */
#include <cblas.h>
#include <omp.h>
#include <stdlib.h>

#include "race.h"
#include "rng.h"
#include "threads.h"

/* OpenBLAS's own functions; cblas.h of another BLAS does not have them. */
extern void openblas_set_num_threads(int threads);

struct product {
    size_t n;
    double *A, *x, *y;
};

static void run_serial(void *with)
{
    const struct product *p = with;
    matvec_serial(p->A, p->n, p->n, p->x, p->y);
}

static void run_omp(void *with)
{
    const struct product *p = with;
    matvec_omp(p->A, p->n, p->n, p->x, p->y);
}

static void run_blas(void *with)
{
    const struct product *p = with;
    int n = (int)p->n;
    cblas_dgemv(CblasRowMajor, CblasNoTrans, n, n, 1, p->A, n, p->x, 1, 0, p->y, 1);
}

static void run_sum(void *with)
{
    const struct product *p = with;
    p->y[0] = sum_omp(p->A, p->n * p->n);
}

/* Every thread reads its share of the matrix. */
static void run_read(void *with)
{
    const struct product *p = with;
    size_t blocks = p->n * p->n * sizeof(double) / 256;
#pragma omp parallel
    {
        size_t n = (size_t)omp_get_num_threads(), k = (size_t)omp_get_thread_num();
        size_t first = blocks * k / n, end = blocks * (k + 1) / n;
        race_read((const char *)p->A + 256 * first, 256 * (end - first));
    }
}

static struct product make(size_t n)
{
    struct rng rng = rng_seeded(n);
    struct product p = {n, race_memory(n * n * sizeof(double)), race_memory(n * sizeof(double)),
                        race_memory(n * sizeof(double))};
    rng_fill(&rng, p.A, n * n);
    rng_fill(&rng, p.x, n);
    return p;
}

static void race_at(const struct race *race, size_t n, int threads)
{
    struct product p = make(n);
    const struct contender list[] = {
        {"matvec_serial", run_serial, &p}, {"matvec_omp", run_omp, &p}, {"OpenBLAS dgemv", run_blas, &p},
        {"only reading", run_read, &p},    {"sum_omp", run_sum, &p},
    };
    omp_set_num_threads(threads);
    openblas_set_num_threads(threads);
    race_run(race, race_text("{\"n\": %zu, \"threads\": %d}", n, threads), list, 5);
    free(p.A);
    free(p.x);
    free(p.y);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {8,   16,  32,  48,   64,   96,   128,  192,  256,
                                   384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192};
    static const size_t scaled = 2048; /* beyond a core's own cache */
    struct race race = race_options(argc, argv);
    race.pause = 0.04; /* OpenBLAS's threads wait awake for 2^26 cycles */
    int cores = omp_get_num_procs();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (race_wants(&race, sizes[i], 128))
            race_at(&race, sizes[i], cores);
    if (race.only)
        return EXIT_SUCCESS;
    for (int threads = 1; threads <= 2 * cores && (!race.quick || threads <= 2); threads++)
        if (threads != cores)
            race_at(&race, race.quick ? 128 : scaled, threads);
    return EXIT_SUCCESS;
}
