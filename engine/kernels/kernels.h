/* The one small table over matrix products, which are what dense layers spend their time in:
 *
 *     multiply    Y (rows, outputs) = X (rows, inputs) B (inputs, outputs) + bias (outputs)
 *     accumulate  C (left, right) += A (rows, left)^T B (rows, right)
 *
 * Forward is multiply with B = W^T, the gradient of the input multiply with B = W, the gradient of
 * the weights accumulate. B is packed once and shared, read only, by all workers.
 *
 * The promise behind everything: a row of Y has the same bits whatever the other rows are, how many
 * there are, where it stands and which worker computes it. An element of C is a sum over rows in
 * their order, so that two calls over halves of the rows give the bits of one call. Nothing here
 * starts a thread; scratch memory is the caller's. */
#ifndef LN_KERNELS_H
#define LN_KERNELS_H

#include "lunette.h"

struct ln_block; /* kernels/plain.h */

/* What a packed operand is for. */
typedef struct ln_product {
    int64_t inputs;  /* rows of B: the length of each sum; >= 1 */
    int64_t outputs; /* columns of B; >= 1 */
    int64_t rows;    /* most rows in one call; >= 1 */
    bool cut;        /* of multiply: what is <= 0 becomes 0 */
} ln_product;

/* B in the entry's own layout. Each entry's own struct begins with this one. */
typedef struct ln_packed {
    const struct ln_kernels *kernels; /* the entry that packed it */
    ln_product product;
    size_t scratch_bytes; /* that multiply needs, 64-aligned */
} ln_packed;

typedef struct ln_kernels {
    const char *name;
    /* Element (i, o) of B is b[i * input_step + o * output_step]. *packed is NULL, or what an
     * earlier call with this product made, which is then filled again. */
    ln_status (*pack)(const ln_product *product, const float *b, int64_t input_step,
                      int64_t output_step, ln_packed **packed, ln_error *err);
    void (*release)(ln_packed *packed); /* NULL is fine */
    /* `x` and `y` have room for product.rows rows, of which the first `rows` count; what stands in
     * y's others afterwards means nothing. `bias` may be NULL. */
    ln_status (*multiply)(const ln_packed *packed, int64_t rows, const float *x, const float *bias,
                          float *y, void *scratch, ln_error *err);
} ln_kernels;

extern const ln_kernels ln_kernels_plain;

/* The entry for a product of this shape, by shape, instruction set and build alone (library.h). */
const ln_kernels *ln_kernels_choose(int64_t inputs, int64_t outputs);

/* This machine's block product, which the two functions below run on. Looked up once by who prepares
 * (it reads the environment), not in every call. */
typedef void (*ln_block_fn)(const struct ln_block *block);
ln_block_fn ln_kernels_block(void);

/* A product with an operand used once only, as a rule makes: packed panel by panel in scratch. Element (r, i)
 * of X is x[r * x_row + i * x_step].
 * Its bits are those of the plain entry. */
size_t ln_kernels_multiply_once_scratch(int64_t inputs);
void ln_kernels_multiply_once(ln_block_fn run, const ln_product *product, int64_t rows,
                              const float *x, int64_t x_row, int64_t x_step, const float *b,
                              int64_t input_step, int64_t output_step, const float *bias, float *y,
                              void *scratch);

/* C += A^T B over `rows` rows, added in their order; one implementation (see kernels.c for why). */
size_t ln_kernels_accumulate_scratch(int64_t rows, int64_t right);
void ln_kernels_accumulate(ln_block_fn run, int64_t rows, int64_t left, int64_t right,
                           const float *a, const float *b, float *c, void *scratch);
/* sum (width) += the rows of a (rows, width), in their order. */
void ln_kernels_add_rows(int64_t rows, int64_t width, const float *a, float *sum);

#endif
