/* Seeds for the reader of IDX files. */
#include "tensor/idx.h"
#include "fuzz.h"

static void make_idx(int number, sample *out)
{
    static const uint8_t types[] = {0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E};
    static const uint8_t sizes[] = {1, 1, 2, 4, 4, 8};
    const int rank = number % 4;
    int elements = 1;
    out->size = 0;
    fuzz_add(out, "\0\0", 2);
    fuzz_add_byte(out, types[number]);
    fuzz_add_byte(out, (uint8_t)rank);
    for (int i = 0; i < rank; i++) {
        fuzz_add(out, "\0\0\0", 3);
        fuzz_add_byte(out, (uint8_t)(i + 2));
        elements *= i + 2;
    }
    for (int i = 0; i < elements * sizes[number]; i++)
        fuzz_add_byte(out, (uint8_t)(i * 37));
}

static ln_status parse_idx(const void *data, size_t size, ln_error *err)
{
    ln_tensor *tensor = NULL;
    ln_status status = ln_idx_parse("fuzz.idx", data, size, &tensor, err);
    ln_tensor_release(status ? NULL : tensor);
    return status;
}

const reader fuzz_idx = {
    .name = "idx",
    .seed_count = 6,
    .make_seed = make_idx,
    .parse = parse_idx,
    .memory_base = 16 * 1024,
    .memory_factor = 16,
};
