/* tensor/difference.h: bits and sizes of differences, rows, what cannot be compared. */
#include <math.h>

#include "support.h"
#include "tensor/difference.h"

static ln_tensor *make(ln_dtype dtype, int64_t rows, int64_t width, const void *data)
{
    ln_error err = {0};
    const ln_shape shape = {.rank = 2, .dims = {rows, width}};
    ln_tensor *tensor;
    assert_ok(ln_tensor_copy_of(dtype, &shape, data, &tensor, &err));
    return tensor;
}

static ln_difference between(ln_dtype dtype, int64_t rows, int64_t width, const void *a,
                             const void *b, int64_t row_a, int64_t row_b)
{
    ln_error err = {0};
    ln_difference found;
    ln_tensor *x = make(dtype, rows, width, a), *y = make(dtype, rows, width, b);
    assert_ok(ln_tensor_difference(x, row_a, y, row_b, &found, &err));
    ln_tensor_release(x);
    ln_tensor_release(y);
    return found;
}

static void equal_bits_are_no_difference(void **state)
{
    (void)state;
    const float a[] = {1, NAN, -0.0f, 4};
    ln_difference d = between(LN_F32, 2, 2, a, a, -1, -1);
    assert_true(d.comparable);
    assert_int_equal(d.elements, 4);
    assert_int_equal(d.count, 0);
    assert_int_equal(d.first, -1);
    assert_true(d.scale == 4);
}

static void first_and_greatest_are_named(void **state)
{
    (void)state;
    const float a[] = {1, 2, 3, -8}, b[] = {1, 2.5f, 3, -6};
    ln_difference d = between(LN_F32, 2, 2, a, b, -1, -1);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.first, 1);
    assert_true(d.a == 2 && d.b == 2.5);
    assert_true(d.greatest == 2 && d.scale == 8);
}

static void signs_of_zero_and_nan_are_bits(void **state)
{
    (void)state;
    const double a[] = {0.0, NAN, 1}, b[] = {-0.0, NAN, NAN};
    ln_difference d = between(LN_F64, 1, 3, a, b, -1, -1);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.first, 0);
    assert_true(isinf(d.greatest));
    const double zero[] = {0.0}, minus[] = {-0.0};
    d = between(LN_F64, 1, 1, zero, minus, -1, -1);
    assert_true(d.count == 1 && d.greatest == 0);
}

static void rows_are_compared_alone(void **state)
{
    (void)state;
    const int64_t a[] = {1, 2, 3, 4}, b[] = {3, 4, 9, 9};
    ln_difference d = between(LN_I64, 2, 2, a, b, 1, 0);
    assert_int_equal(d.elements, 2);
    assert_int_equal(d.count, 0);
    d = between(LN_I64, 2, 2, a, b, 0, 1);
    assert_int_equal(d.count, 2);
    assert_true(d.greatest == 8);
}

static void other_sizes_and_types_are_not_comparable(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_difference d;
    const float a[] = {1, 2, 3, 4};
    const int32_t whole[] = {1, 2, 3, 4};
    ln_tensor *x = make(LN_F32, 2, 2, a), *y = make(LN_F32, 4, 1, a),
              *z = make(LN_I32, 2, 2, whole);
    assert_ok(ln_tensor_difference(x, 0, y, 0, &d, &err));
    assert_false(d.comparable);
    assert_ok(ln_tensor_difference(x, -1, z, -1, &d, &err));
    assert_false(d.comparable);
    assert_ok(ln_tensor_difference(x, -1, y, -1, &d, &err));
    assert_true(d.comparable && d.count == 0);
    assert_fails(ln_tensor_difference(x, 2, x, 0, &d, &err), LN_EINVALID, "has no row 2");
    ln_tensor_release(x);
    ln_tensor_release(y);
    ln_tensor_release(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bits_are_no_difference),
        cmocka_unit_test(first_and_greatest_are_named),
        cmocka_unit_test(signs_of_zero_and_nan_are_bits),
        cmocka_unit_test(rows_are_compared_alone),
        cmocka_unit_test(other_sizes_and_types_are_not_comparable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
