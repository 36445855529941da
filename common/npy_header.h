/* npy_header.h: the text at the start of a .npy file, from bytes and to bytes.
   npy.c's other half; nobody else includes it, except the fuzzer.

   name, everywhere, is the file's name for messages, or NULL if it has none. */
#ifndef NPY_HEADER_H
#define NPY_HEADER_H

#include <stddef.h>

#include "npy.h"

#define NPY_PREFIX_SIZE 12                                  /* magic 6, version 2, length of the text 2 or 4 */
#define NPY_TEXT_LIMIT 65536                                /* numpy's own need about 128 bytes */
#define NPY_HEADER_LIMIT (NPY_PREFIX_SIZE + NPY_TEXT_LIMIT) /* bytes before the data, at most */
#define NPY_WRITTEN_LIMIT 256                               /* the same for headers that we write */

/* Looks at the first bytes of a file that has size bytes in all (bytes holds
   NPY_PREFIX_SIZE of them, or all if there are fewer) and finds where the data begins. */
int npy_header_size(const char *name, const unsigned char *bytes, size_t size, size_t *data_at);

/* Reads type, shape and count from the data_at bytes before the data. */
int npy_header_parse(const char *name, const unsigned char *bytes, size_t data_at, struct npy *array);

/* Computes array->count from its type and shape; EOVERFLOW if the bytes cannot be
   counted, EINVAL if there is no such type. */
int npy_header_count(const char *name, struct npy *array);

/* Insists that data_bytes, what the file has after its header, is what the array needs. */
int npy_header_fits(const char *name, const struct npy *array, size_t data_bytes);

/* Writes a version 1.0 header to bytes (NPY_WRITTEN_LIMIT of them); returns its size. */
size_t npy_header_write(const struct npy *array, unsigned char *bytes);

/* Sets errno and npy_error(), the latter to "name: words". Returns -1. */
int npy_fail(const char *name, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
