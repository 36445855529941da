/* bench.c: lab 07 against the field, by size: the student's dmv_run beside the seed's naive
   kernel and OpenBLAS's sgemv, on the first device. Building, copying A to the device, and
   the kernel are timed apart; the largest deviation from the sum in doubles is told.

   Reads dmv.cl and seed.cl from the folder that it runs in. */
#include <CL/cl.h>
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "dmv.h"
#include "ocl_error.h"
#include "race.h"
#include "rng.h"

struct product {
    size_t n;
    float *A, *x, *y;
    struct dmv *student;
    /* the seed's */
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
    cl_mem buffer[3]; /* A, x, y */
};

static void expect(cl_int code, const char *what)
{
    if (code != CL_SUCCESS) {
        fprintf(stderr, "%s: %s\n", what, ocl_error(code));
        exit(EXIT_FAILURE);
    }
}

/* ---- the seed's way ---- */

static cl_device_id first_device(void)
{
    cl_platform_id platform;
    cl_device_id device;
    expect(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
    expect(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL), "clGetDeviceIDs");
    return device;
}

static void seed_build(struct product *p, cl_device_id device)
{
    char source[4096], options[40];
    FILE *f = fopen("seed.cl", "r");
    if (!f) {
        perror("seed.cl");
        exit(EXIT_FAILURE);
    }
    source[fread(source, 1, sizeof source - 1, f)] = '\0';
    fclose(f);
    cl_int code;
    const char *text = source;
    snprintf(options, sizeof options, "-D N=%zu", p->n);
    p->program = clCreateProgramWithSource(p->context, 1, &text, NULL, &code);
    expect(code, "clCreateProgramWithSource");
    expect(clBuildProgram(p->program, 1, &device, options, NULL, NULL), "clBuildProgram(seed.cl)");
    p->kernel = clCreateKernel(p->program, "dmv_cl", &code);
    expect(code, "clCreateKernel");
}

static void seed_copy(struct product *p)
{
    size_t bytes = p->n * sizeof(float);
    cl_int code;
    cl_mem_flags in = CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR;
    p->buffer[0] = clCreateBuffer(p->context, in, bytes * p->n, p->A, &code);
    expect(code, "clCreateBuffer(A)");
    p->buffer[1] = clCreateBuffer(p->context, in, bytes, p->x, &code);
    expect(code, "clCreateBuffer(x)");
    p->buffer[2] = clCreateBuffer(p->context, CL_MEM_WRITE_ONLY, bytes, NULL, &code);
    expect(code, "clCreateBuffer(y)");
    for (cl_uint i = 0; i < 3; i++)
        expect(clSetKernelArg(p->kernel, i, sizeof(cl_mem), &p->buffer[i]), "clSetKernelArg");
}

/* What the seed times: the kernel, and fetching y. */
static void run_seed(void *with)
{
    struct product *p = with;
    expect(clEnqueueNDRangeKernel(p->queue, p->kernel, 1, NULL, &p->n, NULL, 0, NULL, NULL), "the seed's kernel");
    expect(clEnqueueReadBuffer(p->queue, p->buffer[2], CL_TRUE, 0, p->n * sizeof(float), p->y, 0, NULL, NULL),
           "clEnqueueReadBuffer");
}

/* ---- the others ---- */

static void run_student(void *with)
{
    struct product *p = with;
    if (dmv_run(p->student, p->A, p->n, p->x, p->y) != 0) {
        perror("dmv_run");
        exit(EXIT_FAILURE);
    }
}

static void run_blas(void *with)
{
    const struct product *p = with;
    int n = (int)p->n;
    cblas_sgemv(CblasRowMajor, CblasNoTrans, n, n, 1, p->A, n, p->x, 1, 0, p->y, 1);
}

static struct dmv *open_student(size_t n)
{
    char log[4000];
    struct dmv *d = dmv_open(0, "dmv.cl", n, log, sizeof log);
    if (!d) {
        perror("dmv_open");
        fputs(log, stderr);
        exit(EXIT_FAILURE);
    }
    return d;
}

static double deviation(const struct product *p)
{
    double largest = 0;
    for (size_t i = 0; i < p->n; i++) {
        double sum = 0;
        for (size_t j = 0; j < p->n; j++)
            sum += (double)p->A[i * p->n + j] * (double)p->x[j];
        largest = fmax(largest, fabs(sum - (double)p->y[i]));
    }
    return largest;
}

/* ---- one size ---- */

/* Told in the first run only: later ones find the kernels in PoCL's cache. */
static void tell_phase(const struct race *race, const char *name, const char *about, double begin)
{
    if (race->first == 0)
        race_tell(race, name, about, seconds_now() - begin, 0, "");
}

static void race_phases(const struct race *race, struct product *p, cl_device_id device, const char *about)
{
    cl_int code;
    double begin = seconds_now();
    p->student = open_student(p->n);
    tell_phase(race, "dmv_open, first time", about, begin);
    dmv_close(p->student);
    begin = seconds_now();
    p->student = open_student(p->n);
    tell_phase(race, "dmv_open, again", about, begin);

    p->context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    expect(code, "clCreateContext");
    p->queue = clCreateCommandQueue(p->context, device, 0, &code);
    expect(code, "clCreateCommandQueue");
    begin = seconds_now();
    seed_build(p, device);
    tell_phase(race, "seed's kernel: build", about, begin);
    begin = seconds_now();
    seed_copy(p);
    tell_phase(race, "seed's kernel: copy", about, begin);
}

static void race_deviations(const struct race *race, struct product *p, const struct contender *list, const char *about)
{
    char more[60];
    for (int k = 0; k < 3; k++) {
        list[k].run(list[k].with);
        snprintf(more, sizeof more, ", \"deviation\": %.3g", deviation(p));
        race_tell(race, race_text("%s: deviation", list[k].name), about, 0, race->first, more);
    }
}

static void race_at(const struct race *race, cl_device_id device, size_t n)
{
    struct rng rng = rng_seeded(n);
    struct product p = {.n = n, .A = race_memory(n * n * sizeof(float))};
    char about[40];
    p.x = race_memory(n * sizeof(float));
    p.y = race_memory(n * sizeof(float));
    for (size_t i = 0; i < n * n; i++)
        p.A[i] = (float)rng_double(&rng);
    for (size_t i = 0; i < n; i++)
        p.x[i] = (float)rng_double(&rng);
    snprintf(about, sizeof about, "{\"n\": %zu}", n);
    race_phases(race, &p, device, about);
    const struct contender list[] = {
        {"dmv_run", run_student, &p}, {"seed's kernel", run_seed, &p}, {"OpenBLAS sgemv", run_blas, &p}};
    race_run(race, about, list, 3);
    race_deviations(race, &p, list, about);
    dmv_close(p.student);
    for (int i = 0; i < 3; i++)
        clReleaseMemObject(p.buffer[i]);
    clReleaseKernel(p.kernel);
    clReleaseProgram(p.program);
    clReleaseCommandQueue(p.queue);
    clReleaseContext(p.context);
    free(p.A);
    free(p.x);
    free(p.y);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {64, 256, 512, 1024, 2048, 4096, 8192};
    struct race race = race_options(argc, argv);
    race.pause = 0.04; /* OpenBLAS's threads wait awake for 2^26 cycles */
    cl_device_id device = first_device();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (race_wants(&race, sizes[i], 256))
            race_at(&race, device, sizes[i]);
    return EXIT_SUCCESS;
}
