/* Different: two halves of A and y as sub-buffers, each with a queue of its own. */
#include "dmv.h"
#include <CL/cl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL 64

struct dmv {
    cl_context context;
    cl_command_queue queue[2];
    size_t align;
    cl_program program;
    cl_kernel kernel;
    size_t cols;
};

static int get_all(cl_device_id **out)
{
    cl_uint np = 0;
    if (clGetPlatformIDs(0, NULL, &np) != CL_SUCCESS || np == 0)
        return 0;
    cl_platform_id *plat = malloc(np * sizeof(cl_platform_id));
    clGetPlatformIDs(np, plat, NULL);
    cl_device_id *all = NULL;
    int total = 0;
    for (cl_uint i = 0; i < np; i++) {
        cl_uint nd = 0;
        if (clGetDeviceIDs(plat[i], CL_DEVICE_TYPE_ALL, 0, NULL, &nd) != CL_SUCCESS || nd == 0)
            continue;
        all = realloc(all, (total + nd) * sizeof(cl_device_id));
        clGetDeviceIDs(plat[i], CL_DEVICE_TYPE_ALL, nd, all + total, NULL);
        total += nd;
    }
    free(plat);
    *out = all;
    return total;
}

static void info_string(cl_device_id d, cl_device_info what, char *to, size_t size)
{
    char buffer[4096];
    memset(buffer, 0, sizeof buffer);
    clGetDeviceInfo(d, what, sizeof buffer - 1, buffer, NULL);
    strncpy(to, buffer, size - 1);
    to[size - 1] = '\0';
}

int device_list(struct device_info *list, int max)
{
    cl_device_id *devices = NULL;
    int n = get_all(&devices);
    for (int i = 0; i < n && i < max; i++) {
        cl_uint cu = 0;
        cl_ulong mem = 0;
        info_string(devices[i], CL_DEVICE_NAME, list[i].name, 128);
        info_string(devices[i], CL_DEVICE_VENDOR, list[i].vendor, 128);
        info_string(devices[i], CL_DEVICE_VERSION, list[i].version, 128);
        clGetDeviceInfo(devices[i], CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(cu), &cu, NULL);
        clGetDeviceInfo(devices[i], CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(mem), &mem, NULL);
        list[i].compute_units = cu;
        list[i].global_bytes = mem;
    }
    free(devices);
    return n;
}

struct dmv *dmv_open(int device, const char *kernel_file, size_t cols, char *log, size_t log_size)
{
    cl_int err;
    if (log != NULL && log_size > 0)
        log[0] = '\0';
    if (cols == 0) {
        errno = EINVAL;
        return NULL;
    }
    FILE *fp = fopen(kernel_file, "r");
    if (fp == NULL)
        return NULL;
    fseek(fp, 0, SEEK_END);
    size_t length = ftell(fp);
    rewind(fp);
    char *source = malloc(length + 1);
    length = fread(source, 1, length, fp);
    source[length] = '\0';
    fclose(fp);

    cl_device_id *devices = NULL;
    int n = get_all(&devices);
    if (device < 0 || device >= n) {
        free(devices);
        free(source);
        errno = ENODEV;
        return NULL;
    }
    cl_device_id dev = devices[device];
    free(devices);

    struct dmv *d = calloc(1, sizeof(struct dmv));
    d->cols = cols;
    d->context = clCreateContext(NULL, 1, &dev, NULL, NULL, &err);
    if (err != CL_SUCCESS) {
        free(source);
        dmv_close(d);
        errno = EIO;
        return NULL;
    }
    cl_uint bits = 0;
    cl_int err2 = 0;
    clGetDeviceInfo(dev, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof bits, &bits, NULL);
    d->align = bits / 8 < sizeof(float) ? sizeof(float) : bits / 8;
    d->queue[0] = clCreateCommandQueue(d->context, dev, 0, &err);
    d->queue[1] = clCreateCommandQueue(d->context, dev, 0, &err2);
    if (err != CL_SUCCESS || err2 != CL_SUCCESS) {
        free(source);
        dmv_close(d);
        errno = EIO;
        return NULL;
    }
    d->program = clCreateProgramWithSource(d->context, 1, (const char **)&source, NULL, &err);
    free(source);
    if (err != CL_SUCCESS) {
        dmv_close(d);
        errno = EIO;
        return NULL;
    }
    err = clBuildProgram(d->program, 1, &dev, NULL, NULL, NULL);
    if (err != CL_SUCCESS) {
        size_t len = 0;
        clGetProgramBuildInfo(d->program, dev, CL_PROGRAM_BUILD_LOG, 0, NULL, &len);
        char *whole = malloc(len + 1);
        whole[0] = 0;
        clGetProgramBuildInfo(d->program, dev, CL_PROGRAM_BUILD_LOG, len, whole, NULL);
        whole[len] = 0;
        if (log != NULL && log_size > 0) {
            strncpy(log, whole, log_size - 1);
            log[log_size - 1] = '\0';
        }
        free(whole);
        dmv_close(d);
        errno = err == CL_BUILD_PROGRAM_FAILURE ? ENOEXEC : EIO;
        return NULL;
    }
    d->kernel = clCreateKernel(d->program, "matvec", &err);
    if (err != CL_SUCCESS) {
        dmv_close(d);
        errno = EIO;
        return NULL;
    }
    return d;
}

int dmv_run(struct dmv *d, const float *A, size_t rows, const float *x, float *y)
{
    cl_int e[8] = {0};
    cl_mem whole = NULL, bx = NULL, by = NULL, part[2] = {NULL, NULL}, ypart[2] = {NULL, NULL};
    size_t cut, n[2], align = d->align / sizeof(float);
    if (rows == 0)
        return 0;
    /* where to cut: a multiple of the device's alignment, for A as for y */
    cut = rows / 2 / align * align;
    n[0] = cut;
    n[1] = rows - cut;
    whole = clCreateBuffer(d->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, rows * d->cols * sizeof(float), (void *)A, &e[0]);
    bx = clCreateBuffer(d->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, d->cols * sizeof(float), (void *)x, &e[1]);
    by = clCreateBuffer(d->context, CL_MEM_WRITE_ONLY, rows * sizeof(float), NULL, &e[2]);
    int bad = e[0] || e[1] || e[2];
    for (int k = 0; k < 2 && !bad; k++) {
        if (n[k] == 0)
            continue;
        cl_buffer_region ra = {k * cut * d->cols * sizeof(float), n[k] * d->cols * sizeof(float)};
        cl_buffer_region ry = {k * cut * sizeof(float), n[k] * sizeof(float)};
        part[k] = clCreateSubBuffer(whole, CL_MEM_READ_ONLY, CL_BUFFER_CREATE_TYPE_REGION, &ra, &e[3]);
        ypart[k] = clCreateSubBuffer(by, CL_MEM_WRITE_ONLY, CL_BUFFER_CREATE_TYPE_REGION, &ry, &e[4]);
        bad = e[3] || e[4];
        if (bad)
            break;
        int r = (int)n[k], c = (int)d->cols;
        size_t global = n[k];
        bad |= clSetKernelArg(d->kernel, 0, sizeof(cl_mem), &part[k]);
        bad |= clSetKernelArg(d->kernel, 1, sizeof(cl_mem), &bx);
        bad |= clSetKernelArg(d->kernel, 2, sizeof(cl_mem), &ypart[k]);
        bad |= clSetKernelArg(d->kernel, 3, sizeof(int), &r);
        bad |= clSetKernelArg(d->kernel, 4, sizeof(int), &c);
        bad |= clEnqueueNDRangeKernel(d->queue[k], d->kernel, 1, NULL, &global, NULL, 0, NULL, NULL);
    }
    bad |= clFinish(d->queue[0]);
    bad |= clFinish(d->queue[1]);
    if (!bad)
        bad = clEnqueueReadBuffer(d->queue[0], by, CL_TRUE, 0, rows * sizeof(float), y, 0, NULL, NULL);
    for (int k = 0; k < 2; k++) {
        if (part[k]) clReleaseMemObject(part[k]);
        if (ypart[k]) clReleaseMemObject(ypart[k]);
    }
    if (whole) clReleaseMemObject(whole);
    if (bx) clReleaseMemObject(bx);
    if (by) clReleaseMemObject(by);
    if (bad) {
        errno = EIO;
        return -1;
    }
    return 0;
}

void dmv_close(struct dmv *d)
{
    if (d == NULL)
        return;
    if (d->kernel) clReleaseKernel(d->kernel);
    if (d->program) clReleaseProgram(d->program);
    for (int k = 0; k < 2; k++)
        if (d->queue[k]) clReleaseCommandQueue(d->queue[k]);
    if (d->context) clReleaseContext(d->context);
    free(d);
}
