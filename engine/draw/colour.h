/* Colours of numbers. Both maps are drawn in CIE L*a*b* (1976), where equal steps look equal, and
 * turned into sRGB (IEC 61966-2-1):
 *
 *   signed   t in [-1, 1]: lightness 100 - 68 |t|, so that 0 is white and equal sizes are equally
 *            dark; chroma 1 - (1 - |t|)^2 of the greatest; positive red (hue 33), negative blue
 *            (hue 260 to 288). Red and blue stay apart for readers who cannot tell red from green.
 *   absolute |t| in [0, 1]: lightness 100 - 84 |t|, from white over orange and red to dark violet.
 *
 * Lightness alone orders the values, so a grey print can be read too. What is not a number is grey,
 * which is in neither map. Source: CIE 15:2004 for the spaces; the paths are ours, after the advice
 * of K. Moreland, Diverging Color Maps for Scientific Visualization, 2009. */
#ifndef LN_DRAW_COLOUR_H
#define LN_DRAW_COLOUR_H

#include "lunette.h"
#include "tensor/tensor.h"

typedef enum ln_colour_map { LN_COLOUR_SIGNED, LN_COLOUR_ABSOLUTE } ln_colour_map;
#define LN_COLOUR_MAP_CHOICES "signed|absolute"

/* Bytes of what is not a number, for each of red, green and blue. */
#define LN_COLOUR_NAN 158

/* The colour of t as bytes red, green, blue; t is cut to its range. */
void ln_colour_of(ln_colour_map map, double t, uint8_t rgb[3]);

/* A map's pixels. `values` is (H, W) or (C, H, W) f32, summed over channels in float64. */
typedef struct ln_heat {
    const ln_tensor *values;
    double limit;             /* the value of the darkest colour; 0: all values are 0 or none */
    ln_colour_map map;        /* how values become colours */
    const ln_tensor *overlay; /* an image beneath: (H, W), (1, H, W) or (3, H, W); or NULL */
    double low, high;         /* of the overlay: the values of black and white */
} ln_heat;

/* `rgba` has room for H * W * 4 bytes. Over an image, which is drawn pale and grey so that only the
 * map has colour, a value's opacity is 0.9 sqrt(|t|). LN_EINVALID for shapes that do not fit. */
ln_status ln_heat_pixels(const ln_heat *heat, uint8_t *rgba, ln_error *err);
/* An input as an image: grey for one channel, colour for three, else the mean over channels. */
ln_status ln_image_pixels(const ln_tensor *image, double low, double high, uint8_t *rgba,
                          ln_error *err);
/* Smallest, greatest and greatest absolute value of the map (summed over channels), and how many
 * are not a number; NaN and infinity take no part. All are 0 where there is none. */
typedef struct ln_heat_range {
    double low, high, most;
    int64_t nan_count;
} ln_heat_range;
ln_status ln_heat_range_of(const ln_tensor *values, bool summed, ln_heat_range *out, ln_error *err);

/* Height and width of (H, W) or (C, H, W). */
ln_status ln_heat_size(const ln_tensor *values, int64_t *channels, int64_t *rows, int64_t *columns,
                       ln_error *err);

#endif
