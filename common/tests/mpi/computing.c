/* Rank 0 never comes out of a loop of its own; rank 1 waits for its message. No deadlock. */
#include <mpi.h>
#include <unistd.h>

#include "mpi_trace.h"

int main(int argc, char **argv)
{
    int rank, number = 0;
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    mpi_trace_mark(0);
    while (rank == 0)
        sleep(1);
    MPI_Recv(&number, 1, MPI_INT, 0, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Finalize();
    return 0;
}
