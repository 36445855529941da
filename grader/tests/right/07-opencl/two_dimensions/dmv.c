/* Different: a two-dimensional range (rows by strips of 32 columns) and a second kernel that
   adds the strips; the kernels come from clCreateKernelsInProgram. */
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
    cl_kernel kernel, add;
};

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
    reason = EIO;
    cl_kernel both[2] = {NULL, NULL};
    char name[32] = "";
    if (clCreateKernelsInProgram(d->program, 2, both, NULL) != CL_SUCCESS)
        goto fail;
    clGetKernelInfo(both[0], CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    d->kernel = both[strcmp(name, "strips") != 0];
    d->add = both[strcmp(name, "strips") == 0];
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

enum { STRIP = 32, GROUP = 16 };

int dmv_run(struct dmv *d, const float *A, size_t rows, const float *x, float *y)
{
    cl_int err = 0, e = 0;
    cl_ulong count = rows, strips = (d->cols + STRIP - 1) / STRIP;
    if (rows == 0)
        return 0;
    size_t bytes = rows * d->cols * sizeof(float), up = (rows + GROUP - 1) / GROUP * GROUP;
    size_t global[2] = {up, strips}, local[2] = {GROUP, 1};
    cl_mem a = clCreateBuffer(d->ctx, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, bytes, (void *)(size_t)A, &e);
    err |= e;
    cl_mem v =
        clCreateBuffer(d->ctx, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, d->cols * sizeof(float), (void *)(size_t)x, &e);
    err |= e;
    cl_mem parts = clCreateBuffer(d->ctx, CL_MEM_READ_WRITE, rows * strips * sizeof(float), NULL, &e);
    err |= e;
    cl_mem r = clCreateBuffer(d->ctx, CL_MEM_READ_WRITE, rows * sizeof(float), NULL, &e);
    err |= e;
    if (!err) {
        err |= clSetKernelArg(d->kernel, 0, sizeof a, &a);
        err |= clSetKernelArg(d->kernel, 1, sizeof v, &v);
        err |= clSetKernelArg(d->kernel, 2, sizeof parts, &parts);
        err |= clSetKernelArg(d->kernel, 3, sizeof count, &count);
        err |= clSetKernelArg(d->kernel, 4, sizeof d->cols, &d->cols);
        err |= clSetKernelArg(d->add, 0, sizeof parts, &parts);
        err |= clSetKernelArg(d->add, 1, sizeof r, &r);
        err |= clSetKernelArg(d->add, 2, sizeof count, &count);
        err |= clSetKernelArg(d->add, 3, sizeof strips, &strips);
        err |= clEnqueueNDRangeKernel(d->queue, d->kernel, 2, NULL, global, local, 0, NULL, NULL);
        err |= clEnqueueNDRangeKernel(d->queue, d->add, 1, NULL, &rows, NULL, 0, NULL, NULL);
        err |= clEnqueueReadBuffer(d->queue, r, CL_TRUE, 0, rows * sizeof(float), y, 0, NULL, NULL);
    }
    cl_mem all[4] = {a, v, parts, r};
    for (int i = 0; i < 4; i++)
        if (all[i])
            clReleaseMemObject(all[i]);
    if (err)
        errno = EIO;
    return err ? -1 : 0;
}

void dmv_close(struct dmv *d)
{
    if (d && d->add)
        clReleaseKernel(d->add);
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
