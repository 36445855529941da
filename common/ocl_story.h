/* ocl_story.h: the suite's view of a run's OpenCL calls: reads the file that the
   tracing layer (ocl_trace.h) left, as hostile data, and puts it into words. */
#ifndef OCL_STORY_H
#define OCL_STORY_H

#include <stdbool.h>
#include <stddef.h>

#include "ocl_trace.h"

/* Reads a trace; malloc'd, every text in it ends, every count is within its array.
   NULL if there is none, or if it is not one. */
struct ocl_trace_file *ocl_story_read(const char *path);

/* How many calls the student made of a function (a name may end in * for any ending)
   in one phase; index -1: in all calls of that phase. */
size_t ocl_story_count(const struct ocl_trace_file *t, const char *function, enum ocl_phase phase, int index);

/* Work-items of the largest of the *launches kernels that one dmv_run (or the like) started. */
uint64_t ocl_story_items(const struct ocl_trace_file *t, enum ocl_phase phase, int index, size_t *launches);

/* Did one call start a kernel that may write a buffer in the caller's memory, and fetch nothing after it,
   neither by a read nor by a map? What the caller then sees is as the device likes it. */
bool ocl_story_unfetched(const struct ocl_trace_file *t, enum ocl_phase phase, int index);

/* The device that the first kernel of one call was started on, by name; "" if there was none. */
const char *ocl_story_device(const struct ocl_trace_file *t, enum ocl_phase phase, int index);

/* " at dmv.c:88" for a place in program (as the suite sees it); "" if it is unknown.
   The text is valid until the next call. */
const char *ocl_story_place(const char *program, uint64_t site);

/* The first call that failed, in words, after a line end: "\n  clSetKernelArg at
   dmv.c:88 returned -51 (CL_INVALID_ARG_SIZE: ...)"; "" if there is none. Not to find
   devices of one type is none. */
void ocl_story_failure(const struct ocl_trace_file *t, const char *program, char *text, size_t size);

/* What was never released, or once too often, a line for each place. *leaks, *extra: how
   many. "" if all is well. */
void ocl_story_objects(struct ocl_trace_file *t, const char *program, size_t *leaks, size_t *extra, char *text,
                       size_t size);

#endif
