/* bench.c: lab 04 against the field, by ranks and by size: matvec_mpi beside the same with
   BLAS on each rank (cblas_dgemv, then MPI_Allgatherv), beside the collective alone
   (its share is what communication costs), and beside as many processes that do nothing
   but read their rows. peer.py does the same with mpi4py and numpy. */
#include <cblas.h>
#include <mpi.h>
#include <stdlib.h>

#include "matvec.h"
#include "race_mpi.h"
#include "rng.h"

/* This rank's part of one case. */
struct part {
    MPI_Comm comm;
    size_t n, rows; /* of A; of this rank */
    int *counts, *places;
    double *block, *x, *y, *mine;
};

static void expect(int code)
{
    if (code != MPI_SUCCESS)
        MPI_Abort(MPI_COMM_WORLD, code);
}

static void run_student(void *with)
{
    const struct part *p = with;
    expect(matvec_mpi(p->block, p->n, p->n, p->x, p->y, p->comm));
}

static void run_gather(void *with)
{
    const struct part *p = with;
    expect(MPI_Allgatherv(p->mine, (int)p->rows, MPI_DOUBLE, p->y, p->counts, p->places, MPI_DOUBLE, p->comm));
}

static void run_blas(void *with)
{
    const struct part *p = with;
    int n = (int)p->n;
    if (p->rows > 0)
        cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)p->rows, n, 1, p->block, n, p->x, 1, 0, p->mine, 1);
    run_gather(with);
}

static void run_read(void *with)
{
    const struct part *p = with;
    race_read(p->block, p->rows * p->n * sizeof(double) / 256 * 256);
}

static struct part make(size_t n, int rank, int ranks, MPI_Comm comm)
{
    struct part p = {.comm = comm, .n = n, .counts = race_memory((size_t)ranks * sizeof(int))};
    p.places = race_memory((size_t)ranks * sizeof(int));
    for (int r = 0, place = 0; r < ranks; place += p.counts[r], r++) {
        p.counts[r] = (int)(n / (size_t)ranks) + ((size_t)r < n % (size_t)ranks);
        p.places[r] = place;
    }
    p.rows = (size_t)p.counts[rank];
    p.block = race_memory(p.rows * n * sizeof(double));
    p.x = race_memory(n * sizeof(double));
    p.y = race_memory(n * sizeof(double));
    p.mine = race_memory(p.rows * sizeof(double));
    struct rng rng = rng_seeded(n);
    rng_fill(&rng, p.block, p.rows * n);
    rng_fill(&rng, p.x, n);
    rng_fill(&rng, p.mine, p.rows);
    return p;
}

static void race_at(const struct race *race, size_t n, int rank, int ranks)
{
    MPI_Comm comm;
    MPI_Comm_split(MPI_COMM_WORLD, rank < ranks ? 0 : MPI_UNDEFINED, rank, &comm);
    struct race own = *race;
    if (race_mpi_among(&own, ranks)) {
        struct part p = make(n, rank, ranks, comm);
        const struct contender list[] = {{"matvec_mpi", run_student, &p},
                                         {"dgemv + Allgatherv", run_blas, &p},
                                         {"Allgatherv alone", run_gather, &p},
                                         {"only reading", run_read, &p}};
        race_run(&own, race_text("{\"n\": %zu, \"ranks\": %d}", n, ranks), list, 4);
        free(p.counts);
        free(p.places);
        free(p.block);
        free(p.x);
        free(p.y);
        free(p.mine);
        MPI_Comm_free(&comm);
    }
    race_mpi_rejoin();
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {64, 256, 512, 1024, 2048, 4096};
    struct race race = race_mpi_options(argc, argv);
    int rank = 0, ranks = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int among = 1; among <= ranks; among *= 2)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            if (race_wants(&race, sizes[i], 64) && (race.only ? among == ranks : !race.quick || among <= 2))
                race_at(&race, sizes[i], rank, among);
    MPI_Finalize();
    return EXIT_SUCCESS;
}
