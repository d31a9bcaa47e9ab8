/* The cases of products and of indices that come with the data. */
#ifndef LN_TESTS_LAYERS_CASES_PRODUCTS_H
#define LN_TESTS_LAYERS_CASES_PRODUCTS_H

#include "layers_support.h"

/* One row's operand: where it starts. */
static const double *operand_row(const layer_case *layer, const double *const *in, int k, int64_t r)
{
    return in[k] + (k < layer->live ? r * ln_shape_count(&layer->shapes[k]) : 0);
}

/* (2, 3, 4) times (2, 4, 2) or (4, 2), either of them turned. */
REFERENCE(matmul_reference)
{
    const ln_matmul_attributes *own = layer->attributes;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t h = 0; h < 2; h++)
            for (int64_t i = 0; i < 3; i++)
                for (int64_t j = 0; j < 2; j++) {
                    double sum = 0;
                    for (int64_t k = 0; k < 4; k++) {
                        const double *a = operand_row(layer, in, 0, r);
                        const double *b = operand_row(layer, in, 1, r);
                        a += layer->shapes[0].rank == 3 ? h * 12 : 0;
                        b += layer->shapes[1].rank == 3 ? h * 8 : 0;
                        sum += a[own->transpose_a ? k * 3 + i : i * 4 + k] *
                               b[own->transpose_b ? j * 4 + k : k * 2 + j];
                    }
                    out[((r * 2 + h) * 3 + i) * 2 + j] = own->scale * sum;
                }
}

/* A vector of 4 times (4, 3). */
REFERENCE(vector_reference)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < 3; j++) {
            out[r * 3 + j] = 0;
            for (int64_t k = 0; k < 4; k++)
                out[r * 3 + j] +=
                    operand_row(layer, in, 0, r)[k] * operand_row(layer, in, 1, r)[k * 3 + j];
        }
}

/* y_hi = sum_jk a_hij b_kj c_h, sizes 2, 3, 4 (h, i, j), 2 (k). */
REFERENCE(einsum_reference)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t h = 0; h < 2; h++)
            for (int64_t i = 0; i < 3; i++) {
                double sum = 0;
                for (int64_t j = 0; j < 4; j++)
                    for (int64_t k = 0; k < 2; k++)
                        sum += operand_row(layer, in, 0, r)[(h * 3 + i) * 4 + j] *
                               operand_row(layer, in, 1, r)[k * 4 + j] *
                               operand_row(layer, in, 2, r)[h];
                out[(r * 2 + h) * 3 + i] = sum;
            }
}

/* The diagonal of (3, 3). */
REFERENCE(diagonal_reference)
{
    (void)layer;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 3; i++)
            out[r * 3 + i] = in[0][r * 9 + i * 4];
}

#define PLAIN_PRODUCT                                                                              \
    &(ln_matmul_attributes)                                                                        \
    {                                                                                              \
        1, false, false                                                                            \
    }

static const layer_case product_cases[] = {
    {"matmul", "matmul", PLAIN_PRODUCT, 2, 2, {ROW(2, 3, 4), ROW(2, 4, 2)}, matmul_reference},
    {"matmul, b shared",
     "matmul",
     PLAIN_PRODUCT,
     2,
     2,
     {ROW(2, 3, 4), ROW(4, 2)},
     matmul_reference},
    {"matmul, b a constant",
     "matmul",
     PLAIN_PRODUCT,
     1,
     2,
     {ROW(2, 3, 4), ROW(2, 4, 2)},
     matmul_reference},
    {"matmul, b a shared constant",
     "matmul",
     PLAIN_PRODUCT,
     1,
     2,
     {ROW(2, 3, 4), ROW(4, 2)},
     matmul_reference},
    {"matmul, a shared",
     "matmul",
     PLAIN_PRODUCT,
     2,
     2,
     {ROW(3, 4), ROW(2, 4, 2)},
     matmul_reference},
    {"matmul scaled, a turned",
     "matmul",
     &(ln_matmul_attributes){0.5, true, false},
     2,
     2,
     {ROW(2, 4, 3), ROW(2, 4, 2)},
     matmul_reference},
    {"matmul, b turned",
     "matmul",
     &(ln_matmul_attributes){1, false, true},
     2,
     2,
     {ROW(2, 3, 4), ROW(2, 2, 4)},
     matmul_reference},
    {"matmul, both turned",
     "matmul",
     &(ln_matmul_attributes){-2, true, true},
     2,
     2,
     {ROW(2, 4, 3), ROW(2, 2, 4)},
     matmul_reference},
    {"matmul of a vector", "matmul", PLAIN_PRODUCT, 2, 2, {ROW(4), ROW(4, 3)}, vector_reference},
    {"matmul of a vector and a constant",
     "matmul",
     PLAIN_PRODUCT,
     1,
     2,
     {ROW(4), ROW(4, 3)},
     vector_reference},
    {"einsum",
     "einsum",
     &(ln_einsum_attributes){{{3, {7, 8, 9}}, {2, {10, 9}}, {1, {7}}}, {2, {7, 8}}},
     2,
     3,
     {ROW(2, 3, 4), ROW(2, 4), ROW(2)},
     einsum_reference},
    {"einsum of a diagonal",
     "einsum",
     &(ln_einsum_attributes){{{2, {0, 0}}, {0}, {0}}, {1, {0}}},
     1,
     1,
     {ROW(3, 3)},
     diagonal_reference},
};

#endif
