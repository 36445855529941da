/* Different: an early return in the kernel, a pointer that walks. */
__kernel void multiply(__global const float *matrix, __global const float *vector, __global float *result,
                       const ulong rows, const ulong cols)
{
    if (get_global_id(0) >= rows)
        return;
    __global const float *a = matrix + get_global_id(0) * cols, *end = a + cols;
    float sum = 0;
    while (a < end)
        sum = mad(*a++, *vector++, sum);
    result[get_global_id(0)] = sum;
}
