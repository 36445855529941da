/* Differently: non-blocking reductions and MPI_Wait; eight sums in
   plain arrays, taken in turn; the pair travels as a complex number with an operation for it; where the
   result is not a number, it falls back on psum. */
#include "psum.h"

#include <math.h>

static int wait_for(int error, MPI_Request *request)
{
    return error == MPI_SUCCESS ? MPI_Wait(request, MPI_STATUS_IGNORE) : error;
}

int psum(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    MPI_Request request;
    double lane[8] = {0}, mine = 0;
    for (size_t i = 0; i < count; i++)
        lane[i % 8] += local[i];
    for (int k = 7; k >= 0; k--)
        mine += lane[k];
    return wait_for(MPI_Iallreduce(&mine, sum, 1, MPI_DOUBLE, MPI_SUM, comm, &request), &request);
}

static void two_sum(double *sum, double *lost, double x)
{
    double s = *sum + x, z = s - *sum;
    *lost += (*sum - (s - z)) + (x - z);
    *sum = s;
}

static void add_complex(void *in, void *inout, int *len, MPI_Datatype *type)
{
    const double *from = in;
    double *into = inout;
    (void)type;
    for (int i = 0; i < *len; i++) {
        two_sum(&into[2 * i], &into[2 * i + 1], from[2 * i]);
        into[2 * i + 1] += from[2 * i + 1];
    }
}

int psum_compensated(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    double s[8] = {0}, c[8] = {0}, mine[2] = {0, 0}, total[2] = {0, 0};
    MPI_Request request;
    MPI_Op op;
    for (size_t i = 0; i < count; i++)
        two_sum(&s[i % 8], &c[i % 8], local[i]);
    for (int k = 0; k < 8; k++) {
        two_sum(&mine[0], &mine[1], s[k]);
        mine[1] += c[k];
    }
    int error = MPI_Op_create(add_complex, 1, &op);
    if (error != MPI_SUCCESS)
        return error;
    error = wait_for(MPI_Iallreduce(mine, total, 1, MPI_C_DOUBLE_COMPLEX, op, comm, &request), &request);
    MPI_Op_free(&op);
    *sum = total[0] + total[1];
    return error == MPI_SUCCESS && isnan(*sum) ? psum(local, count, sum, comm) : error;
}
