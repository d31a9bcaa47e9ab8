/* Seeds for the reader of .npy files. */
#include <string.h>

#include "fuzz.h"
#include "tensor/npy.h"

static void make_npy(int number, sample *out)
{
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '>f8', 'fortran_order': True, 'shape': (2, 3), }",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (6,), }",
        "{'descr': '|b1', 'fortran_order': False, 'shape': (), }",
        "{'descr': '<f2', 'fortran_order': True, 'shape': (1, 2, 3), }",
        "{'shape': (0, 3), 'fortran_order': False, 'descr': '|u1'}",
    };
    static const uint8_t sizes[] = {24, 48, 48, 1, 12, 0};
    size_t length = strlen(headers[number]), padded = (length + 10 + 1 + 63) / 64 * 64 - 10;
    uint8_t version = number == 4 ? 2 : 1;
    if (version == 2)
        padded -= 2;
    out->size = 0;
    fuzz_add(out, "\x93NUMPY", 6);
    fuzz_add_byte(out, version);
    fuzz_add_byte(out, 0);
    fuzz_add_byte(out, (uint8_t)padded);
    fuzz_add_byte(out, (uint8_t)(padded >> 8));
    if (version == 2)
        fuzz_add(out, "\0", 2);
    fuzz_add(out, headers[number], length);
    for (size_t i = length; i + 1 < padded; i++)
        fuzz_add_byte(out, ' ');
    fuzz_add_byte(out, '\n');
    for (uint8_t i = 0; i < sizes[number]; i++)
        fuzz_add_byte(out, (uint8_t)(i * 37));
}

static ln_status parse_npy(const void *data, size_t size, ln_error *err)
{
    ln_tensor *tensor = NULL;
    ln_status status = ln_npy_parse("fuzz.npy", data, size, &tensor, err);
    ln_tensor_release(status ? NULL : tensor);
    return status;
}

const reader fuzz_npy = {
    .name = "npy",
    .seed_count = 6,
    .make_seed = make_npy,
    .parse = parse_npy,
    .memory_base = 16 * 1024,
    .memory_factor = 16,
};
