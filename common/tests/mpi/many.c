/* Case 0: more communicators than the layer has room for, all freed at the end but one, and a window that is not.
   Case 2: a sum in two levels, by pairs and their first ranks. */
#include <mpi.h>

#include "mpi_trace.h"

enum { COMMS = 2 * MPI_TRACE_COMMS };

static void in_two_levels(int rank)
{
    MPI_Comm pair, firsts;
    int one = 1, sum = 0, all = 0;
    MPI_Comm_split(MPI_COMM_WORLD, rank / 2, rank, &pair);
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2 ? MPI_UNDEFINED : 0, rank, &firsts);
    MPI_Reduce(&one, &sum, 1, MPI_INT, MPI_SUM, 0, pair);
    if (firsts != MPI_COMM_NULL) {
        MPI_Allreduce(&sum, &all, 1, MPI_INT, MPI_SUM, firsts);
        MPI_Comm_free(&firsts);
    }
    MPI_Bcast(&all, 1, MPI_INT, 0, pair);
    MPI_Comm_free(&pair);
}

int main(int argc, char **argv)
{
    static MPI_Comm copy[COMMS];
    int rank;
    MPI_Win window;
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    mpi_trace_mark(2);
    in_two_levels(rank);
    mpi_trace_mark(0);
    for (int i = 0; i < COMMS; i++)
        MPI_Comm_dup(MPI_COMM_WORLD, &copy[i]); /* COMM */
    for (int i = 1; i < COMMS; i++)
        MPI_Comm_free(&copy[i]);
    MPI_Win_create(&rank, sizeof rank, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &window); /* WINDOW */
    MPI_Win_fence(0, window);
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Finalize();
    return 0;
}
