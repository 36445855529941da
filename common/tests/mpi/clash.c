/* Case 0: an array is received into while MPI_Isend still sends it. Case 1: MPI_Sendrecv with one array for both.
   Case 2: the same calls as they should be, and two sends of one array, which is allowed. Case 3: what MPI_Iallreduce
   sends is changed before MPI_Wait. Case 4: so are the counts of MPI_Iallgatherv. Case 5: calls that only begin, left
   alone until they are completed. */
#include <mpi.h>

#include "mpi_trace.h"

int main(int argc, char **argv)
{
    int rank, peer, a[2] = {1, 2}, b[2] = {0};
    MPI_Request request[2];
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    peer = 1 - rank;
    MPI_Send(b, 1, MPI_INT, peer, 2, MPI_COMM_WORLD); /* short: nobody waits */
    mpi_trace_mark(0);
    MPI_Isend(a, 2, MPI_INT, peer, 1, MPI_COMM_WORLD, &request[0]);          /* BEGUN */
    MPI_Recv(a + 1, 1, MPI_INT, peer, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE); /* HERE */
    MPI_Wait(&request[0], MPI_STATUS_IGNORE);
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Recv(b, 2, MPI_INT, peer, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Barrier(MPI_COMM_WORLD);
    mpi_trace_mark(1);
    MPI_Sendrecv(a, 1, MPI_INT, peer, 3, a, 1, MPI_INT, peer, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE); /* BOTH */
    mpi_trace_mark(2);
    MPI_Sendrecv(a, 1, MPI_INT, peer, 4, a + 1, 1, MPI_INT, peer, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Isend(a, 2, MPI_INT, peer, 5, MPI_COMM_WORLD, &request[0]);
    MPI_Isend(a, 2, MPI_INT, peer, 6, MPI_COMM_WORLD, &request[1]);
    MPI_Recv(b, 2, MPI_INT, peer, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Recv(b, 2, MPI_INT, peer, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
    MPI_Recv(a, 2, MPI_INT, MPI_PROC_NULL, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    mpi_trace_mark(3);
    int sum, both[2], counts[2] = {1, 1}, places[2] = {0, 1};
    MPI_Iallreduce(a, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD, &request[0]); /* CHANGED */
    a[0] = 7;
    MPI_Wait(&request[0], MPI_STATUS_IGNORE);
    mpi_trace_mark(4);
    MPI_Iallgatherv(a, 1, MPI_INT, both, counts, places, MPI_INT, MPI_COMM_WORLD, &request[0]); /* COUNTS */
    MPI_Wait(&request[0], (counts[1] = 0, MPI_STATUS_IGNORE));
    mpi_trace_mark(5);
    counts[1] = 1;
    MPI_Ialltoallv(a, counts, places, MPI_INT, both, counts, places, MPI_INT, MPI_COMM_WORLD, &request[0]);
    MPI_Ibcast(b, 2, MPI_INT, 0, MPI_COMM_WORLD, &request[1]);
    MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
    a[0] = 8;
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Finalize();
    return 0;
}
