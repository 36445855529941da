/* Different: persistent requests, a datatype of its own, and the ring as a periodic Cartesian communicator. */
#include "sendrecv.h"

#include <stdlib.h>

static int make_type(int count, MPI_Datatype *type)
{
    int code = MPI_Type_contiguous(count, MPI_DOUBLE, type);
    return code != MPI_SUCCESS ? code : MPI_Type_commit(type);
}

int send_array(const double *array, int count, int dest, MPI_Comm comm)
{
    MPI_Datatype whole;
    int code = make_type(count, &whole);
    if (code != MPI_SUCCESS)
        return code;
    code = MPI_Send(array, 1, whole, dest, TAG_ARRAY, comm);
    MPI_Type_free(&whole);
    return code;
}

int recv_array(double *array, int count, int source, MPI_Comm comm)
{
    MPI_Datatype whole;
    int code = make_type(count, &whole);
    if (code != MPI_SUCCESS)
        return code;
    code = MPI_Recv(array, 1, whole, source, TAG_ARRAY, comm, MPI_STATUS_IGNORE);
    MPI_Type_free(&whole);
    return code;
}

int send_list(const double *list, int count, int dest, MPI_Comm comm)
{
    MPI_Request request;
    int code = MPI_Issend(list, count, MPI_DOUBLE, dest, TAG_LIST, comm, &request);
    int done = 0;
    while (code == MPI_SUCCESS && !done)
        code = MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    return code;
}

int recv_list(double **list, int *count, int source, MPI_Comm comm)
{
    MPI_Status status;
    *list = NULL;
    *count = 0;
    int code = MPI_Probe(source, TAG_LIST, comm, &status);
    if (code != MPI_SUCCESS)
        return code;
    MPI_Count bytes;
    MPI_Get_elements_x(&status, MPI_BYTE, &bytes);
    *count = (int)((size_t)bytes / sizeof(double));
    *list = malloc((size_t)bytes + sizeof(double));
    if (!*list) {
        *count = 0;
        return MPI_ERR_NO_MEM;
    }
    return MPI_Recv(*list, *count, MPI_DOUBLE, status.MPI_SOURCE, TAG_LIST, comm, &status);
}

int exchange(const double *mine, double *theirs, int count, int peer, MPI_Comm comm)
{
    MPI_Request request[2];
    int code = MPI_Recv_init(theirs, count, MPI_DOUBLE, peer, 21, comm, &request[0]);
    if (code != MPI_SUCCESS)
        return code;
    code = MPI_Send_init(mine, count, MPI_DOUBLE, peer, 21, comm, &request[1]);
    if (code == MPI_SUCCESS) {
        code = MPI_Startall(2, request);
        if (code == MPI_SUCCESS)
            code = MPI_Waitall(2, request, MPI_STATUSES_IGNORE);
        MPI_Request_free(&request[1]);
    }
    MPI_Request_free(&request[0]);
    return code;
}

int ring_shift(double *array, int count, int steps, MPI_Comm comm)
{
    MPI_Comm ring;
    int size, periodic = 1, from, to;
    MPI_Comm_size(comm, &size);
    int code = MPI_Cart_create(comm, 1, &size, &periodic, 0, &ring);
    if (code != MPI_SUCCESS)
        return code;
    MPI_Cart_shift(ring, 0, steps % size, &from, &to);
    code = MPI_Sendrecv_replace(array, count, MPI_DOUBLE, to, 0, from, 0, ring, MPI_STATUS_IGNORE);
    MPI_Comm_free(&ring);
    return code;
}
