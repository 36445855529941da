/* Different: one kernel multiplies strips of columns, a second one adds the strips. */
#define STRIP 32

__kernel void strips(__global const float *matrix, __global const float *vector, __global float *parts,
                     const ulong rows, const ulong cols)
{
    const ulong i = get_global_id(0), strip = get_global_id(1);
    if (i < rows) {
        float sum = 0;
        for (ulong j = strip * STRIP; j < min((strip + 1) * STRIP, cols); j++)
            sum = fma(matrix[i * cols + j], vector[j], sum);
        parts[strip * rows + i] = sum;
    }
}

__kernel void add(__global const float *parts, __global float *result, const ulong rows, const ulong count)
{
    const ulong i = get_global_id(0);
    float sum = 0;
    for (ulong strip = 0; strip < count; strip++)
        sum += parts[strip * rows + i];
    result[i] = sum;
}
