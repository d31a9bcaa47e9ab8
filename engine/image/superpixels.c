/* From an image's channels to the colours that are compared, and to the method. */
#include "image/superpixels.h"

#include <math.h>

#include "base/alloc.h"
#include "base/error.h"

#define UNIT_SLACK 1e-4 /* rounding of what normalising and undoing it leave outside of 0 to 1 */

/* The pixels of the image, `channels` numbers each, their normalisation undone. */
static void undo(const ln_superpixels *how, const float *image, double *pixel)
{
    const int64_t plane = how->height * how->width;
    const bool known = how->channels == 1 || how->channels == 3;
    for (int64_t c = 0; c < how->channels; c++)
        for (int64_t i = 0; i < plane; i++) {
            double v = (double)image[c * plane + i];
            pixel[i * how->channels + c] = known ? v * how->deviation[c] + how->mean[c] : v;
        }
}

/* To 0 .. 1 where they are not. LN_EINVALID where one is not finite. */
static ln_status stretch(const ln_superpixels *how, double *pixel, ln_error *err)
{
    const int64_t numbers = how->channels * how->height * how->width;
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < numbers; i++) {
        if (!isfinite(pixel[i]))
            return ln_fail(err, LN_EINVALID,
                           "an image holds a number that is not finite: it has no superpixels");
        low = fmin(low, pixel[i]);
        high = fmax(high, pixel[i]);
    }
    if (how->method == LN_QUICKSHIFT && low >= -UNIT_SLACK && high <= 1 + UNIT_SLACK)
        return LN_OK;
    for (int64_t i = 0; i < numbers; i++)
        pixel[i] = high > low ? (pixel[i] - low) / (high - low) : 0;
    return LN_OK;
}

static double linear(double v)
{
    return v > 0.04045 ? pow((v + 0.055) / 1.055, 2.4) : v / 12.92;
}

static double bent(double v)
{
    return v > 0.008856 ? cbrt(v) : 7.787 * v + 16.0 / 116.0;
}

/* sRGB of 0 to 1 to CIE Lab, D65, in place. */
static void to_lab(double *colour)
{
    const double r = linear(colour[0]), g = linear(colour[1]), b = linear(colour[2]);
    const double x = bent((0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.95047);
    const double y = bent(0.212671 * r + 0.715160 * g + 0.072169 * b);
    const double z = bent((0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.08883);
    colour[0] = 116 * y - 16;
    colour[1] = 500 * (x - y);
    colour[2] = 200 * (y - z);
}

/* The colour of each pixel, `depth` numbers. */
static void to_colours(const ln_superpixels *how, const double *pixel, int depth, double *colour)
{
    const int64_t plane = how->height * how->width;
    for (int64_t i = 0; i < plane; i++) {
        const double *from = pixel + i * how->channels;
        double *to = colour + i * depth;
        for (int c = 0; c < depth; c++)
            to[c] = how->channels == 1 ? from[0] : from[c];
        if (how->channels == 1 || how->channels == 3)
            to_lab(to);
        else
            for (int c = 0; c < depth; c++)
                to[c] *= 100;
    }
}

ln_status ln_superpixels_of(const ln_superpixels *how, const float *image, int32_t *label,
                            int64_t *count, ln_error *err)
{
    const int64_t plane = how->height * how->width;
    const int depth = how->channels == 1 ? 3 : (int)how->channels;
    const size_t numbers = (size_t)plane * (size_t)(how->channels + depth);
    if (plane > INT32_MAX)
        return ln_fail(err, LN_EUNSUPPORTED, "superpixels of images of more than %d pixels",
                       INT32_MAX);
    double *pixel = ln_alloc(numbers * sizeof *pixel);
    if (!pixel)
        return ln_fail_memory(err, numbers * sizeof *pixel);
    double *colour = pixel + plane * how->channels;
    undo(how, image, pixel);
    ln_status status = stretch(how, pixel, err);
    if (!status) {
        to_colours(how, pixel, depth, colour);
        status = (how->method == LN_SLIC ? ln_slic : ln_quickshift)(how, colour, depth, label,
                                                                    count, err);
    }
    ln_free(pixel);
    return status;
}
