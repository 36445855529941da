/* three kernels: for narrow, for wide matrices, and one for the rest of the rows */
float dot_row(__global const float *a, __global const float *x);
float dot_row(__global const float *a, __global const float *x)
{
    float8 acc = 0;
    uint j;
    for (j = 0; j + 8 <= N; j += 8)
        acc += vload8(0, a + j) * vload8(0, x + j);
    float s = acc.s0 + acc.s1 + acc.s2 + acc.s3 + acc.s4 + acc.s5 + acc.s6 + acc.s7;
    while (j < N) {
        s += a[j] * x[j];
        ++j;
    }
    return s;
}

__kernel void wide(__global const float *A, __global const float *x, __global float *y, uint rows)
{
    for (size_t i = get_global_id(0); i < rows; i += get_global_size(0))
        y[i] = dot_row(A + i * N, x);
}

__kernel void narrow(__global const float *A, __global const float *x, __global float *y, uint rows)
{
    for (size_t i = get_global_id(0); i < rows; i += get_global_size(0)) {
        y[i] = 0;
        for (uint j = 0; j < N; j++)
            y[i] += A[i * N + j] * x[j];
    }
}
