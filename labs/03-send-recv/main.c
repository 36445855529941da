/* main.c: the program around sendrecv.c.

     mpirun -n 4 sendrecv                          the demo: the seed's examples 1 and 2, exchange and ring
     mpirun -n 5 sendrecv SCRIPT.npy DATA.npy      does the steps of SCRIPT (script.h) with numbers of DATA;
                                                   rank K writes what it received to rank-K.npy, and how
                                                   each call ended to calls-K.npy */
#include <malloc.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "mpi_trace.h"
#include "npy.h"
#include "rng.h"
#include "script.h"
#include "sendrecv.h"

static const char usage[] =
    "usage: mpirun -n 4 sendrecv                         two ranks send a list and an array; pairs swap; a ring turns\n"
    "       mpirun -n RANKS sendrecv SCRIPT.npy DATA.npy\n"
    "  SCRIPT  int64 (steps, 8): see script.h      DATA  float64 (n,): the numbers that are sent\n"
    "example: mpirun -n 2 sendrecv script.npy data.npy\n";

static const double patience = 1; /* seconds that main.c waits in all for messages that do not come */

/* What one rank knows, and what it has to write at the end. */
struct program {
    int rank, size;
    const int64_t (*step)[STEP_COLUMNS];
    size_t steps;
    const double *data;
    size_t data_count;
    MPI_Comm comm[COMM_KINDS * COMM_SIZES];
    double **block; /* memory that messages may still be sent from: kept to the end */
    MPI_Request *posted;
    int posts;
    int64_t (*called)[CALLED_COLUMNS];
    size_t calls, blocks;
    double *values;
    size_t value_count, value_room;
    double await_patience, take_patience; /* what is left of it */
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "sendrecv: %s\n", what);
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    exit(EXIT_FAILURE);
}

static void *need(void *memory)
{
    if (!memory)
        die("out of memory");
    return memory;
}

/* ---- the demo ---- */

/* Every rank has a line (or an empty one); rank 0 prints them in the ranks' order. */
static void print_lines(const char *line, int rank, int size)
{
    enum { LENGTH = 400 };
    char mine[LENGTH] = "", *all = need(calloc((size_t)size, LENGTH));
    snprintf(mine, sizeof mine, "%s", line);
    MPI_Gather(mine, LENGTH, MPI_CHAR, all, LENGTH, MPI_CHAR, 0, MPI_COMM_WORLD);
    for (int i = 0; rank == 0 && i < size; i++)
        if (all[i * LENGTH])
            puts(all + i * LENGTH);
    fflush(stdout);
    free(all);
}

/* "rank = 1 , data = [1.0, 2.0]", as the seed prints it. */
static void print_data(const char *format, const double *data, int count, bool takes_part, int rank, int size)
{
    char line[400] = "", number[40];
    if (takes_part)
        snprintf(line, sizeof line, "rank = %d , data = [", rank);
    for (int i = 0; takes_part && i < count; i++) {
        snprintf(number, sizeof number, format, data[i]);
        size_t used = strlen(line);
        snprintf(line + used, sizeof line - used, "%s%s%s", i ? ", " : "", number, i == count - 1 ? "]" : "");
    }
    print_lines(line, rank, size);
}

/* The student's calls stand between the two, so that `make chart` shows them. */
static void student_begins(void)
{
    mpi_trace_mark(0);
}

static void student_ends(int code, const char *what)
{
    mpi_trace_mark(MPI_TRACE_OURS);
    if (code != MPI_SUCCESS)
        die(what);
}

static void demo_list(int rank, int size)
{
    double data[] = {1, 2, 3, 4}, *list = data;
    int count = 4;
    if (rank == 0)
        puts("example 1: rank 0 sends a list, rank 1 does not know its length (tag 11)");
    if (rank == 0) {
        student_begins();
        student_ends(send_list(data, 4, 1, MPI_COMM_WORLD), "send_list");
    } else if (rank == 1) {
        student_begins();
        student_ends(recv_list(&list, &count, 0, MPI_COMM_WORLD), "recv_list");
    }
    print_data("%.1f", list, count, rank < 2, rank, size);
    if (rank == 1)
        free(list);
}

static void demo_array(int rank, int size)
{
    double data[10] = {0};
    if (rank == 0)
        puts("example 2: rank 0 sends an array of 10 random numbers to rank 1 (tag 13)");
    if (rank == 0) {
        struct rng rng = rng_seeded(13);
        for (int i = 0; i < 10; i++)
            data[i] = rng_double(&rng);
        student_begins();
        student_ends(send_array(data, 10, 1, MPI_COMM_WORLD), "send_array");
    } else if (rank == 1) {
        student_begins();
        student_ends(recv_array(data, 10, 0, MPI_COMM_WORLD), "recv_array");
    }
    print_data("%.8f", data, 10, rank < 2, rank, size);
}

static void demo_exchange(int rank, int size)
{
    double mine[2] = {rank, rank + 0.5}, theirs[2] = {UNTOUCHED, UNTOUCHED};
    int peer = (rank ^ 1) < size ? rank ^ 1 : MPI_PROC_NULL;
    char line[200] = "";
    if (rank == 0)
        puts("exchange: rank 0 with rank 1, rank 2 with rank 3, ...");
    student_begins();
    student_ends(exchange(mine, theirs, 2, peer, MPI_COMM_WORLD), "exchange");
    if (peer != MPI_PROC_NULL)
        snprintf(line, sizeof line, "rank = %d , mine = [%.1f, %.1f], theirs = [%.1f, %.1f]", rank, mine[0], mine[1],
                 theirs[0], theirs[1]);
    print_lines(line, rank, size);
}

static void demo_ring(int rank, int size)
{
    static const int steps[] = {1, -2};
    for (int i = 0; i < 2; i++) {
        double data[] = {rank, rank + 0.5};
        if (rank == 0)
            printf("ring: every array moves on by %d rank%s\n", steps[i], steps[i] == 1 ? "" : "s");
        student_begins();
        student_ends(ring_shift(data, 2, steps[i], MPI_COMM_WORLD), "ring_shift");
        print_data("%.1f", data, 2, true, rank, size);
    }
}

static void demo(int rank, int size)
{
    if (size < 2)
        die("the demo needs at least two ranks: mpirun -n 4 sendrecv");
    demo_list(rank, size);
    demo_array(rank, size);
    demo_exchange(rank, size);
    demo_ring(rank, size);
}

/* ---- communicators ---- */

static MPI_Comm make_comm(const struct program *p, int kind, int size)
{
    MPI_Comm comm = MPI_COMM_WORLD;
    bool inside = kind == COMM_FIRST ? p->rank < size : p->rank >= p->size - size;
    if (kind != COMM_WORLD)
        MPI_Comm_split(MPI_COMM_WORLD, inside ? 0 : MPI_UNDEFINED, kind == COMM_FIRST ? p->rank : -p->rank, &comm);
    if (comm != MPI_COMM_NULL)
        MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    return comm;
}

/* All ranks walk through the same script, so all make the same communicators in the same order. */
static void make_comms(struct program *p)
{
    bool made[COMM_KINDS * COMM_SIZES] = {false};
    for (int i = 0; i < COMM_KINDS * COMM_SIZES; i++)
        p->comm[i] = MPI_COMM_NULL;
    for (size_t i = 0; i < p->steps; i++) {
        int64_t c = p->step[i][STEP_COMM];
        if (c < 0 || c >= COMM_KINDS * COMM_SIZES || c % COMM_SIZES > p->size)
            die("the script names a communicator that there is not");
        if (!made[c])
            p->comm[c] = make_comm(p, (int)c / COMM_SIZES, (int)c % COMM_SIZES);
        made[c] = true;
    }
}

static void free_comms(struct program *p)
{
    for (int i = 0; i < COMM_WORLD * COMM_SIZES; i++)
        if (p->comm[i] != MPI_COMM_NULL)
            MPI_Comm_free(&p->comm[i]);
}

/* ---- what a call left ---- */

/* Which kind of code is it? Says it in MPI's words to the user, too. */
static enum result result_of(const struct program *p, const char *function, int code)
{
    int class, length;
    char words[MPI_MAX_ERROR_STRING];
    if (code == MPI_SUCCESS)
        return RESULT_SUCCESS;
    if (MPI_Error_class(code, &class) != MPI_SUCCESS || MPI_Error_string(code, words, &length) != MPI_SUCCESS) {
        fprintf(stderr, "rank %d: %s returned %d, which is no error code of MPI\n", p->rank, function, code);
        return RESULT_NO_CODE;
    }
    fprintf(stderr, "rank %d: %s returned %s\n", p->rank, function, words);
    return class == MPI_ERR_RANK ? RESULT_RANK : class == MPI_ERR_TRUNCATE ? RESULT_TRUNCATED : RESULT_OTHER;
}

static void keep_values(struct program *p, const double *values, size_t count)
{
    if (count == 0)
        return;
    if (p->value_count + count > p->value_room) {
        p->value_room = 2 * (p->value_count + count);
        p->values = need(realloc(p->values, p->value_room * sizeof *p->values));
    }
    memcpy(p->values + p->value_count, values, count * sizeof *values);
    p->value_count += count;
}

static int64_t *note(struct program *p, size_t step, enum result result)
{
    int64_t *called = p->called[p->calls++];
    called[CALLED_STEP] = (int64_t)step;
    called[CALLED_RESULT] = result;
    return called;
}

static void note_values(struct program *p, size_t step, enum result result, const double *values, int count)
{
    note(p, step, result)[CALLED_VALUES] = count;
    keep_values(p, values, (size_t)count);
}

/* ---- the steps ---- */

/* Room for count doubles, kept to the end of the program: a message may still be sent from it. */
static double *room_for(struct program *p, size_t count)
{
    return p->block[p->blocks++] = need(malloc(count * sizeof(double) + (count == 0)));
}

static double *numbers(struct program *p, const int64_t *step)
{
    size_t count = (size_t)step[STEP_COUNT];
    double *a = room_for(p, count);
    for (size_t i = 0; i < count; i++)
        a[i] = p->data[((size_t)step[STEP_FIRST] + i) % p->data_count];
    return a;
}

static bool is_changed(const struct program *p, const int64_t *step, const double *a)
{
    for (size_t i = 0; i < (size_t)step[STEP_COUNT]; i++)
        if (memcmp(&a[i], &p->data[((size_t)step[STEP_FIRST] + i) % p->data_count], sizeof *a) != 0)
            return true;
    return false;
}

static double *untouched(struct program *p, size_t count)
{
    double *a = room_for(p, count);
    for (size_t i = 0; i < count; i++)
        a[i] = UNTOUCHED;
    return a;
}

static void do_recv_list(struct program *p, size_t step, int source, MPI_Comm comm)
{
    static double nothing;
    double *list = &nothing;
    int count = -1;
    mpi_trace_mark((int)p->step[step][STEP_CASE]);
    int code = recv_list(&list, &count, source, comm);
    mpi_trace_mark(MPI_TRACE_OURS);

    int64_t *called = note(p, step, result_of(p, "recv_list", code));
    called[CALLED_COUNT] = count;
    called[CALLED_POINTER] = list == &nothing ? POINTER_UNTOUCHED : list ? POINTER_SET : POINTER_NULL;
    if (called[CALLED_POINTER] != POINTER_SET)
        return;
    if (count > 0 && count <= MOST_VALUES) {
        called[CALLED_VALUES] = count;
        keep_values(p, list, (size_t)count);
    }
    free(list);
}

/* The calls that return nothing but a code and, where they receive, fill an array. */
static void do_call(struct program *p, size_t step, int peer, MPI_Comm comm)
{
    static const char *const names[] = {"send_list", "recv_list", "send_array", "recv_array", "exchange", "ring_shift"};
    const int64_t *s = p->step[step];
    int count = (int)s[STEP_COUNT], code = MPI_ERR_OTHER;
    double *mine = s[STEP_DO] == RECV_ARRAY ? NULL : numbers(p, s);
    double *theirs = s[STEP_DO] == RECV_ARRAY || s[STEP_DO] == EXCHANGE ? untouched(p, (size_t)count) : NULL;
    mpi_trace_mark((int)s[STEP_CASE]);
    switch (s[STEP_DO]) {
    case SEND_LIST:
        code = send_list(mine, count, peer, comm);
        break;
    case SEND_ARRAY:
        code = send_array(mine, count, peer, comm);
        break;
    case RECV_ARRAY:
        code = recv_array(theirs, count, peer, comm);
        break;
    case EXCHANGE:
        code = exchange(mine, theirs, count, peer, comm);
        break;
    default:
        code = ring_shift(mine, count, (int)s[STEP_PEER], comm);
        break;
    }
    mpi_trace_mark(MPI_TRACE_OURS);
    enum result result = result_of(p, names[s[STEP_DO]], code);
    if (mine && s[STEP_DO] != RING_SHIFT && is_changed(p, s, mine))
        result = RESULT_CHANGED;
    if (s[STEP_DO] == RING_SHIFT)
        theirs = mine;
    note_values(p, step, result, theirs, theirs ? count : 0);
}

static void put(struct program *p, size_t step, int peer, MPI_Comm comm)
{
    const int64_t *s = p->step[step];
    MPI_Isend(numbers(p, s), (int)s[STEP_COUNT], MPI_DOUBLE, peer, (int)s[STEP_TAG], comm, &p->posted[p->posts++]);
}

/* Is there such a message, or does one come before patience is used up? */
static bool comes(double *left, int peer, int tag, MPI_Comm comm, MPI_Status *status)
{
    double begun = seconds_now();
    int there = 0;
    do {
        MPI_Iprobe(peer, tag, comm, &there, status);
        if (!there)
            sched_yield();
    } while (!there && seconds_now() < begun + *left);
    if (!there)
        *left = 0;
    return there;
}

static void take(struct program *p, size_t step, int peer, MPI_Comm comm)
{
    MPI_Status status;
    int count = 0, tag = (int)p->step[step][STEP_TAG];
    if (!comes(&p->take_patience, peer, tag, comm, &status)) {
        note(p, step, RESULT_MISSING);
        return;
    }
    MPI_Get_count(&status, MPI_DOUBLE, &count);
    if (count == MPI_UNDEFINED || count < 0)
        count = 0;
    double *values = untouched(p, (size_t)count + 1);
    MPI_Recv(values, count, MPI_DOUBLE, peer, tag, comm, MPI_STATUS_IGNORE);
    note_values(p, step, RESULT_SUCCESS, values, count);
}

/* What main.c itself keeps to the end is not counted. */
static void note_heap(struct program *p, size_t step)
{
    struct mallinfo2 heap = mallinfo2();
    size_t ours = malloc_usable_size(p->values);
    for (size_t i = 0; i < p->blocks; i++)
        ours += malloc_usable_size(p->block[i]);
    note(p, step, RESULT_SUCCESS)[CALLED_COUNT] = (int64_t)(heap.uordblks + heap.hblkhd) - (int64_t)ours;
}

static void do_step(struct program *p, size_t step, MPI_Comm comm)
{
    const int64_t *s = p->step[step];
    MPI_Status status;
    int peer = s[STEP_PEER] == PEER_ANY    ? MPI_ANY_SOURCE
               : s[STEP_PEER] == PEER_NONE ? MPI_PROC_NULL
                                           : (int)s[STEP_PEER];
    switch (s[STEP_DO]) {
    case RECV_LIST:
        do_recv_list(p, step, peer, comm);
        break;
    case PUT:
        put(p, step, peer, comm);
        break;
    case TAKE:
        take(p, step, peer, comm);
        break;
    case AWAIT:
        comes(&p->await_patience, peer, MPI_ANY_TAG, comm, &status);
        break;
    case HEAP:
        note_heap(p, step);
        break;
    case REST:
        usleep((useconds_t)s[STEP_COUNT] * 1000);
        break;
    default:
        do_call(p, step, peer, comm);
        break;
    }
}

static void do_all(struct program *p)
{
    for (size_t i = 0; i < p->steps; i++) {
        if (i > 0 && p->step[i][STEP_CASE] != p->step[i - 1][STEP_CASE])
            MPI_Barrier(MPI_COMM_WORLD);
        MPI_Comm comm = p->comm[p->step[i][STEP_COMM]];
        int rank = -1;
        if (comm != MPI_COMM_NULL)
            MPI_Comm_rank(comm, &rank);
        if (rank == p->step[i][STEP_RANK])
            do_step(p, i, comm);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* Our own sends: done, or given up when somebody else's code took the message's place. */
static void settle_posts(struct program *p)
{
    double end = seconds_now() + patience;
    for (int i = 0; i < p->posts; i++) {
        int done = 0;
        while (!done && seconds_now() < end)
            MPI_Test(&p->posted[i], &done, MPI_STATUS_IGNORE);
        if (!done)
            MPI_Request_free(&p->posted[i]);
    }
}

/* ---- files ---- */

static void read_inputs(struct program *p, const char *script_path, const char *data_path, struct npy inputs[2])
{
    if (npy_load(script_path, &inputs[0]) != 0 || npy_load(data_path, &inputs[1]) != 0)
        die(npy_error());
    if (inputs[0].type != NPY_I8 || inputs[0].ndim != 2 || inputs[0].shape[1] != STEP_COLUMNS ||
        inputs[1].type != NPY_F8 || inputs[1].ndim != 1 || inputs[1].count == 0)
        die("SCRIPT must be int64 of shape (steps, 8), DATA float64 of shape (n,) with n > 0");
    p->step = inputs[0].data;
    p->steps = inputs[0].shape[0];
    p->data = inputs[1].data;
    p->data_count = inputs[1].count;
    for (size_t i = 0; i < p->steps; i++)
        if (p->step[i][STEP_DO] < 0 || p->step[i][STEP_DO] >= DEEDS || p->step[i][STEP_COUNT] < 0 ||
            p->step[i][STEP_COUNT] > MOST_VALUES || p->step[i][STEP_FIRST] < 0)
            die("SCRIPT has a step that there is not; see script.h");
}

static void write_outputs(const struct program *p)
{
    char values[40], calls[40];
    snprintf(values, sizeof values, "rank-%d.npy", p->rank);
    snprintf(calls, sizeof calls, "calls-%d.npy", p->rank);
    if (npy_save(values, NPY_F8, 1, &p->value_count, p->values) != 0 ||
        npy_save(calls, NPY_I8, 2, (size_t[]){p->calls, CALLED_COLUMNS}, p->called) != 0)
        die(npy_error());
}

static void run_script(int rank, int size, char **paths)
{
    struct program p = {.rank = rank, .size = size, .await_patience = patience, .take_patience = patience};
    struct npy inputs[2];
    read_inputs(&p, paths[0], paths[1], inputs);
    p.called = need(calloc(p.steps + 1, sizeof *p.called));
    p.posted = need(calloc(p.steps + 1, sizeof *p.posted));
    p.block = need(calloc(2 * p.steps + 1, sizeof *p.block)); /* a call needs at most two */
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    make_comms(&p);
    do_all(&p);
    settle_posts(&p);
    write_outputs(&p);
    free_comms(&p);
    for (size_t i = 0; i < p.blocks; i++)
        free(p.block[i]);
    free(p.block);
    free(p.posted);
    free(p.called);
    free(p.values);
    npy_free(&inputs[0]);
    npy_free(&inputs[1]);
}

int main(int argc, char **argv)
{
    int rank, size;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    bool right = argc == 1 || argc == 3;
    if (argc == 1)
        demo(rank, size);
    else if (right)
        run_script(rank, size, argv + 1);
    else if (rank == 0)
        fputs(usage, stderr);
    MPI_Finalize();
    return right ? EXIT_SUCCESS : 2;
}
