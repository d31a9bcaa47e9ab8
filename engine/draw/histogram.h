/* How many of a tensor's numbers lie where. */
#ifndef LN_DRAW_HISTOGRAM_H
#define LN_DRAW_HISTOGRAM_H

#include "tensor/tensor.h"

/* `values` f32. Counts those of [-most, most] in `bins` parts of equal width, the last one with its end;
 * others, and what is not a number, count nowhere. With most = 0 all zeros are in the middle part. */
void ln_histogram_of(const ln_tensor *values, double most, int64_t bins, int64_t *counts);

#endif
