/* Different: long arrays and lists go in pieces; exchange posts its receive before a blocking send; the ring uses buffered sends. */
#include "sendrecv.h"

#include <stdlib.h>
#include <string.h>

#define PIECE 4096

static int piece(int left)
{
    return left < PIECE ? left : PIECE;
}

int send_array(const double *array, int count, int dest, MPI_Comm comm)
{
    int code = MPI_SUCCESS;
    for (int at = 0; at < count && code == MPI_SUCCESS; at += PIECE)
        code = MPI_Send(array + at, piece(count - at), MPI_DOUBLE, dest, TAG_ARRAY, comm);
    return code;
}

int recv_array(double *array, int count, int source, MPI_Comm comm)
{
    int code = MPI_SUCCESS;
    for (int at = 0; at < count && code == MPI_SUCCESS; at += PIECE)
        code = MPI_Recv(array + at, piece(count - at), MPI_DOUBLE, source, TAG_ARRAY, comm, MPI_STATUS_IGNORE);
    return code;
}

/* Pieces of full length, then one that is shorter, which may be empty: the end. */
int send_list(const double *list, int count, int dest, MPI_Comm comm)
{
    for (int at = 0;; at += PIECE) {
        int n = piece(count - at);
        int code = MPI_Send(list + at, n, MPI_DOUBLE, dest, TAG_LIST, comm);
        if (code != MPI_SUCCESS || n < PIECE)
            return code;
    }
}

int recv_list(double **list, int *count, int source, MPI_Comm comm)
{
    double *room = NULL;
    int have = 0, n = PIECE, code = MPI_SUCCESS;
    *list = NULL;
    *count = 0;
    while (n == PIECE) {
        MPI_Status status;
        double *larger = realloc(room, (size_t)(have + PIECE) * sizeof *room);
        if (!larger)
            code = MPI_ERR_NO_MEM;
        else
            room = larger;
        if (code == MPI_SUCCESS)
            code = MPI_Recv(room + have, PIECE, MPI_DOUBLE, source, TAG_LIST, comm, &status);
        if (code != MPI_SUCCESS) {
            free(room);
            return code;
        }
        source = status.MPI_SOURCE; /* the rest from the same sender */
        MPI_Get_count(&status, MPI_DOUBLE, &n);
        have += n;
    }
    *list = room;
    *count = have;
    return MPI_SUCCESS;
}

int exchange(const double *mine, double *theirs, int count, int peer, MPI_Comm comm)
{
    MPI_Request request;
    int code = MPI_Irecv(theirs, count, MPI_DOUBLE, peer, 30, comm, &request);
    if (code != MPI_SUCCESS)
        return code;
    code = MPI_Send(mine, count, MPI_DOUBLE, peer, 30, comm);
    int other = MPI_Wait(&request, MPI_STATUS_IGNORE);
    return code != MPI_SUCCESS ? code : other;
}

int ring_shift(double *array, int count, int steps, MPI_Comm comm)
{
    int rank, size, bytes = count * (int)sizeof *array + MPI_BSEND_OVERHEAD;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    void *buffer = malloc((size_t)bytes);
    if (!buffer)
        return MPI_ERR_NO_MEM;
    while (steps < 0)
        steps += size;
    MPI_Buffer_attach(buffer, bytes);
    int code = MPI_Bsend(array, count, MPI_DOUBLE, (rank + steps) % size, 31, comm);
    if (code == MPI_SUCCESS) {
        int from = rank - steps % size;
        code = MPI_Recv(array, count, MPI_DOUBLE, from < 0 ? from + size : from, 31, comm, MPI_STATUS_IGNORE);
    }
    MPI_Buffer_detach(&buffer, &bytes);
    free(buffer);
    return code;
}
