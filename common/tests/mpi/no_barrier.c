/* Rank 2 never enters the barrier of the duplicated communicator. */
#include <mpi.h>

#include "mpi_trace.h"

int main(int argc, char **argv)
{
    int rank;
    MPI_Comm copy;
    MPI_Init(&argc, &argv);
    MPI_Comm_dup(MPI_COMM_WORLD, &copy);
    PMPI_Comm_rank(copy, &rank);
    mpi_trace_mark(0);
    if (rank != 2)
        MPI_Barrier(copy); /* HERE */
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Finalize();
    return 0;
}
