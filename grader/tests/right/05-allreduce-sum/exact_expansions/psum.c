/* Differently: the compensated sum is exact, as an expansion of doubles that do not
   overlap (Shewchuk), and the operation adds two expansions; psum is the same sum,
   rounded by each rank and reduced by MPI_SUM. */
#include "psum.h"

#include <math.h>

enum { PARTS = 40 };

struct expansion {
    double part[PARTS], plain; /* plain: what an ordinary sum has, for inf and NaN */
    long long parts;
};

static void grow(struct expansion *e, double x)
{
    long long kept = 0;
    e->plain += x;
    if (!isfinite(e->plain))
        return;
    for (long long i = 0; i < e->parts; i++) {
        double y = e->part[i];
        if (fabs(x) < fabs(y)) {
            double swap = x;
            x = y;
            y = swap;
        }
        double high = x + y, low = y - (high - x);
        if (low != 0)
            e->part[kept++] = low;
        x = high;
    }
    e->part[kept++] = x;
    e->parts = kept;
}

static double rounded(const struct expansion *e)
{
    double value = 0;
    if (!isfinite(e->plain))
        return e->plain;
    for (long long i = 0; i < e->parts; i++)
        value += e->part[i];
    return value;
}

static struct expansion expand(const double *local, size_t count)
{
    struct expansion e = {.parts = 0};
    for (size_t i = 0; i < count; i++)
        grow(&e, local[i]);
    return e;
}

int psum(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    struct expansion e = expand(local, count);
    double mine = rounded(&e);
    return MPI_Allreduce(&mine, sum, 1, MPI_DOUBLE, MPI_SUM, comm);
}

static void merge(void *in, void *inout, int *len, MPI_Datatype *type)
{
    (void)type;
    for (int k = 0; k < *len; k++) {
        const struct expansion *from = (struct expansion *)in + k;
        struct expansion *into = (struct expansion *)inout + k;
        if (!isfinite(from->plain)) {
            into->plain += from->plain;
            continue;
        }
        for (long long i = 0; i < from->parts; i++)
            grow(into, from->part[i]);
    }
}

int psum_compensated(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    struct expansion mine = expand(local, count), total;
    MPI_Datatype type;
    MPI_Op op;
    int error = MPI_Type_contiguous((int)sizeof mine, MPI_BYTE, &type);
    if (error != MPI_SUCCESS)
        return error;
    MPI_Type_commit(&type);
    error = MPI_Op_create(merge, 1, &op);
    if (error == MPI_SUCCESS) {
        error = MPI_Allreduce(&mine, &total, 1, type, op, comm);
        MPI_Op_free(&op);
    }
    MPI_Type_free(&type);
    if (error == MPI_SUCCESS)
        *sum = rounded(&total);
    return error;
}
