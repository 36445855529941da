/* Different: one helper for all sends that waits with MPI_Waitany; recv_list grows into what MPI_Improbe finds; ring by MPI_Allgather. */
#include "sendrecv.h"

#include <stdlib.h>
#include <string.h>

static int transfer(const double *out, int to, double *in, int from, int count, int tag, MPI_Comm comm)
{
    MPI_Request request[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    int code = MPI_SUCCESS;
    if (from != MPI_PROC_NULL)
        code = MPI_Irecv(in, count, MPI_DOUBLE, from, tag, comm, &request[0]);
    if (code == MPI_SUCCESS && to != MPI_PROC_NULL)
        code = MPI_Isend(out, count, MPI_DOUBLE, to, tag, comm, &request[1]);
    for (int open = 2; open > 0 && code == MPI_SUCCESS; open--) {
        int index;
        code = MPI_Waitany(2, request, &index, MPI_STATUS_IGNORE);
    }
    return code;
}

int send_array(const double *array, int count, int dest, MPI_Comm comm)
{
    return transfer(array, dest, NULL, MPI_PROC_NULL, count, TAG_ARRAY, comm);
}

int recv_array(double *array, int count, int source, MPI_Comm comm)
{
    return transfer(NULL, MPI_PROC_NULL, array, source, count, TAG_ARRAY, comm);
}

int exchange(const double *mine, double *theirs, int count, int peer, MPI_Comm comm)
{
    return transfer(mine, peer, theirs, peer, count, 77, comm);
}

int send_list(const double *list, int count, int dest, MPI_Comm comm)
{
    return transfer(list, dest, NULL, MPI_PROC_NULL, count, TAG_LIST, comm);
}

int recv_list(double **list, int *count, int source, MPI_Comm comm)
{
    MPI_Message message;
    MPI_Status status;
    int there = 0, n = 0, code = MPI_SUCCESS;
    *list = NULL;
    *count = 0;
    while (!there && code == MPI_SUCCESS)
        code = MPI_Improbe(source, TAG_LIST, comm, &there, &message, &status);
    if (code == MPI_SUCCESS)
        code = MPI_Get_count(&status, MPI_DOUBLE, &n);
    if (code != MPI_SUCCESS)
        return code;
    double *room = malloc(sizeof *room * (size_t)(n + 1));
    if (!room)
        return MPI_ERR_NO_MEM;
    MPI_Request request;
    code = MPI_Imrecv(room, n, MPI_DOUBLE, &message, &request);
    if (code == MPI_SUCCESS)
        code = MPI_Wait(&request, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) {
        free(room);
        return code;
    }
    *list = room;
    *count = n;
    return MPI_SUCCESS;
}

int ring_shift(double *array, int count, int steps, MPI_Comm comm)
{
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    double *all = malloc((size_t)size * (size_t)count * sizeof *all + 1);
    if (!all)
        return MPI_ERR_NO_MEM;
    int code = MPI_Allgather(array, count, MPI_DOUBLE, all, count, MPI_DOUBLE, comm);
    long from = ((long)rank - steps) % size;
    if (from < 0)
        from += size;
    if (code == MPI_SUCCESS)
        memcpy(array, all + (size_t)from * (size_t)count, (size_t)count * sizeof *array);
    free(all);
    return code;
}
