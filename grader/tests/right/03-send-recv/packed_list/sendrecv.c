/* sendrecv.c: messages from one rank to another.

   A message has an envelope: source, tag and communicator. A receive takes the
   first message whose envelope fits what it asks for, and leaves all others alone.
   A send may return at once (the library keeps a copy) or only when the receiver
   has come (long messages are not copied): a program that is right works with
   both. */
#include "sendrecv.h"

#include <stdlib.h>

/* BEGIN TODO 1: tags for messages that are neither lists nor arrays */
/* Tags of their own, so that a list or an array that is under way between the same
   two ranks is not mistaken for a part of these. */
enum { TAG_EXCHANGE = 17, TAG_RING = 19 };
/* END TODO 1 */

int send_array(const double *array, int count, int dest, MPI_Comm comm)
{
    /* BEGIN TODO 2: send the array */
    return MPI_Send(array, count, MPI_DOUBLE, dest, TAG_ARRAY, comm);
    /* END TODO 2 */
}

int recv_array(double *array, int count, int source, MPI_Comm comm)
{
    /* BEGIN TODO 3: receive the array */
    return MPI_Recv(array, count, MPI_DOUBLE, source, TAG_ARRAY, comm, MPI_STATUS_IGNORE);
    /* END TODO 3 */
}

int send_list(const double *list, int count, int dest, MPI_Comm comm)
{
    int room = 0, more = 0, used = 0;
    MPI_Pack_size(1, MPI_INT, comm, &room);
    MPI_Pack_size(count, MPI_DOUBLE, comm, &more);
    char *packed = malloc((size_t)room + (size_t)more);
    if (!packed)
        return MPI_ERR_NO_MEM;
    MPI_Pack(&count, 1, MPI_INT, packed, room + more, &used, comm);
    MPI_Pack(list, count, MPI_DOUBLE, packed, room + more, &used, comm);
    int code = MPI_Send(packed, used, MPI_PACKED, dest, TAG_LIST, comm);
    free(packed);
    return code;
}

int recv_list(double **list, int *count, int source, MPI_Comm comm)
{
    *list = NULL;
    *count = 0;
    MPI_Message message;
    MPI_Status status;
    int code = MPI_Mprobe(source, TAG_LIST, comm, &message, &status);
    if (code != MPI_SUCCESS)
        return code;
    int bytes = 0, at = 0, length = 0;
    MPI_Get_count(&status, MPI_PACKED, &bytes);
    char *packed = malloc((size_t)bytes + 1);
    code = MPI_Mrecv(packed, bytes, MPI_PACKED, &message, MPI_STATUS_IGNORE);
    if (code == MPI_SUCCESS && bytes > 0) {
        MPI_Unpack(packed, bytes, &at, &length, 1, MPI_INT, comm);
        *list = malloc((size_t)length * sizeof **list + 1);
        MPI_Unpack(packed, bytes, &at, *list, length, MPI_DOUBLE, comm);
        *count = length;
    }
    free(packed);
    return code;
}

int exchange(const double *mine, double *theirs, int count, int peer, MPI_Comm comm)
{
    /* BEGIN TODO 6: send and receive at the same time */
    /* If both sent first and received then, both could wait for the other to receive.
       MPI_Sendrecv does both at once; peer = the rank itself and MPI_PROC_NULL are
       no special cases to it. */
    return MPI_Sendrecv(mine, count, MPI_DOUBLE, peer, TAG_EXCHANGE, theirs, count, MPI_DOUBLE, peer, TAG_EXCHANGE,
                        comm, MPI_STATUS_IGNORE);
    /* END TODO 6 */
}

int ring_shift(double *array, int count, int steps, MPI_Comm comm)
{
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    int shift = steps % size;
    int to = (rank + shift + size) % size, from = (rank - shift + size) % size;
    int bytes = 0, used = 0, code;
    MPI_Pack_size(count, MPI_DOUBLE, comm, &bytes);
    char *packed = malloc((size_t)bytes + 1);
    MPI_Pack(array, count, MPI_DOUBLE, packed, bytes, &used, comm);
    code = MPI_Sendrecv(packed, used, MPI_PACKED, to, TAG_RING, array, count, MPI_DOUBLE, from, TAG_RING, comm, MPI_STATUS_IGNORE);
    free(packed);
    return code;
}
