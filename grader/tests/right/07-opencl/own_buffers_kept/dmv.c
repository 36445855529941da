/* Different: the buffers are kept from run to run and grow when they must; nothing blocks
   but clFinish; one work-item for each compute unit. */
#include "dmv.h"

#include <CL/cl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct dmv {
    cl_ulong cols;
    cl_context ctx;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
    cl_mem a, v, r; /* kept from run to run, made anew when rows grows */
    size_t room;
    cl_uint units;
};

static void drop_buffers(struct dmv *d)
{
    if (d->a)
        clReleaseMemObject(d->a);
    if (d->v)
        clReleaseMemObject(d->v);
    if (d->r)
        clReleaseMemObject(d->r);
    d->a = d->v = d->r = NULL;
    d->room = 0;
}

/* All devices, in a block of their own; *count of them. */
static cl_device_id *all_devices(int *count)
{
    cl_uint platforms = 0;
    *count = 0;
    clGetPlatformIDs(0, NULL, &platforms);
    cl_platform_id *platform = calloc(platforms + 1, sizeof *platform);
    cl_device_id *list = NULL;
    clGetPlatformIDs(platforms, platform, NULL);
    for (cl_uint p = 0; p < platforms; p++) {
        cl_uint n = 0;
        if (clGetDeviceIDs(platform[p], CL_DEVICE_TYPE_ALL, 0, NULL, &n) != CL_SUCCESS || n == 0)
            continue;
        list = realloc(list, ((size_t)*count + n) * sizeof *list);
        clGetDeviceIDs(platform[p], CL_DEVICE_TYPE_ALL, n, list + *count, NULL);
        *count += (int)n;
    }
    free(platform);
    return list;
}

int device_list(struct device_info *list, int max)
{
    int count;
    char text[1024];
    cl_device_id *device = all_devices(&count);
    for (int i = 0; i < count && i < max; i++) {
        cl_uint units;
        cl_ulong bytes;
        memset(&list[i], 0, sizeof list[i]);
        clGetDeviceInfo(device[i], CL_DEVICE_NAME, sizeof text, text, NULL);
        snprintf(list[i].name, sizeof list[i].name, "%.127s", text);
        clGetDeviceInfo(device[i], CL_DEVICE_VENDOR, sizeof text, text, NULL);
        snprintf(list[i].vendor, sizeof list[i].vendor, "%.127s", text);
        clGetDeviceInfo(device[i], CL_DEVICE_VERSION, sizeof text, text, NULL);
        snprintf(list[i].version, sizeof list[i].version, "%.127s", text);
        clGetDeviceInfo(device[i], CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
        clGetDeviceInfo(device[i], CL_DEVICE_GLOBAL_MEM_SIZE, sizeof bytes, &bytes, NULL);
        list[i].compute_units = units;
        list[i].global_bytes = bytes;
    }
    free(device);
    return count;
}

static char *slurp(const char *path, size_t *size)
{
    struct stat info;
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    if (fstat(fileno(f), &info) != 0) {
        fclose(f);
        return NULL;
    }
    char *text = malloc((size_t)info.st_size + 1);
    *size = fread(text, 1, (size_t)info.st_size, f);
    fclose(f);
    return text;
}

struct dmv *dmv_open(int device, const char *kernel_file, size_t cols, char *log, size_t log_size)
{
    int count, reason = EIO;
    size_t size = 0, length = 0;
    cl_int err;
    char *source = NULL, *words = NULL;
    struct dmv *d = calloc(1, sizeof *d);
    cl_device_id *list = all_devices(&count);
    if (log && log_size)
        memset(log, 0, log_size);
    d->cols = cols;
    reason = EINVAL;
    if (cols == 0)
        goto fail;
    reason = ENODEV;
    if (device < 0 || device >= count)
        goto fail;
    source = slurp(kernel_file, &size);
    reason = errno;
    if (!source)
        goto fail;
    reason = EIO;
    d->ctx = clCreateContext(NULL, 1, &list[device], NULL, NULL, &err);
    if (err != CL_SUCCESS)
        goto fail;
    d->queue = clCreateCommandQueueWithProperties(d->ctx, list[device], NULL, &err);
    if (err != CL_SUCCESS)
        goto fail;
    d->program = clCreateProgramWithSource(d->ctx, 1, (const char **)&source, &size, &err);
    if (err != CL_SUCCESS)
        goto fail;
    err = clBuildProgram(d->program, 0, NULL, NULL, NULL, NULL);
    if (log && log_size) {
        clGetProgramBuildInfo(d->program, list[device], CL_PROGRAM_BUILD_LOG, 0, NULL, &length);
        words = malloc(length + 1);
        clGetProgramBuildInfo(d->program, list[device], CL_PROGRAM_BUILD_LOG, length, words, NULL);
        memcpy(log, words, length < log_size ? length : log_size);
        log[log_size - 1] = '\0';
        free(words);
    }
    reason = ENOEXEC;
    if (err != CL_SUCCESS)
        goto fail;
    clGetDeviceInfo(list[device], CL_DEVICE_MAX_COMPUTE_UNITS, sizeof d->units, &d->units, NULL);
    reason = EIO;
    d->kernel = clCreateKernel(d->program, "multiply", &err);
    if (err != CL_SUCCESS)
        goto fail;
    free(list);
    free(source);
    return d;
fail:
    free(list);
    free(source);
    dmv_close(d);
    errno = reason;
    return NULL;
}

int dmv_run(struct dmv *d, const float *A, size_t rows, const float *x, float *y)
{
    cl_int err = 0, e = 0;
    cl_ulong count = rows;
    size_t items = d->units, row_bytes = d->cols * sizeof(float);
    if (rows == 0)
        return 0;
    if (rows > d->room) {
        drop_buffers(d);
        d->a = clCreateBuffer(d->ctx, CL_MEM_READ_ONLY, rows * row_bytes, NULL, &e);
        err |= e;
        d->v = clCreateBuffer(d->ctx, CL_MEM_READ_ONLY, row_bytes, NULL, &e);
        err |= e;
        d->r = clCreateBuffer(d->ctx, CL_MEM_READ_WRITE, rows * sizeof(float), NULL, &e);
        err |= e;
        d->room = err ? 0 : rows;
    }
    if (!err) {
        err |= clEnqueueWriteBuffer(d->queue, d->a, CL_FALSE, 0, rows * row_bytes, A, 0, NULL, NULL);
        err |= clEnqueueWriteBuffer(d->queue, d->v, CL_FALSE, 0, row_bytes, x, 0, NULL, NULL);
        err |= clSetKernelArg(d->kernel, 0, sizeof d->a, &d->a);
        err |= clSetKernelArg(d->kernel, 1, sizeof d->v, &d->v);
        err |= clSetKernelArg(d->kernel, 2, sizeof d->r, &d->r);
        err |= clSetKernelArg(d->kernel, 3, sizeof count, &count);
        err |= clSetKernelArg(d->kernel, 4, sizeof d->cols, &d->cols);
        err |= clEnqueueNDRangeKernel(d->queue, d->kernel, 1, NULL, &items, NULL, 0, NULL, NULL);
        err |= clEnqueueReadBuffer(d->queue, d->r, CL_FALSE, 0, rows * sizeof(float), y, 0, NULL, NULL);
        err |= clFinish(d->queue);
    }
    if (err)
        errno = EIO;
    return err ? -1 : 0;
}

void dmv_close(struct dmv *d)
{
    if (d)
        drop_buffers(d);
    if (d && d->kernel)
        clReleaseKernel(d->kernel);
    if (d && d->program)
        clReleaseProgram(d->program);
    if (d && d->queue)
        clReleaseCommandQueue(d->queue);
    if (d && d->ctx)
        clReleaseContext(d->ctx);
    free(d);
}
