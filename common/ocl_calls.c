/* ocl_calls.c: the wrappers of the OpenCL tracing layer. Each makes the real call and
   tells the recorder (ocl_trace.c) of it. Parameters are named as in the standard. */
#include "ocl_calls.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ocl_trace.h"
#include "ocl_trace_record.h"

/* A macro, because it must be the wrapper's own return address. */
#define SITE __builtin_return_address(0)

/* The end of a call that tells its success through a pointer, which may be NULL. */
static void end_made(const struct ocl_call *call, cl_int code, cl_int *errcode_ret)
{
    ocl_trace_end(call, code, 0);
    if (errcode_ret)
        *errcode_ret = code;
}

/* The end of a call that puts a command into a queue, and makes an event if it is asked to. */
static cl_int end_enqueued(const struct ocl_call *call, cl_int code, const cl_event *event)
{
    if (code == CL_SUCCESS && event)
        ocl_trace_made(call, "event", *event);
    return ocl_trace_end(call, code, 0);
}

/* ---- commands that are held back ---- */

enum { MOST_EVENTS = 64 };

/* What a command waits for: the caller's events and, if it is to be held, one more. */
struct wait {
    cl_uint count;
    const cl_event *list;
    cl_event gate; /* NULL: it is not held */
    unsigned milliseconds;
    cl_event all[MOST_EVENTS + 1];
};

static void plan_wait(struct wait *w, cl_command_queue queue, cl_uint count, const cl_event *list,
                      unsigned milliseconds)
{
    cl_context context = NULL;
    cl_int code;
    *w = (struct wait){.count = count, .list = list, .milliseconds = milliseconds};
    if (milliseconds == 0 || count > MOST_EVENTS ||
        clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL) != CL_SUCCESS)
        return;
    w->gate = clCreateUserEvent(context, &code);
    if (!w->gate)
        return;
    for (cl_uint i = 0; i < count; i++)
        w->all[i] = list[i];
    w->all[count] = w->gate;
    w->list = w->all;
    w->count = count + 1;
}

struct opener {
    cl_event gate;
    unsigned milliseconds;
};

/* A thread that lets a command go when its time has come. */
static void *let_go(void *with)
{
    struct opener *o = with;
    usleep(o->milliseconds * 1000);
    clSetUserEventStatus(o->gate, CL_COMPLETE);
    clReleaseEvent(o->gate);
    free(o);
    return NULL;
}

/* After the command has been put into its queue, or was refused. */
static void open_later(const struct wait *w)
{
    pthread_t thread;
    struct opener *o = w->gate ? malloc(sizeof *o) : NULL;
    if (!o)
        return;
    *o = (struct opener){w->gate, w->milliseconds};
    if (pthread_create(&thread, NULL, let_go, o) == 0)
        pthread_detach(thread);
    else
        let_go(o);
}

/* ---- kernels ---- */

/* What a kernel is started with, besides events. */
struct launch {
    cl_command_queue queue;
    cl_kernel kernel;
    cl_uint dimensions;
    const size_t *offset, *global, *local;
};

/* Turns the matrix round where the buffer begins with it. True if it did. */
static bool exchange_in(const struct launch *l, cl_mem buffer, const float *matrix, size_t count, cl_uint waits,
                        const cl_event *list)
{
    size_t bytes = count * sizeof *matrix, size = 0;
    float *there = malloc(bytes + 1), *other = malloc(bytes + 1);
    clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof size, &size, NULL);
    bool same = there && other && size >= bytes &&
                clEnqueueReadBuffer(l->queue, buffer, CL_TRUE, 0, bytes, there, waits, list, NULL) == CL_SUCCESS &&
                memcmp(there, matrix, bytes) == 0;
    for (size_t i = 0; same && i < count; i++)
        other[i] = matrix[count - 1 - i];
    same = same && clEnqueueWriteBuffer(l->queue, buffer, CL_TRUE, 0, bytes, other, 0, NULL, NULL) == CL_SUCCESS;
    free(there);
    free(other);
    return same;
}

static void exchange(const struct launch *l, cl_uint waits, const cl_event *list)
{
    size_t count;
    const float *matrix = ocl_trace_matrix(&count);
    void *buffer;
    for (uint64_t i = 0; matrix && count > 0 && ocl_trace_buffer(i, &buffer); i++)
        if (buffer && exchange_in(l, buffer, matrix, count, waits, list)) {
            struct ocl_call call = ocl_trace_begin(OCL_TRACE_EXCHANGE, NULL);
            ocl_trace_end(&call, CL_SUCCESS, 0);
        }
}

/* Starts a kernel, or does what the environment says instead (ocl_trace.h). */
static cl_int start_kernel(const struct launch *l, cl_uint count, const cl_event *list, cl_event *event)
{
    if (ocl_trace_skips_kernels())
        return clEnqueueMarkerWithWaitList(l->queue, count, list, event);
    if (ocl_trace_fails("kernels"))
        return CL_OUT_OF_RESOURCES;
    exchange(l, count, list);
    struct wait w;
    plan_wait(&w, l->queue, count, list, ocl_trace_hold_kernels());
    cl_int code = clEnqueueNDRangeKernel(l->queue, l->kernel, l->dimensions, l->offset, l->global, l->local, w.count,
                                         w.list, event);
    open_later(&w);
    return code;
}

/* Writes down which device a queue belongs to. */
static void note_device(struct ocl_call *call, cl_command_queue queue)
{
    cl_device_id device = NULL;
    char name[256] = "";
    if (!ocl_trace_writes() ||
        clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL) != CL_SUCCESS)
        return;
    clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    ocl_trace_on_device(call, name);
}

static cl_ulong product(const size_t *sizes, cl_uint count)
{
    cl_ulong items = 1;
    for (cl_uint i = 0; sizes && i < count; i++)
        items *= sizes[i];
    return items;
}

cl_context trace_clCreateContext(const cl_context_properties *properties, cl_uint num_devices,
                                 const cl_device_id *devices,
                                 void(CL_CALLBACK *pfn_notify)(const char *errinfo, const void *private_info, size_t cb,
                                                               void *user_data),
                                 void *user_data, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateContext", SITE);
    cl_int code = CL_SUCCESS;
    cl_context made = clCreateContext(properties, num_devices, devices, pfn_notify, user_data, &code);
    ocl_trace_made(&call, "context", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_context trace_clCreateContextFromType(const cl_context_properties *properties, cl_device_type device_type,
                                         void(CL_CALLBACK *pfn_notify)(const char *errinfo, const void *private_info,
                                                                       size_t cb, void *user_data),
                                         void *user_data, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateContextFromType", SITE);
    cl_int code = CL_SUCCESS;
    cl_context made = clCreateContextFromType(properties, device_type, pfn_notify, user_data, &code);
    ocl_trace_made(&call, "context", made);
    end_made(&call, code, errcode_ret);
    return made;
}

/* The properties of a queue, without those that let it change the order, if that is wanted. */
static cl_command_queue_properties in_order(cl_command_queue_properties properties)
{
    const cl_command_queue_properties any_order = CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
    if (!ocl_trace_in_order() || !(properties & any_order))
        return properties;
    struct ocl_call call = ocl_trace_begin(OCL_TRACE_ORDERED, NULL);
    ocl_trace_end(&call, CL_SUCCESS, 0);
    return properties & ~any_order;
}

cl_command_queue trace_clCreateCommandQueue(cl_context context, cl_device_id device,
                                            cl_command_queue_properties properties, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateCommandQueue", SITE);
    cl_int code = CL_SUCCESS;
    properties = in_order(properties);
    cl_command_queue made = clCreateCommandQueue(context, device, properties, &code);
    ocl_trace_made(&call, "queue", made);
    end_made(&call, code, errcode_ret);
    return made;
}

enum { MAX_QUEUE_PROPERTIES = 8 }; /* OpenCL knows three */

cl_command_queue trace_clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                                          const cl_queue_properties *properties, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateCommandQueueWithProperties", SITE);
    cl_int code = CL_SUCCESS;
    cl_queue_properties copy[2 * MAX_QUEUE_PROPERTIES + 1] = {0};
    if (properties && ocl_trace_in_order()) {
        for (size_t i = 0; i < 2 * MAX_QUEUE_PROPERTIES && properties[i]; i += 2) {
            copy[i] = properties[i];
            copy[i + 1] = properties[i] == CL_QUEUE_PROPERTIES ? in_order(properties[i + 1]) : properties[i + 1];
        }
        properties = copy;
    }
    cl_command_queue made = clCreateCommandQueueWithProperties(context, device, properties, &code);
    ocl_trace_made(&call, "queue", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_mem trace_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateBuffer", SITE);
    cl_int code = CL_SUCCESS;
    if (ocl_trace_fails("buffers")) {
        end_made(&call, CL_MEM_OBJECT_ALLOCATION_FAILURE, errcode_ret);
        return NULL;
    }
    cl_mem made = clCreateBuffer(context, flags, size, host_ptr, &code);
    call.host_memory = made && (flags & CL_MEM_USE_HOST_PTR) && !(flags & CL_MEM_READ_ONLY);
    ocl_trace_made(&call, "buffer", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_mem trace_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type buffer_create_type,
                               const void *buffer_create_info, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateSubBuffer", SITE);
    cl_int code = CL_SUCCESS;
    cl_mem made = clCreateSubBuffer(buffer, flags, buffer_create_type, buffer_create_info, &code);
    ocl_trace_made(&call, "buffer", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_mem trace_clCreateImage(cl_context context, cl_mem_flags flags, const cl_image_format *image_format,
                           const cl_image_desc *image_desc, void *host_ptr, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateImage", SITE);
    cl_int code = CL_SUCCESS;
    cl_mem made = clCreateImage(context, flags, image_format, image_desc, host_ptr, &code);
    ocl_trace_made(&call, "image", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_sampler trace_clCreateSampler(cl_context context, cl_bool normalized_coords, cl_addressing_mode addressing_mode,
                                 cl_filter_mode filter_mode, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateSampler", SITE);
    cl_int code = CL_SUCCESS;
    cl_sampler made = clCreateSampler(context, normalized_coords, addressing_mode, filter_mode, &code);
    ocl_trace_made(&call, "sampler", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_program trace_clCreateProgramWithSource(cl_context context, cl_uint count, const char **strings,
                                           const size_t *lengths, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateProgramWithSource", SITE);
    cl_int code = CL_SUCCESS;
    cl_program made = clCreateProgramWithSource(context, count, strings, lengths, &code);
    ocl_trace_made(&call, "program", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_program trace_clCreateProgramWithBinary(cl_context context, cl_uint num_devices, const cl_device_id *device_list,
                                           const size_t *lengths, const unsigned char **binaries, cl_int *binary_status,
                                           cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateProgramWithBinary", SITE);
    cl_int code = CL_SUCCESS;
    cl_program made =
        clCreateProgramWithBinary(context, num_devices, device_list, lengths, binaries, binary_status, &code);
    ocl_trace_made(&call, "program", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_program trace_clLinkProgram(cl_context context, cl_uint num_devices, const cl_device_id *device_list,
                               const char *options, cl_uint num_input_programs, const cl_program *input_programs,
                               void(CL_CALLBACK *pfn_notify)(cl_program program, void *user_data), void *user_data,
                               cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clLinkProgram", SITE);
    cl_int code = CL_SUCCESS;
    cl_program made = clLinkProgram(context, num_devices, device_list, options, num_input_programs, input_programs,
                                    pfn_notify, user_data, &code);
    ocl_trace_made(&call, "program", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_kernel trace_clCreateKernel(cl_program program, const char *kernel_name, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateKernel", SITE);
    cl_int code = CL_SUCCESS;
    cl_kernel made = clCreateKernel(program, kernel_name, &code);
    ocl_trace_made(&call, "kernel", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_event trace_clCreateUserEvent(cl_context context, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateUserEvent", SITE);
    cl_int code = CL_SUCCESS;
    cl_event made = clCreateUserEvent(context, &code);
    ocl_trace_made(&call, "event", made);
    end_made(&call, code, errcode_ret);
    return made;
}

cl_int trace_clRetainContext(cl_context context)
{
    struct ocl_call call = ocl_trace_begin("clRetainContext", SITE);
    cl_int code = clRetainContext(context);
    if (code == CL_SUCCESS)
        ocl_trace_retained(context);
    return ocl_trace_end(&call, code, 0);
}

cl_int trace_clRetainCommandQueue(cl_command_queue command_queue)
{
    struct ocl_call call = ocl_trace_begin("clRetainCommandQueue", SITE);
    cl_int code = clRetainCommandQueue(command_queue);
    if (code == CL_SUCCESS)
        ocl_trace_retained(command_queue);
    return ocl_trace_end(&call, code, 0);
}

cl_int trace_clRetainMemObject(cl_mem memobj)
{
    struct ocl_call call = ocl_trace_begin("clRetainMemObject", SITE);
    cl_int code = clRetainMemObject(memobj);
    if (code == CL_SUCCESS)
        ocl_trace_retained(memobj);
    return ocl_trace_end(&call, code, 0);
}

cl_int trace_clRetainSampler(cl_sampler sampler)
{
    struct ocl_call call = ocl_trace_begin("clRetainSampler", SITE);
    cl_int code = clRetainSampler(sampler);
    if (code == CL_SUCCESS)
        ocl_trace_retained(sampler);
    return ocl_trace_end(&call, code, 0);
}

cl_int trace_clRetainProgram(cl_program program)
{
    struct ocl_call call = ocl_trace_begin("clRetainProgram", SITE);
    cl_int code = clRetainProgram(program);
    if (code == CL_SUCCESS)
        ocl_trace_retained(program);
    return ocl_trace_end(&call, code, 0);
}

cl_int trace_clRetainKernel(cl_kernel kernel)
{
    struct ocl_call call = ocl_trace_begin("clRetainKernel", SITE);
    cl_int code = clRetainKernel(kernel);
    if (code == CL_SUCCESS)
        ocl_trace_retained(kernel);
    return ocl_trace_end(&call, code, 0);
}

cl_int trace_clRetainEvent(cl_event event)
{
    struct ocl_call call = ocl_trace_begin("clRetainEvent", SITE);
    cl_int code = clRetainEvent(event);
    if (code == CL_SUCCESS)
        ocl_trace_retained(event);
    return ocl_trace_end(&call, code, 0);
}

cl_int trace_clReleaseContext(cl_context context)
{
    struct ocl_call call = ocl_trace_begin("clReleaseContext", SITE);
    ocl_trace_released(&call, context);
    return ocl_trace_end(&call, clReleaseContext(context), 0);
}

cl_int trace_clReleaseCommandQueue(cl_command_queue command_queue)
{
    struct ocl_call call = ocl_trace_begin("clReleaseCommandQueue", SITE);
    ocl_trace_released(&call, command_queue);
    return ocl_trace_end(&call, clReleaseCommandQueue(command_queue), 0);
}

cl_int trace_clReleaseMemObject(cl_mem memobj)
{
    struct ocl_call call = ocl_trace_begin("clReleaseMemObject", SITE);
    ocl_trace_released(&call, memobj);
    return ocl_trace_end(&call, clReleaseMemObject(memobj), 0);
}

cl_int trace_clReleaseSampler(cl_sampler sampler)
{
    struct ocl_call call = ocl_trace_begin("clReleaseSampler", SITE);
    ocl_trace_released(&call, sampler);
    return ocl_trace_end(&call, clReleaseSampler(sampler), 0);
}

cl_int trace_clReleaseProgram(cl_program program)
{
    struct ocl_call call = ocl_trace_begin("clReleaseProgram", SITE);
    ocl_trace_released(&call, program);
    return ocl_trace_end(&call, clReleaseProgram(program), 0);
}

cl_int trace_clReleaseKernel(cl_kernel kernel)
{
    struct ocl_call call = ocl_trace_begin("clReleaseKernel", SITE);
    ocl_trace_released(&call, kernel);
    return ocl_trace_end(&call, clReleaseKernel(kernel), 0);
}

cl_int trace_clReleaseEvent(cl_event event)
{
    struct ocl_call call = ocl_trace_begin("clReleaseEvent", SITE);
    ocl_trace_released(&call, event);
    return ocl_trace_end(&call, clReleaseEvent(event), 0);
}

cl_int trace_clGetPlatformIDs(cl_uint num_entries, cl_platform_id *platforms, cl_uint *num_platforms)
{
    struct ocl_call call = ocl_trace_begin("clGetPlatformIDs", SITE);
    return ocl_trace_end(&call, clGetPlatformIDs(num_entries, platforms, num_platforms), 0);
}

cl_int trace_clGetDeviceIDs(cl_platform_id platform, cl_device_type device_type, cl_uint num_entries,
                            cl_device_id *devices, cl_uint *num_devices)
{
    struct ocl_call call = ocl_trace_begin("clGetDeviceIDs", SITE);
    return ocl_trace_end(&call, clGetDeviceIDs(platform, device_type, num_entries, devices, num_devices), 0);
}

cl_int trace_clGetDeviceInfo(cl_device_id device, cl_device_info param_name, size_t param_value_size, void *param_value,
                             size_t *param_value_size_ret)
{
    struct ocl_call call = ocl_trace_begin("clGetDeviceInfo", SITE);
    return ocl_trace_end(&call,
                         clGetDeviceInfo(device, param_name, param_value_size, param_value, param_value_size_ret), 0);
}

cl_int trace_clBuildProgram(cl_program program, cl_uint num_devices, const cl_device_id *device_list,
                            const char *options, void(CL_CALLBACK *pfn_notify)(cl_program program, void *user_data),
                            void *user_data)
{
    struct ocl_call call = ocl_trace_begin("clBuildProgram", SITE);
    return ocl_trace_end(&call, clBuildProgram(program, num_devices, device_list, options, pfn_notify, user_data), 0);
}

cl_int trace_clCompileProgram(cl_program program, cl_uint num_devices, const cl_device_id *device_list,
                              const char *options, cl_uint num_input_headers, const cl_program *input_headers,
                              const char **header_include_names,
                              void(CL_CALLBACK *pfn_notify)(cl_program program, void *user_data), void *user_data)
{
    struct ocl_call call = ocl_trace_begin("clCompileProgram", SITE);
    return ocl_trace_end(&call,
                         clCompileProgram(program, num_devices, device_list, options, num_input_headers, input_headers,
                                          header_include_names, pfn_notify, user_data),
                         0);
}

cl_int trace_clGetProgramBuildInfo(cl_program program, cl_device_id device, cl_program_build_info param_name,
                                   size_t param_value_size, void *param_value, size_t *param_value_size_ret)
{
    struct ocl_call call = ocl_trace_begin("clGetProgramBuildInfo", SITE);
    return ocl_trace_end(
        &call, clGetProgramBuildInfo(program, device, param_name, param_value_size, param_value, param_value_size_ret),
        0);
}

cl_int trace_clSetKernelArg(cl_kernel kernel, cl_uint arg_index, size_t arg_size, const void *arg_value)
{
    struct ocl_call call = ocl_trace_begin("clSetKernelArg", SITE);
    return ocl_trace_end(&call, clSetKernelArg(kernel, arg_index, arg_size, arg_value), 0);
}

cl_int trace_clFlush(cl_command_queue command_queue)
{
    struct ocl_call call = ocl_trace_begin("clFlush", SITE);
    return ocl_trace_end(&call, clFlush(command_queue), 0);
}

cl_int trace_clFinish(cl_command_queue command_queue)
{
    struct ocl_call call = ocl_trace_begin("clFinish", SITE);
    return ocl_trace_end(&call, clFinish(command_queue), 0);
}

cl_int trace_clWaitForEvents(cl_uint num_events, const cl_event *event_list)
{
    struct ocl_call call = ocl_trace_begin("clWaitForEvents", SITE);
    return ocl_trace_end(&call, clWaitForEvents(num_events, event_list), 0);
}

cl_int trace_clEnqueueReadBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_read, size_t offset,
                                 size_t size, void *ptr, cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueReadBuffer", SITE);
    return end_enqueued(&call,
                        clEnqueueReadBuffer(command_queue, buffer, blocking_read, offset, size, ptr,
                                            num_events_in_wait_list, event_wait_list, event),
                        event);
}

cl_int trace_clEnqueueWriteBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write, size_t offset,
                                  size_t size, const void *ptr, cl_uint num_events_in_wait_list,
                                  const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueWriteBuffer", SITE);
    blocking_write = blocking_write || ocl_trace_blocks_writes();
    struct wait w;
    plan_wait(&w, command_queue, num_events_in_wait_list, event_wait_list,
              blocking_write ? 0 : ocl_trace_hold_writes());
    cl_int code =
        clEnqueueWriteBuffer(command_queue, buffer, blocking_write, offset, size, ptr, w.count, w.list, event);
    open_later(&w);
    return end_enqueued(&call, code, event);
}

cl_int trace_clEnqueueReadBufferRect(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_read,
                                     const size_t *buffer_origin, const size_t *host_origin, const size_t *region,
                                     size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                                     size_t host_slice_pitch, void *ptr, cl_uint num_events_in_wait_list,
                                     const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueReadBufferRect", SITE);
    return end_enqueued(&call,
                        clEnqueueReadBufferRect(command_queue, buffer, blocking_read, buffer_origin, host_origin,
                                                region, buffer_row_pitch, buffer_slice_pitch, host_row_pitch,
                                                host_slice_pitch, ptr, num_events_in_wait_list, event_wait_list, event),
                        event);
}

cl_int trace_clEnqueueWriteBufferRect(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write,
                                      const size_t *buffer_origin, const size_t *host_origin, const size_t *region,
                                      size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                                      size_t host_slice_pitch, const void *ptr, cl_uint num_events_in_wait_list,
                                      const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueWriteBufferRect", SITE);
    blocking_write = blocking_write || ocl_trace_blocks_writes();
    struct wait w;
    plan_wait(&w, command_queue, num_events_in_wait_list, event_wait_list,
              blocking_write ? 0 : ocl_trace_hold_writes());
    cl_int code = clEnqueueWriteBufferRect(command_queue, buffer, blocking_write, buffer_origin, host_origin, region,
                                           buffer_row_pitch, buffer_slice_pitch, host_row_pitch, host_slice_pitch, ptr,
                                           w.count, w.list, event);
    open_later(&w);
    return end_enqueued(&call, code, event);
}

cl_int trace_clEnqueueCopyBuffer(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_buffer,
                                 size_t src_offset, size_t dst_offset, size_t size, cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueCopyBuffer", SITE);
    return end_enqueued(&call,
                        clEnqueueCopyBuffer(command_queue, src_buffer, dst_buffer, src_offset, dst_offset, size,
                                            num_events_in_wait_list, event_wait_list, event),
                        event);
}

cl_int trace_clEnqueueFillBuffer(cl_command_queue command_queue, cl_mem buffer, const void *pattern,
                                 size_t pattern_size, size_t offset, size_t size, cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueFillBuffer", SITE);
    return end_enqueued(&call,
                        clEnqueueFillBuffer(command_queue, buffer, pattern, pattern_size, offset, size,
                                            num_events_in_wait_list, event_wait_list, event),
                        event);
}

cl_int trace_clEnqueueWriteImage(cl_command_queue command_queue, cl_mem image, cl_bool blocking_write,
                                 const size_t *origin, const size_t *region, size_t input_row_pitch,
                                 size_t input_slice_pitch, const void *ptr, cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueWriteImage", SITE);
    blocking_write = blocking_write || ocl_trace_blocks_writes();
    struct wait w;
    plan_wait(&w, command_queue, num_events_in_wait_list, event_wait_list,
              blocking_write ? 0 : ocl_trace_hold_writes());
    cl_int code = clEnqueueWriteImage(command_queue, image, blocking_write, origin, region, input_row_pitch,
                                      input_slice_pitch, ptr, w.count, w.list, event);
    open_later(&w);
    return end_enqueued(&call, code, event);
}

cl_int trace_clEnqueueUnmapMemObject(cl_command_queue command_queue, cl_mem memobj, void *mapped_ptr,
                                     cl_uint num_events_in_wait_list, const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueUnmapMemObject", SITE);
    return end_enqueued(
        &call,
        clEnqueueUnmapMemObject(command_queue, memobj, mapped_ptr, num_events_in_wait_list, event_wait_list, event),
        event);
}

cl_int trace_clEnqueueMigrateMemObjects(cl_command_queue command_queue, cl_uint num_mem_objects,
                                        const cl_mem *mem_objects, cl_mem_migration_flags flags,
                                        cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                                        cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueMigrateMemObjects", SITE);
    return end_enqueued(&call,
                        clEnqueueMigrateMemObjects(command_queue, num_mem_objects, mem_objects, flags,
                                                   num_events_in_wait_list, event_wait_list, event),
                        event);
}

cl_int trace_clEnqueueMarkerWithWaitList(cl_command_queue command_queue, cl_uint num_events_in_wait_list,
                                         const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueMarkerWithWaitList", SITE);
    return end_enqueued(
        &call, clEnqueueMarkerWithWaitList(command_queue, num_events_in_wait_list, event_wait_list, event), event);
}

cl_int trace_clEnqueueBarrierWithWaitList(cl_command_queue command_queue, cl_uint num_events_in_wait_list,
                                          const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueBarrierWithWaitList", SITE);
    return end_enqueued(
        &call, clEnqueueBarrierWithWaitList(command_queue, num_events_in_wait_list, event_wait_list, event), event);
}

cl_int trace_clEnqueueSVMMap(cl_command_queue command_queue, cl_bool blocking_map, cl_map_flags flags, void *svm_ptr,
                             size_t size, cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                             cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueSVMMap", SITE);
    return end_enqueued(&call,
                        clEnqueueSVMMap(command_queue, blocking_map, flags, svm_ptr, size, num_events_in_wait_list,
                                        event_wait_list, event),
                        event);
}

cl_int trace_clEnqueueSVMUnmap(cl_command_queue command_queue, void *svm_ptr, cl_uint num_events_in_wait_list,
                               const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueSVMUnmap", SITE);
    return end_enqueued(
        &call, clEnqueueSVMUnmap(command_queue, svm_ptr, num_events_in_wait_list, event_wait_list, event), event);
}

void *trace_clEnqueueMapBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_map,
                               cl_map_flags map_flags, size_t offset, size_t size, cl_uint num_events_in_wait_list,
                               const cl_event *event_wait_list, cl_event *event, cl_int *errcode_ret)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueMapBuffer", SITE);
    cl_int code = CL_SUCCESS;
    void *mapped = clEnqueueMapBuffer(command_queue, buffer, blocking_map, map_flags, offset, size,
                                      num_events_in_wait_list, event_wait_list, event, &code);
    end_enqueued(&call, code, event);
    if (errcode_ret)
        *errcode_ret = code;
    return mapped;
}

cl_int trace_clEnqueueNDRangeKernel(cl_command_queue command_queue, cl_kernel kernel, cl_uint work_dim,
                                    const size_t *global_work_offset, const size_t *global_work_size,
                                    const size_t *local_work_size, cl_uint num_events_in_wait_list,
                                    const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueNDRangeKernel", SITE);
    note_device(&call, command_queue);
    const struct launch l = {command_queue, kernel, work_dim, global_work_offset, global_work_size, local_work_size};
    cl_int code = start_kernel(&l, num_events_in_wait_list, event_wait_list, event);
    if (code == CL_SUCCESS && event)
        ocl_trace_made(&call, "event", *event);
    return ocl_trace_end(&call, code, product(global_work_size, work_dim));
}

cl_int trace_clEnqueueTask(cl_command_queue command_queue, cl_kernel kernel, cl_uint num_events_in_wait_list,
                           const cl_event *event_wait_list, cl_event *event)
{
    struct ocl_call call = ocl_trace_begin("clEnqueueTask", SITE);
    note_device(&call, command_queue);
    const size_t one = 1; /* what clEnqueueTask is, by definition */
    const struct launch l = {command_queue, kernel, 1, NULL, &one, &one};
    cl_int code = start_kernel(&l, num_events_in_wait_list, event_wait_list, event);
    if (code == CL_SUCCESS && event)
        ocl_trace_made(&call, "event", *event);
    return ocl_trace_end(&call, code, 1);
}

cl_int trace_clCreateKernelsInProgram(cl_program program, cl_uint num_kernels, cl_kernel *kernels,
                                      cl_uint *num_kernels_ret)
{
    struct ocl_call call = ocl_trace_begin("clCreateKernelsInProgram", SITE);
    cl_uint made = 0;
    cl_int code = clCreateKernelsInProgram(program, num_kernels, kernels, &made);
    for (cl_uint i = 0; code == CL_SUCCESS && kernels && i < made; i++)
        ocl_trace_made(&call, "kernel", kernels[i]);
    if (num_kernels_ret)
        *num_kernels_ret = made;
    return ocl_trace_end(&call, code, 0);
}

void *trace_clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment)
{
    struct ocl_call call = ocl_trace_begin("clSVMAlloc", SITE);
    void *made = ocl_trace_fails("buffers") ? NULL : clSVMAlloc(context, flags, size, alignment);
    ocl_trace_made(&call, "block of shared memory", made);
    ocl_trace_end(&call, made ? CL_SUCCESS : CL_OUT_OF_RESOURCES, 0);
    return made;
}

void trace_clSVMFree(cl_context context, void *svm_pointer)
{
    struct ocl_call call = ocl_trace_begin("clSVMFree", SITE);
    ocl_trace_released(&call, svm_pointer);
    clSVMFree(context, svm_pointer);
    ocl_trace_end(&call, CL_SUCCESS, 0);
}
