/* ocl_calls.h: the OpenCL calls that are traced: what the student's clCreateBuffer is
   renamed to, and so on. labs/lab.mk takes the names from this list. Not for
   main.c. A call that is not listed goes straight to OpenCL. */
#ifndef OCL_CALLS_H
#define OCL_CALLS_H

#include <CL/cl.h>

cl_context trace_clCreateContext(const cl_context_properties *properties, cl_uint num_devices,
                                 const cl_device_id *devices,
                                 void(CL_CALLBACK *pfn_notify)(const char *errinfo, const void *private_info, size_t cb,
                                                               void *user_data),
                                 void *user_data, cl_int *errcode_ret);
cl_context trace_clCreateContextFromType(const cl_context_properties *properties, cl_device_type device_type,
                                         void(CL_CALLBACK *pfn_notify)(const char *errinfo, const void *private_info,
                                                                       size_t cb, void *user_data),
                                         void *user_data, cl_int *errcode_ret);
cl_command_queue trace_clCreateCommandQueue(cl_context context, cl_device_id device,
                                            cl_command_queue_properties properties, cl_int *errcode_ret);
cl_command_queue trace_clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                                          const cl_queue_properties *properties, cl_int *errcode_ret);
cl_mem trace_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host_ptr, cl_int *errcode_ret);
cl_mem trace_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type buffer_create_type,
                               const void *buffer_create_info, cl_int *errcode_ret);
cl_mem trace_clCreateImage(cl_context context, cl_mem_flags flags, const cl_image_format *image_format,
                           const cl_image_desc *image_desc, void *host_ptr, cl_int *errcode_ret);
cl_sampler trace_clCreateSampler(cl_context context, cl_bool normalized_coords, cl_addressing_mode addressing_mode,
                                 cl_filter_mode filter_mode, cl_int *errcode_ret);
cl_program trace_clCreateProgramWithSource(cl_context context, cl_uint count, const char **strings,
                                           const size_t *lengths, cl_int *errcode_ret);
cl_program trace_clCreateProgramWithBinary(cl_context context, cl_uint num_devices, const cl_device_id *device_list,
                                           const size_t *lengths, const unsigned char **binaries, cl_int *binary_status,
                                           cl_int *errcode_ret);
cl_program trace_clLinkProgram(cl_context context, cl_uint num_devices, const cl_device_id *device_list,
                               const char *options, cl_uint num_input_programs, const cl_program *input_programs,
                               void(CL_CALLBACK *pfn_notify)(cl_program program, void *user_data), void *user_data,
                               cl_int *errcode_ret);
cl_kernel trace_clCreateKernel(cl_program program, const char *kernel_name, cl_int *errcode_ret);
cl_event trace_clCreateUserEvent(cl_context context, cl_int *errcode_ret);
cl_int trace_clRetainContext(cl_context context);
cl_int trace_clRetainCommandQueue(cl_command_queue command_queue);
cl_int trace_clRetainMemObject(cl_mem memobj);
cl_int trace_clRetainSampler(cl_sampler sampler);
cl_int trace_clRetainProgram(cl_program program);
cl_int trace_clRetainKernel(cl_kernel kernel);
cl_int trace_clRetainEvent(cl_event event);
cl_int trace_clReleaseContext(cl_context context);
cl_int trace_clReleaseCommandQueue(cl_command_queue command_queue);
cl_int trace_clReleaseMemObject(cl_mem memobj);
cl_int trace_clReleaseSampler(cl_sampler sampler);
cl_int trace_clReleaseProgram(cl_program program);
cl_int trace_clReleaseKernel(cl_kernel kernel);
cl_int trace_clReleaseEvent(cl_event event);
cl_int trace_clGetPlatformIDs(cl_uint num_entries, cl_platform_id *platforms, cl_uint *num_platforms);
cl_int trace_clGetDeviceIDs(cl_platform_id platform, cl_device_type device_type, cl_uint num_entries,
                            cl_device_id *devices, cl_uint *num_devices);
cl_int trace_clGetDeviceInfo(cl_device_id device, cl_device_info param_name, size_t param_value_size, void *param_value,
                             size_t *param_value_size_ret);
cl_int trace_clBuildProgram(cl_program program, cl_uint num_devices, const cl_device_id *device_list,
                            const char *options, void(CL_CALLBACK *pfn_notify)(cl_program program, void *user_data),
                            void *user_data);
cl_int trace_clCompileProgram(cl_program program, cl_uint num_devices, const cl_device_id *device_list,
                              const char *options, cl_uint num_input_headers, const cl_program *input_headers,
                              const char **header_include_names,
                              void(CL_CALLBACK *pfn_notify)(cl_program program, void *user_data), void *user_data);
cl_int trace_clGetProgramBuildInfo(cl_program program, cl_device_id device, cl_program_build_info param_name,
                                   size_t param_value_size, void *param_value, size_t *param_value_size_ret);
cl_int trace_clSetKernelArg(cl_kernel kernel, cl_uint arg_index, size_t arg_size, const void *arg_value);
cl_int trace_clFlush(cl_command_queue command_queue);
cl_int trace_clFinish(cl_command_queue command_queue);
cl_int trace_clWaitForEvents(cl_uint num_events, const cl_event *event_list);
cl_int trace_clEnqueueReadBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_read, size_t offset,
                                 size_t size, void *ptr, cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueWriteBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write, size_t offset,
                                  size_t size, const void *ptr, cl_uint num_events_in_wait_list,
                                  const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueReadBufferRect(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_read,
                                     const size_t *buffer_origin, const size_t *host_origin, const size_t *region,
                                     size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                                     size_t host_slice_pitch, void *ptr, cl_uint num_events_in_wait_list,
                                     const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueWriteBufferRect(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write,
                                      const size_t *buffer_origin, const size_t *host_origin, const size_t *region,
                                      size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                                      size_t host_slice_pitch, const void *ptr, cl_uint num_events_in_wait_list,
                                      const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueCopyBuffer(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_buffer,
                                 size_t src_offset, size_t dst_offset, size_t size, cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueFillBuffer(cl_command_queue command_queue, cl_mem buffer, const void *pattern,
                                 size_t pattern_size, size_t offset, size_t size, cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueWriteImage(cl_command_queue command_queue, cl_mem image, cl_bool blocking_write,
                                 const size_t *origin, const size_t *region, size_t input_row_pitch,
                                 size_t input_slice_pitch, const void *ptr, cl_uint num_events_in_wait_list,
                                 const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueUnmapMemObject(cl_command_queue command_queue, cl_mem memobj, void *mapped_ptr,
                                     cl_uint num_events_in_wait_list, const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueMigrateMemObjects(cl_command_queue command_queue, cl_uint num_mem_objects,
                                        const cl_mem *mem_objects, cl_mem_migration_flags flags,
                                        cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                                        cl_event *event);
cl_int trace_clEnqueueMarkerWithWaitList(cl_command_queue command_queue, cl_uint num_events_in_wait_list,
                                         const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueBarrierWithWaitList(cl_command_queue command_queue, cl_uint num_events_in_wait_list,
                                          const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueSVMMap(cl_command_queue command_queue, cl_bool blocking_map, cl_map_flags flags, void *svm_ptr,
                             size_t size, cl_uint num_events_in_wait_list, const cl_event *event_wait_list,
                             cl_event *event);
cl_int trace_clEnqueueSVMUnmap(cl_command_queue command_queue, void *svm_ptr, cl_uint num_events_in_wait_list,
                               const cl_event *event_wait_list, cl_event *event);
void *trace_clEnqueueMapBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_map,
                               cl_map_flags map_flags, size_t offset, size_t size, cl_uint num_events_in_wait_list,
                               const cl_event *event_wait_list, cl_event *event, cl_int *errcode_ret);
cl_int trace_clEnqueueNDRangeKernel(cl_command_queue command_queue, cl_kernel kernel, cl_uint work_dim,
                                    const size_t *global_work_offset, const size_t *global_work_size,
                                    const size_t *local_work_size, cl_uint num_events_in_wait_list,
                                    const cl_event *event_wait_list, cl_event *event);
cl_int trace_clEnqueueTask(cl_command_queue command_queue, cl_kernel kernel, cl_uint num_events_in_wait_list,
                           const cl_event *event_wait_list, cl_event *event);
cl_int trace_clCreateKernelsInProgram(cl_program program, cl_uint num_kernels, cl_kernel *kernels,
                                      cl_uint *num_kernels_ret);
void *trace_clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment);
void trace_clSVMFree(cl_context context, void *svm_pointer);

#endif
