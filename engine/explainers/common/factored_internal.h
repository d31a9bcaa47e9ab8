/* What the two files of factored.h share. */
#ifndef LN_EXPLAINERS_FACTORED_INTERNAL_H
#define LN_EXPLAINERS_FACTORED_INTERNAL_H

#include "explainers/common/factored.h"

#define LN_FACTORED_MOST_BITS 8 /* groups of a run at most */
/* Bytes of one row's sums at most: more of them would be read from farther away. */
#define LN_FACTORED_TABLE (64 * 1024)

/* Groups of a run: the last one's may be fewer. */
static inline int64_t ln_factored_groups_of(const ln_factored *it, int64_t run)
{
    const int64_t left = it->groups->count - run * it->bits;
    return left < it->bits ? left : it->bits;
}

/* Bits [first, first + count) of a mask; count <= 32. */
static inline uint32_t ln_factored_bits_of(const uint64_t *mask, int64_t first, int64_t count)
{
    uint64_t bits = mask[first / 64] >> first % 64;
    if (first % 64 + count > 64)
        bits |= mask[first / 64 + 1] << (64 - first % 64);
    return (uint32_t)(bits & (((uint64_t)1 << count) - 1));
}

/* W x_g of every group. */
void ln_factored_columns(const ln_factored *it, const float *x, float *group);
/* From these the sums over all subsets of a run. */
void ln_factored_fill(const ln_factored *it, int64_t run, const float *group, float *table);

/* ln_factored_row and ln_factored_other where mixtures go through all layers. */
void ln_factored_row_through(const ln_factored *it, const ln_factored_buffers *at);
void ln_factored_other_through(const ln_factored *it, const ln_factored_buffers *at,
                               const float *r);
/* Where walks begin that have the only reference, from its only_group. */
ln_status ln_factored_keep_start(ln_factored *it, ln_error *err);
/* What else they need: of a model whose first dense layer is `width` numbers wide. */
ln_status ln_factored_make_through(ln_model *model, const ln_function_options *options,
                                   int64_t width, ln_factored *out, ln_error *err);
ln_status ln_factored_list_outside(ln_factored *it, ln_error *err);
void ln_factored_free_through(ln_factored *it);
void ln_factored_carve_through(const ln_factored *it, ln_factored_buffers *made, ln_carver *carver);

#endif
