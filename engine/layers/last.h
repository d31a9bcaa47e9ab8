/* Layers on images whose channels are their last axis, x (N, height, width, channels), or that do what follows
 * them, which planning puts in place of a network's own (graph/fuse.c): no words of the language, in no table,
 * never saved. Attributes begin with those of the layer that they stand for, and their names are its name;
 * weights are as that layer has them.
 *
 *     turn             between (N, C, H, W) and (N, H, W, C)
 *     conv2d_last      conv2d and what follows it: y = f(conv(x) + add), inputs x, weight, bias, add
 *     conv2d_first     the same on images whose channels stay first
 *     max_pool2d_last, avg_pool2d_last, adaptive_max_pool2d_last, adaptive_avg_pool2d_last */
#ifndef LN_LAYERS_LAST_H
#define LN_LAYERS_LAST_H

#include "kernels/last.h"
#include "layers/attributes.h"
#include "layers/layer.h"

extern const ln_layer ln_layer_turn, ln_layer_conv2d_last, ln_layer_conv2d_first,
    ln_layer_max_pool2d_last, ln_layer_avg_pool2d_last, ln_layer_adaptive_max_pool2d_last,
    ln_layer_adaptive_avg_pool2d_last;

typedef struct ln_turn_attributes {
    bool first; /* the result's channels are the first axis of its images */
} ln_turn_attributes;

#define LN_CONV2D_LAST_ADD 3 /* which input `add` is */

typedef struct ln_conv2d_last_attributes {
    ln_convolution_attributes convolution;
    ln_finish finish; /* f */
} ln_conv2d_last_attributes;

/* A shape with the channels of its images last, and the other way. */
ln_shape ln_shape_last(ln_shape first);
ln_shape ln_shape_first(ln_shape last);

#endif
