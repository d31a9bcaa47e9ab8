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
 * On tiles of bfloat16 (tiles.h), 2.8 GHz, against oneDNN with AVX-512 (forward | gradient of x):
 *
 *      64 ->  64,  56, 3       167 302 | 166 295
 *      64 -> 128,  56, 3 / 2   172 242 | 168 254
 *     128 -> 128,  28, 3       180 310 | 176 302
 *     256 -> 256,  14, 3       182 288 | 180 270
 *     512 -> 512,   7, 3       167 192 | 160 180
 *      20 ->  20,  12, 3        96 125 |  96 124
 *      16 ->  16,  28, 3       157 124 | 179 120
 *     192 ->  64,  14, 1       170 175 | 165 205
 *       3 ->  64, 224, 7 / 2    142 160 |  87 146
 *      64 -> 384,  14, 1        170 207 | 163 170
 *     384 ->  64,  14, 1        179 174 | 174 206
 *
 * Planes (planes.h, channels first) against oneDNN with channels last and what is ours there, a peak of about
 * 200 (forward | gradient of x):
 *
 *                               AVX-512                       AVX2
 *       1 ->  10,  28, 5         69 144 |  33 105           47  66 |  23  56
 *      10 ->  20,  12, 5         87 149 | 102 116           70  85 |  46  57
 *       3 ->  16,  28, 3         91 127 |  62  86           68  65 |  49  51
 *       8 ->  24,  20, 5        123 170 |  93 125           82  86 |  63  58
 *      10 ->  16,  14, 5        180 145 | 139 149           75  77 |  65  74
 *      20 ->  20,  12, 3        106 144 | 106 135           74  74 |  79  70
 *      16 ->  32,  28, 3        170 148 | 175 105           91  76 |  81  63
 *
 * Skipping zeros (sparse.h) against oneDNN, the share of zeros in front (AVX2: in ResNet-18 with random weights):
 *
 *                               AVX-512                          AVX2
 *      64 ->  64,  56, 3        0.50 265 182 | 0.50 265 181      0.49 119  89 | 0.45 113  77
 *                               0.35 219 179 | 0.35 219 180
 *                               0    170 180 | 0    172 181
 *     128 -> 128,  28, 3        0.50 284 191 | 0.50 287 191      0.50 130  90 | 0.50 134  86
 *     256 -> 256,  14, 3        0.50 296 198 | 0.50 293 199      0.50 133  89 | 0.50 132  91
 *                               0    185 199 | 0    186 199
 *     512 -> 512,   7, 3        0.50 305 188 | 0.50 307 194      0.50 142  80 | 0.50 138  67
 *     128 -> 256,  28, 3 / 2    0.35 224 186 | 0.50 271 190
 *      64 -> 128,  56, 3 / 2    0.35 217 184 | 0.50 204 177
 *       3 ->  64, 224, 7 / 2                 | 0.90 259  88
 *
 * So planes where channels fill registers badly (ln_planes_pays), where a network may choose the layout; tiles
 * where they are filled well (ln_tiled_pays), each way for itself; else Winograd's where numerics are "fast"; else,
 * where zeros are likely and all weights finite, what skips them (ln_sparse_suits); else oneDNN's where it has direct convolutions; the
 * gradient of an image of few channels is ours, and of the weights where few channels meet many taps
 * (onednn/convolution.c). The rules read the shape and the instruction set, never the number of images. */
#include "kernels/convolution.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "kernels/convolution_tiles.h"
#include "kernels/convolution_ways.h"
#include "kernels/convolved.h"
#include "kernels/library.h"
#include "kernels/planes.h"
#include "kernels/sparse.h"
#include "kernels/tiles.h"
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

static bool is_large(const ln_convolution *shape)
{
    return ln_convolution_weights(shape) >= LN_CONVOLUTION_MANY;
}

static bool on_tiles(const ln_convolution *shape, bool backward)
{
#ifdef __x86_64__
    return ln_tiled_possible(shape) && ln_tiles_available() && ln_tiled_pays(shape, backward);
#else
    (void)shape;
    (void)backward;
    return false;
#endif
}

static bool all_finite(const float *weight, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(weight[i]))
            return false;
    return true;
}

/* What computes one way of a shape that the library has convolutions for. */
static const ln_convolutions *choose(const ln_convolution *shape, bool backward,
                                     const float *weight)
{
#ifdef __x86_64__
    if (on_tiles(shape, backward))
        return &ln_convolutions_tiles;
#endif
    if (shape->fast && ln_winograd_suits(shape))
        return &ln_convolutions_winograd;
    if (ln_sparse_suits(shape, backward) && all_finite(weight, ln_convolution_weights(shape)))
        return &ln_convolutions_sparse;
    return ln_library_convolutions();
}

ln_status ln_convolution_pack(const ln_convolution *shape, unsigned uses, const float *weight,
                              ln_convolved **packed, ln_error *err)
{
    const unsigned both = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA;
    const ln_convolutions *forward = NULL, *backward = NULL;
    if (*packed) {
        /* What is in training has its channels first; else the entry may have been chosen for finite weights. */
        assert(!shape->last || all_finite(weight, ln_convolution_weights(shape)));
        return ln_convolved_pack((*packed)->kernels, shape, uses, weight, packed, err);
    }
    if (weight && ln_planes_pays(shape))
        return ln_convolved_pack(&ln_convolutions_planes, shape, uses, weight, packed, err);
    if (!weight || !ln_library_convolutions())
        return ln_convolved_pack(&ln_convolutions_plain, shape, uses, weight, packed, err);
    if (uses & LN_CONVOLVE_FORWARD)
        forward = choose(shape, false, weight);
    if ((uses & LN_CONVOLVE_BACKWARD_DATA) || !forward)
        backward = choose(shape, true, weight);
    if (forward && backward && (forward != backward || (uses == both && is_large(shape))))
        return ln_convolution_pack_ways(shape, uses, weight, NULL, forward, backward, packed, err);
    return ln_convolved_pack(forward ? forward : backward, shape, uses, weight, packed, err);
}

/* Of the forward pass. */
static bool same_shape(const ln_convolution *a, const ln_convolution *b)
{
    return memcmp(a, b, offsetof(ln_convolution, last)) == 0 && a->last == b->last &&
           a->fast == b->fast && a->zeros[0] == b->zeros[0];
}

bool ln_convolution_shares(const ln_convolution *shape, unsigned uses, const ln_convolved *whole)
{
    const unsigned both = LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA;
    return whole->uses == LN_CONVOLVE_FORWARD && (uses | both) == both &&
           (uses & LN_CONVOLVE_FORWARD) && same_shape(shape, &whole->shape);
}

ln_status ln_convolution_pack_beside(const ln_convolution *shape, unsigned uses,
                                     const float *weight, const ln_convolved *whole,
                                     ln_convolved **packed, ln_error *err)
{
    assert(ln_convolution_shares(shape, uses, whole));
    if (uses & LN_CONVOLVE_BACKWARD_DATA)
        return ln_convolution_pack_ways(shape, uses, weight, whole, whole->kernels,
                                        choose(shape, true, weight), packed, err);
    *packed = ln_convolved_retain(whole);
    return LN_OK;
}
