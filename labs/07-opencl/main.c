/* main.c: the program around dmv.c and dmv.cl.

     dmv                                        the demo: the device, a product, OpenCL against the BLAS
     dmv [options] A.npy x.npy y.npy ...        y = A x, for each three files
     dmv [options] -t DEVICE:COLS:FILE ...      tries to open a dmv, for each
     dmv [options] -q MAX list.npy              what device_list says, with room for 0, 1, ... MAX devices
     dmv -Q list.npy                            what OpenCL says, without dmv.c

   A of shape (rows, cols), float32: y is (rows,). A of shape (runs, rows, cols), with x
   (runs, cols): runs on one dmv, y is (runs, rows); each A comes to the same place in
   memory, and so does each x. Neighbouring files of one width share a dmv. */
#include <CL/cl.h>
#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "dmv.h"
#include "leak_check.h"
#include "npy.h"
#include "ocl_error.h"
#include "ocl_trace.h"
#include "rng.h"

static const char usage[] =
    "usage: dmv                                       the device's facts, a product at n = 4096, OpenCL against BLAS\n"
    "       dmv [options] A.npy x.npy y.npy ...       y = A x (float32), for each three files\n"
    "       dmv [options] -t DEVICE:COLS:FILE ...     tries to open a dmv, for each\n"
    "       dmv [options] -q MAX list.npy             device_list(list, 0), ... device_list(list, MAX), as bytes\n"
    "       dmv -Q list.npy                           the devices by main.c's own query, as bytes\n"
    "  -k F   kernel file (dmv.cl)            -d N   device number (0)\n"
    "  -a     a dmv for each three files, all open at the same time, run in turn\n"
    "  -g     y.npy also holds the 16 floats before and after y\n"
    "  -w     A.npy and x.npy are written back as they are after the last run\n"
    "  -s S   status file: what each call returned, and errno\n"
    "  -l N   bytes of the log's buffer       -L F   saves the log, with the 64 bytes after it\n"
    "  -n     calls dmv_close(NULL), too      -N     the last -t gets log = NULL\n"
    "example: dmv -k dmv.cl A.npy x.npy y.npy\n";

static struct {
    const char *kernel, *status, *log;
    int device, list_max;
    bool all_open, guards, write_back, try_open, list, own_list, close_null, last_without_log;
    size_t log_size;
} options = {.kernel = "dmv.cl", .log_size = 4096};

enum { NO_DEVICE = 77, GUARD = 16, LOG_GUARD = 64, UNTOUCHED = 0xaa };

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static int npy_failed(void)
{
    fprintf(stderr, "%s\n", npy_error());
    return EXIT_FAILURE;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (!memory)
        exit(failed("memory"));
    return memory;
}

/* Calls into dmv.c are numbered, each kind by itself, so that the trace can tell them apart. */
static void mark(enum ocl_phase phase)
{
    static int next[OCL_CLOSE + 1];
    ocl_trace_mark(phase, next[phase]++);
}

/* ---- main.c's own view of the devices ---- */

enum { MOST = 64 };

static int own_devices(cl_device_id *list)
{
    cl_platform_id platform[MOST];
    cl_uint platforms = 0, found = 0, n;
    cl_int code = clGetPlatformIDs(MOST, platform, &platforms);
    for (cl_uint p = 0; code == CL_SUCCESS && p < platforms && p < MOST; p++, found = found < MOST ? found : MOST)
        if (found < MOST &&
            clGetDeviceIDs(platform[p], CL_DEVICE_TYPE_ALL, MOST - found, list + found, &n) == CL_SUCCESS)
            found += n;
    if (found == 0)
        fprintf(stderr,
                "dmv: no OpenCL device on this machine: clGetPlatformIDs says %s, platforms: %u.\n"
                "Debian: apt-get install pocl-opencl-icd. PoCL also needs /sys, and a folder that it can write to: "
                "set POCL_CACHE_DIR.\n",
                ocl_error(code), platforms);
    return (int)found;
}

static void own_text(cl_device_id device, cl_device_info what, char *text, size_t size)
{
    char whole[4096] = "";
    clGetDeviceInfo(device, what, sizeof whole, whole, NULL);
    snprintf(text, size, "%.*s", (int)size - 1, whole);
}

static struct device_info own_info(cl_device_id device)
{
    struct device_info info = {0};
    cl_uint units = 0;
    cl_ulong bytes = 0;
    own_text(device, CL_DEVICE_NAME, info.name, sizeof info.name);
    own_text(device, CL_DEVICE_VENDOR, info.vendor, sizeof info.vendor);
    own_text(device, CL_DEVICE_VERSION, info.version, sizeof info.version);
    clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof bytes, &bytes, NULL);
    info.compute_units = units;
    info.global_bytes = bytes;
    return info;
}

static int save_list(const char *path, size_t count, const struct device_info *list)
{
    return npy_save(path, NPY_U1, 2, (size_t[]){count, sizeof *list}, list) == 0 ? EXIT_SUCCESS : npy_failed();
}

static int list_own(const char *path)
{
    cl_device_id device[MOST];
    struct device_info info[MOST];
    int found = own_devices(device);
    for (int i = 0; i < found; i++)
        info[i] = own_info(device[i]);
    return found ? save_list(path, (size_t)found, info) : NO_DEVICE;
}

/* ---- what the program does with dmv.c ---- */

static int save_status(int64_t (*status)[2], size_t calls)
{
    if (!options.status || npy_save(options.status, NPY_I8, 2, (size_t[]){calls, 2}, status) == 0)
        return EXIT_SUCCESS;
    return npy_failed();
}

/* For each max from 0 to MAX a list with room for MAX + 1, whose rest must stay untouched. */
static int list_devices(const char *path)
{
    size_t room = (size_t)options.list_max + 1;
    struct device_info *list = allocate(room * room, sizeof *list);
    int64_t(*status)[2] = allocate(room, sizeof *status);
    memset(list, UNTOUCHED, room * room * sizeof *list);
    for (size_t max = 0; max < room; max++) {
        mark(OCL_LIST);
        errno = 0;
        status[max][0] = device_list(list + max * room, (int)max);
        status[max][1] = errno;
        mark(OCL_OURS);
    }
    int result = save_list(path, room * room, list);
    if (result == EXIT_SUCCESS)
        result = save_status(status, room);
    free(list);
    free(status);
    return result;
}

static struct dmv *open_logged(int device, const char *file, size_t cols, char *log)
{
    mark(OCL_OPEN);
    errno = 0;
    struct dmv *d = dmv_open(device, file, cols, log, log ? options.log_size : 0);
    int reason = errno;
    mark(OCL_OURS);
    errno = reason;
    return d;
}

static void close_one(struct dmv *d)
{
    mark(OCL_CLOSE);
    dmv_close(d);
    mark(OCL_OURS);
}

static int try_opens(char **specs, int count)
{
    size_t width = options.log_size + LOG_GUARD;
    char *log = allocate((size_t)count, width);
    int64_t(*status)[2] = allocate((size_t)count, sizeof *status);
    memset(log, UNTOUCHED, (size_t)count * width);
    for (int i = 0; i < count; i++) {
        char *end, *file;
        int device = (int)strtol(specs[i], &end, 10);
        size_t cols = *end ? strtoul(end + 1, &file, 10) : 0;
        if (*end != ':' || *file != ':') {
            fputs(usage, stderr);
            free(log);
            free(status);
            return 2;
        }
        bool unlogged = options.last_without_log && i + 1 == count;
        struct dmv *d = open_logged(device, file + 1, cols, unlogged ? NULL : log + (size_t)i * width);
        status[i][0] = d != NULL;
        status[i][1] = d ? 0 : errno;
        if (d)
            close_one(d);
    }
    if (options.close_null)
        close_one(NULL);
    leak_check();
    int result = save_status(status, (size_t)count);
    if (options.log && npy_save(options.log, NPY_U1, 2, (size_t[]){(size_t)count, width}, log) != 0)
        result = npy_failed();
    free(log);
    free(status);
    return result;
}

/* ---- products ---- */

/* Three files, and where the arrays stand while dmv_run works on them. */
struct product {
    const char *a_path, *x_path, *y_path;
    struct npy A, x; /* as loaded: all runs, one after the other */
    size_t runs, rows, cols;
    float *now_A, *now_x, *now_y; /* of the current run */
    float *y;                     /* of all runs, each with GUARD floats before and after */
    struct dmv *d;
};

static int load(struct product *p, char **paths)
{
    *p = (struct product){.a_path = paths[0], .x_path = paths[1], .y_path = paths[2]};
    if (npy_load(p->a_path, &p->A) != 0 || npy_load(p->x_path, &p->x) != 0)
        return npy_failed();
    int first = p->A.ndim - 2;
    if (p->A.type != NPY_F4 || p->x.type != NPY_F4 || first < 0 || first > 1 || p->x.ndim != first + 1 ||
        p->x.shape[first] != p->A.shape[first + 1] || (first == 1 && p->x.shape[0] != p->A.shape[0])) {
        fprintf(stderr, "%s, %s: float32 of shapes (rows, cols) and (cols,) are needed, or (runs, ...) of both\n",
                p->a_path, p->x_path);
        return EXIT_FAILURE;
    }
    p->runs = first == 1 ? p->A.shape[0] : 1;
    p->rows = p->A.shape[first];
    p->cols = p->A.shape[first + 1];
    p->now_A = allocate(p->rows * p->cols, sizeof(float));
    p->now_x = allocate(p->cols, sizeof(float));
    p->now_y = allocate(p->rows + 2 * GUARD, sizeof(float));
    p->y = allocate(p->runs * (p->rows + 2 * GUARD), sizeof(float));
    return EXIT_SUCCESS;
}

/* y of one run, with its guards. */
static float *y_of(const struct product *p, size_t run)
{
    return p->y + run * (p->rows + 2 * GUARD);
}

static int run_once(struct product *p, size_t run)
{
    size_t size = p->rows * p->cols;
    memcpy(p->now_A, (float *)p->A.data + run * size, size * sizeof(float));
    memcpy(p->now_x, (float *)p->x.data + run * p->cols, p->cols * sizeof(float));
    for (size_t i = 0; i < p->rows + 2 * GUARD; i++)
        p->now_y[i] = NAN; /* what stands in y before does not matter */
    ocl_trace_given(p->now_A, size);
    mark(OCL_RUN);
    int result = dmv_run(p->d, p->now_A, p->rows, p->now_x, p->now_y + GUARD);
    int reason = errno;
    memcpy(y_of(p, run), p->now_y, (p->rows + 2 * GUARD) * sizeof(float)); /* as it is now, not later */
    mark(OCL_OURS);
    ocl_trace_given(NULL, 0);
    errno = reason;
    return result == 0 ? EXIT_SUCCESS : failed("dmv_run");
}

static struct dmv *open_for(const struct product *p)
{
    char *log = allocate(1, options.log_size);
    struct dmv *d = open_logged(options.device, options.kernel, p->cols, log);
    if (!d) {
        failed("dmv_open");
        fprintf(stderr, "%.*s\n", (int)options.log_size, log);
    }
    free(log);
    return d;
}

/* One after the other; a dmv serves as long as the width stays. */
static int run_in_order(struct product *p, size_t count)
{
    int result = EXIT_SUCCESS;
    for (size_t i = 0; i < count && result == EXIT_SUCCESS; i++) {
        bool fits = i > 0 && p[i].cols == p[i - 1].cols;
        p[i].d = fits ? p[i - 1].d : open_for(&p[i]);
        if (!p[i].d)
            return EXIT_FAILURE;
        for (size_t run = 0; run < p[i].runs && result == EXIT_SUCCESS; run++)
            result = run_once(&p[i], run);
        if (i + 1 == count || p[i + 1].cols != p[i].cols)
            close_one(p[i].d);
    }
    return result;
}

/* All open first; then the first run of each, the second run of each, ...; the first is closed first. */
static int run_in_turn(struct product *p, size_t count)
{
    int result = EXIT_SUCCESS;
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        p[i].d = open_for(&p[i]);
        if (!p[i].d)
            return EXIT_FAILURE;
        most = p[i].runs > most ? p[i].runs : most;
    }
    for (size_t run = 0; run < most; run++)
        for (size_t i = 0; i < count && result == EXIT_SUCCESS; i++)
            if (run < p[i].runs)
                result = run_once(&p[i], run);
    for (size_t i = 0; i < count; i++)
        close_one(p[i].d);
    return result;
}

static int save(const struct product *p)
{
    size_t guard = options.guards ? GUARD : 0, width = p->rows + 2 * guard;
    size_t shape[] = {p->runs, width};
    bool one = p->A.ndim == 2;
    float *y = allocate(p->runs * width, sizeof *y);
    for (size_t run = 0; run < p->runs; run++)
        memcpy(y + run * width, y_of(p, run) + GUARD - guard, width * sizeof *y);
    int bad = npy_save(p->y_path, NPY_F4, one ? 1 : 2, one ? shape + 1 : shape, y);
    if (!bad && options.write_back)
        bad = npy_save(p->a_path, NPY_F4, 2, (size_t[]){p->rows, p->cols}, p->now_A) != 0 ||
              npy_save(p->x_path, NPY_F4, 1, &p->cols, p->now_x) != 0;
    free(y);
    return bad ? npy_failed() : EXIT_SUCCESS;
}

static int multiply_files(char **paths, size_t count)
{
    struct product *p = allocate(count, sizeof *p);
    int result = EXIT_SUCCESS;
    for (size_t i = 0; i < count && result == EXIT_SUCCESS; i++)
        result = load(&p[i], paths + 3 * i);
    if (result == EXIT_SUCCESS)
        result = options.all_open ? run_in_turn(p, count) : run_in_order(p, count);
    for (size_t i = 0; i < count; i++)
        p[i].d = NULL; /* closed; what dmv_close did not free, nobody holds any more */
    leak_check();
    for (size_t i = 0; i < count; i++) {
        if (result == EXIT_SUCCESS)
            result = save(&p[i]);
        npy_free(&p[i].A);
        npy_free(&p[i].x);
        free(p[i].now_A);
        free(p[i].now_x);
        free(p[i].now_y);
        free(p[i].y);
    }
    free(p);
    return result;
}

/* ---- the demo ---- */

static const char *type_name(cl_device_type type)
{
    return type & CL_DEVICE_TYPE_GPU ? "GPU" : type & CL_DEVICE_TYPE_CPU ? "CPU" : "ACCELERATOR";
}

/* The seed's facts. Returns the largest block that the device gives, in bytes. */
static cl_ulong print_device(cl_device_id device)
{
    struct device_info info = own_info(device);
    char name[256] = "", version[256] = "";
    cl_platform_id platform = NULL;
    cl_device_type type = 0;
    cl_uint clock = 0;
    cl_ulong largest = 0;
    clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name, name, NULL);
    clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof version, version, NULL);
    clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    clGetDeviceInfo(device, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof clock, &clock, NULL);
    clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL);
    printf("Platform name: %s\nPlatform version: %s\n", name, version);
    printf("Device name: %s\nDevice type: %s\n", info.name, type_name(type));
    printf("Device memory: %llu MB\nDevice max clock speed: %u MHz\nDevice compute units: %u\n",
           info.global_bytes >> 20, clock, info.compute_units);
    return largest;
}

/* 4096, or less where A would take more than a quarter of the free memory, or of what the device gives. */
static size_t demo_size(cl_ulong largest)
{
    size_t n = 4096, free_bytes = (size_t)sysconf(_SC_AVPHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    while (n > 64 && (n * n * sizeof(float) > free_bytes / 4 || n * n * sizeof(float) > largest))
        n /= 2;
    return n;
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

enum { ROUNDS = 15 };

/* Times both in turn, after one round that does not count; the medians are printed. */
static int time_both(struct dmv *d, size_t n, const float *A, const float *x, float *y, float *y_blas)
{
    double opencl[ROUNDS + 1], blas[ROUNDS + 1], deviation = 0;
    int size = (int)n;
    for (int i = 0; i <= ROUNDS; i++) {
        double t0 = seconds_now();
        if (dmv_run(d, A, n, x, y) != 0)
            return failed("dmv_run");
        double t1 = seconds_now();
        cblas_sgemv(CblasRowMajor, CblasNoTrans, size, size, 1, A, size, x, 1, 0, y_blas, 1);
        opencl[i] = t1 - t0;
        blas[i] = seconds_now() - t1;
    }
    qsort(opencl + 1, ROUNDS, sizeof *opencl, compare_doubles);
    qsort(blas + 1, ROUNDS, sizeof *blas, compare_doubles);
    for (size_t i = 0; i < n; i++)
        deviation = fmax(deviation, fabs((double)y[i] - (double)y_blas[i]));
    double gb = 1e-9 * (double)(n * n * sizeof *A), t = opencl[1 + ROUNDS / 2], b = blas[1 + ROUNDS / 2];
    printf("opencl elapsed time = %.6f s (%.1f GB/s)\nBLAS elapsed time = %.6f s (%.1f GB/s)\n", t, gb / t, b, gb / b);
    printf("max deviation = %.3g\n", deviation);
    return EXIT_SUCCESS;
}

static int demo(void)
{
    cl_device_id device[MOST];
    if (own_devices(device) == 0)
        return NO_DEVICE;
    size_t n = demo_size(print_device(device[0]));
    struct rng rng = rng_seeded(7);
    float *A = allocate(n * n, sizeof *A), *x = allocate(n, sizeof *x);
    float *y = allocate(n, sizeof *y), *y_blas = allocate(n, sizeof *y_blas);
    for (size_t i = 0; i < n * n; i++)
        A[i] = (float)rng_double(&rng);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_double(&rng);
    double begun = seconds_now();
    struct dmv *d = open_for(&(struct product){.cols = n});
    int result = EXIT_FAILURE;
    if (d) {
        printf("y = A x, A %zu x %zu floats\nopen and build time = %.3f s\n", n, n, seconds_now() - begun);
        result = time_both(d, n, A, x, y, y_blas);
        dmv_close(d);
    }
    free(A);
    free(x);
    free(y);
    free(y_blas);
    return result;
}

/* ---- the command line ---- */

static bool parse(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "k:d:agws:l:L:nNtq:Qh")) != -1;) {
        switch (c) {
        case 'k':
            options.kernel = optarg;
            break;
        case 'd':
            options.device = atoi(optarg);
            break;
        case 'a':
            options.all_open = true;
            break;
        case 'g':
            options.guards = true;
            break;
        case 'w':
            options.write_back = true;
            break;
        case 's':
            options.status = optarg;
            break;
        case 'l':
            options.log_size = strtoul(optarg, NULL, 10);
            break;
        case 'L':
            options.log = optarg;
            break;
        case 'n':
            options.close_null = true;
            break;
        case 'N':
            options.last_without_log = true;
            break;
        case 't':
            options.try_open = true;
            break;
        case 'q':
            options.list = true;
            options.list_max = atoi(optarg);
            break;
        case 'Q':
            options.own_list = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default:
            return false;
        }
    }
    int files = argc - optind;
    if (options.list_max < 0 || options.list_max > MOST)
        return false;
    return options.try_open ? files > 0 : options.list || options.own_list ? files == 1 : files > 0 && files % 3 == 0;
}

int main(int argc, char **argv)
{
    cl_device_id device[MOST];
    if (argc == 1)
        return demo();
    if (!parse(argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (options.own_list)
        return list_own(argv[optind]);
    /* Asked before dmv.c is: a machine without a device is not the student's fault. */
    if (own_devices(device) == 0)
        return NO_DEVICE;
    if (options.list)
        return list_devices(argv[optind]);
    if (options.try_open)
        return try_opens(argv + optind, argc - optind);
    return multiply_files(argv + optind, (size_t)(argc - optind) / 3);
}
