/* .npy files: those that NumPy wrote (tests/reference/base/npy.py), those that nobody should write,
 * and those that we write. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "tensor/npy.h"

static const char *reference(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "reference/base/npy/%s.npy", name);
    return test_file(path);
}

static ln_tensor *read_reference(const char *name)
{
    ln_error err;
    ln_tensor *tensor;
    assert_ok(ln_npy_read(reference(name), &tensor, NULL, &err));
    return tensor;
}

/* The array of the script: 0 .. 23 in the shape (2, 3, 4), less 5 (or its absolute value). */
static void assert_whole(const char *name, ln_dtype dtype, bool absolute)
{
    ln_error err;
    ln_tensor *tensor = read_reference(name), *numbers;
    ln_shape shape = TEST_SHAPE(2, 3, 4);
    assert_int_equal(tensor->dtype, dtype);
    assert_true(ln_shape_equal(&tensor->shape, &shape));
    assert_ok(ln_tensor_convert(tensor, LN_I64, &numbers, &err));
    for (int64_t i = 0; i < 24; i++)
        assert_int_equal(ln_i64(numbers)[i], absolute && i < 5 ? 5 - i : i - 5);
    ln_tensor_release(numbers);
    ln_tensor_release(tensor);
}

static void every_integer_dtype_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        ln_dtype dtype;
        bool absolute;
    } cases[] = {
        {"i1", LN_I32, false},     {"i2", LN_I32, false},     {"i4", LN_I32, false},
        {"i8", LN_I64, false},     {"i1_big", LN_I32, false}, {"i2_big", LN_I32, false},
        {"i4_big", LN_I32, false}, {"i8_big", LN_I64, false}, {"i8_fortran_big", LN_I64, false},
        {"u1", LN_U8, true},       {"u2", LN_I32, true},      {"u4", LN_I64, true},
        {"u1_big", LN_U8, true},   {"u2_big", LN_I32, true},  {"u4_big", LN_I64, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_whole(cases[i].name, cases[i].dtype, cases[i].absolute);
}

static void every_real_dtype_order_and_version_is_read(void **state)
{
    (void)state;
    static const char *const names[] = {"f2",          "f2_big",      "f4",         "f4_big", "f8",
                                        "f4_version2", "f4_version3", "f4_fortran", "f8_big"};
    ln_error err;
    float want[24];
    for (int i = 0; i < 24; i++)
        want[i] = (float)(i - 5) / 4;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ln_tensor *tensor = read_reference(names[i]), *numbers;
        assert_int_equal(tensor->dtype, names[i][1] == '8' ? LN_F64 : LN_F32);
        assert_ok(ln_tensor_convert(tensor, LN_F32, &numbers, &err));
        assert_same_bits(ln_f32(numbers), want, sizeof want);
        ln_tensor_release(numbers);
        ln_tensor_release(tensor);
    }
}

static void extremes_keep_their_value(void **state)
{
    (void)state;
    static const float halves[] = {0,        -0.0f,     1,        -2,
                                   65504,    0x1p-14f,  0x1p-24f, 1023 * 0x1p-24f,
                                   INFINITY, -INFINITY, NAN,      0.333251953125f};
    ln_tensor *tensor = read_reference("f2_special");
    assert_near_f32(ln_f32(tensor), halves, 12, 0, 0);
    assert_true(signbit(ln_f32(tensor)[1]));
    ln_tensor_release(tensor);
    tensor = read_reference("extremes_u4");
    assert_same_bits(tensor->data, ((int64_t[]){0, 2147483648, 4294967295}), 24);
    ln_tensor_release(tensor);
    tensor = read_reference("extremes_u2");
    assert_same_bits(tensor->data, ((int32_t[]){0, 32768, 65535}), 12);
    ln_tensor_release(tensor);
    tensor = read_reference("extremes_i1");
    assert_same_bits(tensor->data, ((int32_t[]){-128, 127}), 8);
    ln_tensor_release(tensor);
    tensor = read_reference("extremes_i8");
    assert_same_bits(tensor->data, ((int64_t[]){INT64_MIN, INT64_MAX}), 16);
    ln_tensor_release(tensor);
}

static void scalars_empty_arrays_and_truth_values_are_read(void **state)
{
    (void)state;
    ln_tensor *tensor = read_reference("scalar");
    assert_int_equal(tensor->shape.rank, 0);
    assert_true(ln_f64(tensor)[0] == 2.5);
    ln_tensor_release(tensor);
    tensor = read_reference("empty");
    ln_shape shape = TEST_SHAPE(3, 0, 2);
    assert_true(ln_shape_equal(&tensor->shape, &shape));
    ln_tensor_release(tensor);
    tensor = read_reference("b1");
    assert_int_equal(tensor->dtype, LN_BOOL);
    for (int i = 0; i < 24; i++)
        assert_int_equal(((uint8_t *)tensor->data)[i], (i - 5) % 3 == 0);
    ln_tensor_release(tensor);
}

static void other_dtypes_are_named(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *tensor;
    assert_fails(ln_npy_read(reference("complex"), &tensor, NULL, &err), LN_EUNSUPPORTED,
                 "'<c8' (complex numbers)");
    assert_null(tensor);
    assert_fails(ln_npy_read(reference("text"), &tensor, NULL, &err), LN_EUNSUPPORTED,
                 "'<U2' (texts)");
    assert_fails(ln_npy_read(reference("u8"), &tensor, NULL, &err), LN_EUNSUPPORTED,
                 "'<u8' is not read; f2, f4");
    assert_fails(ln_npy_read(reference("dates"), &tensor, NULL, &err), LN_EUNSUPPORTED,
                 "(dates or durations)");
    assert_fails(ln_npy_read(reference("record"), &tensor, NULL, &err), LN_EUNSUPPORTED,
                 "a structured array");
    assert_fails(ln_npy_read(test_path("none.npy"), &tensor, NULL, &err), LN_EFILE,
                 "does not exist");
}

/* ---------------------------------------------------------------- headers by hand */

/* A version 1 file of that header and `data` zero bytes. */
static ln_status parse_header_text(const char *header, size_t data, ln_tensor **out, ln_error *err)
{
    uint8_t file[1024] = "\x93NUMPY\x01\x00";
    size_t length = strlen(header);
    file[8] = (uint8_t)length;
    file[9] = (uint8_t)(length >> 8);
    memcpy(file + 10, header, length);
    return ln_npy_parse("x.npy", file, 10 + length + data, out, err);
}

static void unusual_but_valid_headers_are_read(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{\"shape\":(2,3),\"descr\":\"<f4\",\"fortran_order\":True}\n",
        " { 'fortran_order' : False , 'shape' : ( 2L , 3L , ) , 'descr' : '=f4' } \n",
        "{'descr': 'f4', 'fortran_order': False, 'shape': (2, 3)}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        ln_error err;
        ln_tensor *tensor;
        ln_shape shape = TEST_SHAPE(2, 3);
        assert_ok(parse_header_text(headers[i], 24, &tensor, &err));
        assert_true(ln_shape_equal(&tensor->shape, &shape));
        ln_tensor_release(tensor);
    }
}

#define HEADER(descr, order, shape)                                                                \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"

static void malformed_headers_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *message;
    } cases[] = {
        {"", 0, "no dictionary"},
        {"[1, 2]", 0, "no dictionary"},
        {"{", 0, "no dictionary of texts"},
        {"{'descr'", 0, "no dictionary of texts"},
        {"{1: 2}", 0, "no dictionary of texts"},
        {"{}", 0, "has no 'descr'"},
        {"{'descr': '<f4'}", 0, "has no 'fortran_order'"},
        {"{'descr': '<f4', 'fortran_order': False}", 0, "has no 'shape'"},
        {"{'descr': '<f4', 'descr': '<f4'}", 0, "repeated key 'descr'"},
        {"{'size': 3}", 0, "unknown or repeated key 'size'"},
        {HEADER("'<f4'", "False", "(2,)") "{", 8, "goes on after its end"},
        {"{'descr': '<f4' 'shape': ()}", 0, "does not end"},
        {HEADER("'<f4'", "0", "()"), 4, "neither True nor False"},
        {HEADER("4", "False", "()"), 4, "dtype in its header is no text"},
        {HEADER("'<f\\x34'", "False", "()"), 4, "dtype in its header is no text"},
        {HEADER("'<f4", "False", "()"), 4, "dtype"},
        {HEADER("''", "False", "()"), 4, "dtype '' is not read"},
        {HEADER("'<f16'", "False", "()"), 16, "dtype '<f16'"},
        {HEADER("'|O'", "False", "()"), 8, "Python objects"},
        {HEADER("'|V4'", "False", "()"), 4, "raw bytes"},
        {HEADER("'<f4'", "False", "2"), 8, "no tuple"},
        {HEADER("'<f4'", "False", "(-1,)"), 4, "no number from 0"},
        {HEADER("'<f4'", "False", "(2.0,)"), 8, "does not end"},
        {HEADER("'<f4'", "False", "(,)"), 4, "no number from 0"},
        {HEADER("'<f4'", "False", "(2"), 8, "no number from 0"},
        {HEADER("'<f4'", "False", "(9223372036854775808,)"), 8, "no number from 0"},
        {HEADER("'<f4'", "False", "(99999999999999999999999,)"), 8, "no number from 0"},
        {HEADER("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), 4, "more than 8 dimensions"},
        {HEADER("'<f4'", "False", "(9223372036854775807, 9223372036854775807)"), 4,
         "more elements than can be counted"},
        {HEADER("'<f4'", "False", "(4611686018427387904,)"), 0, "more elements"},
        {HEADER("'|i1'", "False", "(2305843009213693952,)"), 0, "more elements"},
        {HEADER("'<f4'", "False", "(1099511627776, 1099511627776, 0)"), 0, "more elements"},
        {HEADER("'<f4'", "False", "(1000000000000,)"), 4,
         "(1000000000000,) needs 4000000000000 bytes of data, the file has 4"},
        {HEADER("'<f4'", "False", "(2,)"), 9, "needs 8 bytes of data, the file has 9"},
        {HEADER("'<f4'", "False", "(2,)"), 7, "needs 8 bytes of data, the file has 7"},
        {HEADER("'<f4'", "False", "(0,)"), 1, "needs 0 bytes of data, the file has 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_error err = {0};
        ln_tensor *tensor;
        ln_status status = parse_header_text(cases[i].header, cases[i].data, &tensor, &err);
        if (status != LN_EINVALID && status != LN_EUNSUPPORTED)
            fail_msg("'%s' returned %d", cases[i].header, status);
        assert_message_at(&err, cases[i].message, __FILE__, __LINE__);
        assert_message_at(&err, "x.npy", __FILE__, __LINE__);
        assert_null(tensor);
    }
}

static void other_files_and_versions_are_refused(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *tensor;
    assert_fails(ln_npy_parse("x", "PK\x03\x04zip", 7, &tensor, &err), LN_EINVALID, "no .npy file");
    assert_fails(ln_npy_parse("x", "", 0, &tensor, &err), LN_EINVALID, "no .npy file");
    assert_fails(ln_npy_parse("x", "\x93NUMPY\x04\x00\x00\x00\x00\x00", 12, &tensor, &err),
                 LN_EUNSUPPORTED, "version 4");
    assert_fails(ln_npy_parse("x", "\x93NUMPY\x00\x00\x00\x00", 10, &tensor, &err), LN_EUNSUPPORTED,
                 "version 0");
    assert_fails(ln_npy_parse("x", "\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF", 12, &tensor, &err),
                 LN_EINVALID, "ends within its header");
}

/* A copy of exactly that size, so that a sanitizer sees a read behind it. */
static ln_status parse_copy(const char *data, size_t bytes, ln_tensor **out, ln_error *err)
{
    char *copy = ln_alloc(bytes);
    memcpy(copy, data, bytes);
    ln_status status = ln_npy_parse("x.npy", copy, bytes, out, err);
    ln_free(copy);
    return status;
}

static void every_prefix_is_an_error(void **state)
{
    (void)state;
    static const char *const names[] = {"f4_fortran", "i8_big", "f4_version2", "b1", "scalar"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ln_error err;
        ln_file file;
        ln_tensor *tensor;
        assert_ok(ln_file_read(reference(names[i]), &file, &err));
        for (size_t bytes = 0; bytes < file.bytes; bytes++) {
            assert_fails(parse_copy(file.data, bytes, &tensor, &err), LN_EINVALID, "x");
            assert_null(tensor);
        }
        assert_ok(parse_copy(file.data, file.bytes, &tensor, &err));
        ln_tensor_release(tensor);
        ln_file_free(&file);
    }
}

/* Whatever a file holds: a tensor or an error, and no memory left. */
static void mutations_never_crash(void **state)
{
    (void)state;
    static const char *const names[] = {"f4_fortran", "i2_big", "f2_special", "b1", "f4_version3"};
    static const char likely[] = "(){}[],:'\"L0123456789<>|=fiubTF \x00\xFF\x7F\x93";
    ln_rng rng = ln_rng_make(0, "mutations", 0, 0);
    int errors = 0, tensors = 0;
    size_t before = ln_memory_used();
    for (int round = 0; round < 1000; round++) {
        ln_error err;
        ln_file file;
        ln_tensor *tensor;
        assert_ok(ln_file_read(reference(names[round % 5]), &file, &err));
        size_t from = round % 2 ? 0 : 128, to = round % 2 ? 128 : file.bytes; /* header or data */
        for (uint64_t left = 1 + ln_rng_below(&rng, 4); left > 0; left--) {
            size_t at = from + (size_t)ln_rng_below(&rng, to - from);
            file.data[at] = likely[ln_rng_below(&rng, sizeof likely - 1)];
        }
        err = (ln_error){0};
        if (parse_copy(file.data, file.bytes, &tensor, &err)) {
            assert_true(err.message[0] != '\0');
            assert_null(tensor);
            errors++;
        } else {
            ln_tensor_release(tensor);
            tensors++;
        }
        ln_file_free(&file);
    }
    assert_int_equal(ln_memory_used(), before);
    assert_int_equal(errors + tensors, 1000);
    assert_true(errors > 100 && tensors >= 500); /* both ways were taken */
}

/* ---------------------------------------------------------------- writing */

static void what_is_written_comes_back(void **state)
{
    (void)state;
    ln_error err;
    static const ln_dtype dtypes[] = {LN_F32, LN_F64, LN_I64, LN_I32, LN_U8, LN_BOOL};
    const ln_shape shapes[] = {TEST_SCALAR, TEST_SHAPE(5), TEST_SHAPE(3, 0, 2),
                               TEST_SHAPE(2, 1, 3, 1, 1, 2, 1, 1)};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 4; j++) {
            const char *path = test_path("round.npy");
            ln_tensor *tensor = tensor_zero(dtypes[i], shapes[j]), *back;
            uint8_t sha256[LN_SHA256_BYTES], want[LN_SHA256_BYTES];
            ln_file file;
            for (size_t k = 0; k < tensor->bytes; k++)
                ((uint8_t *)tensor->data)[k] = dtypes[i] == LN_BOOL ? k % 2 : (uint8_t)(k * 37);
            assert_ok(ln_npy_write(path, tensor, &err));
            assert_ok(ln_npy_read(path, &back, sha256, &err));
            assert_same_tensor(back, tensor);
            assert_ok(ln_file_read(path, &file, &err));
            assert_int_equal((file.bytes - tensor->bytes) % 64, 0);
            ln_sha256(file.data, file.bytes, want);
            assert_same_bits(sha256, want, sizeof want);
            ln_file_free(&file);
            ln_tensor_release(tensor);
            ln_tensor_release(back);
        }
}

/* Byte by byte the file that NumPy writes of the same array. */
static void a_written_file_is_that_of_numpy(void **state)
{
    (void)state;
    static const char *const names[] = {"f4", "f8", "i8", "i4", "u1", "b1", "scalar", "empty"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ln_error err;
        ln_file ours, theirs;
        ln_tensor *tensor = read_reference(names[i]);
        const char *path = test_path("same.npy");
        assert_ok(ln_npy_write(path, tensor, &err));
        assert_ok(ln_file_read(path, &ours, &err));
        assert_ok(ln_file_read(reference(names[i]), &theirs, &err));
        assert_same_bits(ours.data, theirs.data, theirs.bytes);
        assert_int_equal(ours.bytes, theirs.bytes);
        ln_file_free(&ours);
        ln_file_free(&theirs);
        ln_tensor_release(tensor);
    }
}

static void a_full_disk_is_reported(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *tensor = tensor_zero(LN_F32, TEST_SHAPE(3));
    assert_fails(ln_npy_write("/dev/full", tensor, &err), LN_EIO, "the disk is full");
    assert_fails(ln_npy_write(test_path("none/x.npy"), tensor, &err), LN_EIO,
                 "folder does not exist");
    ln_tensor_release(tensor);
}

static ln_status read_and_write(void *context, ln_error *err)
{
    ln_tensor *tensor;
    ln_status status = ln_npy_read(context, &tensor, NULL, err);
    if (!status) {
        status = ln_npy_write(test_path("sweep.npy"), tensor, err);
        ln_tensor_release(tensor);
    }
    return status;
}

static ln_status parse_only(void *context, ln_error *err)
{
    const ln_file *file = context;
    ln_tensor *tensor;
    ln_status status = ln_npy_parse("x.npy", file->data, file->bytes, &tensor, err);
    ln_tensor_release(tensor);
    return status;
}

static void npy_survives_failing_allocations(void **state)
{
    (void)state;
    ln_error err;
    ln_file file;
    char path[512];
    snprintf(path, sizeof path, "%s", reference("f4_fortran"));
    sweep_allocation_failures(read_and_write, path);
    assert_ok(ln_file_read(path, &file, &err));
    sweep_allocation_failures(parse_only, &file);
    ln_file_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_integer_dtype_is_read),
        cmocka_unit_test(every_real_dtype_order_and_version_is_read),
        cmocka_unit_test(extremes_keep_their_value),
        cmocka_unit_test(scalars_empty_arrays_and_truth_values_are_read),
        cmocka_unit_test(other_dtypes_are_named),
        cmocka_unit_test(unusual_but_valid_headers_are_read),
        cmocka_unit_test(malformed_headers_are_explained),
        cmocka_unit_test(other_files_and_versions_are_refused),
        cmocka_unit_test(every_prefix_is_an_error),
        cmocka_unit_test(mutations_never_crash),
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(a_written_file_is_that_of_numpy),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test(npy_survives_failing_allocations),
    };
    return cmocka_run_group_tests_name("tensor_npy", tests, NULL, NULL);
}
