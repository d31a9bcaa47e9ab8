/* Where the rows are. A live value is [before...][rows][after...] in the row-major order of its logical
 * shape; stored it is the rows, then the logical axes in their order, the rows' axis left out or, where
 * it holds other numbers too (N * heads), standing there with those alone:
 *
 *     logical (T, N, F), axis 1                      stored (rows, T, F)
 *     logical (N * heads, T, D), axis 0, after heads stored (rows, heads, T, D)
 *     logical (C, H, W), axis -1                     stored (rows, C, H, W)
 *
 * So moving the rows' axis, or reshaping around it, costs nothing, and one mapping of axes is all that
 * operators need. */
#include <string.h>

#include "base/error.h"
#include "onnx/import.h"

int ln_onnx_stored_axis(const ln_onnx_layout *layout, int axis)
{
    return axis < layout->axis || layout->axis < 0 || ln_onnx_is_shared(layout) ? axis + 1 : axis;
}

/* The logical shape of a stored one. */
static ln_shape logical_shape(const ln_onnx_import *import, const ln_shape *stored,
                              const ln_onnx_layout *layout)
{
    ln_shape out = {.rank = stored->rank - 1};
    if (layout->axis >= 0 && !ln_onnx_is_shared(layout))
        out.rank++;
    for (int i = 0; i < out.rank; i++)
        out.dims[i] = i == layout->axis ? layout->before * layout->after * import->batch
                                        : stored->dims[ln_onnx_stored_axis(layout, i)];
    return out;
}

ln_status ln_onnx_stored_shape(const ln_onnx_import *import, const ln_shape *shape,
                               const ln_onnx_layout *layout, ln_shape *out, ln_error *err)
{
    const bool alone = layout->axis >= 0 && !ln_onnx_is_shared(layout);
    char text[128];
    if (shape->rank + !alone > LN_MAX_RANK)
        return ln_onnx_refuse(import, err, "makes %s beside the rows; up to %d axes are possible",
                              ln_shape_text(shape, text, sizeof text), LN_MAX_RANK);
    *out = (ln_shape){.rank = shape->rank + !alone, .dims = {-1}};
    for (int i = 0; i < shape->rank; i++) {
        if (i != layout->axis)
            out->dims[ln_onnx_stored_axis(layout, i)] = shape->dims[i];
        else if (!alone)
            out->dims[i + 1] = layout->before * layout->after;
    }
    return LN_OK;
}

ln_onnx_operand ln_onnx_operand_of(const ln_onnx_import *import, int value)
{
    const ln_value *at = &import->graph->values[value];
    const ln_onnx_layout layout = import->layouts[value];
    return (ln_onnx_operand){.value = value,
                             .layout = layout,
                             .shape = logical_shape(import, &at->shape, &layout),
                             .dtype = at->dtype};
}

ln_onnx_layout ln_onnx_layout_without(ln_onnx_layout layout, unsigned removed)
{
    int below = 0;
    for (int i = 0; i < layout.axis; i++)
        below += (int)(removed >> i & 1);
    layout.axis -= below;
    return layout;
}

/* ---------------------------------------------------------------- reshaping */

static int64_t product(const ln_shape *shape, int from, int to)
{
    int64_t count = 1;
    for (int i = from; i < to; i++)
        count *= shape->dims[i];
    return count;
}

bool ln_onnx_layout_reshaped(const ln_onnx_import *import, const ln_onnx_operand *x,
                             const ln_shape *shape, ln_onnx_layout *out)
{
    const ln_onnx_layout *layout = &x->layout;
    if (layout->axis < 0) {
        *out = *layout;
        return true;
    }
    /* What lies before the rows lies before them afterwards. Of the axes that can hold them, one that
     * holds nothing else is taken, at best where they were. */
    const int64_t before = product(&x->shape, 0, layout->axis) * layout->before;
    bool found = false;
    int64_t passed = 1;
    for (int i = 0; i < shape->rank && before % passed == 0; passed *= shape->dims[i++]) {
        const ln_onnx_layout now = {.axis = i,
                                    .before = before / passed,
                                    .after = shape->dims[i] / (before / passed * import->batch)};
        if (shape->dims[i] % (now.before * import->batch) != 0)
            continue;
        if (!found || (ln_onnx_is_shared(out) && !ln_onnx_is_shared(&now)) ||
            (!ln_onnx_is_shared(&now) && i == layout->axis))
            *out = now;
        found = true;
    }
    return found;
}

static ln_reshape_attributes reshape_to(const ln_shape *stored)
{
    ln_reshape_attributes out = {.shape = {.count = stored->rank - 1}};
    memcpy(out.shape.at, stored->dims + 1, sizeof stored->dims - sizeof *stored->dims);
    return out;
}

ln_status ln_onnx_between_shape(ln_onnx_import *import, const ln_onnx_operand *x,
                                const ln_shape *shape, ln_onnx_layout layout, const char *suffix,
                                ln_onnx_operand *out, ln_error *err)
{
    ln_shape stored;
    ln_status status = ln_onnx_stored_shape(import, shape, &layout, &stored, err);
    if (status)
        return status;
    const ln_reshape_attributes attributes = reshape_to(&stored);
    return ln_onnx_between(import, "reshape", &attributes, &x->value, 1, layout, suffix, out, err);
}

ln_status ln_onnx_finish_shape(ln_onnx_import *import, const ln_onnx_operand *x,
                               const ln_shape *shape, ln_onnx_layout layout, ln_error *err)
{
    ln_shape stored;
    ln_status status = ln_onnx_stored_shape(import, shape, &layout, &stored, err);
    if (status)
        return status;
    const ln_reshape_attributes attributes = reshape_to(&stored);
    const bool same = ln_shape_equal(&stored, &import->graph->values[x->value].shape);
    return ln_onnx_finish(import, same ? "identity" : "reshape", same ? NULL : &attributes,
                          &x->value, 1, layout, err);
}

/* The stored order that the logical one means; false: it is that of the input. */
static bool stored_order(const ln_onnx_operand *x, const int *order, ln_onnx_layout *layout,
                         ln_transpose_attributes *out)
{
    bool moves = false;
    int count = 1;
    *out = (ln_transpose_attributes){.order = {.count = 0, .at = {0}}};
    *layout = x->layout;
    for (int i = 0; i < x->shape.rank; i++) {
        if (order[i] == x->layout.axis) {
            layout->axis = i;
            if (!ln_onnx_is_shared(&x->layout))
                continue;
        }
        const int from = ln_onnx_stored_axis(&x->layout, order[i]);
        moves = moves || from != count;
        out->order.at[count++] = from;
    }
    out->order.count = count;
    return moves;
}

ln_status ln_onnx_between_transposed(ln_onnx_import *import, const ln_onnx_operand *x,
                                     const int *order, const char *suffix, ln_onnx_operand *out,
                                     ln_error *err)
{
    ln_transpose_attributes attributes;
    ln_onnx_layout layout;
    if (stored_order(x, order, &layout, &attributes))
        return ln_onnx_between(import, "transpose", &attributes, &x->value, 1, layout, suffix, out,
                               err);
    return ln_onnx_between(import, "identity", NULL, &x->value, 1, layout, suffix, out, err);
}

ln_status ln_onnx_finish_transposed(ln_onnx_import *import, const ln_onnx_operand *x,
                                    const int *order, ln_error *err)
{
    ln_transpose_attributes attributes;
    ln_onnx_layout layout;
    const bool moves = stored_order(x, order, &layout, &attributes);
    return ln_onnx_finish(import, moves ? "transpose" : "identity", moves ? &attributes : NULL,
                          &x->value, 1, layout, err);
}

/* ---------------------------------------------------------------- axes */

ln_status ln_onnx_unfold(ln_onnx_import *import, ln_onnx_operand *x, ln_error *err)
{
    const ln_onnx_layout outside = {.axis = -1, .before = 1, .after = 1};
    if (x->layout.axis >= 0 && !ln_onnx_is_shared(&x->layout))
        return ln_onnx_between_shape(import, x, &x->shape, outside, ".rows", x, err);
    x->layout = outside;
    return LN_OK;
}

ln_status ln_onnx_check_axis(const ln_onnx_import *import, int rank, int64_t *axis, ln_error *err)
{
    if (*axis < -rank || *axis >= rank)
        return ln_onnx_malformed(import, err, "has the axis %lld, but its input has %d axes",
                                 (long long)*axis, rank);
    *axis += *axis < 0 ? rank : 0;
    return LN_OK;
}

ln_status ln_onnx_axes(ln_onnx_import *import, ln_onnx_operand *x, const ln_ints *axes, int *out,
                       ln_error *err)
{
    int64_t axis[LN_MAX_RANK] = {0};
    bool rows = false;
    ln_status status = LN_OK;
    for (int i = 0; i < axes->count && !status; i++) {
        axis[i] = axes->at[i];
        status = ln_onnx_check_axis(import, x->shape.rank, &axis[i], err);
        rows = rows || axis[i] == x->layout.axis;
    }
    if (status)
        return status;
    if (rows && !import->single)
        return ln_onnx_refuse(import, err,
                              "works along axis %d and so mixes the rows of a batch; each row has "
                              "to be computed on its own",
                              x->layout.axis);
    if (rows)
        status = ln_onnx_unfold(import, x, err);
    for (int i = 0; i < axes->count; i++)
        out[i] = ln_onnx_stored_axis(&x->layout, (int)axis[i]);
    return status;
}

ln_status ln_onnx_axis(ln_onnx_import *import, ln_onnx_operand *x, int64_t axis, int *out,
                       ln_error *err)
{
    const ln_ints one = {.count = 1, .at = {axis}};
    return ln_onnx_axes(import, x, &one, out, err);
}

ln_status ln_onnx_axis_all(ln_onnx_import *import, ln_onnx_operand *operands, size_t count,
                           int64_t axis, int *out, ln_error *err)
{
    ln_status status = LN_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = ln_onnx_axis(import, &operands[i], axis, out, err);
    return status;
}

ln_status ln_onnx_axis_attribute(ln_onnx_import *import, const char *name, int64_t fallback,
                                 ln_onnx_operand *x, int *out, ln_error *err)
{
    int64_t axis;
    ln_status status = ln_onnx_int(import, name, fallback, &axis, err);
    return status ? status : ln_onnx_axis(import, x, axis, out, err);
}

ln_status ln_onnx_rows_before(ln_onnx_import *import, ln_onnx_operand *x, int axes, ln_error *err)
{
    if (x->layout.axis < axes)
        return LN_OK;
    if (!import->single)
        return ln_onnx_refuse(import, err,
                              "has the rows of a batch as axis %d of its input and so mixes them",
                              x->layout.axis);
    return ln_onnx_unfold(import, x, err);
}
