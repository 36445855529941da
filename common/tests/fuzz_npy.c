/* fuzz_npy.c: libFuzzer's harness over npy_parse, the reader that hostile files
   reach. Besides the sanitizers' opinion it holds the reader to its promises.

       clang -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -I common \
             common/tests/fuzz_npy.c common/npy.c common/npy_header.c -o fuzz_npy
       mkdir new && ./fuzz_npy -max_total_time=120 new common/tests/npy-corpus */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "npy.h"
#include "npy_header.h"

static void promise(int kept)
{
    if (!kept)
        abort();
}

/* What was refused leaves nothing behind, and a reason. */
static void check_refusal(const struct npy *array, int error)
{
    promise(array->data == NULL && array->count == 0 && array->ndim == 0);
    promise(error == EBADMSG || error == ENOTSUP || error == EOVERFLOW);
    promise(npy_error()[0] != '\0');
}

/* What was accepted describes exactly the file's last bytes. */
static void check_array(const struct npy *array, const uint8_t *bytes, size_t size)
{
    size_t product = 1;
    promise(array->ndim >= 0 && array->ndim <= NPY_MAX_DIMS && array->data != NULL);
    for (int i = 0; i < NPY_MAX_DIMS; i++) {
        promise(i < array->ndim || array->shape[i] == 1);
        product *= array->shape[i];
    }
    size_t data_size = product * npy_item_size(array->type);
    promise(product == array->count && data_size < size);
    promise(memcmp(array->data, bytes + size - data_size, data_size) == 0);
}

/* Written by us and read again, it is the same array. */
static void check_round_trip(const struct npy *array)
{
    struct npy again;
    size_t data_size = array->count * npy_item_size(array->type);
    unsigned char *bytes = malloc(NPY_WRITTEN_LIMIT + data_size);
    promise(bytes != NULL);
    size_t data_at = npy_header_write(array, bytes);
    memcpy(bytes + data_at, array->data, data_size);
    promise(npy_parse(bytes, data_at + data_size, &again) == 0);
    promise(again.type == array->type && again.ndim == array->ndim && again.count == array->count);
    promise(memcmp(again.shape, array->shape, sizeof again.shape) == 0);
    promise(memcmp(again.data, array->data, data_size) == 0);
    npy_free(&again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct npy array;
    errno = 0;
    if (npy_parse(bytes, size, &array) != 0) {
        check_refusal(&array, errno);
        return 0;
    }
    check_array(&array, bytes, size);
    check_round_trip(&array);
    npy_free(&array);
    return 0;
}
