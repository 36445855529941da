/* Differently: MPI_Reduce to the last rank and MPI_Bcast from there; Neumaier's
   summation with a branch, one element at a time; the pair is an array, not a struct. */
#include "psum.h"

#include <math.h>

int psum(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    double mine = 0;
    int size;
    for (const double *p = local; p < local + count; p++)
        mine += *p;
    int error = MPI_Comm_size(comm, &size);
    if (error == MPI_SUCCESS)
        error = MPI_Reduce(&mine, sum, 1, MPI_DOUBLE, MPI_SUM, size - 1, comm);
    return error == MPI_SUCCESS ? MPI_Bcast(sum, 1, MPI_DOUBLE, size - 1, comm) : error;
}

/* pair[0] + pair[1] += x, where pair[1] collects what rounding takes. */
static void add(double *pair, double x)
{
    double s = pair[0] + x;
    if (fabs(pair[0]) >= fabs(x))
        pair[1] += (pair[0] - s) + x;
    else
        pair[1] += (x - s) + pair[0];
    pair[0] = s;
}

static void combine(void *in, void *inout, int *len, MPI_Datatype *type)
{
    double(*from)[2] = in, (*into)[2] = inout;
    (void)type;
    for (int i = *len - 1; i >= 0; i--) {
        add(into[i], from[i][0]);
        into[i][1] += from[i][1];
    }
}

int psum_compensated(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    double mine[2] = {0, 0}, total[2] = {0, 0};
    MPI_Datatype two = MPI_DATATYPE_NULL;
    MPI_Op op = MPI_OP_NULL;
    int size, error;
    for (size_t i = 0; i < count; i++)
        add(mine, local[i]);
    if ((error = MPI_Comm_size(comm, &size)) != MPI_SUCCESS)
        goto out;
    if ((error = MPI_Type_vector(1, 2, 2, MPI_DOUBLE, &two)) != MPI_SUCCESS)
        goto out;
    if ((error = MPI_Type_commit(&two)) != MPI_SUCCESS || (error = MPI_Op_create(combine, 1, &op)) != MPI_SUCCESS)
        goto out;
    if ((error = MPI_Reduce(mine, total, 1, two, op, size - 1, comm)) == MPI_SUCCESS)
        error = MPI_Bcast(total, 2, MPI_DOUBLE, size - 1, comm);
    if (error == MPI_SUCCESS)
        *sum = isnan(total[1]) || isinf(total[0]) ? total[0] : total[0] + total[1];
out:
    if (op != MPI_OP_NULL)
        MPI_Op_free(&op);
    if (two != MPI_DATATYPE_NULL)
        MPI_Type_free(&two);
    return error;
}
