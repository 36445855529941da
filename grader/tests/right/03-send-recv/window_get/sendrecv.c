/* sendrecv.c: messages from one rank to another.

   A message has an envelope: source, tag and communicator. A receive takes the
   first message whose envelope fits what it asks for, and leaves all others alone.
   A send may return at once (the library keeps a copy) or only when the receiver
   has come (long messages are not copied): a program that is right works with
   both. */
#include "sendrecv.h"

#include <stdlib.h>
#include <string.h>

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
    /* BEGIN TODO 4: send the list */
    /* Its length need not be sent: the message knows how long it is. */
    return MPI_Send(list, count, MPI_DOUBLE, dest, TAG_LIST, comm);
    /* END TODO 4 */
}

int recv_list(double **list, int *count, int source, MPI_Comm comm)
{
    /* BEGIN TODO 5: find out the length, make room, receive */
    *list = NULL;
    *count = 0;

    /* MPI_Probe waits until a message is there, and leaves it there. */
    MPI_Status status;
    int length, code = MPI_Probe(source, TAG_LIST, comm, &status);
    if (code == MPI_SUCCESS)
        code = MPI_Get_count(&status, MPI_DOUBLE, &length);
    if (code != MPI_SUCCESS)
        return code;

    double *room = malloc(length > 0 ? (size_t)length * sizeof *room : 1);
    if (!room)
        return MPI_ERR_NO_MEM; /* the message is still there: the caller may try again */

    /* Not from `source`, which may be MPI_ANY_SOURCE: another rank's list may have come
       since, and it may be longer. From the rank whose message was probed. */
    code = MPI_Recv(room, length, MPI_DOUBLE, status.MPI_SOURCE, TAG_LIST, comm, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) {
        free(room);
        return code;
    }
    *list = room;
    *count = length;
    return MPI_SUCCESS;
    /* END TODO 5 */
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
    MPI_Win window;
    size_t bytes = (size_t)count * sizeof *array;
    double *copy = malloc(bytes + 1);
    if (!copy)
        return MPI_ERR_NO_MEM;
    memcpy(copy, array, bytes);
    int code = MPI_Win_create(copy, (MPI_Aint)bytes, sizeof *copy, MPI_INFO_NULL, comm, &window);
    if (code == MPI_SUCCESS) {
        MPI_Win_fence(MPI_MODE_NOPRECEDE, window);
        code = MPI_Get(array, count, MPI_DOUBLE, from, 0, count, MPI_DOUBLE, window);
        MPI_Win_fence(MPI_MODE_NOSUCCEED, window);
        MPI_Win_free(&window);
    }
    (void)to;
    free(copy);
    return code;
}
