/* Differently: a struct with an int and a gap, as an MPI struct type that is resized; an
   operation that is said not to commute; four plain sums side by side in psum; and
   the whole on a duplicate of the communicator. */
#include "psum.h"

#include <math.h>
#include <stddef.h>

int psum(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    double a = 0, b = 0, c = 0, d = 0;
    MPI_Comm copy;
    size_t i = 0;
    for (; i + 3 < count; i += 4) {
        a += local[i];
        b += local[i + 1];
        c += local[i + 2];
        d += local[i + 3];
    }
    for (; i < count; i++)
        a += local[i];
    a = (a + b) + (c + d);
    int error = MPI_Comm_dup(comm, &copy);
    if (error != MPI_SUCCESS)
        return error;
    error = MPI_Allreduce(&a, sum, 1, MPI_DOUBLE, MPI_SUM, copy);
    MPI_Comm_free(&copy);
    return error;
}

struct partial {
    int terms;
    double high, low;
};

static void add_double(struct partial *p, double x)
{
    double s = p->high + x;
    p->low += fabs(p->high) < fabs(x) ? (x - s) + p->high : (p->high - s) + x;
    p->high = s;
    p->terms++;
}

static void add_partials(void *in, void *inout, int *len, MPI_Datatype *type)
{
    (void)type;
    for (int i = 0; i < *len; i++) {
        struct partial left = ((struct partial *)in)[i], *right = (struct partial *)inout + i;
        add_double(&left, right->high);
        left.low += right->low;
        left.terms += right->terms - 1;
        *right = left;
    }
}

static int make_type(MPI_Datatype *type)
{
    MPI_Datatype packed;
    int lengths[] = {1, 2};
    MPI_Aint places[] = {offsetof(struct partial, terms), offsetof(struct partial, high)};
    MPI_Datatype types[] = {MPI_INT, MPI_DOUBLE};
    int error = MPI_Type_create_struct(2, lengths, places, types, &packed);
    if (error != MPI_SUCCESS)
        return error;
    error = MPI_Type_create_resized(packed, 0, (MPI_Aint)sizeof(struct partial), type);
    MPI_Type_free(&packed);
    return error == MPI_SUCCESS ? MPI_Type_commit(type) : error;
}

int psum_compensated(const double *local, size_t count, double *sum, MPI_Comm comm)
{
    struct partial mine = {0}, total = {0};
    MPI_Datatype type;
    MPI_Op op;
    for (size_t i = 0; i < count; i++)
        add_double(&mine, local[i]);
    int error = make_type(&type);
    if (error != MPI_SUCCESS)
        return error;
    error = MPI_Op_create(add_partials, 0, &op);
    if (error == MPI_SUCCESS)
        error = MPI_Allreduce(&mine, &total, 1, type, op, comm);
    MPI_Op_free(&op);
    MPI_Type_free(&type);
    if (error == MPI_SUCCESS)
        *sum = total.high - total.high == 0 ? total.high + total.low : total.high;
    return error;
}
