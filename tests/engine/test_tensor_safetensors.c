/* Files that the format's own library wrote (tests/reference/base/weights.py), our own, and damaged
 * ones. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "tensor/safetensors.h"

static ln_error err;

static const char *types_file(void)
{
    return test_file("reference/base/safetensors/types.safetensors");
}

static void check_floats(const ln_safetensors *file, const char *name, const float *wanted,
                         size_t count)
{
    ln_tensor *got;
    const int index = ln_safetensors_find(file, name);
    assert_true(index >= 0);
    assert_string_equal(ln_safetensors_name(file, index), name);
    assert_ok(ln_safetensors_floats(file, index, &got, &err));
    assert_int_equal(ln_shape_count(&got->shape), count);
    assert_near_f32(ln_f32(got), wanted, count, 0, 0);
    ln_tensor_release(got);
}

static void arrays_of_the_library_are_read(void **state)
{
    (void)state;
    ln_safetensors *file;
    ln_file bytes;
    uint8_t sha256[LN_SHA256_BYTES];
    const float x[] = {0, 0.25f, 0.5f, 0.75f, 1, 1.25f};
    float thirds[6];
    for (int i = 0; i < 6; i++)
        thirds[i] = (float)((double)x[i] / 3);
    /* What PyTorch 2.13 makes of these numbers in 16 bits. */
    const float half[] = {0, -0.0f, 1.5f, -65504, 5.9604645e-8f, INFINITY, NAN, 6.0975552e-5f};
    const float brain[] = {0, -0.0f, 1.5f, -65536, 6.00703061e-8f, INFINITY, NAN, 6.1035156e-5f};
    assert_ok(ln_safetensors_read(types_file(), &file, sha256, &err));
    assert_ok(ln_file_read(types_file(), &bytes, &err));
    assert_memory_equal(sha256, bytes.sha256, sizeof sha256);
    ln_file_free(&bytes);
    assert_int_equal(ln_safetensors_count(file), 7);
    check_floats(file, "x", x, 6);
    check_floats(file, "double", thirds, 6);
    check_floats(file, "half", half, 8);
    check_floats(file, "brain", brain, 8);
    check_floats(file, "scalar", (const float[]){2.5f}, 1);
    check_floats(file, "none", NULL, 0);
    const ln_shape shape = ln_safetensors_shape(file, ln_safetensors_find(file, "x"));
    assert_true(shape.rank == 2 && shape.dims[0] == 2 && shape.dims[1] == 3);
    assert_int_equal(ln_safetensors_find(file, "y"), -1);
    ln_tensor *ids;
    assert_fails(ln_safetensors_floats(file, ln_safetensors_find(file, "ids"), &ids, &err),
                 LN_EUNSUPPORTED, "array 'ids'");
    ln_safetensors_free(file);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    ln_tensor *a = tensor_random(TEST_SHAPE(3, 5), 1), *b = tensor_random(TEST_SCALAR, 2);
    ln_tensor *ids = tensor_i64(TEST_SHAPE(2), (int64_t[]){7, -7});
    const char *names[] = {"fc 1.weight\n", "b", "ids"};
    const ln_tensor *arrays[] = {a, b, ids};
    const char *path = test_path("own.safetensors");
    ln_safetensors *file;
    ln_tensor *got;
    assert_ok(ln_safetensors_write(path, names, arrays, 3, &err));
    assert_ok(ln_safetensors_read(path, &file, NULL, &err));
    assert_int_equal(ln_safetensors_count(file), 3);
    for (int i = 0; i < 2; i++) {
        assert_ok(ln_safetensors_floats(file, ln_safetensors_find(file, names[i]), &got, &err));
        assert_same_tensor(got, arrays[i]);
        ln_tensor_release(got);
    }
    ln_safetensors_free(file);
    ln_tensor_release(a);
    ln_tensor_release(b);
    ln_tensor_release(ids);
    assert_fails(
        ln_safetensors_write(test_path("no/such/folder.safetensors"), names, arrays, 0, &err),
        LN_EIO, "folder.safetensors");
}

static ln_status parse(const char *header, size_t length, size_t data)
{
    char bytes[1024] = {0};
    ln_safetensors *file;
    bytes[0] = (char)length;
    bytes[1] = (char)(length >> 8);
    strcpy(bytes + 8, header);
    ln_status status = ln_safetensors_parse("x", bytes, 8 + strlen(header) + data, &file, &err);
    ln_safetensors_free(status ? NULL : file);
    return status;
}

#define A "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"

static void damaged_files_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } cases[] = {
        {"[1]", 0, "no JSON object"},
        {"{\"a\":", 0, "no JSON object"},
        {"{\"a\":" A "}", 4, "lie outside of the file"},
        {"{\"a\":" A "}", 12, "4 bytes after its last array"},
        {"{\"a\":" A ",\"a\":" A "}", 8, "overlaps another"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
         0, "is there twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "leaves a hole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "its shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,8]}}",
         8, "no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "no shape"},
        {"{\"a\":{\"dtype\":\"X32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "no known dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "lie outside"},
        {"{\"a\":3}", 0, "no known dtype"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(parse(cases[i].header, strlen(cases[i].header), cases[i].data), LN_EINVALID,
                     cases[i].part);
    assert_fails(parse("{}", 3, 0), LN_EINVALID, "fewer than its header");
    ln_safetensors *file;
    assert_fails(ln_safetensors_parse("x", "\2\0\0", 3, &file, &err), LN_EINVALID, "3 bytes");
    assert_fails(ln_safetensors_read(test_path("none"), &file, NULL, &err), LN_EFILE, "none");
    assert_ok(parse("{}", 2, 0));
}

/* Every prefix of a good file is refused, with nothing read behind its end. */
static void every_prefix_is_refused(void **state)
{
    (void)state;
    ln_file whole;
    assert_ok(ln_file_read(types_file(), &whole, &err));
    for (size_t bytes = 0; bytes < whole.bytes; bytes++) {
        char *exact = ln_alloc(bytes);
        ln_safetensors *file;
        memcpy(exact, whole.data, bytes);
        assert_fails(ln_safetensors_parse("x", exact, bytes, &file, &err), LN_EINVALID,
                     "no valid safetensors file");
        ln_free(exact);
    }
    ln_file_free(&whole);
}

static ln_status read_once(void *context, ln_error *error)
{
    ln_safetensors *file;
    ln_tensor *tensor = NULL;
    ln_status status = ln_safetensors_read(context, &file, NULL, error);
    if (status)
        return status;
    status = ln_safetensors_floats(file, ln_safetensors_find(file, "half"), &tensor, error);
    ln_safetensors_free(file);
    ln_tensor_release(tensor);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", types_file());
    sweep_allocation_failures(read_once, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_the_library_are_read),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(damaged_files_say_what_is_wrong),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
