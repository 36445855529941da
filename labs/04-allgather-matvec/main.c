/* main.c: the program around matvec.c, to be started by mpirun.

     matvec                                     the demo: y = A x with N = 16
     matvec [options] A.npy x.npy Y.npy ...     products, one after the other
     matvec -b BLOCKS.npy RANGES.npy            block_range, without MPI

   A (rows, cols), x (cols,): float64. Y is float64 (ranks of the communicator,
   rows): row r is the y of rank r. Each rank reads only its own rows of A.
   BLOCKS is int64 (n, 3): total, parts, index; RANGES is int64 (n, 2): first, count. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <mpi.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "matvec.h"
#include "mpi_trace.h"
#include "npy.h"
#include "rng.h"

static const char usage[] =
    "usage: mpirun -n 4 matvec                            the demo: N = 16\n"
    "       mpirun -n 4 matvec [options] A.npy x.npy Y.npy [[options] A.npy x.npy Y.npy]...\n"
    "       matvec -b BLOCKS.npy RANGES.npy               block_range for each total, parts, index\n"
    "  -c COMM  the communicator of the products that follow (world):\n"
    "           world     MPI_COMM_WORLD itself        all       another one of the same ranks\n"
    "           first:N   the first N ranks            last:N    the last N ranks\n"
    "           even      ranks 0, 2, 4, ...           odd       ranks 1, 3, 5, ...\n"
    "           reversed  all ranks, the last one first\n"
    "  -y V     y is full of V before (0)\n"
    "  -n N     each product is computed N times (1)\n"
    "  -u       look whether x and the block are unchanged afterwards\n"
    "  -l       look whether the heap grows from call to call\n"
    "  -r ROWS  say that the matrix has so many rows, and no columns: more than MPI can count\n"
    "example: mpirun -n 5 matvec -c first:3 A.npy x.npy Y.npy\n";

struct options {
    const char *comm;
    double fill;
    int times;
    bool look, leaks;
    size_t claim; /* rows that matvec_mpi is told of; 0: those that there are */
};

/* One product of the command line, as this rank sees it. */
struct product {
    struct options how;
    const char *matrix, *vector, *result;
    int *members, size; /* ranks of the world, in the order of the communicator */
    MPI_Comm comm;      /* MPI_COMM_NULL on the other ranks */
    size_t rows, cols;
    struct npy block, x; /* this rank's rows; the whole vector */
    double *y;
};

static MPI_Comm ours; /* this file's own messages: the world, but the student's cannot meet them */
static int rank, ranks;

/* Ends all ranks. */
static _Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
static _Noreturn void die(const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "rank %d: %s\n", rank, text); /* in one piece: other ranks may be writing too */
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

/* ---- how rows are dealt out: main.c's own way, so that a mistake in block_range stays there ---- */

static size_t begin_of(size_t rows, int size, int index)
{
    size_t begin = 0;
    for (int i = 0; i < index; i++)
        begin += rows / (size_t)size + ((size_t)i < rows % (size_t)size);
    return begin;
}

static void load(struct product *p)
{
    struct npy header;
    int place = 0;
    if (npy_load_header(p->matrix, &header) != 0 || npy_load(p->vector, &p->x) != 0)
        die("%s", npy_error());
    p->rows = header.shape[0];
    p->cols = header.shape[1];
    if (header.type != NPY_F8 || header.ndim != 2 || p->x.type != NPY_F8 || p->x.ndim != 1 || p->x.count != p->cols)
        die("%s, %s: float64 of shapes (rows, cols) and (cols,) are needed", p->matrix, p->vector);
    if (p->rows > INT_MAX)
        die("%s: too many rows", p->matrix);
    for (int i = 0; i < p->size; i++)
        if (p->members[i] == rank)
            place = i;
    size_t begin = begin_of(p->rows, p->size, place), end = begin_of(p->rows, p->size, place + 1);
    if (npy_load_rows(p->matrix, begin, end - begin, &p->block) != 0)
        die("%s", npy_error());
    /* Exactly as large as it has to be: AddressSanitizer sees a write beyond it. */
    p->y = calloc(p->rows ? p->rows : 1, sizeof *p->y);
    if (!p->y)
        die("no memory for y");
}

/* ---- communicators ---- */

/* "first:3" with head "first:" gives 3; 0 if it is something else. */
static int number_after(const char *text, const char *head)
{
    size_t length = strlen(head);
    long number = strncmp(text, head, length) == 0 && isdigit((unsigned char)text[length]) ? atol(text + length) : 0;
    return number >= 1 && number <= ranks ? (int)number : 0;
}

/* The ranks of the world that belong to p's communicator, in its order. */
static void choose_members(struct product *p)
{
    const char *name = p->how.comm;
    int begin = 0, step = 1, first = number_after(name, "first:"), last = number_after(name, "last:");
    p->size = ranks;
    if (first > 0) {
        p->size = first;
    } else if (last > 0) {
        p->size = last;
        begin = ranks - last;
    } else if (strcmp(name, "even") == 0 || (strcmp(name, "odd") == 0 && ranks > 1)) {
        begin = name[0] == 'o';
        step = 2;
        p->size = (ranks + 1 - begin) / 2;
    } else if (strcmp(name, "reversed") == 0) {
        begin = ranks - 1;
        step = -1;
    } else if (strcmp(name, "world") != 0 && strcmp(name, "all") != 0) {
        die("there is no communicator %s with %d ranks (matvec -h lists them)", name, ranks);
    }
    p->members = allocate((size_t)p->size, sizeof *p->members);
    for (int i = 0; i < p->size; i++)
        p->members[i] = begin + i * step;
}

static void make_comm(struct product *p)
{
    int color = MPI_UNDEFINED, key = 0;
    choose_members(p);
    for (int i = 0; i < p->size; i++)
        if (p->members[i] == rank) {
            color = 0;
            key = i;
        }
    if (strcmp(p->how.comm, "world") == 0)
        p->comm = MPI_COMM_WORLD;
    else
        MPI_Comm_split(MPI_COMM_WORLD, color, key, &p->comm);
}

/* ---- the products ---- */

static void expect_unchanged(const char *what, const double *now, const double *before, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&now[i], &before[i], sizeof *now) != 0)
            die("matvec_mpi changed %s[%zu] from %g to %g", what, i, before[i], now[i]);
}

static void *copy_of(const struct npy *array)
{
    double *copy = allocate(array->count, sizeof *copy);
    memcpy(copy, array->data, array->count * sizeof *copy);
    return copy;
}

/* The student's function, once; an error ends all ranks. */
static void call_matvec(const struct product *p, size_t rows, size_t cols, double *y, int k)
{
    mpi_trace_mark(k);
    int error = matvec_mpi(p->block.data, rows, cols, p->x.data, y, p->comm);
    mpi_trace_mark(MPI_TRACE_OURS);
    if (error == MPI_SUCCESS)
        return;
    char words[MPI_MAX_ERROR_STRING] = "not an error code of MPI";
    int length, class;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (MPI_Error_class(error, &class) == MPI_SUCCESS)
        MPI_Error_string(error, words, &length);
    die("matvec_mpi returned %d: %s", error, words);
}

static void call(const struct product *p, int k)
{
    for (size_t i = 0; i < p->rows; i++)
        p->y[i] = p->how.fill;
    call_matvec(p, p->rows, p->cols, p->y, k);
}

/* Far more rows than there is memory for. Whoever writes to y before he counts may do so: the same pages lie
   behind each other until it is long enough. */
static void call_with_too_many_rows(const struct product *p, int k)
{
    enum { PIECE = 64 << 20 };
    size_t pieces = p->how.claim * sizeof(double) / PIECE + 1;
    int memory = memfd_create("y", MFD_CLOEXEC);
    char *y = mmap(NULL, pieces * PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory < 0 || ftruncate(memory, PIECE) != 0 || y == MAP_FAILED)
        die("no place for a y of %zu rows: %s", p->how.claim, strerror(errno));
    for (size_t i = 0; i < pieces; i++)
        if (mmap(y + i * PIECE, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0) == MAP_FAILED)
            die("no place for a y of %zu rows: %s", p->how.claim, strerror(errno));
    call_matvec(p, p->how.claim, 0, (double *)(void *)y, k);
    munmap(y, pieces * PIECE);
    close(memory);
}

/* What malloc gave and nobody freed grows with every call. The MPI library's own
   lists grow too, but by leaps: not in each of several rounds. */
static void look_for_leaks(const struct product *p, int k)
{
    enum { ROUNDS = 5, CALLS = 30, SMALLEST = 16 }; /* malloc's smallest block is larger than that */
    size_t least = SIZE_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        size_t before = mallinfo2().uordblks;
        for (int i = 0; i < CALLS; i++)
            call(p, k);
        size_t after = mallinfo2().uordblks, growth = after > before ? after - before : 0;
        least = growth < least ? growth : least;
    }
    if (least >= CALLS * SMALLEST)
        die("each call of matvec_mpi leaves %zu bytes in the heap", least / CALLS);
}

/* Number k of the command line. Nothing here waits for ranks outside its communicator,
   so products on different communicators run side by side. */
static void compute(struct product *p, int k)
{
    if (p->comm == MPI_COMM_NULL)
        return;
    if (p->how.claim > 0) {
        call_with_too_many_rows(p, k);
        return;
    }
    double *x = p->how.look ? copy_of(&p->x) : NULL, *block = p->how.look ? copy_of(&p->block) : NULL;
    for (int i = 0; i < p->how.times; i++)
        call(p, k);
    if (p->how.leaks)
        look_for_leaks(p, k);
    if (p->how.look) {
        expect_unchanged("x", p->x.data, x, p->x.count);
        expect_unchanged("block", p->block.data, block, p->block.count);
    }
    free(x);
    free(block);
}

/* The y of all members, to rank 0, and from there into the file. */
static void save(const struct product *p)
{
    int count = (int)p->rows;
    double *all = allocate(rank == 0 ? p->rows * (size_t)ranks : 0, sizeof *all);
    MPI_Gather(p->y, count, MPI_DOUBLE, all, count, MPI_DOUBLE, 0, ours);
    if (rank == 0) {
        size_t shape[] = {(size_t)p->size, p->rows};
        double *chosen = allocate(shape[0] * shape[1], sizeof *chosen);
        for (size_t i = 0; i < shape[0]; i++)
            memcpy(chosen + i * p->rows, all + (size_t)p->members[i] * p->rows, p->rows * sizeof *all);
        if (npy_save(p->result, NPY_F8, 2, shape, chosen) != 0)
            die("%s", npy_error());
        free(chosen);
    }
    free(all);
}

static void release(struct product *p)
{
    if (p->comm != MPI_COMM_NULL && p->comm != MPI_COMM_WORLD)
        MPI_Comm_free(&p->comm);
    npy_free(&p->block);
    npy_free(&p->x);
    free(p->members);
    free(p->y);
}

/* Reads the command line from argv[1] on. -1: it makes no sense. */
static int parse(int argc, char **argv, struct product *list)
{
    struct options how = {.comm = "world", .times = 1};
    int count = 0;
    /* "+": options stand before the files that they are for, so stop at the first file. */
    for (int c; optind < argc;) {
        if ((c = getopt(argc, argv, "+c:y:n:r:ulh")) != -1) {
            switch (c) {
            case 'c':
                how.comm = optarg;
                break;
            case 'y':
                how.fill = strtod(optarg, NULL);
                break;
            case 'n':
                how.times = atoi(optarg);
                break;
            case 'r':
                how.claim = strtoull(optarg, NULL, 10);
                break;
            case 'u':
                how.look = true;
                break;
            case 'l':
                how.leaks = true;
                break;
            default:
                return -1;
            }
        } else {
            if (argc - optind < 3 || how.times < 1)
                return -1;
            list[count++] = (struct product){
                .how = how, .matrix = argv[optind], .vector = argv[optind + 1], .result = argv[optind + 2]};
            optind += 3;
        }
    }
    return count > 0 ? count : -1;
}

static int products(int argc, char **argv)
{
    struct product *list = allocate((size_t)argc, sizeof *list);
    int count = parse(argc, argv, list);
    if (count < 0) {
        if (rank == 0)
            fputs(usage, stderr);
        free(list);
        return 2;
    }
    for (int k = 0; k < count; k++) {
        make_comm(&list[k]);
        load(&list[k]);
    }
    for (int k = 0; k < count; k++)
        compute(&list[k], k);
    for (int k = 0; k < count; k++)
        save(&list[k]);
    for (int k = 0; k < count; k++)
        release(&list[k]);
    free(list);
    return EXIT_SUCCESS;
}

/* ---- the demo, as the seed's example 3 ---- */

static void make_random(const char *path, int ndim, const size_t *shape, uint64_t seed)
{
    struct rng rng = rng_seeded(seed);
    size_t count = ndim == 2 ? shape[0] * shape[1] : shape[0];
    double *values = allocate(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = rng_double(&rng);
    if (access(path, F_OK) != 0 && npy_save(path, NPY_F8, ndim, shape, values) != 0)
        die("%s", npy_error());
    free(values);
}

static void print_demo(const struct product *p)
{
    struct npy a;
    if (npy_load(p->matrix, &a) != 0)
        die("%s", npy_error());
    const double *row = a.data, *x = p->x.data;
    double largest = 0;
    printf("y = A x, A from %s (%zu x %zu), on %d ranks:\n", p->matrix, p->rows, p->cols, ranks);
    for (size_t i = 0; i < p->rows; i++, row += p->cols) {
        double y = 0;
        for (size_t j = 0; j < p->cols; j++)
            y += row[j] * x[j];
        double error = y > p->y[i] ? y - p->y[i] : p->y[i] - y;
        largest = error > largest || error != error ? error : largest; /* NaN is an error too */
        printf("%s%11.8f%s", i % 6 == 0 ? i == 0 ? "[" : " " : " ", p->y[i],
               i + 1 == p->rows ? "]\n"
               : i % 6 == 5     ? "\n"
                                : "");
    }
    printf("max |y - y_serial| = %g\n", largest);
    npy_free(&a);
}

static int demo(void)
{
    enum { N = 16 };
    struct product p = {
        .how = {.comm = "world", .times = 1}, .matrix = "random-matrix.npy", .vector = "random-vector.npy"};
    if (rank == 0) {
        make_random(p.matrix, 2, (size_t[]){N, N}, 1);
        make_random(p.vector, 1, (size_t[]){N}, 2);
    }
    MPI_Barrier(ours); /* the files are there */
    make_comm(&p);
    load(&p);
    compute(&p, 0);
    if (rank == 0)
        print_demo(&p);
    release(&p);
    return EXIT_SUCCESS;
}

/* ---- block_range alone, in one process and without MPI ---- */

static int ranges(const char *in_path, const char *out_path)
{
    struct npy in;
    if (npy_load(in_path, &in) != 0) {
        fprintf(stderr, "%s\n", npy_error());
        return EXIT_FAILURE;
    }
    if (in.type != NPY_I8 || in.ndim != 2 || in.shape[1] != 3) {
        fprintf(stderr, "%s: int64 of shape (n, 3) is needed\n", in_path);
        npy_free(&in);
        return EXIT_FAILURE;
    }
    const int64_t(*ask)[3] = in.data;
    int64_t(*answer)[2] = calloc(in.shape[0] + 1, sizeof *answer);
    for (size_t i = 0; answer && i < in.shape[0]; i++) {
        size_t first = (size_t)-7, count = (size_t)-7; /* shows what was not set; sizes travel as int64, bit by bit */
        block_range((size_t)ask[i][0], (int)ask[i][1], (int)ask[i][2], &first, &count);
        answer[i][0] = (int64_t)first;
        answer[i][1] = (int64_t)count;
    }
    int bad = !answer || npy_save(out_path, NPY_I8, 2, (size_t[]){in.shape[0], 2}, answer) != 0;
    if (bad)
        fprintf(stderr, "%s\n", answer ? npy_error() : "no memory");
    free(answer);
    npy_free(&in);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "-h") == 0) {
        fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    if (argc > 1 && strcmp(argv[1], "-b") == 0) {
        if (argc == 4)
            return ranges(argv[2], argv[3]);
        fputs(usage, stderr);
        return 2;
    }
    MPI_Init(&argc, &argv);
    MPI_Comm_dup(MPI_COMM_WORLD, &ours);
    MPI_Comm_rank(ours, &rank);
    MPI_Comm_size(ours, &ranks);
    int status = argc == 1 ? demo() : products(argc, argv);
    MPI_Comm_free(&ours);
    MPI_Finalize();
    return status;
}
