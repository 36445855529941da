/* check_npy.c: the tests of npy.c and npy_header.c.

   Every test writes into one scratch folder, which is the current one while the
   suite runs. What to expect of the files in npy-corpus stands in a table below;
   npy_corpus.py says byte by byte what they hold. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npy.h"

static char corpus[PATH_MAX];  /* absolute path of npy-corpus */
static char scratch[PATH_MAX]; /* absolute path of the scratch folder */

static void make_scratch(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/check_npy-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(scratch) == NULL || chdir(scratch) != 0) {
        perror(scratch);
        exit(2);
    }
}

static void remove_scratch(void)
{
    DIR *folder = opendir(".");
    if (folder == NULL) {
        perror(scratch);
        return;
    }
    for (struct dirent *e; (e = readdir(folder)) != NULL;) {
        if (unlink(e->d_name) != 0)
            rmdir(e->d_name);
    }
    closedir(folder);
    if (chdir("/") != 0 || rmdir(scratch) != 0)
        perror(scratch);
}

/* ---- helpers ---- */

static size_t read_file(const char *path, unsigned char *bytes, size_t limit)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
    size_t size = fread(bytes, 1, limit, f);
    ck_assert_msg(size < limit, "%s is larger than this test expects", path);
    fclose(f);
    return size;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

static void save(const char *path, enum npy_type type, int ndim, const size_t *shape, const void *data)
{
    ck_assert_msg(npy_save(path, type, ndim, shape, data) == 0, "%s", npy_error());
}

static void expect_no_array(const struct npy *a)
{
    ck_assert_ptr_null(a->data);
    ck_assert_uint_eq(a->count, 0);
    ck_assert_int_eq(a->ndim, 0);
}

/* Call this directly after the call that should have failed. */
static void expect_failure(int result, int error, const char *words)
{
    int found = errno;
    ck_assert_int_eq(result, -1);
    ck_assert_msg(found == error, "errno is %d (%s), expected %d (%s): %s", found, strerror(found), error,
                  strerror(error), npy_error());
    ck_assert_msg(strstr(npy_error(), words) != NULL, "npy_error() is \"%s\", expected in it: \"%s\"", npy_error(),
                  words);
}

static bool temporary_left(void)
{
    bool found = false;
    DIR *folder = opendir(".");
    for (struct dirent *e; (e = readdir(folder)) != NULL;)
        found = found || strstr(e->d_name, ".tmp") != NULL;
    closedir(folder);
    return found;
}

/* ---- saving, then loading ---- */

static const struct {
    int ndim;
    size_t shape[NPY_MAX_DIMS];
    size_t count;
} shapes[] = {
    {0, {1, 1, 1, 1}, 1},   {1, {0, 1, 1, 1}, 0}, {1, {1, 1, 1, 1}, 1},  {1, {1000, 1, 1, 1}, 1000},
    {2, {0, 5, 1, 1}, 0},   {2, {5, 0, 1, 1}, 0}, {2, {3, 4, 1, 1}, 12}, {3, {2, 3, 4, 1}, 24},
    {4, {2, 3, 4, 5}, 120}, {4, {2, 0, 4, 5}, 0},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])
#define TYPES 5

START_TEST(saved_arrays_load_again)
{
    enum npy_type type = (enum npy_type)(_i % TYPES);
    size_t s = (size_t)_i / TYPES;
    const size_t sizes[TYPES] = {8, 4, 8, 4, 1};
    unsigned char data[8000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 37 + 11); /* any bits must survive, NaN too */

    struct npy a;
    save("again.npy", type, shapes[s].ndim, shapes[s].shape, shapes[s].count > 0 ? data : NULL);
    ck_assert_msg(npy_load("again.npy", &a) == 0, "%s", npy_error());
    ck_assert_int_eq(a.type, type);
    ck_assert_int_eq(a.ndim, shapes[s].ndim);
    ck_assert_mem_eq(a.shape, shapes[s].shape, sizeof a.shape);
    ck_assert_uint_eq(a.count, shapes[s].count);
    ck_assert_ptr_nonnull(a.data);
    ck_assert_mem_eq(a.data, data, a.count * sizes[type]);
    npy_free(&a);

    ck_assert_int_eq(npy_load_header("again.npy", &a), 0);
    ck_assert_ptr_null(a.data);
    ck_assert_int_eq(a.type, type);
    ck_assert_uint_eq(a.count, shapes[s].count);
    ck_assert_mem_eq(a.shape, shapes[s].shape, sizeof a.shape);
}
END_TEST

START_TEST(file_is_as_numpy_describes_it)
{
    /* NEP 1: magic, version, length of the text, text, newline; the data at a multiple of 64. */
    const char *text = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }";
    const double data[6] = {1, 2, 3, 4, 5, 6};
    unsigned char bytes[1024];
    save("layout.npy", NPY_F8, 2, (size_t[]){2, 3}, data);
    size_t size = read_file("layout.npy", bytes, sizeof bytes);
    ck_assert_mem_eq(bytes, "\x93NUMPY\x01\x00", 8);
    size_t data_at = 10 + bytes[8] + 256u * bytes[9];
    ck_assert_uint_eq(data_at % 64, 0);
    ck_assert_mem_eq(bytes + 10, text, strlen(text));
    ck_assert_int_eq(bytes[data_at - 1], '\n');
    for (size_t i = 10 + strlen(text); i < data_at - 1; i++)
        ck_assert_int_eq(bytes[i], ' ');
    ck_assert_uint_eq(size, data_at + sizeof data);
    ck_assert_mem_eq(bytes + data_at, data, sizeof data);
}
END_TEST

START_TEST(free_twice_is_allowed)
{
    struct npy a = {0};
    npy_free(&a);
    save("free.npy", NPY_I4, 1, (size_t[]){2}, (int32_t[]){1, 2});
    ck_assert_int_eq(npy_load("free.npy", &a), 0);
    npy_free(&a);
    expect_no_array(&a);
    npy_free(&a);
}
END_TEST

START_TEST(item_sizes)
{
    ck_assert_uint_eq(npy_item_size(NPY_F8), sizeof(double));
    ck_assert_uint_eq(npy_item_size(NPY_F4), sizeof(float));
    ck_assert_uint_eq(npy_item_size(NPY_I8), sizeof(int64_t));
    ck_assert_uint_eq(npy_item_size(NPY_I4), sizeof(int32_t));
    ck_assert_uint_eq(npy_item_size(NPY_U1), 1);
    ck_assert_uint_eq(npy_item_size((enum npy_type)5), 0);
}
END_TEST

/* ---- rows ---- */

START_TEST(rows_are_the_asked_ones)
{
    int32_t data[7][3];
    for (int i = 0; i < 21; i++)
        data[i / 3][i % 3] = 100 * (i / 3) + i % 3;
    save("rows.npy", NPY_I4, 2, (size_t[]){7, 3}, data);
    for (size_t first = 0; first <= 7; first++) {
        for (size_t rows = 0; first + rows <= 7; rows++) {
            struct npy a;
            ck_assert_msg(npy_load_rows("rows.npy", first, rows, &a) == 0, "%s", npy_error());
            ck_assert_int_eq(a.ndim, 2);
            ck_assert_uint_eq(a.shape[0], rows);
            ck_assert_uint_eq(a.shape[1], 3);
            ck_assert_uint_eq(a.count, 3 * rows);
            if (rows > 0)
                ck_assert_mem_eq(a.data, data[first], rows * sizeof data[0]);
            npy_free(&a);
        }
    }
}
END_TEST

START_TEST(rows_of_vectors_and_of_nothing)
{
    struct npy a;
    save("vector.npy", NPY_U1, 1, (size_t[]){4}, "abcd");
    ck_assert_int_eq(npy_load_rows("vector.npy", 1, 2, &a), 0);
    ck_assert_mem_eq(a.data, "bc", 2);
    npy_free(&a);

    save("narrow.npy", NPY_F8, 2, (size_t[]){5, 0}, NULL);
    ck_assert_int_eq(npy_load_rows("narrow.npy", 2, 3, &a), 0);
    ck_assert_uint_eq(a.shape[0], 3);
    ck_assert_uint_eq(a.count, 0);
    npy_free(&a);

    save("flat.npy", NPY_F8, 2, (size_t[]){0, 5}, NULL);
    ck_assert_int_eq(npy_load_rows("flat.npy", 0, 0, &a), 0);
    npy_free(&a);
    expect_failure(npy_load_rows("flat.npy", 0, 1, &a), ERANGE, "flat.npy: has 0 rows");
}
END_TEST

START_TEST(rows_that_are_not_there)
{
    const double data[6] = {0};
    struct npy a;
    save("few.npy", NPY_F8, 2, (size_t[]){3, 2}, data);
    expect_failure(npy_load_rows("few.npy", 0, 4, &a), ERANGE, "has 3 rows; asked for were 4 from row 0 on");
    expect_failure(npy_load_rows("few.npy", 3, 1, &a), ERANGE, "few.npy");
    expect_failure(npy_load_rows("few.npy", 4, 0, &a), ERANGE, "few.npy");
    expect_failure(npy_load_rows("few.npy", 2, SIZE_MAX, &a), ERANGE, "few.npy"); /* the sum wraps to 1 */
    expect_failure(npy_load_rows("few.npy", SIZE_MAX, 2, &a), ERANGE, "few.npy");
    expect_no_array(&a);
    save("scalar.npy", NPY_F8, 0, NULL, data);
    expect_failure(npy_load_rows("scalar.npy", 0, 1, &a), EINVAL, "scalar");
}
END_TEST

START_TEST(rows_need_no_more_than_their_bytes)
{
    /* A sparse file of 64 GiB: whoever reads or allocates all of it does not come back in time. */
    const size_t rows = (size_t)1 << 30;
    unsigned char header[128];
    struct npy a;
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    int length =
        snprintf((char *)header + 10, 100, "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, 8)}", rows);
    header[10 + length] = ' '; /* in place of snprintf's NUL */
    header[127] = '\n';
    write_file("huge.npy", header, sizeof header);
    int fd = open("huge.npy", O_WRONLY);
    ck_assert_int_eq(ftruncate(fd, (off_t)(128 + rows * 64)), 0);
    ck_assert_int_eq(pwrite(fd, &(double){2.5}, 8, (off_t)(128 + (rows - 1) * 64)), 8);
    close(fd);

    ck_assert_msg(npy_load_rows("huge.npy", rows - 2, 2, &a) == 0, "%s", npy_error());
    ck_assert_uint_eq(a.count, 16);
    ck_assert_double_eq(((double *)a.data)[0], 0);
    ck_assert_double_eq(((double *)a.data)[8], 2.5);
    npy_free(&a);
    ck_assert_int_eq(npy_load_header("huge.npy", &a), 0);
    ck_assert_uint_eq(a.shape[0], rows);
    unlink("huge.npy");
}
END_TEST

/* ---- files that are not what they should be ---- */

START_TEST(missing_files_are_named)
{
    struct npy a;
    expect_failure(npy_load("none.npy", &a), ENOENT, "none.npy: cannot be opened: No such file");
    expect_no_array(&a);
    expect_failure(npy_load_untrusted("none.npy", 100, &a), ENOENT, "none.npy");
    expect_failure(npy_load_header("none.npy", &a), ENOENT, "none.npy");
    expect_failure(npy_load_rows("none.npy", 0, 1, &a), ENOENT, "none.npy");
}
END_TEST

START_TEST(links_are_followed_only_when_trusted)
{
    struct npy a;
    save("target.npy", NPY_U1, 1, (size_t[]){1}, "x");
    ck_assert_int_eq(symlink("target.npy", "link.npy"), 0);
    expect_failure(npy_load_untrusted("link.npy", 10000, &a), ELOOP, "link.npy: is a link");
    expect_no_array(&a);
    ck_assert_int_eq(npy_load("link.npy", &a), 0);
    npy_free(&a);
    ck_assert_int_eq(npy_load_untrusted("target.npy", 10000, &a), 0);
    npy_free(&a);
}
END_TEST

START_TEST(only_regular_files)
{
    struct npy a;
    ck_assert_int_eq(mkfifo("fifo.npy", 0600), 0);
    ck_assert_int_eq(mkdir("folder.npy", 0700), 0);
    alarm(2); /* a reader that waits for the FIFO's writer ends here, as a failure */
    expect_failure(npy_load_untrusted("fifo.npy", 10000, &a), EINVAL, "fifo.npy: is a FIFO");
    expect_failure(npy_load("fifo.npy", &a), EINVAL, "is a FIFO");
    expect_failure(npy_load_untrusted("folder.npy", 10000, &a), EINVAL, "is a folder");
    expect_failure(npy_load_untrusted("/dev/zero", 10000, &a), EINVAL, "/dev/zero: is a device");
    alarm(0);
    expect_no_array(&a);
}
END_TEST

START_TEST(untrusted_files_are_bounded)
{
    struct npy a;
    struct stat status;
    save("bounded.npy", NPY_U1, 1, (size_t[]){100}, (unsigned char[100]){1});
    ck_assert_int_eq(stat("bounded.npy", &status), 0);
    size_t size = (size_t)status.st_size;
    expect_failure(npy_load_untrusted("bounded.npy", size - 1, &a), EFBIG, "expected were at most");
    expect_no_array(&a);
    ck_assert_int_eq(npy_load_untrusted("bounded.npy", size, &a), 0);
    ck_assert_uint_eq(a.count, 100);
    npy_free(&a);
}
END_TEST

START_TEST(no_descriptor_is_left_open)
{
    struct npy a;
    int before = dup(0);
    close(before);
    save("closed.npy", NPY_U1, 1, (size_t[]){4}, "abcd");
    npy_load("closed.npy", &a);
    npy_free(&a);
    npy_load("/dev/null", &a);
    npy_load_rows("closed.npy", 3, 3, &a);
    npy_save("no/such/folder.npy", NPY_U1, 1, (size_t[]){4}, "abcd");
    int after = dup(0);
    close(after);
    ck_assert_int_eq(after, before);
}
END_TEST

/* ---- the corpus ---- */

static const struct {
    const char *file;
    int error; /* 0: it is read */
    const char *words;
} verdicts[] = {
    {"ok-f8", 0, ""},
    {"ok-f4", 0, ""},
    {"ok-i8", 0, ""},
    {"ok-i4", 0, ""},
    {"ok-u1", 0, ""},
    {"ok-version-2", 0, ""},
    {"ok-scalar", 0, ""},
    {"ok-4-axes", 0, ""},
    {"ok-zero", 0, ""},
    {"ok-zero-rows", 0, ""},
    {"ok-zero-columns", 0, ""},
    {"ok-other-order", 0, ""},
    {"ok-no-spaces", 0, ""},
    {"bad-empty", EBADMSG, "empty"},
    {"bad-magic", EBADMSG, "not a .npy file (it starts with 'PK\\x03\\x04 a')"},
    {"bad-text", EBADMSG, "not a .npy file (it starts with '1.0 2.')"},
    {"bad-cut-in-magic", EBADMSG, "ends after 4 bytes, inside the header"},
    {"bad-cut-in-prefix", EBADMSG, "ends after 9 bytes, inside the header"},
    {"bad-cut-in-header", EBADMSG, "ends after 70 bytes, inside the header, which needs 128"},
    {"bad-cut-in-data", EBADMSG, "cut off: 23 bytes after the header; expected were exactly 24, for 3 elements"},
    {"bad-trailing", EBADMSG, "longer than its data: 25 bytes after the header; expected were exactly 24"},
    {"bad-zero-with-data", EBADMSG, "24 bytes after the header; expected were exactly 0"},
    {"bad-version-0", ENOTSUP, "version 0.0; expected was 1.0 or 2.0"},
    {"bad-version-3", ENOTSUP, "version 3.0"},
    {"bad-version-1-1", ENOTSUP, "version 1.1"},
    {"bad-header-4-gib", EBADMSG, "it claims 4294967295 bytes; expected were at most 65536"},
    {"bad-header-65537", EBADMSG, "it claims 65537 bytes"},
    {"bad-header-none", EBADMSG, "it ends where { was expected"},
    {"bad-newline-missing", EBADMSG, "it ends where a newline was expected"},
    {"bad-newline-early", EBADMSG, "expected was its end"},
    {"bad-after-dict", EBADMSG, "is '+', expected was a newline"},
    {"bad-not-ascii", EBADMSG, "is '\\xc3'"},
    {"bad-nul", EBADMSG, "is '\\x00'"},
    {"bad-tab", EBADMSG, "is '\\x09'"},
    {"bad-double-quotes", EBADMSG, "character 2 is '\"', expected was a key in quotes"},
    {"bad-escape", EBADMSG, "expected was the closing quote"},
    {"bad-list", EBADMSG, "character 1 is '[', expected was {"},
    {"bad-no-dict", EBADMSG, "the key 'descr' is missing"},
    {"bad-comma-only", EBADMSG, "is ',', expected was a key in quotes"},
    {"bad-comma-missing", EBADMSG, "expected was a comma or }"},
    {"bad-brace-missing", EBADMSG, "expected was a comma or }"},
    {"bad-key-missing", EBADMSG, "the key 'shape' is missing"},
    {"bad-key-twice", EBADMSG, "the key 'shape' comes twice"},
    {"bad-key-more", EBADMSG, "the key 'align'; expected were descr, fortran_order, shape"},
    {"bad-fortran", ENOTSUP, "column by column (Fortran order)"},
    {"bad-order-number", EBADMSG, "expected was False or True"},
    {"bad-order-longer", EBADMSG, "is 'h', expected was a comma or }"},
    {"bad-object", ENOTSUP, "Python objects (type '|O'), which are never read"},
    {"bad-big-endian", ENOTSUP, "big-endian numbers (type '>f8'); in numpy, save a.astype('<f8')"},
    {"bad-complex", ENOTSUP, "elements of type '<c16'; expected was one of '<f8'"},
    {"bad-bool", ENOTSUP, "elements of type '|b1'"},
    {"bad-records", ENOTSUP, "records"},
    {"bad-descr-empty", ENOTSUP, "elements of type ''"},
    {"bad-descr-long", EBADMSG, "expected was the closing quote"},
    {"bad-shape-number", EBADMSG, "is '3', expected was ("},
    {"bad-shape-brackets", EBADMSG, "is ')', expected was a comma (one axis is written like (3,))"},
    {"bad-shape-list", EBADMSG, "is '[', expected was ("},
    {"bad-shape-comma", EBADMSG, "is ',', expected was a length"},
    {"bad-shape-open", EBADMSG, "is '\\x0a', expected was a length"},
    {"bad-shape-float", EBADMSG, "is '.', expected was a comma"},
    {"bad-shape-negative", EBADMSG, "negative length"},
    {"bad-shape-zero-first", EBADMSG, "begins with 0"},
    {"bad-shape-5-axes", ENOTSUP, "more than 4 axes"},
    {"bad-shape-2-63", EOVERFLOW, "larger than any memory"},
    {"bad-shape-2-64", EOVERFLOW, "no computer could hold"},
    {"bad-product-wraps", EOVERFLOW, "larger than any memory"},
    {"bad-bytes-wrap", EOVERFLOW, "larger than any memory"},
    {"bad-product-zero", EOVERFLOW, "larger than any memory"},
    {"bad-huge", EBADMSG, "expected were exactly 9007199254740992, for 1125899906842624 elements"},
};
#define VERDICTS (sizeof verdicts / sizeof verdicts[0])

START_TEST(corpus_files_get_their_verdict)
{
    char path[PATH_MAX + 64];
    static unsigned char bytes[1 << 17];
    struct npy parsed, loaded;
    snprintf(path, sizeof path, "%s/%s.npy", corpus, verdicts[_i].file);
    size_t size = read_file(path, bytes, sizeof bytes);

    int result = npy_parse(bytes, size, &parsed);
    if (verdicts[_i].error == 0) {
        ck_assert_msg(result == 0, "%s: %s", verdicts[_i].file, npy_error());
        ck_assert_msg(npy_load_untrusted(path, size, &loaded) == 0, "%s", npy_error());
        ck_assert_uint_eq(loaded.count, parsed.count);
        ck_assert_mem_eq(loaded.shape, parsed.shape, sizeof parsed.shape);
        ck_assert_mem_eq(loaded.data, parsed.data, parsed.count * npy_item_size(parsed.type));
        npy_free(&loaded);
        npy_free(&parsed);
        return;
    }
    expect_failure(result, verdicts[_i].error, verdicts[_i].words);
    expect_no_array(&parsed);
    expect_failure(npy_load_untrusted(path, sizeof bytes, &loaded), verdicts[_i].error, verdicts[_i].words);
    ck_assert_msg(strncmp(npy_error(), path, strlen(path)) == 0, "%s: the message does not begin with the file's name",
                  npy_error());
}
END_TEST

START_TEST(corpus_is_listed_and_survived)
{
    static unsigned char bytes[1 << 17];
    char path[PATH_MAX + 256];
    size_t listed = 0;
    DIR *folder = opendir(corpus);
    ck_assert_msg(folder != NULL, "%s: %s", corpus, strerror(errno));
    for (struct dirent *e; (e = readdir(folder)) != NULL;) {
        struct npy a;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", corpus, e->d_name);
        listed += strncmp(e->d_name, "found-", 6) != 0;
        if (npy_parse(bytes, read_file(path, bytes, sizeof bytes), &a) == 0)
            npy_free(&a);
    }
    closedir(folder);
    ck_assert_msg(listed == VERDICTS, "%zu files ok-* and bad-* in %s; the table of verdicts has %zu", listed, corpus,
                  VERDICTS);
}
END_TEST

START_TEST(values_are_read_as_they_are)
{
    char path[PATH_MAX + 64];
    struct npy a;
    snprintf(path, sizeof path, "%s/ok-f8.npy", corpus);
    ck_assert_int_eq(npy_load(path, &a), 0);
    ck_assert_mem_eq(a.data, ((double[]){1.5, -2.0, 0.1}), 24);
    npy_free(&a);
    snprintf(path, sizeof path, "%s/ok-i8.npy", corpus);
    ck_assert_int_eq(npy_load(path, &a), 0);
    ck_assert_mem_eq(a.data, ((int64_t[]){1, INT64_MIN, INT64_MAX}), 24);
    npy_free(&a);
}
END_TEST

START_TEST(files_cut_anywhere_are_refused)
{
    const double data[3] = {1, 2, 3};
    unsigned char bytes[512];
    struct npy a;
    save("cut.npy", NPY_F8, 1, (size_t[]){3}, data);
    size_t size = read_file("cut.npy", bytes, sizeof bytes);
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *exact = malloc(cut > 0 ? cut : 1); /* so that the sanitizer sees a byte too far */
        memcpy(exact, bytes, cut);
        expect_failure(npy_parse(exact, cut, &a), EBADMSG, cut == 0 ? "empty" : "cut off");
        free(exact);
    }
}
END_TEST

/* ---- saving that fails ---- */

START_TEST(save_refuses_nonsense)
{
    const double data[4] = {0};
    expect_failure(npy_save("n.npy", (enum npy_type)5, 1, (size_t[]){4}, data), EINVAL, "no element type number 5");
    expect_failure(npy_save("n.npy", NPY_F8, 5, (size_t[]){1, 1, 1, 1, 4}, data), EINVAL, "5 axes");
    expect_failure(npy_save("n.npy", NPY_F8, -1, NULL, data), EINVAL, "-1 axes");
    expect_failure(npy_save("n.npy", NPY_F8, 1, (size_t[]){4}, NULL), EINVAL, "no data");
    expect_failure(npy_save("n.npy", NPY_F8, 2, (size_t[]){SIZE_MAX / 2, 3}, data), EOVERFLOW, "n.npy");
    ck_assert_int_eq(access("n.npy", F_OK), -1);
}
END_TEST

START_TEST(save_names_the_folder_that_is_missing)
{
    expect_failure(npy_save("no/such.npy", NPY_U1, 1, (size_t[]){1}, "x"), ENOENT, "no/such.npy: cannot be written");
}
END_TEST

START_TEST(save_onto_a_folder_leaves_it)
{
    struct stat status;
    ck_assert_int_eq(mkdir("there", 0700), 0);
    expect_failure(npy_save("there", NPY_U1, 1, (size_t[]){1}, "x"), EISDIR, "there: cannot be written");
    ck_assert_int_eq(stat("there", &status), 0);
    ck_assert(S_ISDIR(status.st_mode));
    ck_assert(!temporary_left());
}
END_TEST

START_TEST(save_that_runs_out_of_space_keeps_the_old_file)
{
    static const unsigned char large[100000] = {1};
    struct npy a;
    save("old.npy", NPY_U1, 1, (size_t[]){3}, "old");
    signal(SIGXFSZ, SIG_IGN); /* then write says EFBIG, in the same place where a full disk says ENOSPC */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){50000, 50000}), 0);
    expect_failure(npy_save("old.npy", NPY_U1, 1, (size_t[]){sizeof large}, large), EFBIG,
                   "old.npy: cannot be written: File too large");
    ck_assert(!temporary_left());
    ck_assert_int_eq(npy_load("old.npy", &a), 0);
    ck_assert_uint_eq(a.count, 3);
    ck_assert_mem_eq(a.data, "old", 3);
    npy_free(&a);
}
END_TEST

START_TEST(save_replaces_files_and_links)
{
    struct npy a;
    struct stat status;
    save("kept.npy", NPY_U1, 1, (size_t[]){1}, "k");
    ck_assert_int_eq(symlink("kept.npy", "replaced.npy"), 0);
    save("replaced.npy", NPY_U1, 1, (size_t[]){2}, "rr");
    ck_assert_int_eq(lstat("replaced.npy", &status), 0);
    ck_assert(S_ISREG(status.st_mode));
    ck_assert_int_eq(npy_load("kept.npy", &a), 0);
    ck_assert_uint_eq(a.count, 1);
    npy_free(&a);
}
END_TEST

START_TEST(save_follows_the_umask)
{
    struct stat status;
    umask(027);
    save("mode.npy", NPY_U1, 1, (size_t[]){1}, "x");
    ck_assert_int_eq(stat("mode.npy", &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
}
END_TEST

START_TEST(names_too_long_are_survived)
{
    static char name[2 * PATH_MAX];
    struct npy a;
    memset(name, 'n', sizeof name - 1);
    expect_failure(npy_load(name, &a), ENAMETOOLONG, "cannot be opened: File name too long");
    expect_failure(npy_save(name, NPY_U1, 1, (size_t[]){1}, "x"), ENAMETOOLONG,
                   "cannot be written: File name too long");
    name[PATH_MAX - 2] = '\0'; /* a legal length for a path, not for a name */
    expect_failure(npy_save(name, NPY_U1, 1, (size_t[]){1}, "x"), ENAMETOOLONG, "cannot be written");
    ck_assert(!temporary_left());
}
END_TEST

START_TEST(temporaries_of_others_are_left_alone)
{
    unsigned char bytes[8];
    char name[64];
    snprintf(name, sizeof name, ".npy-%d-0.tmp", (int)getpid());
    write_file(name, "theirs", 6);
    save("beside.npy", NPY_U1, 1, (size_t[]){1}, "x");
    ck_assert_uint_eq(read_file(name, bytes, sizeof bytes), 6);
    unlink(name);
}
END_TEST

static void *fail_elsewhere(void *unused)
{
    struct npy a;
    npy_load("elsewhere.npy", &a);
    return unused;
}

START_TEST(each_thread_has_its_own_error)
{
    struct npy a;
    pthread_t other;
    npy_load("here.npy", &a);
    ck_assert_int_eq(pthread_create(&other, NULL, fail_elsewhere, NULL), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    ck_assert_ptr_nonnull(strstr(npy_error(), "here.npy"));
    ck_assert_ptr_null(strstr(npy_error(), "elsewhere.npy"));
}
END_TEST

static Suite *npy_suite(void)
{
    Suite *s = suite_create("npy");
    TCase *good = tcase_create("arrays");
    tcase_add_unchecked_fixture(good, make_scratch, remove_scratch);
    tcase_add_loop_test(good, saved_arrays_load_again, 0, (int)SHAPES * TYPES);
    tcase_add_test(good, file_is_as_numpy_describes_it);
    tcase_add_test(good, free_twice_is_allowed);
    tcase_add_test(good, item_sizes);
    tcase_add_test(good, rows_are_the_asked_ones);
    tcase_add_test(good, rows_of_vectors_and_of_nothing);
    tcase_add_test(good, rows_that_are_not_there);
    tcase_add_test(good, rows_need_no_more_than_their_bytes);
    suite_add_tcase(s, good);

    TCase *hostile = tcase_create("files");
    tcase_add_unchecked_fixture(hostile, make_scratch, remove_scratch);
    tcase_add_test(hostile, missing_files_are_named);
    tcase_add_test(hostile, links_are_followed_only_when_trusted);
    tcase_add_test(hostile, only_regular_files);
    tcase_add_test(hostile, untrusted_files_are_bounded);
    tcase_add_test(hostile, no_descriptor_is_left_open);
    tcase_add_loop_test(hostile, corpus_files_get_their_verdict, 0, (int)VERDICTS);
    tcase_add_test(hostile, corpus_is_listed_and_survived);
    tcase_add_test(hostile, values_are_read_as_they_are);
    tcase_add_test(hostile, files_cut_anywhere_are_refused);
    suite_add_tcase(s, hostile);

    TCase *saving = tcase_create("saving");
    tcase_add_unchecked_fixture(saving, make_scratch, remove_scratch);
    tcase_add_test(saving, save_refuses_nonsense);
    tcase_add_test(saving, save_names_the_folder_that_is_missing);
    tcase_add_test(saving, save_onto_a_folder_leaves_it);
    tcase_add_test(saving, save_that_runs_out_of_space_keeps_the_old_file);
    tcase_add_test(saving, save_replaces_files_and_links);
    tcase_add_test(saving, save_follows_the_umask);
    tcase_add_test(saving, names_too_long_are_survived);
    tcase_add_test(saving, temporaries_of_others_are_left_alone);
    tcase_add_test(saving, each_thread_has_its_own_error);
    suite_add_tcase(s, saving);
    return s;
}

/* The corpus lies beside this file; NPY_CORPUS in the environment says where, if that has moved. */
static int find_corpus(void)
{
    char here[] = __FILE__, path[PATH_MAX];
    const char *told = getenv("NPY_CORPUS");
    snprintf(path, sizeof path, "%s/npy-corpus", dirname(here));
    if (realpath(told != NULL ? told : path, corpus) != NULL)
        return 0;
    perror(told != NULL ? told : path);
    return -1;
}

int main(void)
{
    if (find_corpus() != 0)
        return 2;
    SRunner *runner = srunner_create(npy_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
