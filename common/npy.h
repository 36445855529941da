/* npy.h: arrays in numpy's .npy files (format versions 1.0 and 2.0), the one
   kind of file that programs, suites, the grader and Python exchange.

   Source: numpy.lib.format (NEP 1). Only C order, little-endian, and the types
   below; no pickled objects, ever.

   All functions that return int: 0, or -1 with errno set and the reason in
   npy_error(); *array is then all zeros. errno is EBADMSG (not a sound .npy
   file), ENOTSUP (a sound one of a kind that is not read here: big-endian,
   Fortran order, other types, more axes), EOVERFLOW (a shape too large for
   memory), EINVAL (bad argument, or not a regular file), or what the system said. */
#ifndef NPY_H
#define NPY_H

#include <stddef.h>

enum npy_type { NPY_F8, NPY_F4, NPY_I8, NPY_I4, NPY_U1 }; /* double, float, int64_t, int32_t, unsigned char */
#define NPY_MAX_DIMS 4

struct npy {
    enum npy_type type;
    int ndim;                   /* 0 for a scalar */
    size_t shape[NPY_MAX_DIMS]; /* elements along each axis, row-major; 1 beyond ndim */
    size_t count;               /* elements in all: the product of shape */
    void *data;                 /* count elements, owned: give it to npy_free; NULL from npy_load_header;
                                   never NULL otherwise, also where count is 0 */
};

/* Bytes of one element; 0 if there is no such type. */
size_t npy_item_size(enum npy_type type);

/* Reads a whole array. The caller owns *array (npy_free). The file must hold
   exactly the array: a byte too few or too many is an error. */
int npy_load(const char *path, struct npy *array);

/* The same for a file that somebody hostile may have written: path must not be a
   link (ELOOP; the folders on the way to it are trusted), a FIFO or device never
   blocks it, and a file of more than max_bytes is not read (EFBIG). */
int npy_load_untrusted(const char *path, size_t max_bytes, struct npy *array);

/* Type and shape only, data = NULL; the file's size is checked all the same. */
int npy_load_header(const char *path, struct npy *array);

/* Reads rows first ... first + rows - 1 (along axis 0) and no other byte of the
   data; array->shape[0] is then rows. -1, ERANGE if the file has fewer rows;
   EINVAL if it holds a scalar. */
int npy_load_rows(const char *path, size_t first, size_t rows, struct npy *array);

/* Writes an array, whole or not at all: into a temporary file in the same folder,
   then fsync and rename, which replaces what was at path (also a link). shape has
   ndim entries (may be NULL for a scalar); data may be NULL if there is no element. */
int npy_save(const char *path, enum npy_type type, int ndim, const size_t *shape, const void *data);

/* Parses a whole file held in memory; what the fuzzer calls. The data is copied. */
int npy_parse(const unsigned char *bytes, size_t size, struct npy *array);

/* Frees the data and makes *array all zeros; doing it again, or to zeros, is allowed. */
void npy_free(struct npy *array);

/* The last failure of this thread in words: "in.npy: not a .npy file (it starts with 'PK')". */
const char *npy_error(void);

#endif
