/* dmv.cl: y = A x on an OpenCL device.

   dmv.c reads and compiles this file when it runs, once for each width, with
   -D COLS=<columns of A>. */

/* BEGIN TODO 10: the kernel */
/* Write the kernel. First the seed's: work-item i computes row i, and does nothing if
   there is no row i. When all tests pass, make it fast: the README says how. */
__kernel void dmv(__global const float *A, const ulong rows, __global const float *x, __global float *y)
{
}
/* END TODO 10 */
