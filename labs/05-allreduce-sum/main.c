/* main.c: the program around psum.c, to be started by mpirun.

     psum                                     the demo: the sum of 128 random numbers
     psum VECTOR.npy                          the same for a vector of yours
     psum CASES.npy DATA.npy SUMS.npy CODES.npy
                                              many sums, one after the other (cases.h) */
#include <mpi.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "mpi_trace.h"
#include "npy.h"
#include "psum.h"
#include "rng.h"

static const char usage[] =
    "usage: mpirun -n 4 psum                 128 random numbers, in random-vector.npy (made if it is not there)\n"
    "       mpirun -n 4 psum VECTOR.npy      float64 (n,): each rank reads only its part\n"
    "       mpirun -n 5 psum CASES.npy DATA.npy SUMS.npy CODES.npy\n"
    "  CASES  int64 (cases, 7): see cases.h     DATA   float64 (n,): the elements\n"
    "  SUMS   float64 (cases, ranks)            CODES  int64 (cases, ranks)\n"
    "example: mpirun -n 3 psum random-vector.npy\n";

static MPI_Comm ours; /* this file's own messages: the world, but the student's cannot meet them */
static int rank, ranks;

/* Ends all ranks. */
static _Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "rank %d: ", rank);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    abort(); /* not reached */
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (!memory)
        die("no memory for %zu elements of %zu bytes", count, size);
    return memory;
}

/* Rank index of size gets elements begin_of(index) ... begin_of(index + 1) - 1. */
static size_t begin_of(enum case_spread spread, size_t count, int size, int index)
{
    if (spread == SPREAD_LAST)
        return index == size ? count : 0;
    size_t parts = (size_t)size, i = (size_t)index, longer = count % parts;
    return i * (count / parts) + (i < longer ? i : longer);
}

/* The rows first ... first + count - 1 of the file. No other byte of its data is read. */
static struct npy load_part(const char *path, size_t first, size_t count)
{
    struct npy part;
    if (npy_load_rows(path, first, count, &part) != 0)
        die("%s", npy_error());
    if (part.type != NPY_F8 || part.ndim != 1)
        die("%s: float64 of shape (n,) is needed", path);
    return part;
}

/* "psum_compensated returned 5: MPI_ERR_COMM: invalid communicator" */
static enum code code_of(enum case_function function, int error)
{
    char words[MPI_MAX_ERROR_STRING] = "";
    int class = MPI_SUCCESS, length;
    if (error == MPI_SUCCESS)
        return CODE_SUCCESS;
    bool known =
        MPI_Error_class(error, &class) == MPI_SUCCESS && MPI_Error_string(error, words, &length) == MPI_SUCCESS;
    fprintf(stderr, "rank %d: %s returned %d: %s\n", rank, function == FUNCTION_PSUM ? "psum" : "psum_compensated",
            error, known ? words : "no error code of MPI");
    return !known ? CODE_NOT_MPI : class == MPI_ERR_COMM ? CODE_COMM : CODE_OTHER;
}

/* ---- one vector: the demo, after the seed's example 4 ---- */

static void make_random(const char *path)
{
    enum { N = 128 };
    double a[N];
    struct rng rng = rng_seeded(5);
    for (size_t i = 0; i < N; i++)
        a[i] = rng_double(&rng);
    if (access(path, F_OK) != 0 && npy_save(path, NPY_F8, 1, (size_t[]){N}, a) != 0)
        die("%s", npy_error());
}

/* The whole vector on one rank, from left to right. */
static double serial_sum(const char *path)
{
    struct npy a;
    if (npy_load(path, &a) != 0)
        die("%s", npy_error());
    const double *value = a.data;
    double sum = 0;
    for (size_t i = 0; i < a.count; i++)
        sum += value[i];
    npy_free(&a);
    return sum;
}

static int sum_file(const char *path)
{
    struct npy header;
    double sum = UNTOUCHED, compensated = UNTOUCHED;
    if (npy_load_header(path, &header) != 0)
        die("%s", npy_error());
    if (header.type != NPY_F8 || header.ndim != 1)
        die("%s: float64 of shape (n,) is needed", path);
    size_t begin = begin_of(SPREAD_BLOCKS, header.count, ranks, rank);
    struct npy part = load_part(path, begin, begin_of(SPREAD_BLOCKS, header.count, ranks, rank + 1) - begin);
    mpi_trace_mark(0); /* the student's calls, so that `make chart` shows them */
    int error = psum(part.data, part.count, &sum, MPI_COMM_WORLD);
    mpi_trace_mark(MPI_TRACE_OURS);
    if (code_of(FUNCTION_PSUM, error) != CODE_SUCCESS)
        die("no sum");
    if (rank == 0) {
        printf("%zu elements of %s on %d rank%s\n", header.count, path, ranks, ranks == 1 ? "" : "s");
        printf("sum = %.17g, serial sum = %.17g\n", sum, serial_sum(path));
        fflush(stdout);
    }
    mpi_trace_mark(0);
    error = psum_compensated(part.data, part.count, &compensated, MPI_COMM_WORLD);
    mpi_trace_mark(MPI_TRACE_OURS);
    if (code_of(FUNCTION_COMPENSATED, error) != CODE_SUCCESS)
        die("no compensated sum");
    if (rank == 0)
        printf("compensated sum = %.17g\n", compensated);
    npy_free(&part);
    return EXIT_SUCCESS;
}

static int demo(void)
{
    if (rank == 0)
        make_random("random-vector.npy");
    MPI_Barrier(ours); /* the file is there */
    return sum_file("random-vector.npy");
}

/* ---- communicators ---- */

static bool is_member(int kind, int size)
{
    switch (kind) {
    case COMM_FIRST:
        return rank < size;
    case COMM_REVERSED:
        return rank >= ranks - size;
    case COMM_EVEN:
        return rank % 2 == 0;
    default:
        return rank % 2 == 1;
    }
}

/* Collective over the world. MPI_COMM_NULL for ranks that do not belong to it. */
static MPI_Comm make_comm(int code)
{
    int kind = code / COMM_SIZES, size = code % COMM_SIZES;
    MPI_Comm comm = kind == COMM_NONE ? MPI_COMM_NULL : MPI_COMM_WORLD;
    if (code < 0 || kind >= COMM_KINDS || size > ranks)
        die("there is no communicator %d (cases.h) with %d ranks", code, ranks);
    if (kind < COMM_WORLD)
        MPI_Comm_split(MPI_COMM_WORLD, is_member(kind, size) ? 0 : MPI_UNDEFINED, kind == COMM_REVERSED ? -rank : rank,
                       &comm);
    if (comm != MPI_COMM_NULL) /* errors come back to the student's code, which is to hand them on */
        MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    return comm;
}

/* ---- many cases ---- */

struct answer {
    double sum;
    int64_t place, code; /* this rank's number in the communicator, -1: none */
};

static enum code call(enum case_function function, const struct npy *part, double *sum, MPI_Comm comm, int mark)
{
    double *before = allocate(part->count, sizeof *before);
    memcpy(before, part->data, part->count * sizeof *before);
    mpi_trace_mark(mark);
    int error = function == FUNCTION_PSUM ? psum(part->data, part->count, sum, comm)
                                          : psum_compensated(part->data, part->count, sum, comm);
    mpi_trace_mark(MPI_TRACE_OURS);
    enum code code = code_of(function, error);
    if (code == CODE_SUCCESS && memcmp(before, part->data, part->count * sizeof *before) != 0)
        code = CODE_CHANGED;
    free(before);
    return code;
}

static struct answer run_case(const int64_t *c, int mark, const char *data_path, MPI_Comm comm)
{
    struct answer answer = {UNTOUCHED, -1, CODE_ABSENT};
    int size = ranks, place = rank;
    bool none = c[CASE_COMM] / COMM_SIZES == COMM_NONE;
    if (comm == MPI_COMM_NULL && !none)
        return answer;
    if (!none) {
        MPI_Comm_size(comm, &size);
        MPI_Comm_rank(comm, &place);
    }
    enum case_spread spread = (enum case_spread)c[CASE_SPREAD];
    size_t count = (size_t)c[CASE_COUNT], begin = begin_of(spread, count, size, place);
    size_t end = begin_of(spread, count, size, place + 1);
    struct npy part = load_part(data_path, (size_t)c[CASE_FIRST] + begin, end - begin);
    mpi_trace_combine((enum mpi_trace_way)c[CASE_WAY], (uint64_t)c[CASE_SEED]);
    answer.code = call((enum case_function)c[CASE_FUNCTION], &part, &answer.sum, comm, mark);
    answer.place = place;
    mpi_trace_combine(MPI_TRACE_LIBRARY, 0);
    npy_free(&part);
    return answer;
}

/* Each communicator that a case names, once. All ranks walk through the same list. */
static void make_comms(const int64_t (*list)[CASE_COLUMNS], size_t count, MPI_Comm *comms)
{
    for (int i = 0; i < COMM_KINDS * COMM_SIZES; i++) {
        bool wanted = false;
        for (size_t k = 0; k < count; k++)
            wanted = wanted || list[k][CASE_COMM] == i;
        comms[i] = wanted ? make_comm(i) : MPI_COMM_NULL;
    }
}

/* Between two cases (but see CASE_AT_ONCE) all ranks wait for each other, so that a rank that left too early is missed where it is missing. */
static void run_cases(const int64_t (*list)[CASE_COLUMNS], size_t count, const char *data_path, struct answer *answers)
{
    MPI_Comm comms[COMM_KINDS * COMM_SIZES];
    make_comms(list, count, comms);
    for (size_t k = 0; k < count; k++) {
        int64_t code = list[k][CASE_COMM];
        if (code < 0 || code >= COMM_KINDS * COMM_SIZES)
            die("case %zu: there is no communicator %lld", k, (long long)code);
        if (code / COMM_SIZES != COMM_ODD && !list[k][CASE_AT_ONCE])
            MPI_Barrier(ours);
        answers[k] = run_case(list[k], (int)k, data_path, comms[code]);
    }
    MPI_Barrier(ours);
    for (int i = 0; i < COMM_WORLD * COMM_SIZES; i++)
        if (comms[i] != MPI_COMM_NULL)
            MPI_Comm_free(&comms[i]);
}

/* All answers to rank 0, and from there into the files, in the order of the communicators' ranks. */
static void save(const struct answer *answers, size_t count, const char *sums_path, const char *codes_path)
{
    int bytes = (int)(count * sizeof *answers);
    size_t shape[] = {count, (size_t)ranks}, all_count = count * (size_t)ranks;
    struct answer *all = allocate(all_count, sizeof *all);
    double *sums = allocate(all_count, sizeof *sums);
    int64_t *codes = allocate(all_count, sizeof *codes);
    MPI_Gather(answers, bytes, MPI_BYTE, all, bytes, MPI_BYTE, 0, ours);
    for (size_t i = 0; i < all_count; i++) {
        sums[i] = UNTOUCHED;
        codes[i] = CODE_ABSENT;
    }
    for (size_t i = 0; rank == 0 && i < all_count; i++)
        if (all[i].place >= 0) { /* all is (ranks, count): the answers of one rank stand together */
            size_t at = i % count * (size_t)ranks + (size_t)all[i].place;
            sums[at] = all[i].sum;
            codes[at] = all[i].code;
        }
    if (rank == 0 &&
        (npy_save(sums_path, NPY_F8, 2, shape, sums) != 0 || npy_save(codes_path, NPY_I8, 2, shape, codes) != 0))
        die("%s", npy_error());
    free(all);
    free(sums);
    free(codes);
}

static int cases(char **path)
{
    struct npy list;
    if (npy_load(path[0], &list) != 0)
        die("%s", npy_error());
    if (list.type != NPY_I8 || list.ndim != 2 || list.shape[1] != CASE_COLUMNS)
        die("%s: int64 of shape (cases, %d) is needed", path[0], CASE_COLUMNS);
    struct answer *answers = allocate(list.shape[0], sizeof *answers);
    run_cases(list.data, list.shape[0], path[1], answers);
    save(answers, list.shape[0], path[2], path[3]);
    free(answers);
    npy_free(&list);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "-h") == 0) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    MPI_Init(&argc, &argv);
    MPI_Comm_dup(MPI_COMM_WORLD, &ours);
    MPI_Comm_rank(ours, &rank);
    MPI_Comm_size(ours, &ranks);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD,
                            MPI_ERRORS_RETURN); /* also for calls on MPI_COMM_NULL; MPI 4: MPI_COMM_SELF */
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    int status = 2;
    if (argc == 1)
        status = demo();
    else if (argc == 2)
        status = sum_file(argv[1]);
    else if (argc == 5)
        status = cases(argv + 1);
    else if (rank == 0)
        fputs(usage, stderr);
    MPI_Comm_free(&ours);
    MPI_Finalize();
    return status;
}
