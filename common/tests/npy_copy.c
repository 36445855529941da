/* npy_copy.c: loads one .npy file and saves it as another, for test_npy_numpy.py. */
#include <stdio.h>

#include "npy.h"

int main(int argc, char **argv)
{
    struct npy a;
    if (argc != 3) {
        fprintf(stderr, "usage: npy_copy IN.npy OUT.npy\n");
        return 2;
    }
    if (npy_load(argv[1], &a) != 0 || npy_save(argv[2], a.type, a.ndim, a.shape, a.data) != 0) {
        fprintf(stderr, "npy_copy: %s\n", npy_error());
        return 1;
    }
    npy_free(&a);
    return 0;
}
