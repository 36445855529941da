/* Rank 0 sends with tag 11, rank 1 waits for tag 13. */
#include <mpi.h>

#include "mpi_trace.h"

int main(int argc, char **argv)
{
    int rank, number = 7;
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    mpi_trace_mark(0);
    if (rank == 0)
        MPI_Send(&number, 1, MPI_INT, 1, 11, MPI_COMM_WORLD); /* SENT */
    else
        MPI_Recv(&number, 1, MPI_INT, 0, 13, MPI_COMM_WORLD, MPI_STATUS_IGNORE); /* HERE */
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Finalize();
    return 0;
}
