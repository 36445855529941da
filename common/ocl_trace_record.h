/* ocl_trace_record.h: what the wrappers (ocl_calls.c) need of the recorder (ocl_trace.c). */
#ifndef OCL_TRACE_RECORD_H
#define OCL_TRACE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One call of the student's, from its begin to its end. */
struct ocl_call {
    const char *function;
    uint64_t site, begin;
    char device[80];
    bool host_memory; /* as in ocl_trace_call */
};

/* site: the wrapper's own return address. */
struct ocl_call ocl_trace_begin(const char *function, const void *site);
/* Writes the call down; returns code. items: work-items that it started. */
int ocl_trace_end(const struct ocl_call *call, int code, uint64_t items);
/* Before ocl_trace_end, of a call that starts a kernel: the device that runs it. */
void ocl_trace_on_device(struct ocl_call *call, const char *name);
bool ocl_trace_writes(void); /* false: nothing is written down */

/* The call made an object (or took one more reference to it, or gave one back). NULL is ignored. */
void ocl_trace_made(const struct ocl_call *call, const char *kind, const void *handle);
void ocl_trace_retained(const void *handle);
void ocl_trace_released(const struct ocl_call *call, const void *handle);

bool ocl_trace_skips_kernels(void);
/* The matrix to be turned round in the kernels' memory, and its elements; NULL: it stays. */
const float *ocl_trace_matrix(size_t *count);
/* The number-th buffer that was made, NULL if it is released or was no buffer; false beyond the last. */
bool ocl_trace_buffer(uint64_t number, void **handle);
/* What is held back, and for how many milliseconds; 0: nothing is. */
unsigned ocl_trace_hold_kernels(void), ocl_trace_hold_writes(void);
bool ocl_trace_blocks_writes(void);     /* copies to the device block, whatever was asked for */
bool ocl_trace_in_order(void);          /* queues keep their order, whatever was asked for */
bool ocl_trace_fails(const char *what); /* "kernels", "buffers": in dmv_run they fail */

#endif
