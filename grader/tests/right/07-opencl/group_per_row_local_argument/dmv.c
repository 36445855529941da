/* dmv.c: a work-group for each row, with local memory as an argument. */
#include "dmv.h"

#include <CL/cl.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All devices of all platforms, malloc'd; returns how many. */
static int all_devices(cl_device_id **list)
{
    cl_uint platforms = 0;
    size_t found = 0;
    *list = NULL;
    if (clGetPlatformIDs(0, NULL, &platforms) != CL_SUCCESS || platforms == 0)
        return 0;
    cl_platform_id *platform = calloc(platforms, sizeof *platform);
    if (!platform || clGetPlatformIDs(platforms, platform, NULL) != CL_SUCCESS)
        platforms = 0;
    for (cl_uint p = 0; p < platforms; p++) {
        cl_uint here = 0;
        if (clGetDeviceIDs(platform[p], CL_DEVICE_TYPE_ALL, 0, NULL, &here) != CL_SUCCESS || here == 0)
            continue;
        cl_device_id *longer = realloc(*list, (found + here) * sizeof *longer);
        if (!longer)
            break;
        *list = longer;
        if (clGetDeviceIDs(platform[p], CL_DEVICE_TYPE_ALL, here, longer + found, NULL) == CL_SUCCESS)
            found += here;
    }
    free(platform);
    return (int)found;
}

static void text_of(cl_device_id device, cl_device_info what, char *text, size_t room)
{
    size_t length = 0;
    text[0] = '\0';
    if (clGetDeviceInfo(device, what, 0, NULL, &length) != CL_SUCCESS)
        return;
    char *whole = calloc(length + 1, 1);
    if (whole && clGetDeviceInfo(device, what, length, whole, NULL) == CL_SUCCESS) {
        size_t n = strlen(whole);
        if (n > room - 1)
            n = room - 1;
        memcpy(text, whole, n);
        text[n] = '\0';
    }
    free(whole);
}

int device_list(struct device_info *list, int max)
{
    cl_device_id *device;
    int found = all_devices(&device);
    for (int i = 0; i < found && i < max; i++) {
        cl_uint units = 0;
        cl_ulong bytes = 0;
        memset(&list[i], 0, sizeof list[i]);
        text_of(device[i], CL_DEVICE_NAME, list[i].name, sizeof list[i].name);
        text_of(device[i], CL_DEVICE_VENDOR, list[i].vendor, sizeof list[i].vendor);
        text_of(device[i], CL_DEVICE_VERSION, list[i].version, sizeof list[i].version);
        clGetDeviceInfo(device[i], CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
        clGetDeviceInfo(device[i], CL_DEVICE_GLOBAL_MEM_SIZE, sizeof bytes, &bytes, NULL);
        list[i].compute_units = units;
        list[i].global_bytes = bytes;
    }
    free(device);
    return found;
}

/* The file as a text, malloc'd; NULL and errno. */
static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = NULL;
    size_t length = 0, room = 0;
    for (;;) {
        if (room - length < 2) {
            room = room ? 2 * room : 4096;
            char *larger = realloc(text, room);
            if (!larger)
                break;
            text = larger;
        }
        size_t n = fread(text + length, 1, room - length - 1, f);
        if (n == 0)
            break;
        length += n;
    }
    if (!feof(f)) { /* an error, or no memory */
        int reason = errno;
        free(text);
        fclose(f);
        errno = reason ? reason : EIO;
        return NULL;
    }
    text[length] = '\0';
    fclose(f);
    return text;
}

static void copy_log(cl_program program, cl_device_id device, char *log, size_t log_size)
{
    size_t length = 0;
    if (!log || log_size == 0)
        return;
    if (clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &length) != CL_SUCCESS)
        return;
    char *words = calloc(length + 1, 1);
    if (words && clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, length, words, NULL) == CL_SUCCESS) {
        size_t n = strlen(words);
        if (n >= log_size)
            n = log_size - 1;
        memcpy(log, words, n);
        log[n] = '\0';
    }
    free(words);
}

struct dmv {
    size_t cols;
    size_t group; /* work-items for a row, a power of two */
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
};

struct dmv *dmv_open(int device, const char *kernel_file, size_t cols, char *log, size_t log_size)
{
    cl_device_id *list = NULL;
    struct dmv *d = NULL;
    char *source = NULL, options[128];
    cl_int code;
    int reason;

    if (log && log_size > 0)
        log[0] = '\0';
    if (cols == 0) {
        errno = EINVAL;
        return NULL;
    }
    if (device < 0 || device >= all_devices(&list)) {
        reason = ENODEV;
        goto end;
    }
    source = read_file(kernel_file);
    if (!source) {
        reason = errno;
        goto end;
    }
    d = calloc(1, sizeof *d);
    if (!d) {
        reason = ENOMEM;
        goto end;
    }
    d->cols = cols;
    size_t most = 1;
    clGetDeviceInfo(list[device], CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    for (d->group = 1; d->group < 64 && 2 * d->group <= most;)
        d->group *= 2;
    reason = EIO;
    d->context = clCreateContext(NULL, 1, &list[device], NULL, NULL, &code);
    if (!d->context)
        goto end;
    d->queue = clCreateCommandQueue(d->context, list[device], CL_QUEUE_PROFILING_ENABLE, &code);
    if (!d->queue)
        goto end;
    d->program = clCreateProgramWithSource(d->context, 1, (const char **)&source, NULL, &code);
    if (!d->program)
        goto end;
    snprintf(options, sizeof options, "-D COLS=%zu", cols);
    code = clBuildProgram(d->program, 1, &list[device], options, NULL, NULL);
    copy_log(d->program, list[device], log, log_size);
    if (code != CL_SUCCESS) {
        reason = code == CL_BUILD_PROGRAM_FAILURE ? ENOEXEC : EIO;
        goto end;
    }
    d->kernel = clCreateKernel(d->program, "dmv", &code);
    if (d->kernel)
        reason = 0;
end:
    free(source);
    free(list);
    if (reason == 0)
        return d;
    dmv_close(d);
    errno = reason;
    return NULL;
}

/* The kernel's five arguments; the last is local memory, which has a size and no value. */
static cl_int set_arguments(struct dmv *d, const cl_mem buffer[3], cl_ulong rows)
{
    cl_int code = clSetKernelArg(d->kernel, 0, sizeof(cl_mem), &buffer[0]);
    if (code == CL_SUCCESS)
        code = clSetKernelArg(d->kernel, 1, sizeof rows, &rows);
    if (code == CL_SUCCESS)
        code = clSetKernelArg(d->kernel, 2, sizeof(cl_mem), &buffer[1]);
    if (code == CL_SUCCESS)
        code = clSetKernelArg(d->kernel, 3, sizeof(cl_mem), &buffer[2]);
    if (code == CL_SUCCESS)
        code = clSetKernelArg(d->kernel, 4, d->group * sizeof(cl_float), NULL);
    return code;
}

int dmv_run(struct dmv *d, const float *A, size_t rows, const float *x, float *y)
{
    if (rows == 0)
        return 0;
    if (d->cols > SIZE_MAX / sizeof *A / rows) {
        errno = EIO;
        return -1;
    }
    const size_t bytes[3] = {rows * d->cols * sizeof *A, d->cols * sizeof *x, rows * sizeof *y};
    const cl_mem_flags flags[3] = {CL_MEM_READ_ONLY, CL_MEM_READ_ONLY, CL_MEM_WRITE_ONLY};
    const size_t items = rows * d->group;
    cl_mem buffer[3] = {NULL, NULL, NULL};
    cl_event done = NULL;
    cl_int code = CL_SUCCESS;
    for (int i = 0; i < 3 && code == CL_SUCCESS; i++)
        buffer[i] = clCreateBuffer(d->context, flags[i], bytes[i], NULL, &code);
    if (code == CL_SUCCESS)
        code = clEnqueueWriteBuffer(d->queue, buffer[0], CL_FALSE, 0, bytes[0], A, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        code = clEnqueueWriteBuffer(d->queue, buffer[1], CL_FALSE, 0, bytes[1], x, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        code = set_arguments(d, buffer, rows);
    if (code == CL_SUCCESS)
        code = clEnqueueNDRangeKernel(d->queue, d->kernel, 1, NULL, &items, &d->group, 0, NULL, &done);
    if (code == CL_SUCCESS)
        code = clWaitForEvents(1, &done); /* says whether the kernel went well */
    if (code == CL_SUCCESS)
        code = clEnqueueReadBuffer(d->queue, buffer[2], CL_TRUE, 0, bytes[2], y, 0, NULL, NULL);
    clFinish(d->queue);
    if (done)
        clReleaseEvent(done);
    for (int i = 0; i < 3; i++)
        if (buffer[i])
            clReleaseMemObject(buffer[i]);
    if (code == CL_SUCCESS)
        return 0;
    errno = EIO;
    return -1;
}

void dmv_close(struct dmv *d)
{
    if (!d)
        return;
    if (d->kernel)
        clReleaseKernel(d->kernel);
    if (d->program)
        clReleaseProgram(d->program);
    if (d->queue)
        clReleaseCommandQueue(d->queue);
    if (d->context)
        clReleaseContext(d->context);
    free(d);
}
