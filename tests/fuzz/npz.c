/* Seeds for the reader of .npz archives: one array, several, compressed ones. */
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "tensor/npz.h"

static void add_little(sample *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        fuzz_add_byte(to, (uint8_t)(value >> 8 * i));
}

/* A .npy file of `count` float32 numbers. */
static sample array_of(int count)
{
    sample out = {.size = 0};
    const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
    fuzz_add(&out, "\x93NUMPY\1\0\x76\0", 10);
    fuzz_add(&out, header, sizeof header - 1);
    fuzz_add_byte(&out, (uint8_t)('0' + count));
    fuzz_add(&out, ",), }", 5);
    while (out.size < 127)
        fuzz_add_byte(&out, ' ');
    fuzz_add_byte(&out, '\n');
    for (int i = 0; i < count; i++) {
        const float number = (float)i / 3;
        fuzz_add(&out, &number, sizeof number);
    }
    return out;
}

/* Raw deflate, as archives hold it. */
static sample deflated(const sample *from)
{
    sample out = {.size = 0};
    z_stream stream = {.next_in = (Bytef *)from->bytes,
                       .avail_in = (uInt)from->size,
                       .next_out = out.bytes,
                       .avail_out = sizeof out.bytes};
    if (deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return out;
    deflate(&stream, Z_FINISH);
    out.size = stream.total_out;
    deflateEnd(&stream);
    return out;
}

/* What the entry's headers, local and central, have in common. */
static void add_entry(sample *to, const sample *plain, const sample *stored, bool compressed,
                      const char *name)
{
    add_little(to, 20, 2); /* version needed */
    add_little(to, 0, 2);
    add_little(to, compressed ? 8 : 0, 2);
    add_little(to, 0, 4); /* when */
    add_little(to, crc32(0, plain->bytes, (uInt)plain->size), 4);
    add_little(to, stored->size, 4);
    add_little(to, plain->size, 4);
    add_little(to, strlen(name), 2);
    add_little(to, 0, 2); /* nothing extra */
}

static void make_npz(int number, sample *out)
{
    static const char *const names[] = {"arr_0.npy", "b.npy", "readme.txt"};
    static const int entries[] = {1, 1, 3, 2};
    sample central = {.size = 0};
    const bool compressed = number % 2 == 1;
    out->size = 0;
    for (int i = 0; i < entries[number]; i++) {
        const sample plain = array_of(2 + 3 * i), packed = compressed ? deflated(&plain) : plain;
        const size_t at = out->size;
        fuzz_add(out, "PK\3\4", 4);
        add_entry(out, &plain, &packed, compressed, names[i]);
        fuzz_add(out, names[i], strlen(names[i]));
        fuzz_add(out, packed.bytes, packed.size);
        fuzz_add(&central, "PK\1\2\x14\0", 6);
        add_entry(&central, &plain, &packed, compressed, names[i]);
        add_little(&central, 0, 8); /* no comment, one disk, attributes */
        add_little(&central, 0, 2);
        add_little(&central, at, 4);
        fuzz_add(&central, names[i], strlen(names[i]));
    }
    const size_t at = out->size;
    fuzz_add(out, central.bytes, central.size);
    fuzz_add(out, "PK\5\6\0\0\0\0", 8);
    add_little(out, (uint64_t)entries[number], 2);
    add_little(out, (uint64_t)entries[number], 2);
    add_little(out, central.size, 4);
    add_little(out, at, 4);
    add_little(out, 0, 2);
}

static ln_status parse_npz(const void *data, size_t size, ln_error *err)
{
    ln_tensor *tensor = NULL;
    ln_status status = ln_npz_parse("fuzz.npz", data, size, NULL, &tensor, err);
    if (status == LN_EINVALID) /* perhaps of several */
        status = ln_npz_parse("fuzz.npz", data, size, "b", &tensor, err);
    ln_tensor_release(status ? NULL : tensor);
    return status;
}

const reader fuzz_npz = {
    .name = "npz",
    .seed_count = 4,
    .make_seed = make_npz,
    .parse = parse_npz,
    .memory_base = 256 * 1024,
    .memory_factor = 4096, /* deflate makes that much of little */
};
