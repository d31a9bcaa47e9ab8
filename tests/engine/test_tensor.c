/* Typed tensors: shapes, views, row copies, conversions, identity. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "tensor/tensor.h"

static void shapes_count_and_print(void **state)
{
    (void)state;
    static const struct {
        ln_shape shape;
        int64_t count, row;
        const char *text;
    } cases[] = {
        {{.rank = 0}, 1, 1, "()"},
        {{.rank = 1, .dims = {7}}, 7, 1, "(7,)"},
        {{.rank = 2, .dims = {3, 0}}, 0, 0, "(3, 0)"},
        {{.rank = 4, .dims = {32, 1, 28, 28}}, 25088, 784, "(32, 1, 28, 28)"},
        {{.rank = 2, .dims = {-1, 30}}, -30, 30, "(N, 30)"},
    };
    char buffer[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ln_shape_count(&cases[i].shape), cases[i].count);
        assert_int_equal(ln_shape_row(&cases[i].shape), cases[i].row);
        assert_string_equal(ln_shape_text(&cases[i].shape, buffer, sizeof buffer), cases[i].text);
    }
    assert_string_equal(ln_shape_text(&cases[3].shape, buffer, 8),
                        "(32, 1,"); /* cut, no overflow */
    ln_shape a = TEST_SHAPE(2, 3), b = TEST_SHAPE(2, 3, 1), c = TEST_SHAPE(2, 4);
    assert_true(ln_shape_equal(&a, &a));
    assert_false(ln_shape_equal(&a, &b));
    assert_false(ln_shape_equal(&a, &c));
}

static void dtypes_have_names_and_sizes(void **state)
{
    (void)state;
    static const struct {
        ln_dtype dtype;
        const char *name;
        size_t bytes;
    } cases[] = {{LN_F32, "f32", 4}, {LN_F64, "f64", 8}, {LN_I64, "i64", 8},
                 {LN_I32, "i32", 4}, {LN_U8, "u8", 1},   {LN_BOOL, "bool", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_dtype found;
        assert_string_equal(ln_dtype_name(cases[i].dtype), cases[i].name);
        assert_int_equal(ln_dtype_size(cases[i].dtype), cases[i].bytes);
        assert_true(ln_dtype_parse(cases[i].name, &found));
        assert_int_equal(found, cases[i].dtype);
    }
    ln_dtype found;
    assert_false(ln_dtype_parse("f16", &found));
}

static void a_new_tensor_is_zero_and_aligned(void **state)
{
    (void)state;
    static const char zeros[120];
    ln_tensor *tensor = tensor_zero(LN_F64, TEST_SHAPE(3, 5));
    assert_int_equal(tensor->bytes, 120);
    assert_int_equal((uintptr_t)tensor->data % 64, 0);
    assert_same_bits(tensor->data, zeros, 120);
    ln_tensor_release(tensor);
    tensor = tensor_zero(LN_F32, TEST_SHAPE(4, 0, 2));
    assert_int_equal(tensor->bytes, 0);
    assert_non_null(tensor->data);
    ln_tensor_release(tensor);
    ln_tensor_release(NULL);
}

static void impossible_shapes_are_refused(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *tensor;
    size_t before = ln_memory_used();
    ln_shape huge = TEST_SHAPE(INT64_MAX, 2);
    assert_fails(ln_tensor_new(LN_U8, &huge, &tensor, &err), LN_EINVALID, "can be counted");
    assert_null(tensor);
    huge = TEST_SHAPE(INT64_MAX / 4 + 1);
    assert_fails(ln_tensor_new(LN_F32, &huge, &tensor, &err), LN_EINVALID, "can be counted");
    /* A zero does not hide the others' overflow. */
    huge = TEST_SHAPE((int64_t)1 << 40, (int64_t)1 << 40, 0);
    assert_fails(ln_tensor_new(LN_F32, &huge, &tensor, &err), LN_EINVALID, "can be counted");
    huge = TEST_SHAPE((int64_t)1 << 58); /* countable, but more than there is */
    assert_fails(ln_tensor_new(LN_F32, &huge, &tensor, &err), LN_ENOMEM, "out of memory");
    ln_shape negative = TEST_SHAPE(3, -1);
    assert_fails(ln_tensor_new(LN_F32, &negative, &tensor, &err), LN_EINVALID,
                 "(3, N) has a negative dimension");
    ln_shape deep = {.rank = 9};
    assert_fails(ln_tensor_new(LN_F32, &deep, &tensor, &err), LN_EINVALID, "at most 8");
    assert_int_equal(ln_memory_used(), before);
}

static void views_share_and_retain_the_storage(void **state)
{
    (void)state;
    ln_error err;
    size_t before = ln_memory_used();
    ln_tensor *base = tensor_f32(TEST_SHAPE(4, 3), (float[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    ln_tensor *rows, *flat, *inner;
    ln_shape six = TEST_SHAPE(6);
    assert_ok(ln_tensor_rows(base, 1, 2, &rows, &err));
    assert_ok(ln_tensor_reshape(rows, &six, &flat, &err));
    assert_ok(ln_tensor_rows(flat, 5, 1, &inner, &err));
    ln_f32(base)[8] = 80;
    ln_tensor *again = ln_tensor_retain(base);
    assert_ptr_equal(again, base);
    ln_tensor_release(base);
    ln_tensor_release(base);
    ln_tensor_release(rows);
    assert_near_f32(ln_f32(flat), ((float[]){3, 4, 5, 6, 7, 80}), 6, 0, 0);
    assert_near_f32(ln_f32(inner), ((float[]){80}), 1, 0, 0);
    assert_int_equal(inner->bytes, 4);
    ln_tensor_release(flat);
    ln_tensor_release(inner);
    assert_int_equal(ln_memory_used(), before);
}

static void views_outside_are_refused(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *base = tensor_zero(LN_F32, TEST_SHAPE(4, 3)), *out;
    ln_shape wrong = TEST_SHAPE(5, 2);
    assert_fails(ln_tensor_reshape(base, &wrong, &out, &err), LN_EINVALID,
                 "(5, 2) has not the number of elements of (4, 3)");
    assert_null(out);
    static const int64_t bad[][2] = {
        {0, 5}, {4, 1}, {-1, 1}, {1, -1}, {5, 0}, {2, INT64_MAX}, {INT64_MAX, INT64_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_fails(ln_tensor_rows(base, bad[i][0], bad[i][1], &out, &err), LN_EINVALID,
                     "there are 4");
    assert_ok(ln_tensor_rows(base, 4, 0, &out, &err)); /* none, at the end */
    assert_int_equal(out->bytes, 0);
    ln_tensor_release(out);
    ln_tensor *one = tensor_zero(LN_F32, TEST_SCALAR);
    assert_fails(ln_tensor_rows(one, 0, 1, &out, &err), LN_EINVALID, "has no rows");
    assert_fails(ln_tensor_take(one, NULL, 0, &out, &err), LN_EINVALID, "has no rows");
    ln_tensor_release(one);
    ln_tensor_release(base);
}

static void chosen_rows_are_copied(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *base = tensor_i64(TEST_SHAPE(3, 2), (int64_t[]){1, 2, 3, 4, 5, 6}), *out;
    assert_ok(ln_tensor_take(base, (int64_t[]){2, 0, 2, 2}, 4, &out, &err));
    ln_tensor *want = tensor_i64(TEST_SHAPE(4, 2), (int64_t[]){5, 6, 1, 2, 5, 6, 5, 6});
    assert_same_tensor(out, want);
    ln_i64(base)[0] = 100; /* a copy */
    assert_same_tensor(out, want);
    ln_tensor_release(out);
    assert_fails(ln_tensor_take(base, (int64_t[]){0, 3}, 2, &out, &err), LN_EINVALID,
                 "row 3 is wanted, there are rows 0 to 2");
    assert_null(out);
    assert_fails(ln_tensor_take(base, (int64_t[]){-1}, 1, &out, &err), LN_EINVALID, "row -1");
    assert_ok(ln_tensor_take(base, NULL, 0, &out, &err));
    assert_int_equal(out->shape.dims[0], 0);
    ln_tensor_release(out);
    ln_tensor_release(want);
    ln_tensor_release(base);
}

/* ---------------------------------------------------------------- conversion */

static void conversions_keep_every_value_that_fits(void **state)
{
    (void)state;
    ln_error err;
    static const ln_dtype all[] = {LN_F32, LN_F64, LN_I64, LN_I32, LN_U8, LN_BOOL};
    ln_tensor *first = tensor_f64(TEST_SHAPE(2, 2), (double[]){0, 1, 1, 0});
    for (size_t from = 0; from < 6; from++)
        for (size_t to = 0; to < 6; to++) {
            ln_tensor *a, *b, *back;
            assert_ok(ln_tensor_convert(first, all[from], &a, &err));
            assert_ok(ln_tensor_convert(a, all[to], &b, &err));
            assert_int_equal(b->dtype, all[to]);
            assert_int_equal(b->bytes, 4 * ln_dtype_size(all[to]));
            assert_ok(ln_tensor_convert(b, LN_F64, &back, &err));
            assert_same_tensor(back, first);
            ln_tensor_release(a);
            ln_tensor_release(b);
            ln_tensor_release(back);
        }
    ln_tensor *same;
    assert_ok(ln_tensor_convert(first, LN_F64, &same, &err));
    assert_ptr_equal(same, first);
    ln_tensor_release(same);
    ln_tensor_release(first);
}

static void reals_round_to_the_nearest(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *from = tensor_f64(TEST_SHAPE(4), (double[]){0.1, INFINITY, -INFINITY, NAN}), *to;
    assert_ok(ln_tensor_convert(from, LN_F32, &to, &err));
    assert_near_f32(ln_f32(to), ((float[]){0.1f, INFINITY, -INFINITY, NAN}), 4, 0, 0);
    ln_tensor_release(to);
    ln_tensor_release(from);
    from = tensor_i64(TEST_SHAPE(2), (int64_t[]){INT64_MAX, 16777217});
    assert_ok(ln_tensor_convert(from, LN_F32, &to, &err));
    assert_near_f32(ln_f32(to), ((float[]){0x1p63f, 16777216}), 2, 0, 0);
    ln_tensor_release(to);
    ln_tensor_release(from);
}

static void values_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    ln_error err;
    static const struct {
        double value;
        ln_dtype to;
        const char *message;
    } cases[] = {
        {1e300, LN_F32, "element 1 is 1e+300, which f32 cannot hold"},
        {0.5, LN_I64, "element 1 is 0.5, which i64 cannot hold"},
        {NAN, LN_I64, "which i64"},
        {INFINITY, LN_I32, "which i32"},
        {0x1p63, LN_I64, "which i64"},
        {-0x1p64, LN_I64, "which i64"},
        {2147483648.0, LN_I32, "element 1 is 2.14748365e+09"},
        {-2147483649.0, LN_I32, "which i32"},
        {256, LN_U8, "element 1 is 256, which u8"},
        {-1, LN_U8, "element 1 is -1, which u8"},
        {2, LN_BOOL, "element 1 is 2, which bool"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_tensor *from = tensor_f64(TEST_SHAPE(2), (double[]){1, cases[i].value}), *to;
        assert_fails(ln_tensor_convert(from, cases[i].to, &to, &err), LN_EINVALID,
                     cases[i].message);
        assert_null(to);
        ln_tensor_release(from);
    }
    static const double ends[] = {-0x1p63, -2147483648.0, 2147483647.0};
    static const ln_dtype holds[] = {LN_I64, LN_I32, LN_I32};
    for (size_t i = 0; i < 3; i++) {
        ln_tensor *from = tensor_f64(TEST_SHAPE(1), &ends[i]), *to, *back;
        assert_ok(ln_tensor_convert(from, holds[i], &to, &err));
        assert_ok(ln_tensor_convert(to, LN_F64, &back, &err));
        assert_same_tensor(back, from);
        ln_tensor_release(from);
        ln_tensor_release(to);
        ln_tensor_release(back);
    }
    ln_tensor *large = tensor_i64(TEST_SHAPE(1), (int64_t[]){INT64_MIN}), *to;
    assert_fails(ln_tensor_convert(large, LN_I32, &to, &err), LN_EINVALID,
                 "element 0 is -9223372036854775808");
    ln_tensor_release(large);
}

/* ---------------------------------------------------------------- identity */

static void the_hash_tells_dtype_shape_and_values_apart(void **state)
{
    (void)state;
    ln_tensor *all[] = {
        tensor_f32(TEST_SHAPE(2, 2), (float[]){0, 0, 0, 0}),
        tensor_f32(TEST_SHAPE(4), (float[]){0, 0, 0, 0}),
        tensor_f32(TEST_SHAPE(4, 1), (float[]){0, 0, 0, 0}),
        tensor_zero(LN_I32, TEST_SHAPE(2, 2)),
        tensor_f32(TEST_SHAPE(2, 2), (float[]){0, 0, 0, -0.0f}),
        tensor_f32(TEST_SHAPE(2, 2), (float[]){0, 0, 0, 1}),
    };
    uint8_t digests[6][LN_SHA256_BYTES];
    for (size_t i = 0; i < 6; i++) {
        ln_tensor_sha256(all[i], digests[i]);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(digests[i], digests[j], LN_SHA256_BYTES);
        ln_tensor_release(all[i]);
    }
    /* sha256sum of "f32\0", three little-endian int64 (rank 2, then 2 and 2), 16 zero bytes. */
    char hex[LN_SHA256_HEX];
    ln_sha256_hex(digests[0], hex);
    assert_string_equal(hex, "d6f856c7e1984382a037dda6d82470d45aeb5a6da29f597d500c0e41e65dceae");
}

static void the_hash_of_a_view_is_that_of_a_copy(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *base = tensor_random(TEST_SHAPE(5, 3), 1), *view, *copy;
    uint8_t a[LN_SHA256_BYTES], b[LN_SHA256_BYTES];
    assert_ok(ln_tensor_rows(base, 2, 2, &view, &err));
    assert_ok(ln_tensor_take(base, (int64_t[]){2, 3}, 2, &copy, &err));
    ln_tensor_sha256(view, a);
    ln_tensor_sha256(copy, b);
    assert_same_bits(a, b, sizeof a);
    ln_tensor_release(view);
    ln_tensor_release(copy);
    ln_tensor_release(base);
}

static ln_status use_everything(void *context, ln_error *err)
{
    (void)context;
    ln_shape shape = TEST_SHAPE(4, 3), flat = TEST_SHAPE(12);
    ln_tensor *base = NULL, *rows = NULL, *view = NULL, *taken = NULL, *converted = NULL;
    ln_status status = ln_tensor_new(LN_F32, &shape, &base, err);
    if (!status)
        status = ln_tensor_rows(base, 1, 2, &rows, err);
    if (!status)
        status = ln_tensor_reshape(base, &flat, &view, err);
    if (!status)
        status = ln_tensor_take(base, (int64_t[]){3, 1}, 2, &taken, err);
    if (!status)
        status = ln_tensor_convert(taken, LN_I64, &converted, err);
    ln_tensor_release(base);
    ln_tensor_release(rows);
    ln_tensor_release(view);
    ln_tensor_release(taken);
    ln_tensor_release(converted);
    return status;
}

static void tensors_survive_failing_allocations(void **state)
{
    (void)state;
    sweep_allocation_failures(use_everything, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_count_and_print),
        cmocka_unit_test(dtypes_have_names_and_sizes),
        cmocka_unit_test(a_new_tensor_is_zero_and_aligned),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(views_share_and_retain_the_storage),
        cmocka_unit_test(views_outside_are_refused),
        cmocka_unit_test(chosen_rows_are_copied),
        cmocka_unit_test(conversions_keep_every_value_that_fits),
        cmocka_unit_test(reals_round_to_the_nearest),
        cmocka_unit_test(values_that_do_not_fit_are_refused),
        cmocka_unit_test(the_hash_tells_dtype_shape_and_values_apart),
        cmocka_unit_test(the_hash_of_a_view_is_that_of_a_copy),
        cmocka_unit_test(tensors_survive_failing_allocations),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
