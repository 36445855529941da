/* dmv.h: a dense matrix-vector product on an OpenCL device, after the seed's
   opencl-dense-mv.py (section "OpenCL"). Lab 07 is to write dmv.c behind this header,
   and the kernel, dmv.cl, which dmv.c reads and compiles when it runs.

   All functions of OpenCL that are needed: OpenCL 1.2 (or 3.0) API, chapters 4 and 5. */
#ifndef DMV_H
#define DMV_H

#include <stddef.h>

/* What a program wants to know of a device (OpenCL 3.0 API, section 4.2). The texts end
   with NUL; longer ones are cut. */
struct device_info {
    char name[128], vendor[128], version[128];
    unsigned compute_units;          /* cores, multiprocessors, ... */
    unsigned long long global_bytes; /* of the device's memory */
};

/* Describes every device of every platform, in the order in which OpenCL names them;
   a device's place in it is its number. At most max descriptions are stored in list (the
   caller's; not touched if max <= 0). Returns the number of devices found, which may be
   more than max, and 0 if there is none. */
int device_list(struct device_info *list, int max);

/* One device, and the kernel compiled for matrices of one width. */
struct dmv;

/* Opens device number `device`, reads kernel_file and compiles it for rows of cols
   elements. The caller owns the result and gives it to dmv_close.

   log: room for log_size bytes, the caller's, or NULL. Gets what the compiler said, as
        a text that ends with NUL within log_size and is cut if it is longer; an empty
        text if the compiler said nothing or was never called.

   On failure returns NULL with errno:
     EINVAL   cols is 0
     ENODEV   there is no device of that number
     ENOENT   there is no such file (or what fopen says)
     ENOEXEC  the file does not compile; log says why
     EIO      any other OpenCL error */
struct dmv *dmv_open(int device, const char *kernel_file, size_t cols, char *log, size_t log_size);

/* y = A x, computed on the device.

   A: rows x cols floats, row after row.   x: cols floats.   y: room for rows floats; what
   stands there before does not matter. All are the caller's; A and x are only read.
   rows may differ from call to call, and may be 0.

   Returns 0, or -1 with errno EIO. */
int dmv_run(struct dmv *d, const float *A, size_t rows, const float *x, float *y);

/* Gives back all that dmv_open took. NULL is allowed, and does nothing. */
void dmv_close(struct dmv *d);

#endif
