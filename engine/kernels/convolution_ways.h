/* Inside kernels/: a convolution whose forward pass one entry computes and whose gradient another. */
#ifndef LN_KERNELS_CONVOLUTION_WAYS_H
#define LN_KERNELS_CONVOLUTION_WAYS_H

#include "kernels/convolution.h"

/* As ln_convolutions' pack, with weights. `uses` holds forward and backward_data, and no backward_weights.
 * `whole` is what computes the forward pass already, which is shared; or NULL. */
ln_status ln_convolution_pack_ways(const ln_convolution *shape, unsigned uses, const float *weight,
                                   const ln_convolved *whole, const ln_convolutions *forward,
                                   const ln_convolutions *backward, ln_convolved **packed,
                                   ln_error *err);

#endif
