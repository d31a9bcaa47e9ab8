/* kernels: the promise that a row's bits in a product depend on the row alone, not on how many rows are
 * multiplied, what is in the others, or which worker does it. */
#include "kernels_support.h"

#include <math.h>

#include "base/parallel.h"

enum { MOST_ROWS = 70 };

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
    const ln_kernels *kernels[ENTRIES];
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
    const ln_kernels *kernels[ENTRIES];
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
    const ln_kernels *kernels[ENTRIES];
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_rows_are_invariant),
        cmocka_unit_test(rows_of_the_library_are_invariant),
        cmocka_unit_test(unused_rows_do_not_matter),
        cmocka_unit_test(a_nan_stays_in_its_row),
        cmocka_unit_test(one_operand_serves_all_workers),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
