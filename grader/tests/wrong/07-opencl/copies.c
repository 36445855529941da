/* What several of the mistakes here change: buffers of OpenCL's own, copies, one work-item for each row. */
#include "dmv.h"
#include <CL/cl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL 64

struct dmv {
    cl_context context;
    cl_command_queue queue;
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
    d->queue = clCreateCommandQueue(d->context, dev, 0, &err);
    if (err != CL_SUCCESS) {
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
    cl_int err = 0, e;
    if (rows == 0)
        return 0;
    cl_mem bufA = clCreateBuffer(d->context, CL_MEM_READ_ONLY, rows * d->cols * sizeof(float), NULL, &e);
    err |= e;
    cl_mem bufx = clCreateBuffer(d->context, CL_MEM_READ_ONLY, d->cols * sizeof(float), NULL, &e);
    err |= e;
    cl_mem bufy = clCreateBuffer(d->context, CL_MEM_WRITE_ONLY, rows * sizeof(float), NULL, &e);
    err |= e;
    if (err == CL_SUCCESS) {
        err |= clEnqueueWriteBuffer(d->queue, bufA, CL_TRUE, 0, rows * d->cols * sizeof(float), A, 0, NULL, NULL);
        err |= clEnqueueWriteBuffer(d->queue, bufx, CL_TRUE, 0, d->cols * sizeof(float), x, 0, NULL, NULL);
        int r = (int)rows, c = (int)d->cols;
        err |= clSetKernelArg(d->kernel, 0, sizeof(cl_mem), &bufA);
        err |= clSetKernelArg(d->kernel, 1, sizeof(cl_mem), &bufx);
        err |= clSetKernelArg(d->kernel, 2, sizeof(cl_mem), &bufy);
        err |= clSetKernelArg(d->kernel, 3, sizeof(int), &r);
        err |= clSetKernelArg(d->kernel, 4, sizeof(int), &c);
        size_t global = (rows + LOCAL - 1) / LOCAL * LOCAL, local = LOCAL;
        err |= clEnqueueNDRangeKernel(d->queue, d->kernel, 1, NULL, &global, &local, 0, NULL, NULL);
        err |= clEnqueueReadBuffer(d->queue, bufy, CL_TRUE, 0, rows * sizeof(float), y, 0, NULL, NULL);
    }
    if (bufA) clReleaseMemObject(bufA);
    if (bufx) clReleaseMemObject(bufx);
    if (bufy) clReleaseMemObject(bufy);
    if (err != CL_SUCCESS) {
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
    if (d->queue) clReleaseCommandQueue(d->queue);
    if (d->context) clReleaseContext(d->context);
    free(d);
}
