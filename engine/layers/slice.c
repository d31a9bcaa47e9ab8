/* Layers that are tables of offsets (move.h): slice, pad, tile. Any type; nothing leaves its row.
 *
 * slice  elements start, start + step ... before the end of some axes, as ONNX's Slice
 * pad    numbers before and after some axes: a constant, or the input reflected at its
 *         edge, its edge, or the input from the other side; negative pads cut off
 * tile   the row again and again
 *
 * Source: ONNX's operators. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "layers/move.h"

/* Elements between neighbours of an axis of the row. */
static int64_t stride(const ln_shape *row, int axis)
{
    int64_t step = 1;
    for (int i = axis + 1; i < row->rank; i++)
        step *= row->dims[i];
    return step;
}

/* Offsets of an axis that stays as it is. */
static void keep_axis(const ln_shape *row, int axis, ln_move_axis *to)
{
    for (int64_t i = 0; i < to->size; i++)
        to->offset[i] = i * stride(row, axis);
}

#define INTS(owner, field, given, literal, text)                                                   \
    {                                                                                              \
        .name = given, .type = LN_PARAM_INTS, .offset = offsetof(owner, field),                    \
        .fallback = literal, .min = -HUGE_VAL, .max = HUGE_VAL, .help = text                       \
    }

/* ---------------------------------------------------------------- slice */

static const ln_param slice_params[] = {
    INTS(ln_slice_attributes, axes, "axes", LN_REQUIRED, "axes that are cut; 0 would be the rows"),
    INTS(ln_slice_attributes, starts, "starts", LN_REQUIRED,
         "first element of each, negative from the end"),
    INTS(ln_slice_attributes, ends, "ends", LN_REQUIRED,
         "the element after the last of each, negative from the end"),
    INTS(ln_slice_attributes, steps, "steps", "nil", "from element to element, negative backwards"),
    LN_PARAM_END,
};

/* First element, step and number of elements of a cut, as numpy and ONNX have it. */
static void cut(int64_t start, int64_t end, int64_t step, int64_t size, int64_t *first,
                int64_t *count)
{
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    start += start < 0 ? size : 0;
    end += end < 0 ? size : 0;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    *first = start;
    const int64_t length = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
    *count = length > 0 ? (length - 1) / stride + 1 : 0;
}

static ln_status slice_axis(const ln_slice_attributes *own, int i, const ln_shape *row, int *axis,
                            int64_t *first, int64_t *step, int64_t *count, ln_error *err)
{
    ln_status status = ln_row_axis(own->axes.at[i], row->rank, axis, err);
    *step = i < own->steps.count ? own->steps.at[i] : 1;
    if (!status && *step == 0)
        status =
            ln_fail(err, LN_EINVALID, "the step of axis %lld is 0", (long long)own->axes.at[i]);
    if (!status && (*step > INT64_MAX / 4 || *step < -(INT64_MAX / 4)))
        *step = *step > 0 ? INT64_MAX / 4 : -(INT64_MAX / 4);
    if (!status)
        cut(own->starts.at[i], own->ends.at[i], *step, row->dims[*axis], first, count);
    return status;
}

static ln_status slice_infer(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_slice_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    ln_shape result = row;
    char text[64];
    if (own->axes.count != own->starts.count || own->axes.count != own->ends.count ||
        (own->steps.count > 0 && own->steps.count != own->axes.count))
        return ln_fail(err, LN_EINVALID, "it has %d axes, %d starts, %d ends and %d steps",
                       own->axes.count, own->starts.count, own->ends.count, own->steps.count);
    for (int i = 0; i < own->axes.count; i++) {
        int axis;
        int64_t first, step, count;
        ln_status status = slice_axis(own, i, &row, &axis, &first, &step, &count, err);
        if (status)
            return status;
        if (count == 0)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "of axis %lld of its input, shape %s, nothing is left",
                           (long long)own->axes.at[i], ln_shape_text(&in[0], text, sizeof text));
        result.dims[axis] = count;
    }
    return ln_result_shape(graph, node, &result, out, err);
}

static ln_status slice_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_slice_attributes *own = step->node->attributes;
    const ln_operand x = ln_operand_in(step, 0), y = ln_operand_out(step, 0);
    ln_move *move;
    (void)constant;
    ln_status status = ln_move_start(step, &y.row, &move, err);
    if (status)
        return status;
    for (int i = 0; i < x.row.rank; i++)
        keep_axis(&x.row, i, &move->axes[i]);
    for (int i = 0; i < own->axes.count; i++) {
        int axis;
        int64_t first = 0, by = 1, count = 0;
        slice_axis(own, i, &x.row, &axis, &first, &by, &count, NULL);
        for (int64_t k = 0; k < count; k++)
            move->axes[axis].offset[k] = (first + k * by) * stride(&x.row, axis);
    }
    ln_move_finish(step, move);
    return LN_OK;
}

const ln_layer ln_layer_slice = {
    .word = {.name = "slice",
             .summary = "part of some axes",
             .formula = "",
             .source = "ONNX: Slice",
             .params = slice_params,
             .params_size = sizeof(ln_slice_attributes)},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = ln_types_same,
    .infer = slice_infer,
    .prepare = slice_prepare,
    .release = ln_move_release,
    .forward = ln_move_forward,
    .backward = ln_move_backward,
};

/* ---------------------------------------------------------------- pad */

static const ln_param pad_params[] = {
    INTS(ln_pad_attributes, before, "before", LN_REQUIRED, "numbers before each axis of a row"),
    INTS(ln_pad_attributes, after, "after", LN_REQUIRED, "numbers after each axis of a row"),
    {.name = "mode",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_pad_attributes, mode),
     .fallback = "\"constant\"",
     .choices = LN_PAD_MODES,
     .help = "what stands there"},
    {.name = "value",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_pad_attributes, value),
     .fallback = "0",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "the constant"},
    LN_PARAM_END,
};

static ln_status pad_infer(const struct ln_graph *graph, const struct ln_node *node,
                           const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_pad_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    ln_shape result = row;
    char text[64];
    if (own->before.count != row.rank || own->after.count != row.rank)
        return ln_fail(
            err, LN_EINVALID,
            "its input has shape %s, but %d axes of a row are padded before and %d after",
            ln_shape_text(&in[0], text, sizeof text), own->before.count, own->after.count);
    for (int i = 0; i < row.rank; i++) {
        const int64_t before = own->before.at[i], after = own->after.at[i];
        if (before > LN_MOST_NUMBERS || after > LN_MOST_NUMBERS || before < -LN_MOST_NUMBERS ||
            after < -LN_MOST_NUMBERS)
            return ln_fail(err, LN_EINVALID, "axis %d is padded by %lld and %lld", i + 1,
                           (long long)before, (long long)after);
        result.dims[i] += before + after;
        if (result.dims[i] < 1)
            return ln_fail(
                err, LN_EINVALID,
                "its input has shape %s: padding axis %d by %lld and %lld leaves nothing",
                ln_shape_text(&in[0], text, sizeof text), i + 1, (long long)before,
                (long long)after);
    }
    return ln_result_shape(graph, node, &result, out, err);
}

/* Which element of an axis stands at place `at`, counted from its first. */
static int64_t padded(int mode, int64_t at, int64_t size)
{
    const int64_t period = 2 * (size - 1); /* of what reflection repeats */
    if (at >= 0 && at < size)
        return at;
    switch (mode) {
    case LN_PAD_REFLECT:
        if (size == 1)
            return 0;
        at = (at % period + period) % period;
        return at < size ? at : period - at;
    case LN_PAD_EDGE:
        return at < 0 ? 0 : size - 1;
    case LN_PAD_WRAP:
        return (at % size + size) % size;
    default:
        return LN_NOTHING;
    }
}

static ln_status pad_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_pad_attributes *own = step->node->attributes;
    const ln_operand x = ln_operand_in(step, 0), y = ln_operand_out(step, 0);
    ln_move *move;
    (void)constant;
    ln_status status = ln_move_start(step, &y.row, &move, err);
    if (status)
        return status;
    for (int axis = 0; axis < x.row.rank; axis++)
        for (int64_t i = 0; i < y.row.dims[axis]; i++) {
            const int64_t from = padded(own->mode, i - own->before.at[axis], x.row.dims[axis]);
            move->axes[axis].offset[i] =
                from == LN_NOTHING ? LN_NOTHING : from * stride(&x.row, axis);
        }
    ln_move_finish(step, move);
    return LN_OK;
}

static ln_status pad_forward(const ln_pass *pass, ln_error *err)
{
    const ln_pad_attributes *own = pass->step->node->attributes;
    const ln_dtype dtype = ln_operand_in(pass->step, 0).dtype;
    uint64_t fill = 0;
    (void)err;
    const float number = (float)own->value;
    if (dtype == LN_F32)
        memcpy(&fill, &number, sizeof number);
    else
        ln_store_whole(&fill, dtype, 0, (int64_t)own->value);
    ln_move_filled(pass, &fill);
    return LN_OK;
}

const ln_layer ln_layer_pad = {
    .word = {.name = "pad",
             .summary = "numbers before and after the axes of a row",
             .formula = "",
             .source = "ONNX: Pad",
             .params = pad_params,
             .params_size = sizeof(ln_pad_attributes)},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = ln_types_same,
    .infer = pad_infer,
    .prepare = pad_prepare,
    .release = ln_move_release,
    .forward = pad_forward,
    .backward = ln_move_backward,
};

/* ---------------------------------------------------------------- tile */

static const ln_param tile_params[] = {
    INTS(ln_tile_attributes, repeats, "repeats", LN_REQUIRED,
         "how often each axis of a row stands"),
    LN_PARAM_END,
};

static ln_status tile_infer(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_tile_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    ln_shape result = row;
    char text[64];
    if (own->repeats.count != row.rank)
        return ln_fail(err, LN_EINVALID,
                       "its input has shape %s, but %d axes of a row are repeated",
                       ln_shape_text(&in[0], text, sizeof text), own->repeats.count);
    for (int i = 0; i < row.rank; i++)
        if (own->repeats.at[i] < 1 ||
            __builtin_mul_overflow(row.dims[i], own->repeats.at[i], &result.dims[i]))
            return ln_fail(err, LN_EINVALID, "axis %d is repeated %lld times", i + 1,
                           (long long)own->repeats.at[i]);
    return ln_result_shape(graph, node, &result, out, err);
}

static ln_status tile_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_operand x = ln_operand_in(step, 0), y = ln_operand_out(step, 0);
    ln_move *move;
    (void)constant;
    ln_status status = ln_move_start(step, &y.row, &move, err);
    if (status)
        return status;
    for (int axis = 0; axis < x.row.rank; axis++)
        for (int64_t i = 0; i < y.row.dims[axis]; i++)
            move->axes[axis].offset[i] = i % x.row.dims[axis] * stride(&x.row, axis);
    ln_move_finish(step, move);
    return LN_OK;
}

const ln_layer ln_layer_tile = {
    .word = {.name = "tile",
             .summary = "repeats axes",
             .formula = "",
             .source = "ONNX: Tile",
             .params = tile_params,
             .params_size = sizeof(ln_tile_attributes)},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = ln_types_same,
    .infer = tile_infer,
    .prepare = tile_prepare,
    .release = ln_move_release,
    .forward = ln_move_forward,
    .backward = ln_move_backward,
};
