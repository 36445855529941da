/* Different: MPI_Mprobe and MPI_Mrecv for lists; exchange and ring with MPI_Irecv, MPI_Isend and MPI_Waitall. */
#include "sendrecv.h"

#include <stdlib.h>
#include <string.h>

int send_list(const double *list, int count, int dest, MPI_Comm comm)
{
    return MPI_Send(list, count, MPI_DOUBLE, dest, TAG_LIST, comm);
}

int recv_list(double **list, int *count, int source, MPI_Comm comm)
{
    MPI_Message message;
    MPI_Status status;
    *list = NULL;
    *count = 0;
    int code = MPI_Mprobe(source, TAG_LIST, comm, &message, &status);
    if (code != MPI_SUCCESS)
        return code;
    int n;
    MPI_Get_count(&status, MPI_DOUBLE, &n);
    double *room = n > 0 ? malloc((size_t)n * sizeof *room) : NULL;
    if (n > 0 && !room)
        return MPI_ERR_NO_MEM;
    code = MPI_Mrecv(room, n, MPI_DOUBLE, &message, &status);
    if (code != MPI_SUCCESS) {
        free(room);
        return code;
    }
    *list = room;
    *count = n;
    return MPI_SUCCESS;
}

int send_array(const double *array, int count, int dest, MPI_Comm comm)
{
    MPI_Request request;
    int code = MPI_Isend(array, count, MPI_DOUBLE, dest, TAG_ARRAY, comm, &request);
    return code != MPI_SUCCESS ? code : MPI_Wait(&request, MPI_STATUS_IGNORE);
}

int recv_array(double *array, int count, int source, MPI_Comm comm)
{
    MPI_Request request;
    int code = MPI_Irecv(array, count, MPI_DOUBLE, source, TAG_ARRAY, comm, &request);
    return code != MPI_SUCCESS ? code : MPI_Wait(&request, MPI_STATUS_IGNORE);
}

static int both_ways(const double *out, int to, double *in, int from, int count, int tag, MPI_Comm comm)
{
    MPI_Request requests[2];
    int code = MPI_Irecv(in, count, MPI_DOUBLE, from, tag, comm, &requests[0]);
    if (code != MPI_SUCCESS)
        return code;
    code = MPI_Isend(out, count, MPI_DOUBLE, to, tag, comm, &requests[1]);
    if (code != MPI_SUCCESS) {
        MPI_Cancel(&requests[0]);
        MPI_Wait(&requests[0], MPI_STATUS_IGNORE);
        return code;
    }
    return MPI_Waitall(2, requests, MPI_STATUSES_IGNORE);
}

int exchange(const double *mine, double *theirs, int count, int peer, MPI_Comm comm)
{
    return both_ways(mine, peer, theirs, peer, count, 0, comm);
}

int ring_shift(double *array, int count, int steps, MPI_Comm comm)
{
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    steps = ((steps % size) + size) % size;
    if (steps == 0 || count == 0)
        return MPI_SUCCESS;
    double *next = malloc((size_t)count * sizeof *next);
    if (!next)
        return MPI_ERR_NO_MEM;
    int code = both_ways(array, (rank + steps) % size, next, (rank - steps + size) % size, count, 1, comm);
    if (code == MPI_SUCCESS)
        memcpy(array, next, (size_t)count * sizeof *next);
    free(next);
    return code;
}
