/* What others than the layer itself want to know of "reduce". */
#ifndef LN_LAYERS_REDUCE_H
#define LN_LAYERS_REDUCE_H

#include "layers/attributes.h"
#include "layers/layer.h"

/* The row with its reduced axes as 1, and which they are (LN_MAX_RANK marks, false so far). */
ln_status ln_reduce_kept(const ln_reduce_attributes *own, const ln_shape *row, ln_shape *kept,
                         bool *gone, ln_error *err);

#endif
