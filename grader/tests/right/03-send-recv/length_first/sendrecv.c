/* Different: a list's length goes ahead in a message of its own; all sends are synchronous; ranks take turns by number. */
#include "sendrecv.h"

#include <stdlib.h>
#include <string.h>

int send_list(const double *list, int count, int dest, MPI_Comm comm)
{
    int code = MPI_Ssend(&count, 1, MPI_INT, dest, TAG_LIST, comm);
    if (code == MPI_SUCCESS && count > 0)
        code = MPI_Ssend(list, count, MPI_DOUBLE, dest, TAG_LIST, comm);
    return code;
}

int recv_list(double **list, int *count, int source, MPI_Comm comm)
{
    MPI_Status status;
    int code = MPI_Recv(count, 1, MPI_INT, source, TAG_LIST, comm, &status);
    *list = NULL;
    if (code != MPI_SUCCESS)
        *count = 0;
    if (code != MPI_SUCCESS || *count == 0)
        return code;
    *list = calloc((size_t)*count, sizeof **list);
    if (!*list) {
        *count = 0;
        return MPI_ERR_NO_MEM;
    }
    code = MPI_Recv(*list, *count, MPI_DOUBLE, status.MPI_SOURCE, TAG_LIST, comm, &status);
    if (code != MPI_SUCCESS) {
        free(*list);
        *list = NULL;
        *count = 0;
    }
    return code;
}

int send_array(const double *array, int count, int dest, MPI_Comm comm)
{
    return MPI_Ssend(array, count, MPI_DOUBLE, dest, TAG_ARRAY, comm);
}

int recv_array(double *array, int count, int source, MPI_Comm comm)
{
    MPI_Status status;
    return MPI_Recv(array, count, MPI_DOUBLE, source, TAG_ARRAY, comm, &status);
}

/* The lower rank sends first. */
int exchange(const double *mine, double *theirs, int count, int peer, MPI_Comm comm)
{
    int rank, code;
    MPI_Comm_rank(comm, &rank);
    if (peer == MPI_PROC_NULL)
        return MPI_SUCCESS;
    if (peer == rank) {
        memcpy(theirs, mine, (size_t)count * sizeof *theirs);
        return MPI_SUCCESS;
    }
    if (rank < peer) {
        code = MPI_Ssend(mine, count, MPI_DOUBLE, peer, 3, comm);
        return code != MPI_SUCCESS ? code : MPI_Recv(theirs, count, MPI_DOUBLE, peer, 3, comm, MPI_STATUS_IGNORE);
    }
    code = MPI_Recv(theirs, count, MPI_DOUBLE, peer, 3, comm, MPI_STATUS_IGNORE);
    return code != MPI_SUCCESS ? code : MPI_Ssend(mine, count, MPI_DOUBLE, peer, 3, comm);
}

/* One step at a time; rank 0 receives first, which opens the ring. */
static int one_step(double *array, double *next, int count, int to, int from, int rank, MPI_Comm comm)
{
    int code;
    if (rank == 0) {
        code = MPI_Recv(next, count, MPI_DOUBLE, from, 4, comm, MPI_STATUS_IGNORE);
        if (code == MPI_SUCCESS)
            code = MPI_Ssend(array, count, MPI_DOUBLE, to, 4, comm);
    } else {
        code = MPI_Ssend(array, count, MPI_DOUBLE, to, 4, comm);
        if (code == MPI_SUCCESS)
            code = MPI_Recv(next, count, MPI_DOUBLE, from, 4, comm, MPI_STATUS_IGNORE);
    }
    memcpy(array, next, (size_t)count * sizeof *array);
    return code;
}

int ring_shift(double *array, int count, int steps, MPI_Comm comm)
{
    int rank, size, code = MPI_SUCCESS;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    double *next = malloc((size_t)count * sizeof *next + 1);
    if (!next)
        return MPI_ERR_NO_MEM;
    int forward = steps > 0 ? 1 : size - 1;
    for (int left = abs(steps % size); left > 0 && code == MPI_SUCCESS; left--)
        code = one_step(array, next, count, (rank + forward) % size, (rank + size - forward) % size, rank, comm);
    free(next);
    return code;
}
