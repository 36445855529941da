/* Each rank starts a receive that gets its message, and one that never does; then waits for both. */
#include <mpi.h>

#include "mpi_trace.h"

int main(int argc, char **argv)
{
    int rank, mine = 1, theirs[2];
    MPI_Request requests[3];
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    mpi_trace_mark(0);
    MPI_Irecv(&theirs[0], 1, MPI_INT, 1 - rank, 5, MPI_COMM_WORLD, &requests[0]);
    MPI_Irecv(&theirs[1], 1, MPI_INT, 1 - rank, 6, MPI_COMM_WORLD, &requests[1]); /* BEGUN */
    MPI_Isend(&mine, 1, MPI_INT, 1 - rank, 5, MPI_COMM_WORLD, &requests[2]);
    MPI_Waitall(3, requests, MPI_STATUSES_IGNORE); /* HERE */
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Finalize();
    return 0;
}
