/* Both ranks send 8 bytes first: works only because short messages are buffered. */
#include <mpi.h>

#include "mpi_trace.h"

int main(int argc, char **argv)
{
    double mine = 1, theirs = 0;
    int rank;
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    mpi_trace_mark(0);
    MPI_Send(&mine, 1, MPI_DOUBLE, 1 - rank, 13, MPI_COMM_WORLD); /* HERE */
    MPI_Recv(&theirs, 1, MPI_DOUBLE, 1 - rank, 13, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Finalize();
    return 0;
}
