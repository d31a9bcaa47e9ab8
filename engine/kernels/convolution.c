/* Which entry computes a convolution. */
#include "kernels/convolution.h"

#include <stdlib.h>
#include <string.h>

static int64_t volume(const int64_t *sizes)
{
    return sizes[0] * sizes[1] * sizes[2];
}

int64_t ln_convolution_in_row(const ln_convolution *shape)
{
    return shape->in_channels * volume(shape->in);
}

int64_t ln_convolution_out_row(const ln_convolution *shape)
{
    return shape->out_channels * volume(shape->out);
}

int64_t ln_convolution_weights(const ln_convolution *shape)
{
    return shape->out_channels * (shape->in_channels / shape->groups) * volume(shape->kernel);
}

ln_status ln_convolution_pack(const ln_convolution *shape, unsigned uses, const float *weight,
                              ln_convolved **packed, ln_error *err)
{
    if (*packed)
        return (*packed)->kernels->pack(shape, uses, weight, packed, err);
    return ln_convolutions_plain.pack(shape, uses, weight, packed, err);
}

void ln_convolved_release(ln_convolved *packed)
{
    if (packed)
        packed->kernels->release(packed);
}
