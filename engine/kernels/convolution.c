/* Which entry computes a convolution.
 *
 * Measured in GFLOP/s, reorders of images and results included, one thread of a 2.6 GHz Xeon, best
 * of four, libdnnl 2.6.3 (plain, onednn; forward | gradient of x | of w):
 *
 *     channels, size, kernel      AVX-512                              AVX2
 *       1 ->  10,  28, 5         7  28 |   6   6 |  35  63       4  16 |   3   4 |  20   6
 *      10 ->  20,  12, 5        44  64 |  35  53 |  75  43      19  28 |  15  25 |  29  27
 *       3 ->  64, 224, 7 / 2    38  80 |  48  22 |  58  89      20  71 |  24  33 |  36  46
 *      64 ->  64,  56, 3       104 126 |  78 144 |  87 112      46  77 |  45  72 |  50  62
 *     512 -> 512,   7, 3        84  94 |  26 156 |  35  56      50  64 |  28  66 |   8  39
 *      64 -> 256,  56, 1        43  44 |  36  65 |  48  48      20  52 |  31  56 |  45  44
 *     384, each on its own, 14, 3  0.3 8 | 0.5 18 | 0.3 19      0.5 15 | 0.5 16 | 0.5 19
 *
 * So oneDNN's where it has direct convolutions; the gradient of an image of few channels is ours, and of
 * the weights where few channels meet many taps (onednn/convolution.c). The rule reads the shape and the
 * instruction set, never the number of images. */
#include "kernels/convolution.h"

#include "kernels/library.h"
#include "kernels/winograd.h"

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

/* The library wherever it has direct convolutions; where fewer multiplications may be made, Winograd's. */
static const ln_convolutions *choose(const ln_convolution *shape, const float *weight)
{
    const ln_convolutions *library = ln_library_convolutions();
    if (!weight || !library)
        return &ln_convolutions_plain;
    return shape->fast && ln_winograd_suits(shape) ? &ln_convolutions_winograd : library;
}

ln_status ln_convolution_pack(const ln_convolution *shape, unsigned uses, const float *weight,
                              ln_convolved **packed, ln_error *err)
{
    const ln_convolutions *kernels = *packed ? (*packed)->kernels : choose(shape, weight);
    return kernels->pack(shape, uses, weight, packed, err);
}

void ln_convolved_release(ln_convolved *packed)
{
    if (packed)
        packed->kernels->release(packed);
}
