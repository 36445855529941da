/* dmv.cl: a work-group for each row. Its work-items stand side by side along the row; dmv.c
   gives `part`, a float for each of them. The size of a group is a power of two. */
__kernel void dmv(__global const float *A, const ulong rows, __global const float *x, __global float *y,
                  __local float *part)
{
    const ulong row = get_group_id(0);
    const uint me = get_local_id(0), group = get_local_size(0);
    float sum = 0;
    if (row < rows)
        for (ulong j = me; j < COLS; j += group)
            sum += A[row * COLS + j] * x[j];
    part[me] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint left = group / 2; left > 0; left /= 2) {
        if (me < left)
            part[me] += part[me + left];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (me == 0 && row < rows)
        y[row] = part[0];
}
