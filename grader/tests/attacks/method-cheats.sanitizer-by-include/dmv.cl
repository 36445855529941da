#ifndef __OPENCL_VERSION__
#undef no_sanitize
#else
/* dmv.cl: y = A x on an OpenCL device.

   dmv.c reads and compiles this file when it runs, once for each width, with
   -D COLS=<columns of A>. */

/* BEGIN TODO 10: the kernel */
/* dmv.c also defines GROUP, the number of work-items in a work-group, and starts one
   work-group for every ROWS rows. */
#define ROWS 4   /* rows that a work-group computes together: x is read once for all of them */
#define WIDTH 16 /* elements that a work-item takes at a time: the widest vector of OpenCL C */

static float total(float16 v)
{
    float8 a = v.lo + v.hi;
    float4 b = a.lo + a.hi;
    return b.x + b.y + b.z + b.w;
}

/* The work-items of a group stand side by side along the rows: each adds up every
   GROUP-th vector of all four rows, then the group adds up its work-items' sums. On a
   processor GROUP is 1, and what is left is a loop over vectors. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void dmv(__global const float *A, const ulong rows, __global const float *x, __global float *y)
{
    const ulong me = get_local_id(0), first = get_group_id(0) * (ulong)ROWS;

    /* The last group may have fewer than four rows: it computes the last row again
       instead of reading beyond the end of A, and does not store it. */
    const ulong last = rows - 1;
    __global const float *a0 = A + first * COLS;
    __global const float *a1 = A + min(first + 1, last) * COLS;
    __global const float *a2 = A + min(first + 2, last) * COLS;
    __global const float *a3 = A + min(first + 3, last) * COLS;

    float16 s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (ulong j = me; j < COLS / WIDTH; j += GROUP) {
        const float16 v = vload16(j, x);
        s0 += vload16(j, a0) * v;
        s1 += vload16(j, a1) * v;
        s2 += vload16(j, a2) * v;
        s3 += vload16(j, a3) * v;
    }
    float4 sum = (float4)(total(s0), total(s1), total(s2), total(s3));
    for (ulong j = COLS / WIDTH * WIDTH + me; j < COLS; j += GROUP) /* what fills no vector */
        sum += (float4)(a0[j], a1[j], a2[j], a3[j]) * x[j];

    /* Halve the number of sums until one is left. Every work-item comes to every
       barrier, also those that have nothing more to add. */
    __local float4 part[GROUP];
    part[me] = sum;
    for (ulong left = GROUP / 2; left > 0; left /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < left)
            part[me] += part[me + left];
    }
    if (me == 0) {
        const float result[ROWS] = {part[0].x, part[0].y, part[0].z, part[0].w};
        for (ulong i = 0; i < ROWS && first + i < rows; i++)
            y[first + i] = result[i];
    }
}
/* END TODO 10 */

#endif
