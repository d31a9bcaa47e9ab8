/* Seeds for the reader of safetensors files. */
#include <string.h>

#include "fuzz.h"
#include "tensor/safetensors.h"

static void make_safetensors(int number, sample *out)
{
    static const char *const headers[] = {
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}",
        "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F16\",\"shape\":[4],"
        "\"data_offsets\":[16,24]},\"a\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"c\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[8,16]}}   ",
        "{\"\\u0041\":{\"dtype\":\"I64\",\"shape\":[0,7],\"data_offsets\":[0,0]}}",
    };
    static const uint8_t sizes[] = {24, 24, 0};
    const size_t length = strlen(headers[number]);
    out->size = 0;
    fuzz_add_byte(out, (uint8_t)length);
    fuzz_add(out, "\0\0\0\0\0\0\0", 7);
    fuzz_add(out, headers[number], length);
    for (uint8_t i = 0; i < sizes[number]; i++)
        fuzz_add_byte(out, (uint8_t)(i * 37));
}

static ln_status parse_safetensors(const void *data, size_t size, ln_error *err)
{
    ln_safetensors *file;
    ln_status status = ln_safetensors_parse("fuzz.safetensors", data, size, &file, err);
    for (int i = 0; !status && i < ln_safetensors_count(file); i++) {
        ln_tensor *tensor;
        if (ln_safetensors_floats(file, i, &tensor, err) == LN_OK)
            ln_tensor_release(tensor);
    }
    ln_safetensors_free(status ? NULL : file);
    return status;
}

const reader fuzz_safetensors = {
    .name = "safetensors",
    .seed_count = 3,
    .make_seed = make_safetensors,
    .parse = parse_safetensors,
    .memory_base = 16 * 1024,
    .memory_factor = 32,
};
