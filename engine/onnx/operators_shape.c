/* Operators that move numbers within their row: Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Expand,
 * Concat. */
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

/* ---------------------------------------------------------------- Reshape */

/* The number of elements, or -1 where that is more than any value may have. */
static int64_t count_of(const ln_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        if (__builtin_mul_overflow(count, shape->dims[i], &count))
            return -1;
    return count;
}

/* Puts what is left in place of the -1 at `open` (-1: there is none); false: it does not fit. */
static bool close_shape(ln_shape *shape, int open, int64_t whole)
{
    if (open >= 0) {
        shape->dims[open] = 1;
        const int64_t rest = count_of(shape);
        shape->dims[open] = rest > 0 ? whole / rest : 0;
    }
    return count_of(shape) == whole;
}

/* The wanted sizes with 0 (copy that axis) replaced; *open is the axis that is -1. */
static ln_status read_shape(const ln_onnx_import *import, const ln_onnx_operand *x,
                            const ln_ints *wanted, ln_shape *out, int *open, ln_error *err)
{
    *open = -1;
    *out = (ln_shape){.rank = wanted->count};
    for (int axis = 0; axis < wanted->count; axis++) {
        const int64_t size = wanted->at[axis];
        if (size < -1 || (size == 0 && axis >= x->shape.rank))
            return ln_onnx_malformed(import, err, "has the size %lld at axis %d of its shape",
                                     (long long)size, axis);
        out->dims[axis] = size == 0 ? x->shape.dims[axis] : size;
        if (size != -1)
            continue;
        if (*open >= 0)
            return ln_onnx_malformed(import, err, "has two open axes (-1) in its shape");
        *open = axis;
    }
    return LN_OK;
}

/* The shape of the result and where its rows are. A file that was written for one batch serves every
 * other: where the first axis is the rows, its size in the shape may be any number. */
static bool resolve_shape(const ln_onnx_import *import, const ln_onnx_operand *x, ln_shape *shape,
                          int open, ln_onnx_layout *layout)
{
    const ln_shape asked = *shape;
    const int64_t whole = count_of(&x->shape);
    const bool rows_first = x->layout.axis == 0 && x->layout.before == 1 && x->layout.after == 1 &&
                            open != 0 && shape->rank > 0;
    const bool written_for_one = rows_first && !import->single && shape->dims[0] == 1 && open > 0;
    if (!written_for_one && close_shape(shape, open, whole) &&
        ln_onnx_layout_reshaped(import, x, shape, layout))
        return true;
    *shape = asked;
    if (!rows_first)
        return false;
    shape->dims[0] = import->batch;
    return close_shape(shape, open, whole) && ln_onnx_layout_reshaped(import, x, shape, layout);
}

static ln_status refuse_shape(const ln_onnx_import *import, const ln_onnx_operand *x,
                              ln_shape shape, ln_error *err)
{
    char before[128], after[128];
    ln_shape from = x->shape;
    if (x->layout.axis >= 0 && x->layout.before * x->layout.after == 1)
        from.dims[x->layout.axis] = -1;
    return ln_onnx_refuse(
        import, err, "reshapes %s to %s, which does not keep the rows of a batch apart",
        ln_shape_text(&from, before, sizeof before), ln_shape_text(&shape, after, sizeof after));
}

ln_status ln_onnx_reshape(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_onnx_layout layout;
    ln_ints wanted = {0};
    ln_shape shape, asked;
    int64_t allow_zero;
    int open = -1;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_list(import, 1, &wanted, err);
    if (!status)
        status = ln_onnx_int(import, "allowzero", 0, &allow_zero, err);
    for (int axis = 0; !status && allow_zero && axis < wanted.count; axis++)
        if (wanted.at[axis] == 0)
            status = ln_onnx_refuse(import, err, "makes an empty tensor (allowzero)");
    if (!status)
        status = read_shape(import, &x, &wanted, &shape, &open, err);
    if (status)
        return status;
    asked = shape;
    if (!resolve_shape(import, &x, &shape, open, &layout))
        return refuse_shape(import, &x, asked, err);
    return ln_onnx_finish_shape(import, &x, &shape, layout, err);
}

/* To (axes before `axis`, the others). */
ln_status ln_onnx_flatten(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_onnx_layout layout;
    ln_shape flat = {.rank = 2, .dims = {1, 1}};
    int64_t axis;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_int(import, "axis", 1, &axis, err);
    if (status)
        return status;
    if (axis < -x.shape.rank || axis > x.shape.rank)
        return ln_onnx_malformed(import, err, "has the axis %lld, but its input has %d axes",
                                 (long long)axis, x.shape.rank);
    axis += axis < 0 ? x.shape.rank : 0;
    for (int i = 0; i < x.shape.rank; i++)
        flat.dims[i < axis ? 0 : 1] *= x.shape.dims[i];
    if (!ln_onnx_layout_reshaped(import, &x, &flat, &layout))
        return refuse_shape(import, &x, flat, err);
    const ln_flatten_attributes attributes = {.start = 1};
    if (x.layout.axis == 0 && axis == 1 && x.shape.rank > 1 && layout.axis == 0 &&
        layout.before * layout.after == 1)
        return ln_onnx_finish(import, "flatten", &attributes, &x.value, 1, layout, err);
    return ln_onnx_finish_shape(import, &x, &flat, layout, err);
}

/* ---------------------------------------------------------------- Squeeze, Unsqueeze */

/* The axes as bits; LN_EINVALID where one is none of `rank`. */
static ln_status axis_bits(const ln_onnx_import *import, const ln_ints *axes, int rank,
                           unsigned *out, ln_error *err)
{
    *out = 0;
    for (int i = 0; i < axes->count; i++) {
        int64_t axis = axes->at[i];
        ln_status status = ln_onnx_check_axis(import, rank, &axis, err);
        if (status)
            return status;
        *out |= 1u << axis;
    }
    return LN_OK;
}

ln_status ln_onnx_squeeze(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_ints axes;
    int stored[LN_MAX_RANK];
    unsigned removed;
    bool given;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_ints_of(import, "axes", 1, &axes, &given, err);
    for (int i = 0; !status && !given && i < x.shape.rank; i++)
        if (x.shape.dims[i] == 1)
            axes.at[axes.count++] = i;
    if (!status)
        status = ln_onnx_axes(import, &x, &axes, stored, err);
    if (!status)
        status = axis_bits(import, &axes, x.shape.rank, &removed, err);
    if (status)
        return status;
    ln_shape shape = {.rank = 0};
    for (int i = 0; i < x.shape.rank; i++) {
        if (!(removed >> i & 1))
            shape.dims[shape.rank++] = x.shape.dims[i];
        else if (x.shape.dims[i] != 1)
            return ln_onnx_malformed(import, err, "removes axis %d, which has size %lld", i,
                                     (long long)x.shape.dims[i]);
    }
    return ln_onnx_finish_shape(import, &x, &shape, ln_onnx_layout_without(x.layout, removed), err);
}

ln_status ln_onnx_unsqueeze(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_ints axes;
    unsigned added;
    bool given;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_ints_of(import, "axes", 1, &axes, &given, err);
    if (status)
        return status;
    ln_shape shape = {.rank = x.shape.rank + axes.count};
    if (!given || shape.rank > LN_MAX_RANK)
        return ln_onnx_refuse(import, err, "has %s axes to add", given ? "too many" : "no");
    status = axis_bits(import, &axes, shape.rank, &added, err);
    if (status)
        return status;
    if (__builtin_popcount(added) != axes.count)
        return ln_onnx_malformed(import, err, "adds one axis twice");
    ln_onnx_layout layout = x.layout;
    for (int i = 0, from = 0; i < shape.rank; i++) {
        const bool is_new = added >> i & 1;
        if (!is_new && from == x.layout.axis)
            layout.axis = i;
        shape.dims[i] = is_new ? 1 : x.shape.dims[from++];
    }
    return ln_onnx_finish_shape(import, &x, &shape, layout, err);
}

/* ---------------------------------------------------------------- Transpose, Expand */

ln_status ln_onnx_transpose(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_ints order;
    int from[LN_MAX_RANK];
    unsigned seen = 0;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_ints(import, "perm", &order, err);
    if (status)
        return status;
    const bool given = ln_onnx_find_attribute(import, "perm");
    if (given && order.count != x.shape.rank)
        return ln_onnx_malformed(import, err, "orders %d axes, but its input has %d", order.count,
                                 x.shape.rank);
    for (int i = 0; i < x.shape.rank; i++) {
        int64_t axis = given ? order.at[i] : x.shape.rank - 1 - i;
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
        if (status)
            return status;
        from[i] = (int)axis;
        seen |= 1u << axis;
    }
    if (seen != (1u << x.shape.rank) - 1)
        return ln_onnx_malformed(import, err, "has an order that leaves an axis out");
    return ln_onnx_finish_transposed(import, &x, from, err);
}

/* The logical shape that x and `wanted` broadcast to, x widened to as many axes. */
static ln_status expanded(ln_onnx_import *import, ln_onnx_operand *x, const ln_ints *wanted,
                          ln_shape *out, ln_error *err)
{
    ln_status status = ln_onnx_widen(import, x, wanted->count, err);
    *out = x->shape;
    for (int i = 0; i < wanted->count && !status; i++) {
        const int axis = x->shape.rank - wanted->count + i;
        const int64_t size = wanted->at[i], own = x->shape.dims[axis];
        if (size < 1 || (own != 1 && size != 1 && size != own))
            return ln_onnx_malformed(import, err, "expands an axis of size %lld to %lld",
                                     (long long)own, (long long)size);
        out->dims[axis] = own == 1 ? size : own;
    }
    return status;
}

ln_status ln_onnx_expand(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_ints wanted;
    ln_shape shape, stored;
    int axis;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_list(import, 1, &wanted, err);
    if (!status)
        status = expanded(import, &x, &wanted, &shape, err);
    if (!status && x.layout.axis >= 0 && shape.dims[x.layout.axis] != x.shape.dims[x.layout.axis])
        status = ln_onnx_axis(import, &x, x.layout.axis, &axis, err);
    if (!status)
        status = ln_onnx_stored_shape(import, &shape, &x.layout, &stored, err);
    if (status)
        return status;
    ln_expand_attributes attributes = {.shape = {.count = stored.rank - 1}};
    memcpy(attributes.shape.at, stored.dims + 1, sizeof stored.dims - sizeof *stored.dims);
    return ln_onnx_finish_one(import, "expand", &attributes, &x, err);
}

/* ---------------------------------------------------------------- Concat */

/* Constants without numbers (what Split leaves of nothing) add nothing to live parts. */
static ln_status drop_empty_parts(ln_onnx_import *import, ln_error *err)
{
    ln_bytes_list *inputs = &import->node.inputs;
    size_t kept = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        ln_tensor *part = NULL;
        if (!ln_onnx_has_input(import, i))
            return ln_onnx_malformed(import, err, "has no input %zu", i);
        if (!import->folding && ln_onnx_is_constant(import, i)) {
            const ln_status status = ln_onnx_constant(import, i, &part, err);
            if (status)
                return status;
        }
        if (!part || ln_shape_count(&part->shape) > 0)
            inputs->at[kept++] = inputs->at[i];
    }
    inputs->count = kept > 0 ? kept : inputs->count;
    return LN_OK;
}

ln_status ln_onnx_concat(ln_onnx_import *import, ln_error *err)
{
    ln_status status = drop_empty_parts(import, err);
    const size_t count = import->node.inputs.count;
    ln_onnx_operand *parts = ln_arena_calloc(&import->scratch, count, sizeof *parts);
    int *values = ln_arena_calloc(&import->scratch, count, sizeof *values);
    int64_t axis;
    int stored;
    if (status)
        return status;
    if (!parts || !values)
        return ln_fail_memory(err, count * sizeof *parts);
    if (!ln_onnx_find_attribute(import, "axis"))
        return ln_onnx_malformed(import, err, "has no axis");
    status = ln_onnx_int(import, "axis", 1, &axis, err);
    if (!status)
        status = ln_onnx_align(import, 0, count, true, parts, err);
    if (!status)
        status = ln_onnx_axis_all(import, parts, count, axis, &stored, err);
    if (status)
        return status;
    if (count == 1)
        return ln_onnx_finish_one(import, "identity", NULL, &parts[0], err);
    for (size_t i = 0; i < count; i++)
        values[i] = parts[i].value;
    const ln_axis_attributes attributes = {.axis = stored};
    return ln_onnx_finish(import, "concat", &attributes, values, (int)count, parts[0].layout, err);
}
