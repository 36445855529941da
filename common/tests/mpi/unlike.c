/* Ranks 0 and 1 give other numbers of elements to one reduction; once all come out of it, once rank 2 keeps away. */
#include <mpi.h>

#include "mpi_trace.h"

int main(int argc, char **argv)
{
    int rank;
    double mine[2] = {1, 2}, all[2];
    MPI_Comm two;
    MPI_Init(&argc, &argv);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_split(MPI_COMM_WORLD, rank < 2, 0, &two); /* inherits the error handler */
    mpi_trace_mark(0);
    if (rank < 2)
        MPI_Allreduce(mine, all, 1 + rank, MPI_DOUBLE, MPI_SUM, two); /* TWO */
    mpi_trace_mark(1);
    for (volatile int away = rank == 2; away;)
        ;
    MPI_Allreduce(mine, all, 1 + rank, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD); /* ALL */
    MPI_Finalize();
    return 0;
}
