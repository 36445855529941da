/* dmv.c: the host's side of a matrix-vector product on an OpenCL device.

   Opening is dear and running is cheap: dmv_open finds the device, makes a context and
   a queue, and compiles the kernel (about a second); dmv_run only hands over the
   caller's arrays, starts the kernel and waits (about two milliseconds at n = 4096). */
#include "dmv.h"

#include <CL/cl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* BEGIN TODO 1: find the devices */
enum { MAX_PLATFORMS = 32 };

/* Stores the first max devices of all platforms; returns how many there are. */
static int find_devices(cl_device_id *list, int max)
{
    cl_platform_id platform[MAX_PLATFORMS];
    cl_uint platforms = 0;
    int found = 0;
    if (clGetPlatformIDs(MAX_PLATFORMS, platform, &platforms) != CL_SUCCESS)
        return 0; /* no platform at all is an error to OpenCL */
    if (platforms > MAX_PLATFORMS)
        platforms = MAX_PLATFORMS; /* what OpenCL counts may be more than what it stored */
    for (cl_uint p = 0; p < platforms; p++) {
        cl_uint devices = 0, room = found < max ? (cl_uint)(max - found) : 0;
        if (clGetDeviceIDs(platform[p], CL_DEVICE_TYPE_ALL, room, room ? list + found : NULL, &devices) == CL_SUCCESS)
            found += (int)devices;
    }
    return found;
}
/* END TODO 1 */

/* BEGIN TODO 2: describe a device */
/* Copies a text about a device, cut to size. OpenCL does not cut: if the text is longer
   than the room for it, it stores nothing. So ask for its length first. */
static void device_text(cl_device_id device, cl_device_info what, char *text, size_t size)
{
    size_t length = 0;
    clGetDeviceInfo(device, what, 0, NULL, &length);
    char *whole = calloc(1, length + 1);
    if (whole && clGetDeviceInfo(device, what, length, whole, NULL) == CL_SUCCESS)
        snprintf(text, size, "%s", whole);
    free(whole);
}

static struct device_info describe(cl_device_id device)
{
    struct device_info info = {0};
    cl_uint units = 0;
    cl_ulong bytes = 0;
    device_text(device, CL_DEVICE_NAME, info.name, sizeof info.name);
    device_text(device, CL_DEVICE_VENDOR, info.vendor, sizeof info.vendor);
    device_text(device, CL_DEVICE_VERSION, info.version, sizeof info.version);
    clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof bytes, &bytes, NULL);
    info.compute_units = units;
    info.global_bytes = bytes;
    return info;
}
/* END TODO 2 */

int device_list(struct device_info *list, int max)
{
    /* BEGIN TODO 3: describe the devices that there is room for */
    cl_device_id *device = max > 0 ? calloc((size_t)max, sizeof *device) : NULL;
    int found = find_devices(device, device ? max : 0);
    for (int i = 0; device && i < found && i < max; i++)
        list[i] = describe(device[i]);
    free(device);
    return found;
    /* END TODO 3 */
}

/* BEGIN TODO 4: what a dmv holds, and three helpers for dmv_open */
struct dmv {
    size_t cols;
    size_t group; /* work-items in a work-group */
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
};

enum { ROWS = 4, GPU_GROUP = 64 }; /* ROWS as in dmv.cl */

/* The whole file as a text, malloc'd; NULL and errno if it cannot be read. */
static char *read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = NULL;
    size_t size = 0;
    /* A text has no NUL, so up to a NUL is all of it, whatever its length. */
    if (getdelim(&text, &size, '\0', f) < 0) { /* an error, or there is nothing in it */
        free(text);
        text = ferror(f) ? NULL : strdup("");
    }
    fclose(f);
    return text;
}

/* A processor's core works on one row after the other; a graphics processor needs many
   work-items side by side. A power of two, because the kernel halves it. */
static size_t group_for(cl_device_id device)
{
    cl_device_type type = CL_DEVICE_TYPE_CPU;
    size_t most = 1, group = 1;
    clGetDeviceInfo(device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    clGetDeviceInfo(device, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof most, &most, NULL);
    while ((type & CL_DEVICE_TYPE_GPU) && group < GPU_GROUP && 2 * group <= most)
        group *= 2;
    return group;
}

/* Copies the compiler's words, cut to size: as with device_text, ask for the length first. */
static void copy_log(cl_program program, cl_device_id device, char *log, size_t log_size)
{
    size_t length = 0;
    if (!log || log_size == 0)
        return;
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &length);
    char *whole = calloc(1, length + 1);
    if (whole && clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, length, whole, NULL) == CL_SUCCESS)
        snprintf(log, log_size, "%s", whole);
    free(whole);
}
/* END TODO 4 */

/* BEGIN TODO 5: context, queue, program, kernel */
/* Fills d, for a device that is there and a kernel that has been read. 0, or the errno
   that says what went wrong; what was made until then is in d, for dmv_close. */
static int set_up(struct dmv *d, cl_device_id device, const char *source, char *log, size_t log_size)
{
    char options[100];
    cl_int code;
    d->context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    if (!d->context)
        return EIO;
    d->queue = clCreateCommandQueue(d->context, device, 0, &code);
    d->program = clCreateProgramWithSource(d->context, 1, &source, NULL, &code);
    if (!d->queue || !d->program)
        return EIO;
    snprintf(options, sizeof options, "-D COLS=%zuUL -D GROUP=%zu", d->cols, d->group);
    code = clBuildProgram(d->program, 1, &device, options, NULL, NULL);
    copy_log(d->program, device, log, log_size);
    if (code != CL_SUCCESS)
        return code == CL_BUILD_PROGRAM_FAILURE ? ENOEXEC : EIO;
    d->kernel = clCreateKernel(d->program, "dmv", &code);
    return d->kernel ? 0 : EIO;
}
/* END TODO 5 */

struct dmv *dmv_open(int device, const char *kernel_file, size_t cols, char *log, size_t log_size)
{
    /* BEGIN TODO 6: refuse what cannot be, read the file, set all up */
    cl_device_id list[64];
    if (log && log_size > 0)
        log[0] = '\0';
    if (cols == 0) {
        errno = EINVAL;
        return NULL;
    }
    if (device < 0 || device >= 64 || device >= find_devices(list, 64)) {
        errno = ENODEV;
        return NULL;
    }
    char *source = read_text(kernel_file);
    if (!source)
        return NULL;
    struct dmv *d = calloc(1, sizeof *d);
    int problem = ENOMEM;
    if (d) {
        d->cols = cols;
        d->group = group_for(list[device]);
        problem = set_up(d, list[device], source, log, log_size);
    }
    free(source);
    if (problem) {
        dmv_close(d);
        errno = problem;
        return NULL;
    }
    return d;
    /* END TODO 6 */
}

/* BEGIN TODO 7: start the kernel, fetch y */
/* The buffers use the caller's memory (CL_MEM_USE_HOST_PTR): a device that shares it, such
   as the processor itself, copies nothing, and copying A takes longer than the product;
   for other devices OpenCL copies when the kernel starts and when y is mapped. */

/* A buffer in the caller's own memory; OpenCL's interface has no const, READ_ONLY keeps it. */
static cl_mem wrap(struct dmv *d, cl_mem_flags access, const float *data, size_t bytes)
{
    cl_int code;
    return clCreateBuffer(d->context, access | CL_MEM_USE_HOST_PTR, bytes, (void *)(uintptr_t)data, &code);
}

/* The kernel's arguments, and one work-group for every ROWS rows. */
static bool start_kernel(struct dmv *d, size_t rows, const cl_mem buffer[3])
{
    cl_ulong count = rows;
    size_t items = (rows + ROWS - 1) / ROWS * d->group;
    return clSetKernelArg(d->kernel, 0, sizeof buffer[0], &buffer[0]) == CL_SUCCESS &&
           clSetKernelArg(d->kernel, 1, sizeof count, &count) == CL_SUCCESS &&
           clSetKernelArg(d->kernel, 2, sizeof buffer[1], &buffer[1]) == CL_SUCCESS &&
           clSetKernelArg(d->kernel, 3, sizeof buffer[2], &buffer[2]) == CL_SUCCESS &&
           clEnqueueNDRangeKernel(d->queue, d->kernel, 1, NULL, &items, &d->group, 0, NULL, NULL) == CL_SUCCESS;
}

/* Waits for the kernel and brings y to the caller's memory: mapping a buffer that uses
   the host's memory makes that memory current (OpenCL 3.0 API, section 5.2.4). */
static bool fetch(struct dmv *d, cl_mem y, size_t bytes)
{
    cl_int code;
    void *mapped = clEnqueueMapBuffer(d->queue, y, CL_TRUE, CL_MAP_READ, 0, bytes, 0, NULL, NULL, &code);
    return mapped && clEnqueueUnmapMemObject(d->queue, y, mapped, 0, NULL, NULL) == CL_SUCCESS &&
           clFinish(d->queue) == CL_SUCCESS;
}
/* END TODO 7 */

int dmv_run(struct dmv *d, const float *A, size_t rows, const float *x, float *y)
{
    /* BEGIN TODO 8: one product */
    if (rows == 0)
        return 0;                                /* OpenCL has no empty buffers */
    if (d->cols > SIZE_MAX / sizeof *A / rows) { /* the number of bytes does not fit a size_t */
        errno = EIO;
        return -1;
    }
    size_t x_bytes = d->cols * sizeof *x, y_bytes = rows * sizeof *y;
    cl_mem buffer[3] = {wrap(d, CL_MEM_READ_ONLY, A, rows * x_bytes), wrap(d, CL_MEM_READ_ONLY, x, x_bytes),
                        wrap(d, CL_MEM_WRITE_ONLY, y, y_bytes)};
    bool done = buffer[0] && buffer[1] && buffer[2] && start_kernel(d, rows, buffer) && fetch(d, buffer[2], y_bytes);
    clFinish(d->queue); /* after an error too: nothing may run on memory that the caller frees */
    if (!done)
        errno = EIO;
    return done ? 0 : -1;
    /* END TODO 8 */
}

void dmv_close(struct dmv *d)
{
    /* BEGIN TODO 9: give all back */
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
    /* END TODO 9 */
}
