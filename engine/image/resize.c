/* Resizing: the bilinear filter with antialiasing, as torchvision's Resize on Pillow images does it.
 *
 * An output pixel is a weighted mean of the input pixels under a triangle around its centre. The
 * triangle is one input pixel wide to either side, and wider by in / out where the picture shrinks,
 * so that no pixel is left out. Rows first, then columns, rounded to 8 bits after each. Weights are
 * computed in float64 and rounded to integers of 22 bits; sums are integers: the bits depend on
 * nothing else. Cost: out pixels x (2 in / out + 2) multiplications a direction. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "image/image.h"

#define WEIGHT_BITS 22

/* How one direction of `in` pixels becomes `out` pixels. */
typedef struct filter {
    int64_t in, out, most; /* most: input pixels under one triangle at most */
    int64_t *first;        /* out: the first input pixel under each triangle */
    int64_t *count;        /* out: how many there are */
    int32_t *weights;      /* out x most, sums about 1 << WEIGHT_BITS */
} filter;

static void filter_free(filter *f)
{
    ln_free(f->first);
    ln_free(f->count);
    ln_free(f->weights);
}

/* The weights of output pixel `at`; `exact` has room for f->most numbers. */
static void weigh(filter *f, int64_t at, double *exact)
{
    const double scale = (double)f->in / (double)f->out, reach = scale > 1 ? scale : 1;
    const double centre = ((double)at + 0.5) * scale;
    const double low = centre - reach + 0.5, high = centre + reach + 0.5;
    const int64_t from = low > 0 ? (int64_t)low : 0;
    const int64_t to = high < (double)f->in ? (int64_t)high : f->in;
    double sum = 0;
    for (int64_t i = from; i < to; i++) {
        const double distance = fabs((double)i + 0.5 - centre) / reach;
        exact[i - from] = distance < 1 ? 1 - distance : 0;
        sum += exact[i - from];
    }
    f->first[at] = from;
    f->count[at] = to - from;
    for (int64_t i = 0; i < to - from; i++)
        f->weights[at * f->most + i] = (int32_t)lround(exact[i] / sum * (1 << WEIGHT_BITS));
}

static ln_status filter_make(filter *f, int64_t in, int64_t out, ln_error *err)
{
    const double scale = (double)in / (double)out;
    *f = (filter){.in = in, .out = out, .most = 2 * (int64_t)ceil(scale > 1 ? scale : 1) + 1};
    const size_t size = (size_t)(out * f->most);
    double *exact = ln_alloc((size_t)f->most * sizeof *exact);
    f->first = ln_alloc((size_t)out * sizeof *f->first);
    f->count = ln_alloc((size_t)out * sizeof *f->count);
    f->weights = ln_alloc(size * sizeof *f->weights);
    if (!exact || !f->first || !f->count || !f->weights) {
        ln_free(exact);
        return ln_fail_memory(err, size * sizeof *f->weights);
    }
    for (int64_t at = 0; at < out; at++)
        weigh(f, at, exact);
    ln_free(exact);
    return LN_OK;
}

static uint8_t rounded(int64_t sum)
{
    const int64_t value = (sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Pixels lie `step` bytes apart, `lines` lines lie `from_line` and `to_line` bytes apart, and each
 * pixel of a line is `bytes` numbers filtered alike. */
typedef struct lines {
    const uint8_t *from;
    uint8_t *to;
    int64_t count, from_line, to_line, step, bytes;
} lines;

static void apply(const filter *f, const lines *l)
{
    for (int64_t line = 0; line < l->count; line++) {
        for (int64_t at = 0; at < f->out; at++) {
            const uint8_t *from = l->from + line * l->from_line + f->first[at] * l->step;
            const int32_t *weights = f->weights + at * f->most;
            uint8_t *to = l->to + line * l->to_line + at * l->step;
            for (int64_t b = 0; b < l->bytes; b++) {
                int64_t sum = 0;
                for (int64_t i = 0; i < f->count[at]; i++)
                    sum += (int64_t)weights[i] * from[i * l->step + b];
                to[b] = rounded(sum);
            }
        }
    }
}

/* One direction, into a picture of its own that takes the old one's place. */
static ln_status pass(ln_image *image, bool along_rows, int64_t out, ln_error *err)
{
    const int64_t in = along_rows ? image->width : image->height, channels = image->channels;
    filter f;
    if (in == out)
        return LN_OK;
    ln_status status = filter_make(&f, in, out, err);
    const size_t bytes = (size_t)((along_rows ? image->height : image->width) * out * channels);
    uint8_t *pixels = status ? NULL : ln_alloc(bytes);
    if (!status && !pixels)
        status = ln_fail_memory(err, bytes);
    if (!status) {
        const int64_t row = image->width * channels;
        const lines l = along_rows ? (lines){image->pixels,  pixels,   image->height, row,
                                             out * channels, channels, channels}
                                   : (lines){image->pixels, pixels, 1, 0, 0, row, row};
        apply(&f, &l);
        ln_free(image->pixels);
        image->pixels = pixels;
        *(along_rows ? &image->width : &image->height) = out;
    }
    filter_free(&f);
    return status;
}

ln_status ln_image_resize(ln_image *image, int64_t height, int64_t width, ln_error *err)
{
    const ln_status status = pass(image, true, width, err);
    return status ? status : pass(image, false, height, err);
}
