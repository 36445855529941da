/* bench.c: lab 03 against the field: ping-pong between two ranks by message size, with
   the student's send_array and recv_array and with bare MPI_Send and MPI_Recv.
   peer.py does the same with mpi4py. A time is that of one way: half a round trip. */
#include <mpi.h>
#include <stdlib.h>

#include "race_mpi.h"
#include "sendrecv.h"

struct ball {
    double *values;
    int count, rank;
};

static void expect(int code)
{
    if (code != MPI_SUCCESS)
        MPI_Abort(MPI_COMM_WORLD, code);
}

static void run_student(void *with)
{
    const struct ball *b = with;
    if (b->rank == 0) {
        expect(send_array(b->values, b->count, 1, MPI_COMM_WORLD));
        expect(recv_array(b->values, b->count, 1, MPI_COMM_WORLD));
    } else {
        expect(recv_array(b->values, b->count, 0, MPI_COMM_WORLD));
        expect(send_array(b->values, b->count, 0, MPI_COMM_WORLD));
    }
}

static void run_bare(void *with)
{
    const struct ball *b = with;
    if (b->rank == 0) {
        expect(MPI_Send(b->values, b->count, MPI_DOUBLE, 1, 0, MPI_COMM_WORLD));
        expect(MPI_Recv(b->values, b->count, MPI_DOUBLE, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    } else {
        expect(MPI_Recv(b->values, b->count, MPI_DOUBLE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
        expect(MPI_Send(b->values, b->count, MPI_DOUBLE, 0, 0, MPI_COMM_WORLD));
    }
}

/* A list's length is not known to the receiver, who has to look at the message first. */
static void run_list(void *with)
{
    const struct ball *b = with;
    double *list;
    int count;
    if (b->rank == 0)
        expect(send_list(b->values, b->count, 1, MPI_COMM_WORLD));
    expect(recv_list(&list, &count, 1 - b->rank, MPI_COMM_WORLD));
    free(list);
    if (b->rank == 1)
        expect(send_list(b->values, b->count, 0, MPI_COMM_WORLD));
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {8,     32,    128,   512,    1024,   2048,    4096,    8192,
                                   16384, 32768, 65536, 131072, 262144, 1048576, 4194304, 8388608};
    struct race race = race_mpi_options(argc, argv);
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (race_mpi_among(&race, 2))
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            if (race.quick && sizes[i] != 8 && sizes[i] != 65536)
                continue;
            struct ball b = {race_memory(sizes[i]), (int)(sizes[i] / sizeof(double)), rank};
            for (int k = 0; k < b.count; k++)
                b.values[k] = k;
            const struct contender list[] = {
                {"send_array", run_student, &b}, {"MPI_Send", run_bare, &b}, {"send_list", run_list, &b}};
            race_run(&race, race_text("{\"bytes\": %zu, \"ways\": 2}", sizes[i]), list, 3);
            free(b.values);
        }
    race_mpi_rejoin();
    MPI_Finalize();
    return EXIT_SUCCESS;
}
