/* What the programs of products and sums share: the entries that can run here, drawn numbers, and a
 * product with its operands. Included by one test program each. */
#ifndef LN_TESTS_KERNELS_SUPPORT_H
#define LN_TESTS_KERNELS_SUPPORT_H

#include "support.h"

#include "kernels/kernels.h"
#include "kernels/library.h"
#include "kernels/products_amx.h"
#include "kernels/tiles.h"

/* The entries that can run here. */
enum { ENTRIES = 3 };

static inline int entries(const ln_kernels *out[ENTRIES])
{
    int count = 0;
    out[count++] = &ln_kernels_plain;
#ifdef __x86_64__
    if (ln_tiles_available())
        out[count++] = &ln_kernels_tiles;
#endif
    if (ln_library_products())
        out[count++] = ln_library_products();
    return count;
}

static inline float *floats(int64_t count, uint64_t seed)
{
    return random_floats(count, "test kernels", seed);
}

typedef struct problem {
    ln_product product;
    float *x, *b, *bias; /* (rows, inputs), (outputs, inputs), (outputs) */
    float *y;            /* (rows, outputs), for results */
    ln_packed *packed;
    void *scratch;
} problem;

static inline problem make(const ln_kernels *kernels, int64_t inputs, int64_t outputs, int64_t rows)
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

static inline void drop(problem *p)
{
    p->packed->kernels->release(p->packed);
    ln_free_aligned(p->x);
    ln_free_aligned(p->b);
    ln_free_aligned(p->bias);
    ln_free_aligned(p->y);
    ln_free_aligned(p->scratch);
}

static inline void multiply(const problem *p, int64_t rows, const float *x, const float *bias,
                            float *y)
{
    ln_error err;
    assert_ok(p->packed->kernels->multiply(p->packed, rows, x, bias, y, p->scratch, &err));
}

static const int64_t shapes[][2] = {{1, 1},  {1, 17},  {3, 4},    {7, 2},    {30, 64}, {64, 32},
                                    {32, 2}, {61, 33}, {100, 48}, {129, 65}, {16, 16}, {200, 130}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

#endif
