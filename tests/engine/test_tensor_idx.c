/* IDX files and gzip, bytes written by hand and by zlib. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/gzip.h"
#include "base/hash.h"
#include "tensor/idx.h"

/* The bytes as gzip writes them; returns how many. */
static size_t packed(const void *data, size_t bytes, unsigned char *out, size_t room)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)data;
    stream.avail_in = (unsigned)bytes;
    stream.next_out = out;
    stream.avail_out = (unsigned)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

/* ---------------------------------------------------------------- idx */

static const uint8_t images[] = {0, 0, 0x08, 3, 0, 0, 0, 2,   0,   0,   0,
                                 1, 0, 0,    0, 3, 0, 1, 127, 128, 255, 9};

static void bytes_stay_bytes(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *x;
    const ln_shape shape = TEST_SHAPE(2, 1, 3);
    assert_ok(ln_idx_parse("t.idx", images, sizeof images, &x, &err));
    assert_int_equal(x->dtype, LN_U8);
    assert_true(ln_shape_equal(&x->shape, &shape));
    assert_memory_equal(x->data, images + 16, 6);
    ln_tensor_release(x);
}

static void every_type_is_read(void **state)
{
    (void)state;
    /* -2 and 3 in each signed type, -2.5 and 3 in the floating ones */
    static const struct {
        uint8_t type;
        ln_dtype dtype;
        double first;
        uint8_t bytes[16];
    } cases[] = {
        {0x09, LN_I32, -2, {0xFE, 3}},
        {0x0B, LN_I32, -2, {0xFF, 0xFE, 0, 3}},
        {0x0C, LN_I32, -2, {0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 3}},
        {0x0D, LN_F32, -2.5, {0xC0, 0x20, 0, 0, 0x40, 0x40, 0, 0}},
        {0x0E, LN_F64, -2.5, {0xC0, 0x04, 0, 0, 0, 0, 0, 0, 0x40, 0x08, 0, 0, 0, 0, 0, 0}},
    };
    static const size_t sizes[] = {1, 2, 4, 4, 8};
    ln_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t file[24] = {0, 0, cases[i].type, 1, 0, 0, 0, 2};
        ln_tensor *x, *numbers;
        memcpy(file + 8, cases[i].bytes, 2 * sizes[i]);
        assert_ok(ln_idx_parse("t.idx", file, 8 + 2 * sizes[i], &x, &err));
        assert_int_equal(x->dtype, cases[i].dtype);
        assert_ok(ln_tensor_convert(x, LN_F64, &numbers, &err));
        assert_true(ln_f64(numbers)[0] == cases[i].first && ln_f64(numbers)[1] == 3);
        ln_tensor_release(numbers);
        ln_tensor_release(x);
    }
}

static void wrong_idx_files_are_explained(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[20];
        size_t size;
        ln_status status;
        const char *message;
    } cases[] = {
        {{0}, 0, LN_EINVALID, "t.idx is no IDX file"},
        {{0, 0, 8}, 3, LN_EINVALID, "is no IDX file"},
        {{0, 1, 8, 1}, 4, LN_EINVALID, "is no IDX file"},
        {{0, 0, 10, 1}, 4, LN_EINVALID, "is no IDX file"},
        {{0, 0, 8, 9}, 4, LN_EUNSUPPORTED, "more than 8 dimensions"},
        {{0, 0, 8, 2, 0, 0, 0, 1}, 8, LN_EINVALID, "t.idx ends within its header"},
        {{0, 0, 8, 1, 0, 0, 0, 3, 1, 2},
         10,
         LN_EINVALID,
         "the shape (3,) needs 3 bytes of data, the file has 2"},
        {{0, 0, 8, 1, 0, 0, 0, 1, 1, 2}, 10, LN_EINVALID, "needs 1 bytes of data, the file has 2"},
        {{0, 0, 14, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
         16,
         LN_EINVALID,
         "more elements than can be counted"},
    };
    ln_error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ln_tensor *x;
        assert_fails(ln_idx_parse("t.idx", cases[i].bytes, cases[i].size, &x, &err),
                     cases[i].status, cases[i].message);
        assert_null(x);
    }
}

static void packed_files_are_read_as_what_they_hold(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *x;
    unsigned char file[256];
    uint8_t sha256[LN_SHA256_BYTES], wanted[LN_SHA256_BYTES];
    const size_t bytes = packed(images, sizeof images, file, sizeof file);
    test_write(test_path("images.gz"), file, bytes);
    assert_ok(ln_idx_read(test_path("images.gz"), &x, sha256, &err));
    assert_memory_equal(x->data, images + 16, 6);
    ln_sha256(file, bytes, wanted);
    assert_memory_equal(sha256, wanted, sizeof wanted); /* of the file as it is */
    ln_tensor_release(x);
    test_write(test_path("images"), images, sizeof images);
    assert_ok(ln_idx_read(test_path("images"), &x, NULL, &err));
    ln_tensor_release(x);
}

/* ---------------------------------------------------------------- gzip */

static void members_follow_one_another(void **state)
{
    (void)state;
    ln_error err;
    unsigned char file[512];
    char *text;
    size_t bytes = packed("one, ", 5, file, sizeof file), length;
    bytes += packed("two", 3, file + bytes, sizeof file - bytes);
    assert_ok(ln_gunzip("t.gz", file, bytes, &text, &length, &err));
    assert_int_equal(length, 8);
    assert_string_equal(text, "one, two");
    ln_free(text);
    memset(file + bytes, 0, 10);
    assert_ok(ln_gunzip("t.gz", file, bytes + 10, &text, &length, &err));
    assert_int_equal(length, 8);
    ln_free(text);
    file[bytes] = 'x';
    assert_fails(ln_gunzip("t.gz", file, bytes + 10, &text, &length, &err), LN_EINVALID,
                 "t.gz is damaged: something follows its gzip data");
}

/* A million zeros are a thousand bytes: the buffer grows many times. */
static void large_contents_grow(void **state)
{
    (void)state;
    enum { BYTES = 1000000 };
    ln_error err;
    unsigned char *file = ln_alloc(4096);
    char *zeros = ln_calloc(BYTES, 1), *text;
    size_t bytes = packed(zeros, BYTES, file, 4096), length;
    assert_ok(ln_gunzip("t.gz", file, bytes, &text, &length, &err));
    assert_int_equal(length, BYTES);
    assert_memory_equal(text, zeros, BYTES);
    ln_free(text);
    size_t limit = ln_memory_used() + BYTES / 2;
    ln_memory_limit(limit);
    assert_fails(ln_gunzip("t.gz", file, bytes, &text, &length, &err), LN_ENOMEM, NULL);
    ln_memory_limit(0);
    ln_free(zeros);
    ln_free(file);
}

static void damaged_gzip_is_refused(void **state)
{
    (void)state;
    ln_error err;
    unsigned char file[512];
    char *text;
    const char *plain = "some text that is long enough to be packed, packed, packed";
    size_t bytes = packed(plain, strlen(plain), file, sizeof file), length;
    for (size_t cut = 2; cut < bytes; cut++)
        assert_fails(ln_gunzip("t.gz", file, cut, &text, &length, &err), LN_EINVALID,
                     "t.gz is cut off: its gzip data do not end");
    for (size_t at = bytes - 8; at < bytes; at++) { /* checksum and length */
        file[at] ^= 1;
        assert_fails(ln_gunzip("t.gz", file, bytes, &text, &length, &err), LN_EINVALID,
                     "t.gz is damaged: its gzip data cannot be read");
        file[at] ^= 1;
    }
}

static ln_status unpack(void *context, ln_error *err)
{
    char *text;
    size_t length;
    const unsigned char *file = context;
    ln_status status = ln_gunzip("t.gz", file + 1, file[0], &text, &length, err);
    if (status == LN_OK)
        ln_free(text);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    unsigned char file[257];
    file[0] = (unsigned char)packed(images, sizeof images, file + 1, 256);
    sweep_allocation_failures(unpack, file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_stay_bytes),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(wrong_idx_files_are_explained),
        cmocka_unit_test(packed_files_are_read_as_what_they_hold),
        cmocka_unit_test(members_follow_one_another),
        cmocka_unit_test(large_contents_grow),
        cmocka_unit_test(damaged_gzip_is_refused),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
