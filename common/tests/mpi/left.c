/* Ends well, but leaves a datatype, an operation, two requests and a message. Case 1 leaves nothing. */
#include <mpi.h>

#include "mpi_trace.h"

// NOLINTNEXTLINE(readability-non-const-parameter): the type is MPI_User_function
static void keep_first(void *in, void *inout, int *count, MPI_Datatype *type)
{
    (void)in, (void)inout, (void)count, (void)type;
}

int main(int argc, char **argv)
{
    int rank, mine = 1, theirs = 0;
    MPI_Datatype pair;
    MPI_Op op;
    MPI_Request request, given;
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    mpi_trace_mark(0);
    MPI_Type_contiguous(2, MPI_DOUBLE, &pair); /* TYPE */
    MPI_Op_create(keep_first, 1, &op);         /* OP */
    if (rank == 0)
        MPI_Irecv(&theirs, 1, MPI_INT, 1, 30, MPI_COMM_WORLD, &request); /* REQUEST */
    // NOLINTNEXTLINE(clang-analyzer-optin.mpi.MPI-Checker): the request is left open on purpose
    if (rank == 1)
        MPI_Send(&mine, 1, MPI_INT, 0, 31, MPI_COMM_WORLD); /* MESSAGE */
    if (rank == 0) {
        MPI_Isend(&mine, 1, MPI_INT, 1, 32, MPI_COMM_WORLD, &given); /* GIVEN_AWAY */
        MPI_Request_free(&given);
    } else {
        MPI_Recv(&theirs, 1, MPI_INT, 0, 32, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    // NOLINTNEXTLINE(clang-analyzer-optin.mpi.MPI-Checker): nor is the second one waited for
    mpi_trace_mark(1);
    MPI_Type_contiguous(3, MPI_INT, &pair);
    MPI_Type_commit(&pair);
    MPI_Type_free(&pair);
    mpi_trace_mark(MPI_TRACE_OURS);
    MPI_Finalize();
    return 0;
}
