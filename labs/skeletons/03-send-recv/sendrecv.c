/* sendrecv.c: messages from one rank to another.

   A message has an envelope: source, tag and communicator. A receive takes the
   first message whose envelope fits what it asks for, and leaves all others alone.
   A send may return at once (the library keeps a copy) or only when the receiver
   has come (long messages are not copied): a program that is right works with
   both. */
#include "sendrecv.h"

#include <stdlib.h>

/* BEGIN TODO 1: tags for messages that are neither lists nor arrays */
/* Do exchange and ring_shift need tags of their own? Think of a list that is under way
   between the same two ranks. You may leave this part empty. */
/* END TODO 1 */

int send_array(const double *array, int count, int dest, MPI_Comm comm)
{
    /* BEGIN TODO 2: send the array */
    /* MPI_Send: what, how many, of which type, to whom, with which tag, on which
       communicator. Return what it returns. */
    (void)array, (void)count, (void)dest, (void)comm;
    return MPI_ERR_OTHER;
    /* END TODO 2 */
}

int recv_array(double *array, int count, int source, MPI_Comm comm)
{
    /* BEGIN TODO 3: receive the array */
    /* MPI_Recv, likewise. You need no status: MPI_STATUS_IGNORE. */
    (void)array, (void)count, (void)source, (void)comm;
    return MPI_ERR_OTHER;
    /* END TODO 3 */
}

int send_list(const double *list, int count, int dest, MPI_Comm comm)
{
    /* BEGIN TODO 4: send the list */
    /* The receiver does not know count. Does it have to be sent? */
    (void)list, (void)count, (void)dest, (void)comm;
    return MPI_ERR_OTHER;
    /* END TODO 4 */
}

int recv_list(double **list, int *count, int source, MPI_Comm comm)
{
    /* BEGIN TODO 5: find out the length, make room, receive */
    /* In this order:
       - *list = NULL and *count = 0, in case that something fails
       - wait until a message with TAG_LIST is there, without receiving it: MPI_Probe
       - ask its status how many doubles it has: MPI_Get_count
       - make room: malloc (bytes!); a list may be empty
       - receive it: from the rank that sent it, which MPI_ANY_SOURCE does not name
       - after an error free what you made, and return the error's code */
    (void)source, (void)comm;
    *list = NULL;
    *count = 0;
    return MPI_ERR_OTHER;
    /* END TODO 5 */
}

int exchange(const double *mine, double *theirs, int count, int peer, MPI_Comm comm)
{
    /* BEGIN TODO 6: send and receive at the same time */
    /* If both ranks call MPI_Send first, who receives? See what LAB_MPI_SYNC=1 does. */
    (void)mine, (void)theirs, (void)count, (void)peer, (void)comm;
    return MPI_ERR_OTHER;
    /* END TODO 6 */
}

int ring_shift(double *array, int count, int steps, MPI_Comm comm)
{
    /* BEGIN TODO 7: whom to send to, whom to receive from */
    /* Which rank of comm gets this array, and whose array comes here? steps may be
       negative, and larger than the ring; % keeps the sign of its left side. */
    (void)array, (void)count, (void)steps, (void)comm;
    return MPI_ERR_OTHER;
    /* END TODO 7 */
}
