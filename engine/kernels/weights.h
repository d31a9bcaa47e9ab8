/* Inside kernels/: the gradient of a convolution's weights, a matrix product over gathered windows
 *
 *     dW (O, K C)  +=  dy (O, P)  windows (P, K C)
 *
 * for each image and group, with K taps, C input and O output channels of the group and P places of dy.
 * An image is turned, its channels last, between the zeros that windows reach; so a line of a window is
 * one piece of memory, and the panels of the product are copied together from few pieces. */
#ifndef LN_KERNELS_WEIGHTS_H
#define LN_KERNELS_WEIGHTS_H

#include "kernels/convolution.h"
#include "kernels/kernels.h"
#include "kernels/last.h"

typedef struct ln_weights_product {
    ln_windows windows;
    int32_t *numbers;           /* what `windows` points into, then `first`, owned */
    int32_t *first;             /* (P): where each window begins in a turned image */
    int64_t padded[LN_SPATIAL]; /* sizes of a turned image */
    int64_t places, taps, channels, results;
    int64_t block; /* places that are gathered together */
} ln_weights_product;

ln_status ln_weights_product_init(ln_weights_product *own, const ln_convolution *shape,
                                  ln_error *err);
void ln_weights_product_free(ln_weights_product *own);
/* Of 64-aligned scratch. */
int64_t ln_weights_product_floats(const ln_weights_product *own, const ln_convolution *shape);
/* dw += , images in their order; of each number one sum over images and places. */
void ln_weights_product_run(const ln_weights_product *own, const ln_convolution *shape,
                            ln_block_fn run, int64_t images, const float *x, const float *dy,
                            float *dw, float *scratch);

#endif
