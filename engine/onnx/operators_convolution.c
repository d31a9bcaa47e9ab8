/* Conv and ConvTranspose. Weights are constants, or values of the graph that are the same for all
 * rows; auto_pad and output_shape become paddings, since the sizes of an image are known. */
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"
#include "onnx/operators_window.h"

/* The images, the weight and the bias, and how the kernel slides. */
typedef struct convolution_parts {
    ln_onnx_images images;
    ln_onnx_window window;
    int inputs[3], count;
    ln_convolution_attributes attributes;
} convolution_parts;

static ln_status read_parts(ln_onnx_import *import, bool transposed, convolution_parts *out,
                            ln_error *err)
{
    ln_shape weight;
    ln_ints kernel = {0};
    *out = (convolution_parts){.count = 2};
    ln_status status = ln_onnx_images_of(import, 1, 3, &out->images, err);
    if (!status)
        status = ln_onnx_weight(import, 1, &out->inputs[1], &weight, err);
    if (!status && weight.rank != out->images.axes + 2)
        return ln_onnx_malformed(import, err, "has a weight with %d axes, not %d", weight.rank,
                                 out->images.axes + 2);
    for (int i = 0; i < out->images.axes && !status; i++)
        kernel.at[kernel.count++] = weight.dims[2 + i];
    if (!status)
        status = ln_onnx_window_of(import, &out->images, &kernel, transposed, &out->window, err);
    if (!status)
        status = ln_onnx_weight(import, 2, &out->inputs[2], NULL, err);
    if (!status)
        status = ln_onnx_int(import, "group", 1, &out->attributes.groups, err);
    if (!status && out->attributes.groups < 1)
        status =
            ln_onnx_malformed(import, err, "has group = %lld", (long long)out->attributes.groups);
    if (status)
        return status;
    out->inputs[0] = out->images.x.value;
    out->count = out->inputs[2] >= 0 ? 3 : 2;
    out->attributes.stride = out->window.stride;
    out->attributes.dilation = out->window.dilation;
    out->attributes.outer = out->images.outer;
    return LN_OK;
}

static ln_status finish(ln_onnx_import *import, const char *stem, convolution_parts *parts,
                        ln_error *err)
{
    const ln_onnx_window *window = &parts->window;
    parts->attributes.padding = window->before;
    if (memcmp(window->before.at, window->after.at,
               (size_t)parts->images.axes * sizeof window->after.at[0]) != 0)
        parts->attributes.padding_after = window->after;
    return ln_onnx_finish(import, ln_onnx_spatial_word(stem, parts->images.axes).at,
                          &parts->attributes, parts->inputs, parts->count, parts->images.x.layout,
                          err);
}

ln_status ln_onnx_conv(ln_onnx_import *import, ln_error *err)
{
    convolution_parts parts;
    ln_status status = read_parts(import, false, &parts, err);
    return status ? status : finish(import, "conv", &parts, err);
}

/* The result has the size `wanted`: what is too much goes from both ends. */
static void pad_to(convolution_parts *parts, int axis, int64_t wanted)
{
    ln_onnx_window *window = &parts->window;
    const int64_t extent = window->dilation.at[axis] * (window->kernel.at[axis] - 1) + 1;
    const int64_t whole =
        (parts->images.x.shape.dims[2 + axis] - 1) * window->stride.at[axis] + extent;
    int64_t *added = &parts->attributes.output_padding.at[axis];
    const int64_t total = whole + *added - wanted;
    if (total < 0) { /* too little */
        *added -= total;
        window->before.at[axis] = window->after.at[axis] = 0;
        return;
    }
    const bool upper = window->auto_pad == LN_ONNX_PAD_SAME_UPPER;
    window->before.at[axis] = upper ? total / 2 : total - total / 2;
    window->after.at[axis] = total - window->before.at[axis];
}

ln_status ln_onnx_conv_transpose(ln_onnx_import *import, ln_error *err)
{
    convolution_parts parts;
    ln_ints added, shape;
    ln_status status = read_parts(import, true, &parts, err);
    if (!status)
        status = ln_onnx_ints(import, "output_padding", &added, err);
    if (!status)
        status = ln_onnx_ints(import, "output_shape", &shape, err);
    if (status)
        return status;
    const int axes = parts.images.axes, auto_pad = parts.window.auto_pad;
    if (added.count != 0 && added.count != axes)
        return ln_onnx_malformed(import, err, "has %d numbers in 'output_padding', not %d",
                                 added.count, axes);
    if (shape.count == axes + 2) /* the whole shape, as old exporters wrote it */
        memmove(shape.at, shape.at + 2, (size_t)axes * sizeof shape.at[0]);
    else if (shape.count != 0 && shape.count != axes)
        return ln_onnx_malformed(import, err, "has %d numbers in 'output_shape', not %d",
                                 shape.count, axes);
    parts.attributes.output_padding = (ln_ints){.count = axes};
    for (int i = 0; i < axes; i++) {
        parts.attributes.output_padding.at[i] = added.count ? added.at[i] : 0;
        const int64_t wanted = shape.count
                                   ? shape.at[i]
                                   : parts.images.x.shape.dims[2 + i] * parts.window.stride.at[i];
        if (wanted < 1 || wanted > (int64_t)1 << 32)
            return ln_onnx_malformed(import, err, "has the size %lld in 'output_shape'",
                                     (long long)wanted);
        if (shape.count || auto_pad == LN_ONNX_PAD_SAME_UPPER || auto_pad == LN_ONNX_PAD_SAME_LOWER)
            pad_to(&parts, i, wanted);
    }
    return finish(import, "conv_transpose", &parts, err);
}
