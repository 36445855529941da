/* npy.c: loads and saves arrays as .npy files. The header's text is read and
   written in npy_header.c; here are the files around it. */
#include "npy.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npy_header.h"

static _Thread_local char error_text[PATH_MAX + 512];

const char *npy_error(void)
{
    return error_text;
}

int npy_fail(const char *name, int error, const char *format, ...)
{
    size_t used = 0;
    if (name != NULL)
        used = (size_t)snprintf(error_text, PATH_MAX, "%s: ", name);
    if (used >= PATH_MAX) /* a longer name was cut */
        used = PATH_MAX - 1;
    va_list words;
    va_start(words, format);
    vsnprintf(error_text + used, sizeof error_text - used, format, words);
    va_end(words);
    errno = error;
    return -1;
}

void npy_free(struct npy *array)
{
    free(array->data);
    *array = (struct npy){0};
}

/* Frees and keeps errno; returns -1. */
static int give_up(struct npy *array)
{
    int error = errno;
    npy_free(array);
    errno = error;
    return -1;
}

/* Gives the array memory for its elements; where there are none, for one that nobody should use: it
   reads as not a number, so that whoever does use it gets nothing that could be right by chance. */
static int make_room(const char *name, struct npy *array)
{
    size_t bytes = array->count * npy_item_size(array->type);
    array->data = malloc(bytes > 0 ? bytes : sizeof(double));
    if (array->data == NULL)
        return npy_fail(name, ENOMEM, "not enough memory for %zu bytes of data", bytes);
    if (bytes == 0)
        memset(array->data, 0xff, sizeof(double));
    return 0;
}

int npy_parse(const unsigned char *bytes, size_t size, struct npy *array)
{
    size_t data_at;
    *array = (struct npy){0};
    if (npy_header_size(NULL, bytes, size, &data_at) != 0 || npy_header_parse(NULL, bytes, data_at, array) != 0 ||
        npy_header_fits(NULL, array, size - data_at) != 0 || make_room(NULL, array) != 0)
        return give_up(array);
    memcpy(array->data, bytes + data_at, size - data_at);
    return 0;
}

/* ---- reading files ---- */

struct source {
    const char *name;
    int fd;
    size_t size;    /* of the file */
    size_t data_at; /* where the data begins */
};

/* Reads size bytes at offset, all of them. */
static int read_at(const struct source *s, size_t offset, void *out, size_t size)
{
    char *to = out;
    while (size > 0) {
        ssize_t got = pread(s->fd, to, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return npy_fail(s->name, errno, "cannot be read: %s", strerror(errno));
        if (got == 0)
            return npy_fail(s->name, EBADMSG, "became shorter while it was read");
        to += got;
        offset += (size_t)got;
        size -= (size_t)got;
    }
    return 0;
}

static const char *kind(mode_t mode)
{
    return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a FIFO" : S_ISSOCK(mode) ? "a socket" : "a device";
}

/* Opens the file, and insists on a regular one of at most max_bytes. O_NONBLOCK
   lets the open of a FIFO return at once; it means nothing for regular files. */
static int open_source(struct source *s, const char *path, int flags, size_t max_bytes)
{
    struct stat status;
    *s = (struct source){.name = path};
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    if (s->fd < 0 && errno == ELOOP && (flags & O_NOFOLLOW))
        return npy_fail(path, ELOOP, "is a link; expected was a regular file");
    if (s->fd < 0)
        return npy_fail(path, errno, "cannot be opened: %s", strerror(errno));
    if (fstat(s->fd, &status) != 0)
        return npy_fail(path, errno, "cannot be examined: %s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return npy_fail(path, EINVAL, "is %s; expected was a regular file", kind(status.st_mode));
    if ((uintmax_t)status.st_size > max_bytes)
        return npy_fail(path, EFBIG, "has %jd bytes; expected were at most %zu", (intmax_t)status.st_size, max_bytes);
    s->size = (size_t)status.st_size;
    return 0;
}

static int read_header(struct source *s, struct npy *array)
{
    unsigned char bytes[NPY_HEADER_LIMIT];
    size_t start = s->size < NPY_PREFIX_SIZE ? s->size : NPY_PREFIX_SIZE;
    if (read_at(s, 0, bytes, start) != 0 || npy_header_size(s->name, bytes, s->size, &s->data_at) != 0 ||
        read_at(s, 0, bytes, s->data_at) != 0 || npy_header_parse(s->name, bytes, s->data_at, array) != 0)
        return -1;
    return npy_header_fits(s->name, array, s->size - s->data_at);
}

/* Narrows the array to some of its rows, and tells where in the data they begin. */
static int narrow(const char *name, struct npy *array, size_t first, size_t rows, size_t *skip)
{
    if (array->ndim == 0)
        return npy_fail(name, EINVAL, "holds a scalar, which has no rows");
    size_t all = array->shape[0];
    if (first > all || rows > all - first)
        return npy_fail(name, ERANGE, "has %zu rows; asked for were %zu from row %zu on", all, rows, first);
    size_t row_items = all > 0 ? array->count / all : 0;
    *skip = first * row_items * npy_item_size(array->type);
    array->shape[0] = rows;
    array->count = rows * row_items;
    return 0;
}

enum part { HEADER_ONLY, SOME_ROWS, WHOLE };

struct wanted {
    enum part part;
    size_t first, rows; /* for SOME_ROWS */
};

static int read_source(struct source *s, const struct wanted *w, struct npy *array)
{
    size_t skip = 0;
    if (read_header(s, array) != 0)
        return -1;
    if (w->part == HEADER_ONLY)
        return 0;
    if (w->part == SOME_ROWS && narrow(s->name, array, w->first, w->rows, &skip) != 0)
        return -1;
    if (make_room(s->name, array) != 0)
        return -1;
    return read_at(s, s->data_at + skip, array->data, array->count * npy_item_size(array->type));
}

static int load(const char *path, int flags, size_t max_bytes, const struct wanted *w, struct npy *array)
{
    struct source s;
    *array = (struct npy){0};
    int result = open_source(&s, path, flags, max_bytes);
    if (result == 0)
        result = read_source(&s, w, array);
    int error = errno;
    if (s.fd >= 0)
        close(s.fd);
    errno = error;
    return result == 0 ? 0 : give_up(array);
}

int npy_load(const char *path, struct npy *array)
{
    return load(path, 0, SIZE_MAX, &(struct wanted){WHOLE, 0, 0}, array);
}

int npy_load_untrusted(const char *path, size_t max_bytes, struct npy *array)
{
    return load(path, O_NOFOLLOW, max_bytes, &(struct wanted){WHOLE, 0, 0}, array);
}

int npy_load_header(const char *path, struct npy *array)
{
    return load(path, 0, SIZE_MAX, &(struct wanted){HEADER_ONLY, 0, 0}, array);
}

int npy_load_rows(const char *path, size_t first, size_t rows, struct npy *array)
{
    return load(path, 0, SIZE_MAX, &(struct wanted){SOME_ROWS, first, rows}, array);
}

/* ---- writing files ---- */

static int write_all(int fd, const void *data, size_t size)
{
    const char *from = data;
    while (size > 0) {
        ssize_t put = write(fd, from, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        from += put;
        size -= (size_t)put;
    }
    return 0;
}

/* Makes a new file in the folder of path and writes its name to temporary. Not
   mkstemp, because the file is to get the permissions that the umask gives to
   any other file. */
static int open_temporary(const char *path, char temporary[PATH_MAX])
{
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s", path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const char *parent = dirname(folder);
    for (int i = 0; i < 1000; i++) {
        if (snprintf(temporary, PATH_MAX, "%s/.npy-%d-%d.tmp", parent, (int)getpid(), i) >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* Header and data, safely on the disk; closes fd in any case. */
static int write_and_close(int fd, const struct npy *array, const void *data)
{
    unsigned char header[NPY_WRITTEN_LIMIT];
    size_t size = npy_header_write(array, header);
    int result = write_all(fd, header, size);
    if (result == 0)
        result = write_all(fd, data, array->count * npy_item_size(array->type));
    if (result == 0)
        result = fsync(fd);
    int error = errno;
    if (close(fd) != 0 && result == 0)
        return -1;
    errno = error;
    return result;
}

/* Fills the description of what is to be saved, if it can be. */
static int describe(const char *path, enum npy_type type, int ndim, const size_t *shape, const void *data,
                    struct npy *array)
{
    *array = (struct npy){.type = type, .ndim = ndim, .shape = {1, 1, 1, 1}};
    if (ndim < 0 || ndim > NPY_MAX_DIMS)
        return npy_fail(path, EINVAL, "cannot be written: %d axes; expected were 0 to %d", ndim, NPY_MAX_DIMS);
    for (int i = 0; i < ndim; i++)
        array->shape[i] = shape[i];
    if (npy_header_count(path, array) != 0)
        return -1;
    if (data == NULL && array->count > 0)
        return npy_fail(path, EINVAL, "cannot be written: no data (NULL) for %zu elements", array->count);
    return 0;
}

int npy_save(const char *path, enum npy_type type, int ndim, const size_t *shape, const void *data)
{
    struct npy array;
    char temporary[PATH_MAX];
    if (describe(path, type, ndim, shape, data, &array) != 0)
        return -1;
    int fd = open_temporary(path, temporary);
    if (fd < 0)
        return npy_fail(path, errno, "cannot be written: %s", strerror(errno));
    if (write_and_close(fd, &array, data) == 0 && rename(temporary, path) == 0)
        return 0;
    int error = errno;
    unlink(temporary);
    return npy_fail(path, error, "cannot be written: %s", strerror(error));
}
