/* Inside kernels/: the plain convolutions on images whose channels are last, which they see turned, one
 * at a time: of entries that leave to them what they do not compute. */
#ifndef LN_KERNELS_TURNED_H
#define LN_KERNELS_TURNED_H

#include "kernels/convolution.h"

/* Floats of scratch behind those of the plain entry. */
int64_t ln_turned_floats(const ln_convolution *shape);
ln_status ln_turned_forward(const ln_convolved *plain, const ln_convolution *shape, int64_t images,
                            const float *x, const float *weight, const float *bias, float *y,
                            void *scratch, ln_error *err);
ln_status ln_turned_backward_data(const ln_convolved *plain, const ln_convolution *shape,
                                  int64_t images, const float *dy, const float *weight, float *dx,
                                  void *scratch, ln_error *err);

#endif
