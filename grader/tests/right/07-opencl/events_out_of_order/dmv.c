/* Different: a queue that may run commands out of order, with events between them; the end is
   asked for (clGetEventInfo) instead of waited for. */
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
    const cl_queue_properties properties[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, 0};
    d->queue = clCreateCommandQueueWithProperties(d->ctx, list[device], properties, &err);
    if (err != CL_SUCCESS) /* not every device has one */
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
    cl_int err = 0, e = 0, status = CL_QUEUED;
    cl_ulong count = rows;
    cl_event sent[2] = {NULL, NULL}, computed = NULL, fetched = NULL;
    if (rows == 0)
        return 0;
    size_t bytes = rows * d->cols * sizeof(float), local = 1;
    cl_mem a = clCreateBuffer(d->ctx, CL_MEM_READ_ONLY, bytes, NULL, &e);
    err |= e;
    cl_mem v = clCreateBuffer(d->ctx, CL_MEM_READ_ONLY, d->cols * sizeof(float), NULL, &e);
    err |= e;
    cl_mem r = clCreateBuffer(d->ctx, CL_MEM_READ_WRITE, rows * sizeof(float), NULL, &e);
    err |= e;
    if (!err) {
        err |= clEnqueueWriteBuffer(d->queue, a, CL_FALSE, 0, bytes, A, 0, NULL, &sent[0]);
        err |= clEnqueueWriteBuffer(d->queue, v, CL_FALSE, 0, d->cols * sizeof(float), x, 0, NULL, &sent[1]);
        err |= clSetKernelArg(d->kernel, 0, sizeof a, &a);
        err |= clSetKernelArg(d->kernel, 1, sizeof v, &v);
        err |= clSetKernelArg(d->kernel, 2, sizeof r, &r);
        err |= clSetKernelArg(d->kernel, 3, sizeof count, &count);
        err |= clSetKernelArg(d->kernel, 4, sizeof d->cols, &d->cols);
        err |= clEnqueueNDRangeKernel(d->queue, d->kernel, 1, NULL, &rows, &local, 2, sent, &computed);
        err |= clEnqueueReadBuffer(d->queue, r, CL_FALSE, 0, rows * sizeof(float), y, 1, &computed, &fetched);
        err |= clFlush(d->queue);
        /* asks again and again instead of waiting */
        while (!err && status > CL_COMPLETE)
            err |= clGetEventInfo(fetched, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    }
    cl_event all[4] = {sent[0], sent[1], computed, fetched};
    for (int i = 0; i < 4; i++)
        if (all[i])
            clReleaseEvent(all[i]);
    clReleaseMemObject(a);
    clReleaseMemObject(v);
    clReleaseMemObject(r);
    if (err || status < 0)
        errno = EIO;
    return err || status < 0 ? -1 : 0;
}

void dmv_close(struct dmv *d)
{
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
