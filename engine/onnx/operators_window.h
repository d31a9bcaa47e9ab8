/* Inside the import: what convolutions, poolings and normalisations read in the same way. */
#ifndef LN_ONNX_OPERATORS_WINDOW_H
#define LN_ONNX_OPERATORS_WINDOW_H

#include "onnx/import.h"

/* The first input as images: (rows, `outer` axes, channels, spatial ...). */
typedef struct ln_onnx_images {
    ln_onnx_operand x;
    int axes;      /* spatial ones */
    int64_t outer; /* axes between rows and channels in what is stored */
} ln_onnx_images;

/* Reads input 0; LN_EUNSUPPORTED where its rows are behind the first axis or it has not `least` to 3
 * spatial axes (`most` 0: any number). */
ln_status ln_onnx_images_of(ln_onnx_import *import, int least, int most, ln_onnx_images *out,
                            ln_error *err);
/* "conv" and 2 axes are "conv2d". */
typedef struct ln_onnx_word {
    char at[32];
} ln_onnx_word;
ln_onnx_word ln_onnx_spatial_word(const char *stem, int axes);

/* The attributes that say how a window slides. The lists are full, one number an axis. */
typedef struct ln_onnx_window {
    ln_ints kernel, stride, dilation, before, after;
    int auto_pad; /* one of those below */
} ln_onnx_window;
enum { LN_ONNX_PAD_NOTSET, LN_ONNX_PAD_SAME_UPPER, LN_ONNX_PAD_SAME_LOWER, LN_ONNX_PAD_VALID };

/* `kernel` is the weight's, or count 0: then kernel_shape must say it. auto_pad is turned into
 * paddings of the images' sizes unless `transposed`. */
ln_status ln_onnx_window_of(ln_onnx_import *import, const ln_onnx_images *images,
                            const ln_ints *kernel, bool transposed, ln_onnx_window *out,
                            ln_error *err);

/* Input `input` as a weight: a constant, or a live value whose rows are outside of all its axes. -1
 * where it is not given. *shape (may be NULL) is its logical shape. */
ln_status ln_onnx_weight(ln_onnx_import *import, size_t input, int *value, ln_shape *shape,
                         ln_error *err);

#endif
