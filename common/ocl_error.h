/* ocl_error.h: an OpenCL error number in words, for main.c and the suite. */
#ifndef OCL_ERROR_H
#define OCL_ERROR_H

/* "CL_INVALID_WORK_GROUP_SIZE: the local size does not divide the global size, ...";
   never NULL. The names are those of OpenCL 3.0, appendix of error codes. */
const char *ocl_error(int code);

#endif
