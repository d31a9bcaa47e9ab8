/* Superpixels: an image cut into connected pieces of much the same colour, which explainers then keep or
 * cover as one.
 *
 * Colours are compared in CIE Lab (D65), where distances are about as large as they look: those of an image
 * of three channels, red, green and blue, and of one channel, grey. Images of other numbers of channels are
 * compared channel by channel, each from 0 to 100. What counts as black and white: pixels that lie in 0 to 1
 * (once `mean` and `deviation` are undone) are taken as they are; others, and all for SLIC, are stretched so
 * that the image's least number is 0 and its greatest 1.
 *
 * No draws: the same image has the same pieces, always. */
#ifndef LN_SUPERPIXELS_H
#define LN_SUPERPIXELS_H

#include "lunette.h"

typedef enum ln_superpixel_method { LN_QUICKSHIFT, LN_SLIC } ln_superpixel_method;
#define LN_SUPERPIXEL_CHOICES "quickshift|slic"

typedef struct ln_superpixels {
    ln_superpixel_method method;
    double kernel_size;              /* quickshift: deviation of the density's kernel, in pixels */
    double max_dist;                 /* quickshift: how far a pixel's parent may be */
    double ratio;                    /* quickshift: weight of colours beside places */
    int64_t segments;                /* SLIC: pieces, about */
    double compactness;              /* SLIC: weight of places beside colours */
    int64_t channels, height, width; /* of the image, channel by channel */
    double mean[3], deviation[3]; /* a channel's pixels are x * deviation + mean, where channels are
                                     1 or 3 */
} ln_superpixels;

/* The piece of each pixel, 0 .. *count - 1, to label (height x width). LN_EINVALID: numbers that are not
 * finite. */
ln_status ln_superpixels_of(const ln_superpixels *how, const float *image, int32_t *label,
                            int64_t *count, ln_error *err);

/* The two methods, for superpixels.c: colours (height x width, depth) side by side. */
ln_status ln_quickshift(const ln_superpixels *how, const double *colour, int depth, int32_t *label,
                        int64_t *count, ln_error *err);
ln_status ln_slic(const ln_superpixels *how, const double *colour, int depth, int32_t *label,
                  int64_t *count, ln_error *err);

#endif
