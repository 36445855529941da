/* matvec.c: one-sided. Each rank opens its y as a window and everybody puts his
   piece into the windows of the others, between two fences. */
#include "matvec.h"

#include <limits.h>

struct piece {
    size_t first, count;
};

static struct piece piece_of(size_t total, int parts, int index)
{
    struct piece p = {0, total / (size_t)parts};
    size_t longer = total % (size_t)parts;
    p.first = p.count * (size_t)index;
    if ((size_t)index < longer) {
        p.first += (size_t)index;
        p.count++;
    } else {
        p.first += longer;
    }
    return p;
}

void block_range(size_t total, int parts, int index, size_t *first, size_t *count)
{
    struct piece p = piece_of(total, parts, index);
    *first = p.first;
    *count = p.count;
}

static void my_rows(const double *a, struct piece p, size_t cols, const double *x, double *y)
{
    for (size_t i = 0; i < p.count; i++) {
        double sum = 0;
        for (size_t j = 0; j < cols; j++)
            sum += a[i * cols + j] * x[j];
        y[p.first + i] = sum;
    }
}

static int exchange(struct piece mine, double *y, int rank, int size, MPI_Win win)
{
    int error = MPI_Win_fence(0, win); /* everybody is here, nobody has to be finished before */
    for (int step = 1; step < size && error == MPI_SUCCESS; step++) {
        int to = (rank + step) % size; /* not all to the same rank at once */
        if (mine.count > 0)
            error = MPI_Put(y + mine.first, (int)mine.count, MPI_DOUBLE, to, (MPI_Aint)mine.first, (int)mine.count,
                            MPI_DOUBLE, win);
    }
    if (error == MPI_SUCCESS)
        error = MPI_Win_fence(0, win); /* all pieces have arrived */
    return error;
}

int matvec_mpi(const double *block, size_t rows, size_t cols, const double *x, double *y, MPI_Comm comm)
{
    int rank, size, error;
    if (rows > INT_MAX)
        return MPI_ERR_COUNT;
    if ((error = MPI_Comm_rank(comm, &rank)) != MPI_SUCCESS || (error = MPI_Comm_size(comm, &size)) != MPI_SUCCESS)
        return error;

    struct piece mine = piece_of(rows, size, rank);
    my_rows(block, mine, cols, x, y);
    if (rows == 0 || size == 1) /* true on all ranks or on none */
        return MPI_SUCCESS;

    MPI_Win win;
    error = MPI_Win_create(y, (MPI_Aint)(rows * sizeof *y), (int)sizeof *y, MPI_INFO_NULL, comm, &win);
    if (error != MPI_SUCCESS)
        return error;
    MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN); /* our caller is to hear of it */
    error = exchange(mine, y, rank, size, win);
    int freed = MPI_Win_free(&win);
    return error != MPI_SUCCESS ? error : freed;
}
