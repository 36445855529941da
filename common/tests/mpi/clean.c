/* Cases 1, 2, 3: communicators of so many of the world's last ranks, each with every family of calls, every result
   looked at, nothing left behind. Exit status 1 if a result is wrong. */
#include <mpi.h>
#include <stdio.h>

#include "mpi_trace.h"

static int failed;

#define INSIST(right) insist((right), #right, __LINE__)

static void insist(int right, const char *what, int line)
{
    if (!right)
        fprintf(stderr, "clean.c:%d: not %s\n", line, what);
    failed = failed || !right;
}

static void blocking(MPI_Comm comm, int rank, int size)
{
    int next = (rank + 1) % size, last = (rank + size - 1) % size, mine = rank, theirs = -1, sum = 0, all[8] = {0};
    int counts[8], places[8];
    MPI_Status status;
    MPI_Sendrecv(&mine, 1, MPI_INT, next, 1, &theirs, 1, MPI_INT, last, 1, comm, &status);
    INSIST(theirs == last && status.MPI_SOURCE == last && status.MPI_TAG == 1);
    MPI_Sendrecv(&mine, 1, MPI_INT, next, 2, &theirs, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, comm, MPI_STATUS_IGNORE);
    INSIST(theirs == last);
    theirs = mine;
    MPI_Sendrecv_replace(&theirs, 1, MPI_INT, next, 3, last, 3, comm, MPI_STATUS_IGNORE);
    INSIST(theirs == last);
    for (int i = 0; i < size; i++) {
        counts[i] = 1;
        places[i] = i;
    }
    MPI_Allgatherv(&mine, 1, MPI_INT, all, counts, places, MPI_INT, comm);
    INSIST(all[size - 1] == size - 1);
    MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, comm);
    INSIST(sum == size * (size - 1) / 2);
    MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_INT, MPI_MAX, comm);
    MPI_Gather(&mine, 1, MPI_INT, all, 1, MPI_INT, 0, comm);
    MPI_Scatter(all, 1, MPI_INT, rank == 0 ? MPI_IN_PLACE : &theirs, 1, MPI_INT, 0, comm);
    MPI_Barrier(comm);
    MPI_Recv(NULL, 0, MPI_INT, MPI_PROC_NULL, 9, comm, MPI_STATUS_IGNORE);
}

static void nonblocking(MPI_Comm comm, int rank, int size)
{
    int next = (rank + 1) % size, last = (rank + size - 1) % size, mine = rank, theirs[2] = {-1, -1}, done = 0, index;
    MPI_Request requests[3], sum;
    MPI_Status statuses[3];
    MPI_Irecv(&theirs[0], 1, MPI_INT, last, 4, comm, &requests[0]);
    MPI_Irecv(&theirs[1], 1, MPI_INT, MPI_ANY_SOURCE, 5, comm, &requests[1]);
    MPI_Isend(&mine, 1, MPI_INT, next, 4, comm, &requests[2]);
    MPI_Send(&mine, 1, MPI_INT, next, 5, comm);
    MPI_Waitall(3, requests, statuses);
    INSIST(theirs[0] == last && theirs[1] == last && statuses[1].MPI_SOURCE == last);

    MPI_Irecv(&theirs[0], 1, MPI_INT, last, 6, comm, &requests[0]);
    MPI_Issend(&mine, 1, MPI_INT, next, 6, comm, &requests[1]);
    for (int left = 2; left > 0; left--)
        MPI_Waitany(2, requests, &index, MPI_STATUS_IGNORE);
    MPI_Iallreduce(&mine, &theirs[0], 1, MPI_INT, MPI_SUM, comm, &sum);
    while (!done)
        MPI_Test(&sum, &done, MPI_STATUS_IGNORE);
    // NOLINTNEXTLINE(clang-analyzer-optin.mpi.MPI-Checker): MPI_Test has ended it, which the checker does not know
    INSIST(theirs[0] == size * (size - 1) / 2);

    MPI_Recv_init(&theirs[0], 1, MPI_INT, last, 7, comm, &requests[0]);
    MPI_Send_init(&mine, 1, MPI_INT, next, 7, comm, &requests[1]);
    for (int i = 0; i < 2; i++) {
        MPI_Startall(2, requests);
        MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
    }
    MPI_Request_free(&requests[0]);
    MPI_Request_free(&requests[1]);
}

static void probed(MPI_Comm comm, int rank, int size)
{
    int next = (rank + 1) % size, last = (rank + size - 1) % size, mine = rank, theirs = -1, came = 0;
    MPI_Message message;
    MPI_Request request;
    MPI_Isend(&mine, 1, MPI_INT, next, 8, comm, &request);
    MPI_Mprobe(last, 8, comm, &message, MPI_STATUS_IGNORE);
    MPI_Mrecv(&theirs, 1, MPI_INT, &message, MPI_STATUS_IGNORE);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    INSIST(theirs == last);
    MPI_Isend(&mine, 1, MPI_INT, next, 9, comm, &request);
    while (!came)
        MPI_Iprobe(MPI_ANY_SOURCE, 9, comm, &came, MPI_STATUS_IGNORE);
    MPI_Recv(&theirs, 1, MPI_INT, last, 9, comm, MPI_STATUS_IGNORE);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
}

/* Everybody puts his number into the next rank's window, and hands it round a ring that MPI knows. */
static void windows_and_neighbours(MPI_Comm comm, int rank, int size)
{
    int next = (rank + 1) % size, last = (rank + size - 1) % size, theirs = -1, one = 1;
    MPI_Win window;
    MPI_Comm ring;
    MPI_Win_create(&theirs, sizeof theirs, sizeof theirs, MPI_INFO_NULL, comm, &window);
    MPI_Win_fence(0, window);
    MPI_Put(&rank, 1, MPI_INT, next, 0, 1, MPI_INT, window);
    MPI_Win_fence(0, window);
    INSIST(theirs == last);
    MPI_Win_free(&window);
    MPI_Dist_graph_create_adjacent(comm, 1, &last, &one, 1, &next, &one, MPI_INFO_NULL, 0, &ring);
    theirs = -1;
    MPI_Neighbor_allgather(&rank, 1, MPI_INT, &theirs, 1, MPI_INT, ring);
    INSIST(theirs == last);
    MPI_Comm_free(&ring);
}

/* Asks about two requests in turns, for as long as it takes: a few records, not thousands. */
static void asked_in_turns(MPI_Comm comm, int rank, int size)
{
    int mine = rank, theirs[2] = {-1, -1}, done[2] = {0};
    MPI_Request request[2];
    MPI_Irecv(&theirs[0], 1, MPI_INT, (rank + size - 1) % size, 21, comm, &request[0]);
    MPI_Irecv(&theirs[1], 1, MPI_INT, (rank + size - 1) % size, 22, comm, &request[1]);
    for (int i = 0; i < 20000; i++)
        MPI_Test(&request[i % 2], &done[i % 2], MPI_STATUS_IGNORE);
    MPI_Send(&mine, 1, MPI_INT, (rank + 1) % size, 21, comm);
    MPI_Send(&mine, 1, MPI_INT, (rank + 1) % size, 22, comm);
    MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
    INSIST(theirs[0] == theirs[1]);
}

static void objects(MPI_Comm comm, int rank)
{
    MPI_Datatype type;
    MPI_Comm copy, half;
    MPI_Type_vector(2, 1, 2, MPI_INT, &type);
    MPI_Type_commit(&type);
    MPI_Type_free(&type);
    MPI_Comm_dup(comm, &copy);
    MPI_Comm_split(copy, rank % 2, 0, &half);
    MPI_Barrier(half);
    MPI_Comm_free(&half);
    MPI_Comm_free(&copy);
}

int main(int argc, char **argv)
{
    int world, ranks;
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &world);
    PMPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int size = 1; size <= ranks; size++) {
        MPI_Comm comm;
        int rank;
        MPI_Comm_split(MPI_COMM_WORLD, world >= ranks - size ? 0 : MPI_UNDEFINED, world, &comm);
        if (comm == MPI_COMM_NULL)
            continue;
        PMPI_Comm_rank(comm, &rank);
        mpi_trace_mark(size);
        blocking(comm, rank, size);
        nonblocking(comm, rank, size);
        probed(comm, rank, size);
        objects(comm, rank);
        windows_and_neighbours(comm, rank, size);
        asked_in_turns(comm, rank, size);
        mpi_trace_mark(MPI_TRACE_OURS);
        MPI_Comm_free(&comm);
    }
    MPI_Finalize();
    return failed;
}
