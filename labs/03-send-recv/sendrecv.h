/* sendrecv.h: point-to-point messages between ranks, after mpi4py's comm.send and
   comm.Send (seed, section "MPI", examples 1 and 2). Lab 03 is to write sendrecv.c
   behind this header.

   Counts are numbers of doubles. Ranks are ranks of comm, which need not be
   MPI_COMM_WORLD. Every function returns MPI_SUCCESS or the code of the MPI call
   that failed (so that a rank which is not in comm gives MPI_ERR_RANK; comm has
   MPI_ERRORS_RETURN). Messages with other tags, or on other communicators, may be
   under way at the same time: they must stay where they are. So must lists and arrays
   while exchange and ring_shift, which have tags of their own, are at work. */
#ifndef SENDRECV_H
#define SENDRECV_H

#include <mpi.h>

#define TAG_LIST 11
#define TAG_ARRAY 13

/* Sends a list whose length the receiver does not know, with the tag TAG_LIST; count
   may be 0. recv_list takes it; how the two agree on the length is yours. (MPI 4.0,
   section 3.8: Probe and Cancel) */
int send_list(const double *list, int count, int dest, MPI_Comm comm);

/* Receives what one send_list sent. *list is from malloc, the caller frees it; for
   an empty list it is NULL or can be freed. source may be MPI_ANY_SOURCE: then
   whichever list comes, whole, from one sender. On error *list = NULL, *count = 0. */
int recv_list(double **list, int *count, int source, MPI_Comm comm);

/* Sends an array whose length both sides know, with the tag TAG_ARRAY. (MPI 4.0,
   section 3.2) */
int send_array(const double *array, int count, int dest, MPI_Comm comm);
int recv_array(double *array, int count, int source, MPI_Comm comm);

/* Two ranks swap their arrays: each calls this with the other as peer. Right at any
   size, however little MPI buffers. peer may be the rank itself (theirs becomes a
   copy of mine), or MPI_PROC_NULL (theirs stays as it is). The two arrays do not
   overlap. (MPI 4.0, section 3.10) */
int exchange(const double *mine, double *theirs, int count, int peer, MPI_Comm comm);

/* All ranks of comm call it with the same count and steps. Afterwards array holds
   what the array of rank - steps held (counted round the ring: before rank 0 comes
   the last rank). steps may be negative, 0, or larger than the ring. */
int ring_shift(double *array, int count, int steps, MPI_Comm comm);

#endif
