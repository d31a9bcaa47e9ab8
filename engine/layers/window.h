/* Windows that slide over the last one to three axes of a value: what convolutions and poolings of
 * every rank have in common. A window always has three axes here; those a layer has not are 1 long
 * and come first. Values are (rows, outer ..., channels, spatial ...): `outer` axes, which only
 * imports make, count more images a row. */
#ifndef LN_LAYERS_WINDOW_H
#define LN_LAYERS_WINDOW_H

#include "layers/common.h"

#define LN_WINDOW_AXES 3

typedef struct ln_window {
    int64_t in[LN_WINDOW_AXES], out[LN_WINDOW_AXES]; /* sizes, >= 1 */
    int64_t kernel[LN_WINDOW_AXES], stride[LN_WINDOW_AXES], dilation[LN_WINDOW_AXES];
    int64_t before[LN_WINDOW_AXES], after[LN_WINDOW_AXES]; /* padding */
} ln_window;

/* How a node writes it: one number an axis, or one for all; an empty list means 1 (padding: 0). */
typedef struct ln_window_lists {
    const ln_ints *kernel, *stride, *dilation;
    const ln_ints *padding;       /* before and after, or "same" (LN_PADDING_SAME) */
    const ln_ints *padding_after; /* after, where it differs; empty: as before */
    bool ceil_mode;               /* also windows that the end of the input cuts */
} ln_window_lists;

/* The choice "same" of a padding: as large as the input where the stride is 1. */
#define LN_PADDING_CHOICES "same"
#define LN_PADDING_SAME LN_INTS_CHOICE(0) /* ln_ints.count */

/* The number of axis `axis` of `axes`; LN_EINVALID unless the list has none, one or `axes` numbers
 * from `least` on (to 2^24, so that no sum overflows). */
ln_status ln_window_axis(const ln_ints *list, const char *what, int axis, int axes, int64_t least,
                         int64_t fallback, int64_t *out, ln_error *err);

/* LN_EINVALID unless the input is (rows, `outer` axes, channels, `axes` of them), each axis of an
 * image and their product below 2^31. */
ln_status ln_window_check_input(const ln_shape *in, int axes, int outer, ln_error *err);

/* Everything but `out`; the spatial sizes are those of `in`'s last axes. LN_EINVALID with words for
 * lists that do not fit. */
ln_status ln_window_read(const ln_window_lists *lists, int axes, const ln_shape *in, ln_window *out,
                         ln_error *err);
/* Fills `out`: floor or ceil((in + before + after - extent) / stride) + 1, where extent =
 * dilation (kernel - 1) + 1 and a last window that would start behind the input is left out.
 * LN_EINVALID where the window is larger than the padded input. */
ln_status ln_window_slide(ln_window *window, int axes, bool ceil_mode, ln_error *err);

/* The shape of `in` with other channels (0: the same) and the window's spatial sizes. */
ln_shape ln_window_shape(const ln_shape *in, int axes, int64_t channels, const int64_t *sizes);
/* Images in `rows` rows: the outer axes count too. */
int64_t ln_window_images(const ln_shape *in, int axes, int64_t rows);
int64_t ln_window_volume(const int64_t *sizes);
/* How many axes the windows of "conv2d", "max_pool2d" ... have: the digit of its name. */
int ln_window_axes(const ln_layer *layer);

#endif
