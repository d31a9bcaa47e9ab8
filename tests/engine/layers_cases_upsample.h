/* The cases of upsample, on rows of (2, 3, 4). */
#ifndef LN_TESTS_LAYERS_CASES_UPSAMPLE_H
#define LN_TESTS_LAYERS_CASES_UPSAMPLE_H

#include "layers_support.h"

/* Element (h, w) of a channel; what lies outside is the edge. */
static double pixel(const double *channel, int64_t h, int64_t w)
{
    h = h < 0 ? 0 : h > 2 ? 2 : h;
    w = w < 0 ? 0 : w > 3 ? 3 : w;
    return channel[h * 4 + w];
}

static double cubic_weight(double x)
{
    const double a = -0.75;
    x = fabs(x);
    return x <= 1  ? (a + 2) * x * x * x - (a + 3) * x * x + 1
           : x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a
                   : 0;
}

/* Between the pixels around (y, x): the four nearest, or sixteen. */
static double between(const double *channel, double y, double x, bool cubic)
{
    double sum = 0;
    const int64_t h = (int64_t)floor(y), w = (int64_t)floor(x);
    for (int64_t i = h - 1; i <= h + 2; i++)
        for (int64_t j = w - 1; j <= w + 2; j++)
            sum += pixel(channel, i, j) *
                   (cubic ? cubic_weight(y - (double)i) * cubic_weight(x - (double)j)
                          : fmax(1 - fabs(y - (double)i), 0) * fmax(1 - fabs(x - (double)j), 0));
    return sum;
}

REFERENCE(upsample_reference)
{
    const ln_upsample_attributes *own = layer->attributes;
    const double s = own->scale_factor;
    const int64_t height = (int64_t)(3 * s), width = (int64_t)(4 * s);
    for (int64_t c = 0; c < rows * 2; c++)
        for (int64_t h = 0; h < height; h++)
            for (int64_t w = 0; w < width; w++) {
                const double *channel = in[0] + c * 12;
                double y = ((double)h + 0.5) / s - 0.5, x = ((double)w + 0.5) / s - 0.5;
                if (own->align_corners) {
                    y = (double)h * 2 / (double)(height - 1);
                    x = (double)w * 3 / (double)(width - 1);
                }
                out[(c * height + h) * width + w] =
                    own->mode == LN_UPSAMPLE_NEAREST
                        ? pixel(channel, (int64_t)((double)h / s), (int64_t)((double)w / s))
                        : between(channel, y, x, own->mode == LN_UPSAMPLE_BICUBIC);
            }
}

#define UPSAMPLE(scale, how, align)                                                                \
    &(ln_upsample_attributes)                                                                      \
    {                                                                                              \
        .scale_factor = scale, .mode = how, .align_corners = align                                 \
    }

static const layer_case upsample_cases[] = {
    {"upsample",
     "upsample",
     UPSAMPLE(2, LN_UPSAMPLE_NEAREST, false),
     1,
     1,
     {ROW(2, 3, 4)},
     upsample_reference},
    {"upsample by 1.5",
     "upsample",
     UPSAMPLE(1.5, LN_UPSAMPLE_NEAREST, false),
     1,
     1,
     {ROW(2, 3, 4)},
     upsample_reference},
    {"upsample bilinear",
     "upsample",
     UPSAMPLE(2, LN_UPSAMPLE_BILINEAR, false),
     1,
     1,
     {ROW(2, 3, 4)},
     upsample_reference},
    {"upsample with its corners",
     "upsample",
     UPSAMPLE(2.5, LN_UPSAMPLE_BILINEAR, true),
     1,
     1,
     {ROW(2, 3, 4)},
     upsample_reference},
    {"upsample bicubic",
     "upsample",
     UPSAMPLE(2, LN_UPSAMPLE_BICUBIC, false),
     1,
     1,
     {ROW(2, 3, 4)},
     upsample_reference},
};

#endif
