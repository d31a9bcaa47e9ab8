/* kernels: products against a naive sum, and the promise that a row's bits depend on the row alone.
 *
 * The plain entry is compared bit by bit with the sum it documents (one accumulator, one fused
 * multiply-add a step); oneDNN, whose order of summing is its own, with a sum in float64. */
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/gather.h"
#include "kernels/kernels.h"
#include "kernels/library.h"
#include "kernels/plain.h"

enum { MOST_ROWS = 70 };

static bool isa_is(const char *isa)
{
    return strcmp(ln_cpu_isa(), isa) == 0;
}

/* The entries that can run here. */
static int entries(const ln_kernels *out[2])
{
    int count = 0;
    out[count++] = &ln_kernels_plain;
    if (ln_library_products())
        out[count++] = ln_library_products();
    return count;
}

static float *floats(int64_t count, uint64_t seed)
{
    float *out = ln_alloc_aligned((size_t)count * sizeof *out);
    ln_rng rng = ln_rng_make(seed, "test kernels", 0, 0);
    assert_non_null(out);
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)ln_rng_normal(&rng);
    return out;
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

typedef struct problem {
    ln_product product;
    float *x, *b, *bias; /* (rows, inputs), (outputs, inputs), (outputs) */
    float *y;            /* (rows, outputs), for results */
    ln_packed *packed;
    void *scratch;
} problem;

static problem make(const ln_kernels *kernels, int64_t inputs, int64_t outputs, int64_t rows)
{
    ln_error err;
    problem p = {.product = {.inputs = inputs, .outputs = outputs, .rows = rows}};
    p.x = floats(rows * inputs, 1);
    p.b = floats(outputs * inputs, 2);
    p.bias = floats(outputs, 3);
    p.y = floats(rows * outputs, 4);
    assert_ok(kernels->pack(&p.product, p.b, 1, inputs, &p.packed, &err));
    p.scratch = ln_alloc_aligned(p.packed->scratch_bytes + 1);
    assert_non_null(p.scratch);
    return p;
}

static void drop(problem *p)
{
    p->packed->kernels->release(p->packed);
    ln_free_aligned(p->x);
    ln_free_aligned(p->b);
    ln_free_aligned(p->bias);
    ln_free_aligned(p->y);
    ln_free_aligned(p->scratch);
}

static void multiply(const problem *p, int64_t rows, const float *x, const float *bias, float *y)
{
    ln_error err;
    assert_ok(p->packed->kernels->multiply(p->packed, rows, x, bias, y, p->scratch, &err));
}

static const int64_t shapes[][2] = {{1, 1},  {1, 17},  {3, 4},    {7, 2},    {30, 64}, {64, 32},
                                    {32, 2}, {61, 33}, {100, 48}, {129, 65}, {16, 16}, {200, 130}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

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
    const ln_kernels *kernels[2];
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
    const ln_kernels *kernels[2];
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

/* Rows of passes over 1, 1 + by, ... rows at many positions, against that row alone in a product planned for one row. */
static void rows_are_invariant(const ln_kernels *kernels, int64_t inputs, int64_t outputs,
                               int64_t by)
{
    problem one = make(kernels, inputs, outputs, 1);
    float *x = floats(MOST_ROWS * inputs, 5), *alone = floats(MOST_ROWS * outputs, 6);
    for (int64_t r = 0; r < MOST_ROWS; r++)
        multiply(&one, 1, x + r * inputs, one.bias, alone + r * outputs);
    for (int64_t rows = 1; rows <= MOST_ROWS; rows += by) {
        problem p = make(kernels, inputs, outputs, rows);
        for (int64_t first = 0; first + rows <= MOST_ROWS; first += 1 + rows / 2) {
            multiply(&p, rows, x + first * inputs, one.bias, p.y);
            assert_same_bits(p.y, alone + first * outputs,
                             (size_t)(rows * outputs) * sizeof(float));
        }
        drop(&p);
    }
    drop(&one);
    ln_free_aligned(x);
    ln_free_aligned(alone);
}

static void plain_rows_are_invariant(void **state)
{
    (void)state;
    for (int s = 0; s < SHAPES; s++)
        rows_are_invariant(&ln_kernels_plain, shapes[s][0], shapes[s][1], 1);
}

static void rows_of_the_library_are_invariant(void **state)
{
    (void)state;
    if (!ln_library_products())
        skip();
    for (int s = 0; s < SHAPES; s++)
        rows_are_invariant(ln_library_products(), shapes[s][0], shapes[s][1], 1);
    rows_are_invariant(ln_library_products(), 300, 520, 3);
    rows_are_invariant(ln_library_products(), 1037, 1030, 23);
}

/* Fewer rows than planned for, with anything in the rows that do not count. */
static void unused_rows_do_not_matter(void **state)
{
    const ln_kernels *kernels[2];
    const int count = entries(kernels);
    (void)state;
    for (int e = 0; e < count; e++) {
        problem p = make(kernels[e], 61, 33, 64), small = make(kernels[e], 61, 33, 5);
        for (int64_t i = 5 * 61; i < 64 * 61; i++)
            p.x[i] = i % 3 ? NAN : INFINITY;
        multiply(&p, 5, p.x, p.bias, p.y);
        multiply(&small, 5, p.x, p.bias, small.y);
        assert_same_bits(p.y, small.y, 5 * 33 * sizeof(float));
        drop(&p);
        drop(&small);
    }
}

static void a_nan_stays_in_its_row(void **state)
{
    const ln_kernels *kernels[2];
    const int count = entries(kernels);
    (void)state;
    for (int e = 0; e < count; e++) {
        problem p = make(kernels[e], 30, 64, 9);
        float *clean = floats(9 * 64, 7);
        multiply(&p, 9, p.x, NULL, clean);
        p.x[4 * 30 + 11] = NAN;
        multiply(&p, 9, p.x, NULL, p.y);
        for (int64_t i = 0; i < 9 * 64; i++)
            if (i / 64 == 4)
                assert_true(isnan(p.y[i]));
            else
                assert_same_bits(&p.y[i], &clean[i], sizeof(float));
        ln_free_aligned(clean);
        drop(&p);
    }
}

/* Both layouts of the same matrix, and filling a packed operand again. */
static void packing_reads_any_layout(void **state)
{
    const ln_kernels *kernels[2];
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
        ln_kernels_multiply_once(ln_kernels_block(), &p.product, 13, p.x, p.b, 1, p.product.inputs,
                                 p.bias, y, scratch);
        assert_same_bits(y, p.y, (size_t)(13 * p.product.outputs) * sizeof(float));
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
    const ln_kernels *large = ln_library_products() ? ln_library_products() : &ln_kernels_plain;
    (void)state;
    assert_ptr_equal(ln_kernels_choose(30, 64), &ln_kernels_plain);
    assert_ptr_equal(ln_kernels_choose(512, 512), &ln_kernels_plain);
    assert_ptr_equal(ln_kernels_choose(1024, 1024), large);
    assert_ptr_equal(ln_kernels_choose(4096, 1000), large);
    assert_ptr_equal(ln_kernels_choose(1, 1 << 19), &ln_kernels_plain);
}

/* ---------------------------------------------------------------- threads */

typedef struct shared_product {
    const problem *problem;
    const float *x;
    float *y;
    void *scratch[5];
} shared_product;

static ln_status run_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    const shared_product *own = context;
    const problem *p = own->problem;
    return p->packed->kernels->multiply(
        p->packed, p->product.rows, own->x + chunk * p->product.rows * p->product.inputs, p->bias,
        own->y + chunk * p->product.rows * p->product.outputs, own->scratch[worker], err);
}

static void one_operand_serves_all_workers(void **state)
{
    const ln_kernels *kernels[2];
    const int count = entries(kernels);
    enum { CHUNKS = 40 };
    ln_error err;
    (void)state;
    for (int e = 0; e < count; e++) {
        problem p = make(kernels[e], 129, 65, 16);
        float *x = floats(CHUNKS * 16 * 129, 15), *first = floats(CHUNKS * 16 * 65, 16);
        float *y = floats(CHUNKS * 16 * 65, 17);
        const int threads[] = {1, 2, 5};
        for (int t = 0; t < 3; t++) {
            ln_pool *pool = NULL;
            shared_product shared = {.problem = &p, .x = x, .y = t == 0 ? first : y};
            for (int i = 0; i < 5; i++)
                shared.scratch[i] = ln_alloc_aligned(p.packed->scratch_bytes + 1);
            assert_ok(ln_pool_new(threads[t], &pool, &err));
            assert_ok(ln_parallel(pool, CHUNKS, run_chunk, &shared, NULL, NULL, &err));
            ln_pool_free(pool);
            for (int i = 0; i < 5; i++)
                ln_free_aligned(shared.scratch[i]);
            if (t > 0)
                assert_same_bits(y, first, CHUNKS * 16 * 65 * sizeof(float));
        }
        ln_free_aligned(x);
        ln_free_aligned(y);
        ln_free_aligned(first);
        drop(&p);
    }
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
    const ln_kernels *kernels[2];
    const int count = entries(kernels);
    (void)state;
    for (int e = 0; e < count; e++)
        sweep_allocation_failures(pack_once, (void *)(uintptr_t)kernels[e]);
}

/* Parts are added in the order of their tables: the same bits as one sum an element, on every
 * instruction set. */
static void gathered_sums_are_sums_in_order(void **state)
{
    (void)state;
    enum { ROWS = 9, TABLES = 3, PARTS = 5, WIDEST = 150 };
    static uint16_t chosen[ROWS * TABLES];
    ln_rng rng = ln_rng_make(1, "test gather", 0, 0);
    for (int i = 0; i < ROWS * TABLES; i++)
        chosen[i] = (uint16_t)ln_rng_below(&rng, PARTS);
    float *start = floats(ROWS * WIDEST, 2), *tables = floats(TABLES * PARTS * WIDEST, 3);
    float *y = floats(ROWS * WIDEST, 4);
    for (int64_t width = 1; width <= WIDEST; width += width < 70 ? 1 : 40)
        for (int variant = 0; variant < 4; variant++) {
            const bool one = variant & 1, cut = variant & 2;
            ln_gather gather = {.rows = ROWS,
                                .width = width,
                                .count = TABLES,
                                .parts = PARTS,
                                .start = start,
                                .start_row = one ? 0 : width,
                                .tables = tables,
                                .chosen = chosen,
                                .y = y,
                                .cut = cut};
            ln_kernels_gather()(&gather);
            for (int64_t r = 0; r < ROWS; r++)
                for (int64_t i = 0; i < width; i++) {
                    float sum = start[(one ? 0 : r * width) + i];
                    for (int64_t t = 0; t < TABLES; t++)
                        sum += tables[(t * PARTS + chosen[r * TABLES + t]) * width + i];
                    if (cut && sum <= 0)
                        sum = 0;
                    assert_same_bits(&sum, &y[r * width + i], sizeof sum);
                }
        }
    ln_free_aligned(start);
    ln_free_aligned(tables);
    ln_free_aligned(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathered_sums_are_sums_in_order),
        cmocka_unit_test(cutting_keeps_nan),
        cmocka_unit_test(plain_is_its_documented_sum),
        cmocka_unit_test(entries_agree_with_float64),
        cmocka_unit_test(plain_rows_are_invariant),
        cmocka_unit_test(rows_of_the_library_are_invariant),
        cmocka_unit_test(unused_rows_do_not_matter),
        cmocka_unit_test(a_nan_stays_in_its_row),
        cmocka_unit_test(packing_reads_any_layout),
        cmocka_unit_test(an_unpacked_operand_gives_the_plain_bits),
        cmocka_unit_test(accumulate_adds_rows_in_order),
        cmocka_unit_test(add_rows_sums_columns),
        cmocka_unit_test(register_widths_agree),
        cmocka_unit_test(the_table_reads_the_shape_alone),
        cmocka_unit_test(one_operand_serves_all_workers),
        cmocka_unit_test(packing_survives_failing_allocations),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
