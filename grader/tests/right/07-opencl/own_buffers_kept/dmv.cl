/* Different: each work-item takes a contiguous block of rows, and there are only as many as compute units. */
__kernel void multiply(__global const float *restrict matrix, __global const float *restrict vector,
                       __global float *restrict result, const ulong rows, const ulong cols)
{
    const ulong items = get_global_size(0), me = get_global_id(0);
    for (ulong i = rows * me / items; i < rows * (me + 1) / items; i++) {
        float4 sum = 0;
        ulong j = 0;
        for (; j + 4 <= cols; j += 4)
            sum += vload4(0, matrix + i * cols + j) * vload4(0, vector + j);
        float rest = dot(sum, (float4)1);
        for (; j < cols; j++)
            rest += matrix[i * cols + j] * vector[j];
        result[i] = rest;
    }
}
