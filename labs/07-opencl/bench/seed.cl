/* seed.cl: the kernel of the seed's opencl-dense-mv.py as it stands there (N is a
   number put into the text): one work-item for each row, which adds to r[gid] in global
   memory at each step. bench.c races it against dmv.cl. */
#ifndef N
#define N 10000
#endif
__kernel
void dmv_cl(__global float *m, __global float *v, __global float *r)
{
    int i, gid = get_global_id(0);

    r[gid] = 0;
    for (i = 0; i < N; i++)
    {
        r[gid] += m[gid * N + i] * v[i];
    }
}
