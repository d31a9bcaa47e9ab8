#include "onnx/operators_window.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

ln_status ln_onnx_images_of(ln_onnx_import *import, int least, int most, ln_onnx_images *out,
                            ln_error *err)
{
    ln_status status = ln_onnx_live(import, 0, &out->x, err);
    if (status)
        return status;
    out->axes = out->x.shape.rank - 2;
    if (out->axes < least || (most && out->axes > most))
        return ln_onnx_refuse(import, err,
                              "has an input of %d axes; %d%s%s are supported: images, channels and "
                              "what a channel has",
                              out->x.shape.rank, least + 2, most ? " to " : " or more",
                              most == 3 ? "5" : "");
    status = ln_onnx_rows_before(import, &out->x, 1, err);
    if (!status)
        out->outer = import->graph->values[out->x.value].shape.rank - out->x.shape.rank;
    return status;
}

ln_onnx_word ln_onnx_spatial_word(const char *stem, int axes)
{
    ln_onnx_word word;
    snprintf(word.at, sizeof word.at, "%s%dd", stem, axes);
    return word;
}

/* ---------------------------------------------------------------- windows */

/* An attribute with one number an axis, `fallback` where it is not there. */
static ln_status full_list(const ln_onnx_import *import, const char *name, int count,
                           int64_t fallback, ln_ints *out, ln_error *err)
{
    ln_status status = ln_onnx_ints(import, name, out, err);
    if (status)
        return status;
    if (out->count != 0 && out->count != count)
        return ln_onnx_malformed(import, err, "has %d numbers in '%s', not %d", out->count, name,
                                 count);
    for (int i = out->count; i < count; i++)
        out->at[i] = fallback;
    out->count = count;
    return LN_OK;
}

/* LN_EINVALID unless all numbers are from `least` to 2^24. */
static ln_status check_list(const ln_onnx_import *import, const char *name, const ln_ints *list,
                            int64_t least, ln_error *err)
{
    for (int i = 0; i < list->count; i++)
        if (list->at[i] < least || list->at[i] > 1 << 24)
            return ln_onnx_malformed(import, err,
                                     "has the number %lld in '%s'; %lld to %d are "
                                     "possible",
                                     (long long)list->at[i], name, (long long)least, 1 << 24);
    return LN_OK;
}

/* SAME: so much that there are ceil(size / stride) places. */
static void pad_same(const ln_onnx_images *images, int axis, ln_onnx_window *window)
{
    const int64_t size = images->x.shape.dims[2 + axis], stride = window->stride.at[axis];
    const int64_t extent = window->dilation.at[axis] * (window->kernel.at[axis] - 1) + 1;
    const int64_t places = (size + stride - 1) / stride;
    int64_t total = (places - 1) * stride + extent - size;
    total = total > 0 ? total : 0;
    const int64_t less = total / 2, more = total - less;
    const bool upper = window->auto_pad == LN_ONNX_PAD_SAME_UPPER;
    window->before.at[axis] = upper ? less : more;
    window->after.at[axis] = upper ? more : less;
}

static ln_status read_paddings(ln_onnx_import *import, const ln_onnx_images *images,
                               bool transposed, ln_onnx_window *out, ln_error *err)
{
    const int axes = images->axes;
    ln_ints pads;
    ln_status status = full_list(import, "pads", 2 * axes, 0, &pads, err);
    if (!status)
        status = ln_onnx_choice(import, "auto_pad", "NOTSET|SAME_UPPER|SAME_LOWER|VALID", "NOTSET",
                                &out->auto_pad, err);
    if (!status)
        status = check_list(import, "pads", &pads, 0, err);
    out->before.count = out->after.count = axes;
    for (int i = 0; i < axes && !status; i++) {
        const bool given = out->auto_pad == LN_ONNX_PAD_NOTSET;
        out->before.at[i] = given ? pads.at[i] : 0;
        out->after.at[i] = given ? pads.at[axes + i] : 0;
        if (!given && out->auto_pad != LN_ONNX_PAD_VALID && !transposed)
            pad_same(images, i, out);
    }
    return status;
}

ln_status ln_onnx_window_of(ln_onnx_import *import, const ln_onnx_images *images,
                            const ln_ints *kernel, bool transposed, ln_onnx_window *out,
                            ln_error *err)
{
    const int axes = images->axes;
    *out = (ln_onnx_window){.auto_pad = LN_ONNX_PAD_NOTSET};
    ln_status status = full_list(import, "kernel_shape", axes, 0, &out->kernel, err);
    for (int i = 0; i < axes && !status; i++) {
        if (out->kernel.at[i] == 0 && kernel->count)
            out->kernel.at[i] = kernel->at[i];
        if (kernel->count && out->kernel.at[i] != kernel->at[i])
            status =
                ln_onnx_malformed(import, err, "has kernel_shape %lld where its weight has %lld",
                                  (long long)out->kernel.at[i], (long long)kernel->at[i]);
    }
    if (!status)
        status = check_list(import, "kernel_shape", &out->kernel, 1, err);
    if (!status)
        status = full_list(import, "strides", axes, 1, &out->stride, err);
    if (!status)
        status = check_list(import, "strides", &out->stride, 1, err);
    if (!status)
        status = full_list(import, "dilations", axes, 1, &out->dilation, err);
    if (!status)
        status = check_list(import, "dilations", &out->dilation, 1, err);
    return status ? status : read_paddings(import, images, transposed, out, err);
}

/* ---------------------------------------------------------------- weights */

ln_status ln_onnx_weight(ln_onnx_import *import, size_t input, int *value, ln_shape *shape,
                         ln_error *err)
{
    ln_onnx_operand weight;
    ln_status status = LN_OK;
    *value = -1;
    if (!ln_onnx_has_input(import, input))
        return LN_OK;
    if (ln_onnx_is_constant(import, input)) {
        status = ln_onnx_constant_value(import, input, value, err);
        if (!status && shape)
            *shape = import->graph->values[*value].shape;
        return status;
    }
    status = ln_onnx_live(import, input, &weight, err);
    if (!status && weight.layout.axis >= 0 && !import->single)
        return ln_onnx_refuse(import, err,
                              "has '%s', which depends on the rows, as a weight; weights must be "
                              "the same for all",
                              ln_onnx_input_text(import, input).at);
    if (!status && weight.layout.axis >= 0)
        status = ln_onnx_unfold(import, &weight, err);
    if (!status) {
        *value = weight.value;
        if (shape)
            *shape = weight.shape;
    }
    return status;
}
