/* ocl_trace.h: what the OpenCL tracing layer writes down, and what a lab's main.c
   tells it.

   In the student's object every OpenCL call listed in ocl_calls.h is renamed to
   trace_cl... (labs/lab.mk does it with objcopy), so it comes to ocl_calls.c first,
   which makes the real call and writes down who called what, how it ended, and which
   objects it made or gave back. main.c's own calls are not renamed: they go straight
   to OpenCL. The file, named by LAB_OCL_TRACE, is mapped into memory, so it outlives
   a crash. Without LAB_OCL_TRACE nothing is written. ocl_story.h reads the file.

   LAB_OCL_SKIP_KERNELS=1 leaves the kernels out: the calls that start one succeed and
   do nothing. A result that is right all the same was not computed on the device.
   LAB_OCL_HOLD=<milliseconds> holds every kernel back for so long, as a slow device
   would: whoever does not wait for it sees no result. With LAB_OCL_HOLD_WRITES=1 it is
   the copies to the device that are held instead, where they do not block: a kernel that
   does not wait for them sees nothing of them, and what they copy must not change before.
   LAB_OCL_BLOCK_WRITES=1 makes every copy to the device block: if that mends a result,
   somebody did not wait for a copy. LAB_OCL_IN_ORDER=1 makes every queue one that keeps its order: if that
   mends a result, a command did not wait for one before it; each queue that was to be
   another kind is written down as a call of OCL_TRACE_ORDERED. LAB_OCL_FAIL=kernels lets every start of a kernel in dmv_run fail with
   CL_OUT_OF_RESOURCES, LAB_OCL_FAIL=buffers every buffer with CL_MEM_OBJECT_ALLOCATION_FAILURE.
   LAB_OCL_EXCHANGE=1 gives the kernels another matrix than the host has: just before a
   kernel starts, every buffer that begins with what ocl_trace_given told has these bytes
   turned round. A result that is still that of the first matrix was computed by the host.
   Each exchange is written down as a call of OCL_TRACE_EXCHANGE.
   The environment forgets the settings that are 1 as soon as they are read. */
#ifndef OCL_TRACE_H
#define OCL_TRACE_H

#include <stddef.h>
#include <stdint.h>

/* Which of the student's functions runs now? main.c says it before each call. */
enum ocl_phase { OCL_OURS, OCL_LIST, OCL_OPEN, OCL_RUN, OCL_CLOSE };

/* The calls that follow belong to the index-th dmv_run (dmv_open, ...) of this program, from 0. */
void ocl_trace_mark(enum ocl_phase phase, int index);

/* The caller's matrix for the run that follows; NULL: none. It is copied. */
void ocl_trace_given(const float *matrix, size_t count);

/* ---- the file: one record of fixed size, no pointers ---- */

#define OCL_TRACE_MAGIC 0x6f636c74u
#define OCL_TRACE_CALLS 8000   /* calls that are kept; later ones are only counted */
#define OCL_TRACE_OBJECTS 2000 /* objects that are kept */
#define OCL_TRACE_NAME 40
#define OCL_TRACE_EXCHANGE "(exchange)"
#define OCL_TRACE_ORDERED "(in order)"

struct ocl_trace_call {
    char function[OCL_TRACE_NAME]; /* "clCreateBuffer" */
    int32_t phase, index;          /* see ocl_trace_mark */
    int32_t code;                  /* what it returned; 0 is CL_SUCCESS */
    int32_t host_memory;           /* 1: it made a buffer in the caller's memory that kernels may write */
    char device[80];               /* that a kernel was started on, by name; else "" */
    uint64_t items;                /* work-items, of a call that starts a kernel; else 0 */
    uint64_t site;                 /* return address in the program minus its load address */
    uint64_t begin, end;           /* CLOCK_MONOTONIC, nanoseconds */
};

struct ocl_trace_object {
    uint64_t handle;              /* to find it again; of no meaning to others */
    int64_t references;           /* that the program still holds; 0: released, below: once too often */
    char made_by[OCL_TRACE_NAME]; /* "clCreateBuffer" */
    char kind[16];                /* "buffer", "event", ... */
    uint64_t site;                /* where it was made; released too often: where that was */
};

struct ocl_trace_file {
    uint32_t magic;
    uint32_t unused;
    uint64_t calls, objects; /* in all; those beyond the arrays below are only counted */
    struct ocl_trace_call call[OCL_TRACE_CALLS];
    struct ocl_trace_object object[OCL_TRACE_OBJECTS];
};

#endif
