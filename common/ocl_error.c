/* ocl_error.c: see ocl_error.h. Only the errors that a program of this course can meet have words of their own. */
#include "ocl_error.h"

#include <stddef.h>

struct error_words {
    int code;
    const char *words;
};

static const struct error_words errors[] = {
    {0, "CL_SUCCESS"},
    {-1, "CL_DEVICE_NOT_FOUND: this platform has no device of the type asked for"},
    {-2, "CL_DEVICE_NOT_AVAILABLE"},
    {-3, "CL_COMPILER_NOT_AVAILABLE"},
    {-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE: no memory for a buffer"},
    {-5, "CL_OUT_OF_RESOURCES: the device has not enough memory or registers, or a kernel went wrong"},
    {-6, "CL_OUT_OF_HOST_MEMORY"},
    {-11, "CL_BUILD_PROGRAM_FAILURE: the kernel file does not compile; its build log says why"},
    {-12, "CL_MAP_FAILURE"},
    {-13, "CL_MISALIGNED_SUB_BUFFER_OFFSET"},
    {-14, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: a command that was waited for has failed"},
    {-15, "CL_COMPILE_PROGRAM_FAILURE"},
    {-17, "CL_LINK_PROGRAM_FAILURE"},
    {-30, "CL_INVALID_VALUE: an argument is out of range (a size of 0, an array too small, a NULL)"},
    {-31, "CL_INVALID_DEVICE_TYPE"},
    {-32, "CL_INVALID_PLATFORM"},
    {-33, "CL_INVALID_DEVICE: the device does not belong to this platform or context"},
    {-34, "CL_INVALID_CONTEXT"},
    {-35, "CL_INVALID_QUEUE_PROPERTIES"},
    {-36, "CL_INVALID_COMMAND_QUEUE"},
    {-37, "CL_INVALID_HOST_PTR: the flags and the host pointer do not fit together"},
    {-38, "CL_INVALID_MEM_OBJECT: a buffer that is none, or was released"},
    {-43, "CL_INVALID_BUILD_OPTIONS: the options for clBuildProgram are not understood"},
    {-44, "CL_INVALID_PROGRAM"},
    {-45, "CL_INVALID_PROGRAM_EXECUTABLE: the program has not been built for this device"},
    {-46, "CL_INVALID_KERNEL_NAME: the kernel file has no __kernel function of this name"},
    {-48, "CL_INVALID_KERNEL"},
    {-49, "CL_INVALID_ARG_INDEX: the kernel has fewer arguments"},
    {-50, "CL_INVALID_ARG_VALUE"},
    {-51, "CL_INVALID_ARG_SIZE: the size given to clSetKernelArg is not that of the kernel's argument"},
    {-52, "CL_INVALID_KERNEL_ARGS: an argument of the kernel was never set"},
    {-53, "CL_INVALID_WORK_DIMENSION"},
    {-54, "CL_INVALID_WORK_GROUP_SIZE: the local size does not divide the global size, or is more than the device or "
          "the kernel allows"},
    {-55, "CL_INVALID_WORK_ITEM_SIZE: the local size is more than the device allows"},
    {-56, "CL_INVALID_GLOBAL_OFFSET"},
    {-57, "CL_INVALID_EVENT_WAIT_LIST"},
    {-58, "CL_INVALID_EVENT"},
    {-59, "CL_INVALID_OPERATION"},
    {-61, "CL_INVALID_BUFFER_SIZE: a buffer of 0 bytes, or larger than the device allows"},
    {-63, "CL_INVALID_GLOBAL_WORK_SIZE: a global size of 0"},
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR: no OpenCL platform is installed (Debian: apt-get install pocl-opencl-icd)"},
};

const char *ocl_error(int code)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code)
            return errors[i].words;
    return "an error that is not in this course's list";
}
