/* Differently: psum gathers one sum of each rank on every rank and adds them in the
   order of the ranks; psum_compensated scans over the ranks with its operation, and
   the last rank, which then has everything, broadcasts the number. Three sums a rank
   (Kahan, Babuska, Klein: a correction of the correction). */
#include "psum.h"

#include <math.h>
#include <stdlib.h>

int psum(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    int size, error = MPI_Comm_size(comm, &size);
    if (error != MPI_SUCCESS)
        return error;
    double mine = 0, *all = malloc((size_t)size * sizeof *all);
    if (!all)
        return MPI_ERR_NO_MEM;
    for (size_t i = 0; i < count; i++)
        mine += local[i];
    error = MPI_Allgather(&mine, 1, MPI_DOUBLE, all, 1, MPI_DOUBLE, comm);
    *sum = 0;
    for (int r = 0; r < size && error == MPI_SUCCESS; r++)
        *sum += all[r];
    free(all);
    return error;
}

struct klein {
    double sum, first, second;
};

static double lost_in(double *sum, double x)
{
    double s = *sum + x;
    double lost = fabs(*sum) >= fabs(x) ? (*sum - s) + x : (x - s) + *sum;
    *sum = s;
    return lost;
}

static void add(struct klein *k, double x)
{
    double lost = lost_in(&k->sum, x);
    k->second += lost_in(&k->first, lost);
}

static void add_kleins(void *in, void *inout, int *len, MPI_Datatype *type)
{
    struct klein *from = in, *into = inout, *end = into + *len;
    (void)type;
    for (; into < end; into++, from++) {
        double lost = lost_in(&into->sum, from->sum);
        into->second += from->second + lost_in(&into->first, from->first);
        into->second += lost_in(&into->first, lost);
    }
}

int psum_compensated(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    struct klein mine = {0, 0, 0}, total = {0, 0, 0};
    MPI_Datatype type;
    MPI_Op op;
    int size, error = MPI_Comm_size(comm, &size);
    if (error != MPI_SUCCESS)
        return error;
    for (size_t i = 0; i < count; i++)
        add(&mine, local[i]);
    MPI_Type_contiguous(3, MPI_DOUBLE, &type);
    MPI_Type_commit(&type);
    MPI_Op_create(add_kleins, 1, &op);
    error = MPI_Scan(&mine, &total, 1, type, op, comm);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
    double result = isfinite(total.sum) ? total.sum + (total.first + total.second) : total.sum;
    if (error == MPI_SUCCESS)
        error = MPI_Bcast(&result, 1, MPI_DOUBLE, size - 1, comm);
    *sum = result;
    return error;
}
