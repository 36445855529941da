/* bench.c: lab 05 against the field, by ranks and by size: psum and psum_compensated
   beside the reduction alone (its share is what communication costs), and beside as many
   processes that do nothing but read their numbers. peer.py does the same with mpi4py
   and numpy. */
#include <mpi.h>
#include <stdlib.h>

#include "psum.h"
#include "race_mpi.h"
#include "rng.h"

struct part {
    MPI_Comm comm;
    size_t count; /* of this rank */
    double *values;
};

static void expect(int code)
{
    if (code != MPI_SUCCESS)
        MPI_Abort(MPI_COMM_WORLD, code);
}

static void run_psum(void *with)
{
    const struct part *p = with;
    double sum;
    expect(psum(p->values, p->count, &sum, p->comm));
}

static void run_compensated(void *with)
{
    const struct part *p = with;
    double sum;
    expect(psum_compensated(p->values, p->count, &sum, p->comm));
}

static void run_reduce(void *with)
{
    const struct part *p = with;
    double sum;
    expect(MPI_Allreduce(p->values, &sum, 1, MPI_DOUBLE, MPI_SUM, p->comm));
}

static void run_read(void *with)
{
    const struct part *p = with;
    race_read(p->values, p->count * sizeof(double) / 256 * 256);
}

static void race_at(const struct race *race, size_t n, int rank, int ranks)
{
    MPI_Comm comm;
    MPI_Comm_split(MPI_COMM_WORLD, rank < ranks ? 0 : MPI_UNDEFINED, rank, &comm);
    struct race own = *race;
    if (race_mpi_among(&own, ranks)) {
        size_t count = n / (size_t)ranks;
        struct part p = {comm, count, race_memory(count * sizeof(double))};
        struct rng rng = rng_seeded(n + (size_t)rank);
        rng_fill(&rng, p.values, count);
        const struct contender list[] = {{"psum", run_psum, &p},
                                         {"psum_compensated", run_compensated, &p},
                                         {"Allreduce alone", run_reduce, &p},
                                         {"only reading", run_read, &p}};
        race_run(&own, race_text("{\"n\": %zu, \"ranks\": %d}", n, ranks), list, 4);
        free(p.values);
        MPI_Comm_free(&comm);
    }
    race_mpi_rejoin();
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {4096, 65536, 1 << 18, 1 << 20, 1 << 22, 1 << 24};
    struct race race = race_mpi_options(argc, argv);
    int rank = 0, ranks = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int among = 1; among <= ranks; among *= 2)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            if (race_wants(&race, sizes[i], 4096) && (race.only ? among == ranks : !race.quick || among <= 2))
                race_at(&race, sizes[i], rank, among);
    MPI_Finalize();
    return EXIT_SUCCESS;
}
