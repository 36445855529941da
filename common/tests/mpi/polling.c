/* Rank 1 asks for ever whether a message has come; rank 0 waits in the barrier. */
#include <mpi.h>

#include "mpi_trace.h"

int main(int argc, char **argv)
{
    int rank, came = 0;
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    mpi_trace_mark(0);
    while (rank == 1 && !came)
        MPI_Iprobe(0, 4, MPI_COMM_WORLD, &came, MPI_STATUS_IGNORE); /* HERE */
    MPI_Barrier(MPI_COMM_WORLD);
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Finalize();
    return 0;
}
