/* Different: a work-group for each row adds up in a tree, by a loop that grows. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void multiply(__global const float *matrix, __constant float *vector, __global float *result)
{
    __local float part[GROUP];
    const size_t me = get_local_id(0), row = get_group_id(0);
    float sum = 0;
    for (size_t j = me; j < N; j += GROUP)
        sum += matrix[row * N + j] * vector[j];
    part[me] = sum;
    for (size_t step = 1; step < GROUP; step *= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me % (2 * step) == 0)
            part[me] += part[me + step];
    }
    if (me == 0)
        result[row] = part[0];
}
