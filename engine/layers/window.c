#include "layers/window.h"

#include <string.h>

enum { MOST = 1 << 24 }; /* of a kernel, stride, dilation or padding */

ln_status ln_window_axis(const ln_ints *list, const char *what, int axis, int axes, int64_t least,
                         int64_t fallback, int64_t *out, ln_error *err)
{
    *out = fallback;
    if (!list || list->count <= 0)
        return LN_OK;
    if (list->count != 1 && list->count != axes)
        return axes == 1
                   ? ln_fail(err, LN_EINVALID, "its %s has %d numbers: it slides along 1 axis",
                             what, list->count)
                   : ln_fail(err, LN_EINVALID,
                             "its %s has %d numbers: one for all axes or %d are possible", what,
                             list->count, axes);
    *out = list->at[list->count == 1 ? 0 : axis];
    if (*out < least || *out > MOST)
        return ln_fail(err, LN_EINVALID, "its %s is %lld: %lld to %d are possible", what,
                       (long long)*out, (long long)least, MOST);
    return LN_OK;
}

ln_status ln_window_check_input(const ln_shape *in, int axes, int outer, ln_error *err)
{
    static const char *const wanted[] = {"(N, channels, length)", "(N, channels, height, width)",
                                         "(N, channels, depth, height, width)"};
    char text[64];
    int64_t volume = 1;
    if (in->rank != 2 + outer + axes)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be %s",
                       ln_shape_text(in, text, sizeof text), wanted[axes - 1]);
    for (int i = in->rank - axes; i < in->rank; i++)
        if (__builtin_mul_overflow(volume, in->dims[i], &volume) || volume > INT32_MAX)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "its input has shape %s: a channel has more than 2^31 elements",
                           ln_shape_text(in, text, sizeof text));
    return LN_OK;
}

/* PyTorch's padding "same": the odd one comes after. */
static ln_status pad_same(ln_window *window, int axis, ln_error *err)
{
    const int64_t total = window->dilation[axis] * (window->kernel[axis] - 1);
    if (window->stride[axis] != 1)
        return ln_fail(err, LN_EINVALID, "its padding is \"same\": the stride must then be 1");
    window->before[axis] = total / 2;
    window->after[axis] = total - total / 2;
    return LN_OK;
}

ln_status ln_window_read(const ln_window_lists *lists, int axes, const ln_shape *in, ln_window *out,
                         ln_error *err)
{
    ln_status status = LN_OK;
    const int unused = LN_WINDOW_AXES - axes;
    for (int i = 0; i < LN_WINDOW_AXES; i++) {
        out->in[i] = out->out[i] = out->kernel[i] = out->stride[i] = out->dilation[i] = 1;
        out->before[i] = out->after[i] = 0;
    }
    for (int axis = 0; axis < axes && !status; axis++) {
        const int to = unused + axis;
        out->in[to] = in->dims[in->rank - axes + axis];
        status =
            ln_window_axis(lists->kernel, "kernel_size", axis, axes, 1, 1, &out->kernel[to], err);
        if (!status)
            status =
                ln_window_axis(lists->stride, "stride", axis, axes, 1, 1, &out->stride[to], err);
        if (!status)
            status = ln_window_axis(lists->dilation, "dilation", axis, axes, 1, 1,
                                    &out->dilation[to], err);
        if (!status)
            status =
                ln_window_axis(lists->padding, "padding", axis, axes, 0, 0, &out->before[to], err);
        if (!status)
            status = ln_window_axis(lists->padding_after, "padding", axis, axes, 0, out->before[to],
                                    &out->after[to], err);
        if (!status && lists->padding && lists->padding->count == LN_PADDING_SAME)
            status = pad_same(out, to, err);
    }
    return status;
}

ln_status ln_window_slide(ln_window *window, int axes, bool ceil_mode, ln_error *err)
{
    for (int i = LN_WINDOW_AXES - axes; i < LN_WINDOW_AXES; i++) {
        const int64_t extent = window->dilation[i] * (window->kernel[i] - 1) + 1;
        const int64_t padded = window->in[i] + window->before[i] + window->after[i];
        const int64_t stride = window->stride[i];
        if (extent > padded)
            return ln_fail(err, LN_EINVALID,
                           "its window spans %lld elements of an axis that has %lld%s",
                           (long long)extent, (long long)padded,
                           padded > window->in[i] ? " with its padding" : "");
        window->out[i] = (padded - extent + (ceil_mode ? stride - 1 : 0)) / stride + 1;
        if (ceil_mode && (window->out[i] - 1) * stride >= window->in[i] + window->before[i])
            window->out[i]--;
    }
    return LN_OK;
}

ln_shape ln_window_shape(const ln_shape *in, int axes, int64_t channels, const int64_t *sizes)
{
    ln_shape out = *in;
    if (channels)
        out.dims[in->rank - axes - 1] = channels;
    for (int axis = 0; axis < axes; axis++)
        out.dims[in->rank - axes + axis] = sizes[LN_WINDOW_AXES - axes + axis];
    return out;
}

int64_t ln_window_images(const ln_shape *in, int axes, int64_t rows)
{
    for (int i = 1; i < in->rank - axes - 1; i++)
        rows *= in->dims[i];
    return rows;
}

int64_t ln_window_volume(const int64_t *sizes)
{
    return sizes[0] * sizes[1] * sizes[2];
}

int ln_window_axes(const ln_layer *layer)
{
    return layer->word.name[strlen(layer->word.name) - 2] - '0';
}
