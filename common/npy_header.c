/* npy_header.c: reads and writes the header of a .npy file, the short text that
   says what the numbers behind it are.

   A file is: the magic bytes, the version (major, minor), the length of the text
   (2 bytes in version 1, 4 in version 2, little-endian), the text, the data.
   The text is a Python dict as numpy prints it, padded with spaces and ended by
   a newline:

       {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }

   The file may come from anybody, so this reads that and nothing more: it is not
   a parser of Python. */
#include "npy_header.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npy files are little-endian here, and read without conversion"
#endif

#define MAGIC "\x93NUMPY"
#define MAGIC_SIZE 6

static const struct {
    const char *descr;
    size_t size;
} types[] = {
    [NPY_F8] = {"<f8", 8}, [NPY_F4] = {"<f4", 4}, [NPY_I8] = {"<i8", 8}, [NPY_I4] = {"<i4", 4}, [NPY_U1] = {"|u1", 1},
};
#define TYPE_COUNT (sizeof types / sizeof types[0])

size_t npy_item_size(enum npy_type type)
{
    return (size_t)type < TYPE_COUNT ? types[type].size : 0;
}

/* ---- words for people ---- */

static const char *descr_of(enum npy_type type)
{
    return (size_t)type < TYPE_COUNT ? types[type].descr : "unknown";
}

/* Up to six bytes as they can be shown on a terminal: 'PK\x03\x04'. Returns out. */
static const char *shown(const void *bytes, size_t size, char out[32])
{
    const unsigned char *b = bytes;
    char *at = out;
    *at++ = '\'';
    for (size_t i = 0; i < size && i < 6; i++) {
        bool plain = b[i] >= ' ' && b[i] <= '~';
        at += snprintf(at, 5, plain ? "%c" : "\\x%02x", b[i]);
    }
    *at++ = '\'';
    *at = '\0';
    return out;
}

/* ---- the text, token by token ---- */

struct text {
    const char *name;       /* of the file */
    const char *start, *at; /* at: what comes next */
    const char *end;
};

static void skip_spaces(struct text *t)
{
    while (t->at < t->end && *t->at == ' ')
        t->at++;
}

/* If word comes next, steps over it. */
static bool accept(struct text *t, const char *word)
{
    size_t length = strlen(word);
    skip_spaces(t);
    if ((size_t)(t->end - t->at) < length || memcmp(t->at, word, length) != 0)
        return false;
    t->at += length;
    return true;
}

static int unexpected(const struct text *t, const char *wanted)
{
    char found[32];
    if (t->at == t->end)
        return npy_fail(t->name, EBADMSG, "damaged header: it ends where %s was expected", wanted);
    return npy_fail(t->name, EBADMSG, "damaged header: character %td is %s, expected was %s", t->at - t->start + 1,
                    shown(t->at, 1, found), wanted);
}

static int expect(struct text *t, const char *word)
{
    return accept(t, word) ? 0 : unexpected(t, word);
}

/* A string in single quotes, of plain characters, as numpy writes them. */
static int read_string(struct text *t, const char *wanted, char *out, size_t out_size)
{
    size_t length = 0;
    if (!accept(t, "'"))
        return unexpected(t, wanted);
    for (; t->at < t->end && *t->at != '\''; t->at++) {
        if (*t->at < ' ' || *t->at > '~' || *t->at == '\\' || length + 1 == out_size)
            return unexpected(t, "the closing quote of a short string");
        out[length++] = *t->at;
    }
    out[length] = '\0';
    return expect(t, "'");
}

static int read_descr(struct text *t, struct npy *array)
{
    char descr[32];
    if (accept(t, "["))
        return npy_fail(t->name, ENOTSUP, "holds records (a structured array); expected was an array of plain numbers");
    if (read_string(t, "the element type in quotes", descr, sizeof descr) != 0)
        return -1;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (strcmp(descr, types[i].descr) == 0) {
            array->type = (enum npy_type)i;
            return 0;
        }
    }
    if (strchr(descr, 'O') != NULL)
        return npy_fail(t->name, ENOTSUP, "holds Python objects (type '%s'), which are never read", descr);
    if (descr[0] == '>')
        return npy_fail(t->name, ENOTSUP,
                        "holds big-endian numbers (type '%s'); in numpy, save a.astype('<%s') instead", descr,
                        descr + 1);
    return npy_fail(t->name, ENOTSUP,
                    "holds elements of type '%s'; expected was one of '<f8' (double), '<f4' (float), "
                    "'<i8' (int64), '<i4' (int32), '|u1' (uint8)",
                    descr);
}

static int read_order(struct text *t)
{
    if (accept(t, "False"))
        return 0;
    if (!accept(t, "True"))
        return unexpected(t, "False or True");
    return npy_fail(t->name, ENOTSUP,
                    "is stored column by column (Fortran order); expected was row by row: in numpy, save "
                    "numpy.ascontiguousarray(a) instead");
}

static int read_length(struct text *t, size_t *length)
{
    skip_spaces(t);
    if (t->at < t->end && *t->at == '-')
        return npy_fail(t->name, EBADMSG, "damaged header: the shape has a negative length");
    const char *first = t->at;
    *length = 0;
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
        if (__builtin_mul_overflow(*length, (size_t)10, length) ||
            __builtin_add_overflow(*length, (size_t)(*t->at - '0'), length))
            return npy_fail(t->name, EOVERFLOW, "the shape has a length that no computer could hold");
    }
    if (t->at == first)
        return unexpected(t, "a length, in digits");
    if (*first == '0' && t->at - first > 1)
        return npy_fail(t->name, EBADMSG, "damaged header: the shape has a length that begins with 0");
    return 0;
}

/* A Python tuple: (), (3,), (3, 4); but (3) is only a number in brackets. */
static int read_shape(struct text *t, struct npy *array)
{
    if (expect(t, "(") != 0)
        return -1;
    array->ndim = 0;
    while (!accept(t, ")")) {
        if (array->ndim == NPY_MAX_DIMS)
            return npy_fail(t->name, ENOTSUP, "has more than %d axes", NPY_MAX_DIMS);
        if (read_length(t, &array->shape[array->ndim++]) != 0)
            return -1;
        if (accept(t, ","))
            continue;
        if (array->ndim == 1)
            return unexpected(t, "a comma (one axis is written like (3,))");
        return expect(t, ")");
    }
    return 0;
}

enum { KEY_DESCR = 1, KEY_ORDER = 2, KEY_SHAPE = 4, KEY_ALL = 7 };

/* 0 for a key that a .npy header does not have. */
static int key_bit(const char *key)
{
    if (strcmp(key, "descr") == 0)
        return KEY_DESCR;
    if (strcmp(key, "fortran_order") == 0)
        return KEY_ORDER;
    return strcmp(key, "shape") == 0 ? KEY_SHAPE : 0;
}

static int read_entry(struct text *t, struct npy *array, int *seen)
{
    char key[32];
    if (read_string(t, "a key in quotes", key, sizeof key) != 0 || expect(t, ":") != 0)
        return -1;
    int bit = key_bit(key);
    if (bit == 0)
        return npy_fail(t->name, EBADMSG, "damaged header: the key '%s'; expected were descr, fortran_order, shape",
                        key);
    if (*seen & bit)
        return npy_fail(t->name, EBADMSG, "damaged header: the key '%s' comes twice", key);
    *seen |= bit;
    if (bit == KEY_DESCR)
        return read_descr(t, array);
    return bit == KEY_ORDER ? read_order(t) : read_shape(t, array);
}

static int read_dict(struct text *t, struct npy *array)
{
    int seen = 0;
    if (expect(t, "{") != 0)
        return -1;
    while (!accept(t, "}")) {
        if (read_entry(t, array, &seen) != 0)
            return -1;
        if (accept(t, ","))
            continue;
        if (!accept(t, "}"))
            return unexpected(t, "a comma or }");
        break;
    }
    if (seen != KEY_ALL)
        return npy_fail(t->name, EBADMSG, "damaged header: the key '%s' is missing",
                        !(seen & KEY_DESCR)   ? "descr"
                        : !(seen & KEY_ORDER) ? "fortran_order"
                                              : "shape");
    if (!accept(t, "\n"))
        return unexpected(t, "a newline");
    return t->at == t->end ? 0 : unexpected(t, "its end");
}

/* ---- what npy.c calls ---- */

int npy_header_size(const char *name, const unsigned char *bytes, size_t size, size_t *data_at)
{
    char found[32];
    if (size == 0)
        return npy_fail(name, EBADMSG, "empty; expected was a .npy file");
    if (memcmp(bytes, MAGIC, size < MAGIC_SIZE ? size : MAGIC_SIZE) != 0)
        return npy_fail(name, EBADMSG, "not a .npy file (it starts with %s)", shown(bytes, size, found));
    if (size < NPY_PREFIX_SIZE)
        return npy_fail(name, EBADMSG, "cut off: it ends after %zu bytes, inside the header", size);
    if ((bytes[6] != 1 && bytes[6] != 2) || bytes[7] != 0)
        return npy_fail(name, ENOTSUP, "has format version %d.%d; expected was 1.0 or 2.0", bytes[6], bytes[7]);

    size_t prefix = bytes[6] == 1 ? 10 : 12;
    size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] == 2)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > NPY_TEXT_LIMIT)
        return npy_fail(name, EBADMSG, "damaged header: it claims %zu bytes; expected were at most %d", length,
                        NPY_TEXT_LIMIT);
    if (length > size - prefix)
        return npy_fail(name, EBADMSG, "cut off: it ends after %zu bytes, inside the header, which needs %zu", size,
                        prefix + length);
    *data_at = prefix + length;
    return 0;
}

int npy_header_parse(const char *name, const unsigned char *bytes, size_t data_at, struct npy *array)
{
    const char *start = (const char *)bytes + (bytes[6] == 1 ? 10 : 12);
    struct text t = {.name = name, .start = start, .at = start, .end = (const char *)bytes + data_at};
    *array = (struct npy){.shape = {1, 1, 1, 1}};
    if (read_dict(&t, array) != 0)
        return -1;
    return npy_header_count(name, array);
}

int npy_header_count(const char *name, struct npy *array)
{
    /* Lengths of 0 are left out of the product, so that (0, huge, huge) and
       (huge, huge, 0) get the same answer: too large, as in numpy. */
    size_t item = npy_item_size(array->type);
    size_t bytes = item;
    bool none = false;
    if (item == 0)
        return npy_fail(name, EINVAL, "there is no element type number %d", (int)array->type);
    for (int i = 0; i < array->ndim; i++) {
        if (array->shape[i] == 0)
            none = true;
        else if (__builtin_mul_overflow(bytes, array->shape[i], &bytes) || bytes > PTRDIFF_MAX)
            return npy_fail(name, EOVERFLOW, "the shape's product is larger than any memory");
    }
    array->count = none ? 0 : bytes / item;
    return 0;
}

int npy_header_fits(const char *name, const struct npy *array, size_t data_bytes)
{
    size_t needed = array->count * npy_item_size(array->type);
    if (data_bytes != needed)
        return npy_fail(name, EBADMSG,
                        "%s: %zu bytes after the header; expected were exactly %zu, for %zu elements of type '%s'",
                        data_bytes < needed ? "cut off" : "longer than its data", data_bytes, needed, array->count,
                        descr_of(array->type));
    return 0;
}

size_t npy_header_write(const struct npy *array, unsigned char *bytes)
{
    char text[NPY_WRITTEN_LIMIT];
    int used = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr_of(array->type));
    for (int i = 0; i < array->ndim; i++)
        used += snprintf(text + used, sizeof text - (size_t)used,
                         i == 0   ? "%zu,"
                         : i == 1 ? " %zu"
                                  : ", %zu",
                         array->shape[i]);
    used += snprintf(text + used, sizeof text - (size_t)used, "), }");

    /* The data begins at a multiple of 64 bytes, so that it can be mapped and used in place. */
    size_t data_at = (10 + (size_t)used + 1 + 63) / 64 * 64;
    size_t length = data_at - 10;
    memcpy(bytes, MAGIC "\x01\x00", 8);
    bytes[8] = (unsigned char)(length & 0xff);
    bytes[9] = (unsigned char)(length >> 8);
    memset(bytes + 10, ' ', length);
    memcpy(bytes + 10, text, (size_t)used);
    bytes[data_at - 1] = '\n';
    return data_at;
}
