/* Different: a list carries its length as its first number and is looked for with MPI_Iprobe; the ring is an MPI_Alltoallv. */
#include "sendrecv.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

int send_list(const double *list, int count, int dest, MPI_Comm comm)
{
    double *packed = malloc((size_t)(count + 1) * sizeof *packed);
    if (!packed)
        return MPI_ERR_NO_MEM;
    packed[0] = count;
    for (int i = 0; i < count; i++)
        packed[i + 1] = list[i];
    int code = MPI_Send(packed, count + 1, MPI_DOUBLE, dest, TAG_LIST, comm);
    free(packed);
    return code;
}

int recv_list(double **list, int *count, int source, MPI_Comm comm)
{
    MPI_Status status;
    int there = 0, numbers;
    *list = NULL;
    *count = 0;
    while (!there) {
        int code = MPI_Iprobe(source, TAG_LIST, comm, &there, &status);
        if (code != MPI_SUCCESS)
            return code;
        if (!there)
            sched_yield();
    }
    MPI_Get_count(&status, MPI_DOUBLE, &numbers);
    double *packed = malloc((size_t)numbers * sizeof *packed);
    if (!packed)
        return MPI_ERR_NO_MEM;
    int code = MPI_Recv(packed, numbers, MPI_DOUBLE, status.MPI_SOURCE, status.MPI_TAG, comm, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) {
        free(packed);
        return code;
    }
    *count = (int)packed[0];
    memmove(packed, packed + 1, (size_t)*count * sizeof *packed);
    *list = packed;
    return code;
}

int send_array(const double *array, int count, int dest, MPI_Comm comm)
{
    return MPI_Send(array, count * (int)sizeof *array, MPI_BYTE, dest, TAG_ARRAY, comm);
}

int recv_array(double *array, int count, int source, MPI_Comm comm)
{
    return MPI_Recv(array, count * (int)sizeof *array, MPI_BYTE, source, TAG_ARRAY, comm, MPI_STATUS_IGNORE);
}

int exchange(const double *mine, double *theirs, int count, int peer, MPI_Comm comm)
{
    if (peer == MPI_PROC_NULL)
        return MPI_SUCCESS;
    memcpy(theirs, mine, (size_t)count * sizeof *theirs);
    return MPI_Sendrecv_replace(theirs, count, MPI_DOUBLE, peer, 170, peer, 170, comm, MPI_STATUS_IGNORE);
}

/* Everybody sends something to one rank and nothing to the others. */
int ring_shift(double *array, int count, int steps, MPI_Comm comm)
{
    int rank, size;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    int *counts = calloc(3 * (size_t)size, sizeof *counts), *incoming = counts + size, *zeros = incoming + size;
    double *next = malloc((size_t)count * sizeof *next + 1);
    if (!counts || !next) {
        free(counts);
        free(next);
        return MPI_ERR_NO_MEM;
    }
    int shift = (steps % size + size) % size;
    counts[(rank + shift) % size] = count;
    incoming[(rank + size - shift) % size] = count;
    int code = MPI_Alltoallv(array, counts, zeros, MPI_DOUBLE, next, incoming, zeros, MPI_DOUBLE, comm);
    for (int i = 0; i < count; i++)
        array[i] = next[i];
    free(counts);
    free(next);
    return code;
}
