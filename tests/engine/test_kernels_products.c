/* kernels: products against a naive sum.
 *
 * The plain entry is compared bit by bit with the sum it documents (one accumulator, one fused
 * multiply-add a step); oneDNN, whose order of summing is its own, with a sum in float64. */
#include "kernels_support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/plain.h"

static bool isa_is(const char *isa)
{
    return ln_cpu_has(isa);
}

/* One step of the plain entry's sum on this machine. */
static float step(float a, float b, float sum)
{
#ifdef FP_FAST_FMAF
    return fmaf(a, b, sum);
#else
    return isa_is("avx512") || isa_is("avx2") ? fmaf(a, b, sum) : a * b + sum;
#endif
}

static void plain_is_its_documented_sum(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++)
        for (int64_t rows = 1; rows <= 19; rows += 3) {
            problem p = make(&ln_kernels_plain, shapes[s][0], shapes[s][1], rows);
            for (int variant = 0; variant < 4; variant++) {
                const float *bias = variant & 1 ? p.bias : NULL;
                p.packed->product.cut = variant & 2;
                multiply(&p, rows, p.x, bias, p.y);
                for (int64_t r = 0; r < rows; r++)
                    for (int64_t o = 0; o < p.product.outputs; o++) {
                        float sum = bias ? bias[o] : 0;
                        for (int64_t k = 0; k < p.product.inputs; k++)
                            sum = step(p.x[r * p.product.inputs + k], p.b[o * p.product.inputs + k],
                                       sum);
                        if (p.packed->product.cut && sum <= 0)
                            sum = 0;
                        assert_same_bits(&p.y[r * p.product.outputs + o], &sum, sizeof sum);
                    }
            }
            drop(&p);
        }
}

/* What is no number is cut by neither entry, and 0 is +0. */
static void cutting_keeps_nan(void **state)
{
    const ln_kernels *kernels[ENTRIES];
    const int count = entries(kernels);
    (void)state;
    for (int e = 0; e < count; e++)
        for (int64_t outputs = 2; outputs < 60; outputs += 57) {
            problem p = make(kernels[e], 5, outputs, 33);
            p.packed->product.cut = true;
            p.x[17 * 5 + 3] = NAN;
            memset(p.x + 9 * 5, 0, 5 * sizeof *p.x);
            for (int64_t o = 0; o < outputs; o++)
                p.bias[o] = -0.0f;
            multiply(&p, 33, p.x, p.bias, p.y);
            for (int64_t i = 0; i < 33 * outputs; i++) {
                const int64_t r = i / outputs;
                assert_true(r == 17 ? isnan(p.y[i]) : p.y[i] >= 0 && !signbit(p.y[i]));
                assert_true(r != 9 || p.y[i] == 0);
            }
            drop(&p);
        }
}

static void entries_agree_with_float64(void **state)
{
    const ln_kernels *kernels[ENTRIES];
    const int count = entries(kernels);
    (void)state;
    for (int e = 0; e < count; e++)
        for (int s = 0; s < SHAPES; s++) {
            problem p = make(kernels[e], shapes[s][0], shapes[s][1], 21);
            multiply(&p, 21, p.x, p.bias, p.y);
            for (int64_t i = 0; i < 21 * p.product.outputs; i++) {
                const int64_t r = i / p.product.outputs, o = i % p.product.outputs;
                double sum = (double)p.bias[o], size = fabs(sum);
                for (int64_t k = 0; k < p.product.inputs; k++) {
                    double part = (double)p.x[r * p.product.inputs + k] *
                                  (double)p.b[o * p.product.inputs + k];
                    sum += part;
                    size += fabs(part);
                }
                const float wanted = (float)sum;
                assert_near_f32(&p.y[i], &wanted, 1, 1e-6 * size, 0);
            }
            drop(&p);
        }
}

/* Both layouts of the same matrix, and filling a packed operand again. */
static void packing_reads_any_layout(void **state)
{
    const ln_kernels *kernels[ENTRIES];
    const int count = entries(kernels);
    ln_error err;
    (void)state;
    for (int e = 0; e < count; e++) {
        problem p = make(kernels[e], 61, 33, 8);
        float *turned = floats(61 * 33, 8), *again = floats(8 * 33, 9);
        ln_packed *packed = p.packed;
        for (int64_t i = 0; i < 61; i++)
            for (int64_t o = 0; o < 33; o++)
                turned[i * 33 + o] = p.b[o * 61 + i];
        multiply(&p, 8, p.x, p.bias, p.y);
        for (int i = 0; i < 61 * 33; i++)
            p.b[i] = 0;
        assert_ok(kernels[e]->pack(&p.product, p.b, 1, 61, &p.packed, &err));
        assert_ptr_equal(p.packed, packed);
        multiply(&p, 8, p.x, p.bias, again);
        for (int i = 0; i < 8 * 33; i++)
            assert_same_bits(&again[i], &p.bias[i % 33], sizeof(float));
        assert_ok(kernels[e]->pack(&p.product, turned, 33, 1, &p.packed, &err));
        multiply(&p, 8, p.x, p.bias, again);
        assert_same_bits(again, p.y, 8 * 33 * sizeof(float));
        ln_free_aligned(turned);
        ln_free_aligned(again);
        drop(&p);
    }
}

static void an_unpacked_operand_gives_the_plain_bits(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        problem p = make(&ln_kernels_plain, shapes[s][0], shapes[s][1], 13);
        float *y = floats(13 * p.product.outputs, 10);
        void *scratch = ln_alloc_aligned(ln_kernels_multiply_once_scratch(p.product.inputs));
        assert_non_null(scratch);
        multiply(&p, 13, p.x, p.bias, p.y);
        /* Rows and operand as they lie, and both turned. */
        const int64_t inputs = p.product.inputs, outputs = p.product.outputs;
        ln_kernels_multiply_once(ln_kernels_block(), &p.product, 13, p.x, inputs, 1, p.b, 1, inputs,
                                 p.bias, y, scratch);
        assert_same_bits(y, p.y, (size_t)(13 * outputs) * sizeof(float));
        float *x_turned = floats(13 * inputs, 20), *b_turned = floats(inputs * outputs, 21);
        for (int64_t i = 0; i < inputs; i++) {
            for (int64_t r = 0; r < 13; r++)
                x_turned[i * 13 + r] = p.x[r * inputs + i];
            for (int64_t o = 0; o < outputs; o++)
                b_turned[i * outputs + o] = p.b[o * inputs + i];
        }
        ln_kernels_multiply_once(ln_kernels_block(), &p.product, 13, x_turned, 1, 13, b_turned,
                                 outputs, 1, p.bias, y, scratch);
        assert_same_bits(y, p.y, (size_t)(13 * outputs) * sizeof(float));
        ln_free_aligned(x_turned);
        ln_free_aligned(b_turned);
        ln_free_aligned(y);
        ln_free_aligned(scratch);
        drop(&p);
    }
}

static void accumulate(int64_t rows, int64_t left, int64_t right, const float *a, const float *b,
                       float *c)
{
    void *scratch = ln_alloc_aligned(ln_kernels_accumulate_scratch(rows, right));
    assert_non_null(scratch);
    ln_kernels_accumulate(ln_kernels_block(), rows, left, right, a, b, c, scratch);
    ln_free_aligned(scratch);
}

static void accumulate_adds_rows_in_order(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        const int64_t left = shapes[s][0], right = shapes[s][1], rows = 16;
        float *a = floats(rows * left, 11), *b = floats(rows * right, 12);
        float *c = floats(left * right, 13), *parts = floats(left * right, 13);
        float *wanted = floats(left * right, 13);
        for (int64_t i = 0; i < left; i++)
            for (int64_t j = 0; j < right; j++)
                for (int64_t r = 0; r < rows; r++)
                    wanted[i * right + j] =
                        step(a[r * left + i], b[r * right + j], wanted[i * right + j]);
        accumulate(rows, left, right, a, b, c);
        assert_same_bits(c, wanted, (size_t)(left * right) * sizeof(float));
        accumulate(5, left, right, a, b, parts);
        accumulate(rows - 5, left, right, a + 5 * left, b + 5 * right, parts);
        assert_same_bits(parts, wanted, (size_t)(left * right) * sizeof(float));
        ln_free_aligned(a);
        ln_free_aligned(b);
        ln_free_aligned(c);
        ln_free_aligned(parts);
        ln_free_aligned(wanted);
    }
}

static void add_rows_sums_columns(void **state)
{
    const float a[6] = {1, 2, 3, 10, 20, 30};
    float sum[3] = {100, 200, 300};
    const float wanted[3] = {111, 222, 333};
    (void)state;
    ln_kernels_add_rows(2, 3, a, sum);
    assert_same_bits(sum, wanted, sizeof wanted);
}

/* The widths of register give the same bits, so that the tests on one set speak for the other. */
static void register_widths_agree(void **state)
{
    (void)state;
#ifdef __x86_64__
    if (!isa_is("avx512"))
        return;
    problem p = make(&ln_kernels_plain, 61, 83, 17);
    float *panels = ln_alloc_aligned(6 * 16 * 61 * sizeof(float));
    float *y = floats(17 * 83, 14);
    assert_non_null(panels);
    for (int64_t i = 0; i < 6 * 61 * 16; i++) {
        const int64_t o = i / (61 * 16) * 16 + i % 16, k = i / 16 % 61;
        panels[i] = o < 83 ? p.b[o * 61 + k] : 0;
    }
    ln_block block = {.rows = 17,
                      .columns = 83,
                      .depth = 61,
                      .a = p.x,
                      .a_row = 61,
                      .a_depth = 1,
                      .b = panels,
                      .c = p.y,
                      .c_row = 83,
                      .bias = p.bias};
    ln_block_avx512(&block);
    block.c = y;
    ln_block_avx2(&block);
    assert_same_bits(y, p.y, 17 * 83 * sizeof(float));
    ln_block_baseline(&block);
    assert_near_f32(y, p.y, 17 * 83, 1e-5, 1e-5);
    /* Few columns, for which rows are turned. */
    block.columns = 3;
    block.cut = true;
    memset(y, 0, 17 * 83 * sizeof *y);
    memset(p.y, 0, 17 * 83 * sizeof *y);
    ln_block_avx2(&block);
    block.c = p.y;
    ln_block_avx512(&block);
    assert_same_bits(y, p.y, 17 * 83 * sizeof(float));
    ln_free_aligned(panels);
    ln_free_aligned(y);
    drop(&p);
#endif
}

static void the_table_reads_the_shape_alone(void **state)
{
    const ln_kernels *middle = &ln_kernels_plain;
    (void)state;
#ifdef __x86_64__
    if (isa_is("amx"))
        middle = &ln_kernels_tiles;
#endif
    const ln_kernels *large = ln_library_products() ? ln_library_products() : middle;
    assert_ptr_equal(ln_kernels_choose(30, 64), &ln_kernels_plain);
    assert_ptr_equal(ln_kernels_choose(512, 512), middle);
    assert_ptr_equal(ln_kernels_choose(64, 64), middle);
    assert_ptr_equal(ln_kernels_choose(32, 128), middle);
    assert_ptr_equal(ln_kernels_choose(31, 256), &ln_kernels_plain);
    assert_ptr_equal(ln_kernels_choose(64, 63), &ln_kernels_plain);
    assert_ptr_equal(ln_kernels_choose(1024, 1024), large);
    assert_ptr_equal(ln_kernels_choose(4096, 1000), large);
    assert_ptr_equal(ln_kernels_choose(1, 1 << 19), &ln_kernels_plain);
}

static ln_status pack_once(void *context, ln_error *err)
{
    const ln_kernels *kernels = context;
    const ln_product product = {.inputs = 3, .outputs = 2, .rows = 4};
    const float b[6] = {1, 2, 3, 4, 5, 6};
    ln_packed *packed = NULL;
    ln_status status = kernels->pack(&product, b, 1, 3, &packed, err);
    kernels->release(packed);
    return status;
}

static void packing_survives_failing_allocations(void **state)
{
    const ln_kernels *kernels[ENTRIES];
    const int count = entries(kernels);
    (void)state;
    for (int e = 0; e < count; e++)
        sweep_allocation_failures(pack_once, (void *)(uintptr_t)kernels[e]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cutting_keeps_nan),
        cmocka_unit_test(plain_is_its_documented_sum),
        cmocka_unit_test(entries_agree_with_float64),
        cmocka_unit_test(packing_reads_any_layout),
        cmocka_unit_test(an_unpacked_operand_gives_the_plain_bits),
        cmocka_unit_test(accumulate_adds_rows_in_order),
        cmocka_unit_test(add_rows_sums_columns),
        cmocka_unit_test(register_widths_agree),
        cmocka_unit_test(the_table_reads_the_shape_alone),
        cmocka_unit_test(packing_survives_failing_allocations),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
