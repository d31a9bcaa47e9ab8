/* Inside layers/: results whose elements are elements of the input at regular steps (transposed,
 * broadcast, sliced ...). */
#ifndef LN_LAYERS_STRIDED_H
#define LN_LAYERS_STRIDED_H

#include "tensor/tensor.h"

/* Element (i0, i1, ...) of the result is the input's at the sum of i_k * step[k]; a step may be 0. */
typedef struct ln_strides {
    int rank;
    int64_t dims[LN_MAX_RANK]; /* of the result */
    int64_t step[LN_MAX_RANK]; /* in elements of the input */
} ln_strides;

/* to = the result, from the input; `size` bytes an element (1, 4 or 8). */
void ln_strided_copy(const ln_strides *strides, size_t size, const void *from, void *to);
/* The way back: each element of `from` (the result) goes to its place in `to` (the input), written or
 * added, in the result's order. */
void ln_strided_scatter(const ln_strides *strides, const float *from, float *to);
void ln_strided_sum(const ln_strides *strides, const float *from, double *to);

#endif
