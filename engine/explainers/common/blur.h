/* Gaussian blur of a row that is an array: along its last `axes` axes, each plane of the others by itself. */
#ifndef LN_EXPLAINERS_BLUR_H
#define LN_EXPLAINERS_BLUR_H

#include "tensor/tensor.h"

/* The kernel reaches 4 sigma, rounded; behind a border the array goes on mirrored, its edge numbers twice
 * (d c b a | a b c d | d c b a). float64 sums in the kernel's order. sigma > 0; `from` and `to` may be the
 * same. LN_ENOMEM. */
ln_status ln_blur(const float *from, const ln_shape *shape, int axes, double sigma, float *to,
                  ln_error *err);

#endif
