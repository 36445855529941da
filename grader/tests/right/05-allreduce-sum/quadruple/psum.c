/* Differently: no compensation at all, but numbers of 113 bits, reduced as bytes by
   an operation of their own; psum adds up recursively, in pairs. */
#include "psum.h"

__extension__ typedef __float128 quad;

static double pairwise(const double *a, size_t count)
{
    if (count > 32)
        return pairwise(a, count / 2) + pairwise(a + count / 2, count - count / 2);
    double sum = 0;
    for (size_t i = count; i-- > 0;)
        sum += a[i];
    return sum;
}

int psum(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    *sum = count > 0 ? pairwise(local, count) : 0.0;
    return MPI_Allreduce(MPI_IN_PLACE, sum, 1, MPI_DOUBLE, MPI_SUM, comm);
}

static void add_quads(void *in, void *inout, int *len, MPI_Datatype *type)
{
    quad *from = in, *into = inout;
    (void)type;
    for (int i = 0; i < *len; i++)
        into[i] += from[i];
}

int psum_compensated(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    quad mine = 0, total;
    MPI_Datatype type;
    MPI_Op op;
    for (size_t i = 0; i < count; i++)
        mine += local[i];
    int error = MPI_Type_contiguous((int)sizeof mine, MPI_BYTE, &type);
    if (error != MPI_SUCCESS)
        return error;
    error = MPI_Op_create(add_quads, 0, &op);
    if (error == MPI_SUCCESS)
        error = MPI_Type_commit(&type);
    if (error == MPI_SUCCESS)
        error = MPI_Allreduce(&mine, &total, 1, type, op, comm);
    if (error == MPI_SUCCESS)
        *sum = (double)total;
    MPI_Op_free(&op);
    MPI_Type_free(&type);
    return error;
}
