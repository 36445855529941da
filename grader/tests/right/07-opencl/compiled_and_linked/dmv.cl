/* Different: rows in reverse order. */
__kernel void multiply(__global const float *matrix, __global const float *vector, __global float *result,
                       const unsigned long rows, const unsigned long cols)
{
    size_t i = rows - 1 - get_global_id(0);
    if (i >= rows)
        return;
    result[i] = 0;
    for (size_t j = 0; j < cols; j++)
        result[i] += matrix[i * cols + j] * vector[j];
}
