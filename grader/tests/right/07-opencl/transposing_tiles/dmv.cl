/* Different: a work-group reads x tile by tile into local memory; work-items without a row read, too. */
__kernel void multiply(__global const float *matrix, __global const float *vector, __global float *result,
                       const ulong rows, const ulong cols, __local float *tile)
{
    const ulong i = get_global_id(0), me = get_local_id(0), width = get_local_size(0);
    float sum = 0;
    for (ulong first = 0; first < cols; first += width) {
        if (first + me < cols)
            tile[me] = vector[first + me];
        barrier(CLK_LOCAL_MEM_FENCE);
        const ulong count = min(width, cols - first);
        for (ulong j = 0; i < rows && j < count; j++)
            sum += matrix[i * cols + first + j] * tile[j];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (i < rows)
        result[i] = sum;
}
