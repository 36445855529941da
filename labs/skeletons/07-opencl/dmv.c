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
/* Platforms (PoCL, a vendor's driver, ...) come first, and each has its own devices:
   clGetPlatformIDs, then for each platform clGetDeviceIDs with CL_DEVICE_TYPE_ALL.
   Write a function that stores the first max devices of all platforms, and returns how
   many there are. Both calls may count more than they store: never read beyond what
   your array holds. No platform at all is an error to OpenCL; to us it is 0 devices. */
/* END TODO 1 */

/* BEGIN TODO 2: describe a device */
/* clGetDeviceInfo with CL_DEVICE_NAME, CL_DEVICE_VENDOR, CL_DEVICE_VERSION,
   CL_DEVICE_MAX_COMPUTE_UNITS (a cl_uint) and CL_DEVICE_GLOBAL_MEM_SIZE (a cl_ulong).
   For a text: ask for its length first (size 0, value NULL), read it whole, then copy
   what fits; if the room is too small, OpenCL stores nothing at all. */
/* END TODO 2 */

int device_list(struct device_info *list, int max)
{
    /* BEGIN TODO 3: describe the devices that there is room for */
    /* Find the devices, describe the first max of them, return how many there are. With
       max = 0 nothing is stored, and the number is returned all the same. */
    (void)list, (void)max;
    return -1;
    /* END TODO 3 */
}

/* BEGIN TODO 4: what a dmv holds, and three helpers for dmv_open */
/* Think first: what does dmv_run need again and again? All that belongs into the struct,
   and nothing of it into global variables, because several dmv may be open. Helpers to
   write: one that reads a whole file as a text; one that copies the build log
   (clGetProgramBuildInfo, CL_PROGRAM_BUILD_LOG) to the caller's buffer, cut to its size. */
struct dmv {
    size_t cols;
};
/* END TODO 4 */

/* BEGIN TODO 5: context, queue, program, kernel */
/* clCreateContext, clCreateCommandQueue, clCreateProgramWithSource, clBuildProgram,
   clCreateKernel, in this order. The option "-D COLS=4096" of clBuildProgram defines a
   macro for the kernel, so that the compiler knows the width. CL_BUILD_PROGRAM_FAILURE
   is ENOEXEC; anything else that fails is EIO. Copy the log in either case. */
/* END TODO 5 */

struct dmv *dmv_open(int device, const char *kernel_file, size_t cols, char *log, size_t log_size)
{
    /* BEGIN TODO 6: refuse what cannot be, read the file, set all up */
    /* EINVAL, ENODEV, ENOENT (fopen sets it): check these before you make anything. If a
       later step fails, give back all that was made until then: dmv_close can do that. */
    (void)device, (void)kernel_file, (void)cols;
    if (log && log_size > 0)
        log[0] = '\0';
    errno = ENOSYS; /* "Function not implemented": replace this */
    return NULL;
    /* END TODO 6 */
}

/* BEGIN TODO 7: start the kernel, fetch y */
/* Write helpers: one sets the kernel's arguments (clSetKernelArg, one call for each) and
   starts it (clEnqueueNDRangeKernel); one waits and brings y to the caller (a blocking
   clEnqueueReadBuffer, or map and unmap). The global size must be a multiple of the
   local size, so there may be more work-items than rows: tell the kernel how many rows. */
/* END TODO 7 */

int dmv_run(struct dmv *d, const float *A, size_t rows, const float *x, float *y)
{
    /* BEGIN TODO 8: one product */
    /* Buffers for A, x and y (clCreateBuffer; OpenCL has none of 0 bytes), start the kernel,
       fetch y, release the buffers, also when something failed. What fails is EIO. */
    (void)d, (void)A, (void)rows, (void)x, (void)y;
    errno = ENOSYS;
    return -1;
    /* END TODO 8 */
}

void dmv_close(struct dmv *d)
{
    /* BEGIN TODO 9: give all back */
    /* Release kernel, program, queue and context; free d. NULL: do nothing. */
    (void)d;
    /* END TODO 9 */
}
