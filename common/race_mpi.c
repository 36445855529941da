/* race_mpi.c: races among ranks (race_mpi.h says more). */
#include "race_mpi.h"

#include <mpi.h>
#include <unistd.h>

static MPI_Comm racing = MPI_COMM_NULL; /* our own messages, which the contenders cannot meet */

static double longest(double seconds)
{
    double all = 0;
    MPI_Allreduce(&seconds, &all, 1, MPI_DOUBLE, MPI_MAX, racing);
    return all;
}

struct race race_mpi_options(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    struct race race = race_options(argc, argv);
    race.agree = longest;
    return race;
}

bool race_mpi_among(struct race *race, int ranks)
{
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_split(MPI_COMM_WORLD, rank < ranks ? 0 : MPI_UNDEFINED, rank, &racing);
    race->speaks = rank == 0;
    return racing != MPI_COMM_NULL;
}

void race_mpi_rejoin(void)
{
    /* A barrier would keep the waiting ranks busy, on cores that the others need. */
    int all_here = 0;
    MPI_Request request;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    MPI_Test(&request, &all_here, MPI_STATUS_IGNORE);
    while (!all_here) {
        usleep(1000);
        MPI_Test(&request, &all_here, MPI_STATUS_IGNORE);
    }
    if (racing != MPI_COMM_NULL)
        MPI_Comm_free(&racing);
}
