/* Bringing the inputs of a node together: values whose rows may be in different places, and constants,
 * which have none. Afterwards every live value has the same number of axes, its rows in the same one,
 * and constants stand beside a row of them. What cannot be brought together would mix rows. */
#include <string.h>

#include "base/error.h"
#include "onnx/import.h"

static int64_t product(const ln_shape *shape, int from, int to)
{
    int64_t count = 1;
    for (int i = from; i < to; i++)
        count *= shape->dims[i];
    return count;
}

static int most_axes(const ln_onnx_operand *operands, size_t count)
{
    int rank = 0;
    for (size_t i = 0; i < count; i++)
        rank = operands[i].shape.rank > rank ? operands[i].shape.rank : rank;
    return rank;
}

ln_status ln_onnx_widen(ln_onnx_import *import, ln_onnx_operand *x, int rank, ln_error *err)
{
    const int added = rank - x->shape.rank;
    if (added <= 0)
        return LN_OK;
    ln_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++)
        shape.dims[i] = i < added ? 1 : x->shape.dims[i - added];
    ln_onnx_layout layout = x->layout;
    layout.axis += layout.axis < 0 ? 0 : added;
    return ln_onnx_between_shape(import, x, &shape, layout, ".wide", x, err);
}

static bool same_layout(const ln_onnx_layout *a, const ln_onnx_layout *b)
{
    return a->axis == b->axis && a->before == b->before && a->after == b->after;
}

/* Gives x, of as many axes, the layout `wanted`: the rows' axis may be one of size 1. */
static ln_status adopt(ln_onnx_import *import, ln_onnx_operand *x, ln_onnx_layout wanted,
                       ln_error *err)
{
    if (same_layout(&x->layout, &wanted))
        return LN_OK;
    return ln_onnx_between_shape(import, x, &x->shape, wanted, ".rows", x, err);
}

/* Operands that are at hand, all live. */
static ln_status align_live(ln_onnx_import *import, ln_onnx_operand *operands, size_t count,
                            ln_error *err)
{
    const int rank = most_axes(operands, count);
    ln_onnx_layout common = {.axis = -1, .before = 1, .after = 1};
    bool outside = false; /* all rows go outside of the axes */
    ln_status status = LN_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = ln_onnx_widen(import, &operands[i], rank, err);
    for (size_t i = 0; i < count && !status; i++) {
        if (operands[i].layout.axis < 0)
            continue;
        if (common.axis < 0)
            common = operands[i].layout;
        outside = outside || !same_layout(&common, &operands[i].layout);
    }
    for (size_t i = 0; i < count && !status && common.axis >= 0; i++)
        outside =
            outside || (operands[i].layout.axis < 0 &&
                        (operands[i].shape.dims[common.axis] != 1 || ln_onnx_is_shared(&common)));
    if (!status && outside && !import->single)
        return ln_onnx_refuse(import, err,
                              "joins values whose rows are not the same axis and so mixes the rows "
                              "of a batch");
    for (size_t i = 0; i < count && !status; i++)
        status = outside ? ln_onnx_unfold(import, &operands[i], err)
                         : adopt(import, &operands[i], common, err);
    return status;
}

/* Whether the tensor is the same `times` times over: [outer][times][inner bytes]. */
static bool repeats(const ln_tensor *tensor, int64_t outer, int64_t times, size_t inner)
{
    const char *at = tensor->data;
    for (int64_t o = 0; o < outer; o++, at += (size_t)times * inner)
        for (int64_t t = 1; t < times; t++)
            if (memcmp(at, at + (size_t)t * inner, inner) != 0)
                return false;
    return true;
}

/* The first of `times` in each of `outer` runs. Caller releases. */
static ln_status first_of(const ln_tensor *tensor, int64_t outer, int64_t times, size_t inner,
                          const ln_shape *shape, ln_tensor **out, ln_error *err)
{
    ln_status status = ln_tensor_new(tensor->dtype, shape, out, err);
    for (int64_t o = 0; o < outer && !status; o++)
        memcpy((char *)(*out)->data + (size_t)o * inner,
               (const char *)tensor->data + (size_t)(o * times) * inner, inner);
    return status;
}

/* A constant as it stands beside a row of values of `rank` axes with this layout: without the rows.
 * Caller releases. */
static ln_status row_constant(ln_onnx_import *import, size_t input, ln_tensor *tensor,
                              const ln_onnx_layout *layout, int rank, ln_tensor **out,
                              ln_error *err)
{
    const ln_shape *shape = &tensor->shape;
    const int axis = layout->axis < 0 ? -1 : layout->axis - (rank - shape->rank);
    if (axis < 0 || (ln_onnx_is_shared(layout) && shape->dims[axis] == 1)) {
        *out = ln_tensor_retain(tensor);
        return LN_OK;
    }
    ln_shape row = *shape;
    int64_t times = shape->dims[axis];
    const int64_t whole = layout->before * layout->after * import->batch;
    if (ln_onnx_is_shared(layout)) {
        row.dims[axis] = layout->before * layout->after;
        times = import->batch;
    } else {
        row.rank--;
        memmove(row.dims + axis, row.dims + axis + 1, (size_t)(row.rank - axis) * sizeof *row.dims);
    }
    const int64_t outer = product(shape, 0, axis) * layout->before;
    const size_t inner = (size_t)(layout->after * product(shape, axis + 1, shape->rank)) *
                         ln_dtype_size(tensor->dtype);
    if ((shape->dims[axis] != whole && shape->dims[axis] != 1) ||
        !repeats(tensor, outer, times, inner))
        return ln_onnx_refuse(import, err,
                              "takes the constant '%s', which has values for single rows",
                              ln_onnx_input_text(import, input).at);
    if (times == 1)
        return ln_tensor_reshape(tensor, &row, out, err);
    return first_of(tensor, outer, times, inner, &row, out, err);
}

/* A constant that lies beside live values as one itself: the same in every row. */
static ln_status repeat_constant(ln_onnx_import *import, ln_tensor *row, int live,
                                 ln_onnx_operand *out, int rank, ln_error *err)
{
    const bool alone = out->layout.axis >= 0 && !ln_onnx_is_shared(&out->layout);
    ln_shape wide = {.rank = rank - alone};
    const int added = wide.rank - row->shape.rank;
    for (int i = 0; i < wide.rank; i++)
        wide.dims[i] = i < added ? 1 : row->shape.dims[i - added];
    ln_tensor *tensor;
    int inputs[2] = {live};
    ln_status status = ln_tensor_reshape(row, &wide, &tensor, err);
    if (status)
        return status;
    status = ln_onnx_own_constant(import, ".row", tensor, &inputs[1], err);
    ln_tensor_release(tensor);
    return status
               ? status
               : ln_onnx_between(import, "repeat", NULL, inputs, 2, out->layout, ".rows", out, err);
}

static ln_status place_constant(ln_onnx_import *import, size_t input, bool repeat, int rank,
                                const ln_onnx_operand *live, ln_onnx_operand *out, ln_error *err)
{
    ln_tensor *tensor, *shaped, *row = NULL;
    ln_status status = ln_onnx_constant(import, input, &tensor, err);
    if (!status)
        status = ln_tensor_reshape(tensor, &out->shape, &shaped, err);
    if (status)
        return status;
    const bool same = ln_shape_equal(&out->shape, &tensor->shape);
    status = row_constant(import, input, same ? tensor : shaped, &live->layout, rank, &row, err);
    ln_tensor_release(shaped);
    if (status)
        return status;
    out->layout = live->layout;
    if (repeat)
        status = repeat_constant(import, row, live->value, out, rank, err);
    else if (row == tensor)
        status = ln_onnx_constant_value(import, input, &out->value, err);
    else
        status = ln_onnx_own_constant(import, ".term", row, &out->value, err);
    ln_tensor_release(row);
    return status;
}

/* The live ones of `operands`, in their order, to or from a list of their own. */
static size_t gather_live(ln_onnx_import *import, const size_t *inputs, size_t count,
                          ln_onnx_operand *operands, ln_onnx_operand *live, bool back)
{
    size_t lives = 0;
    for (size_t i = 0; i < count; i++) {
        if (inputs[i] != SIZE_MAX && ln_onnx_is_constant(import, inputs[i]))
            continue;
        if (back)
            operands[i] = live[lives];
        else
            live[lives] = operands[i];
        lives++;
    }
    return lives;
}

/* Before operator set 7 a second operand could be told where to lie, by its first axis; PRelu's slopes
 * lie along axis 1. Its later axes of size 1 say so in today's way. */
static ln_status place_second(ln_onnx_import *import, const ln_onnx_operand *first, bool constant,
                              ln_onnx_operand *second, ln_error *err)
{
    int64_t broadcast, axis;
    if (import->opset >= 7)
        return LN_OK;
    ln_status status = ln_onnx_int(import, "broadcast", 0, &broadcast, err);
    if (!status)
        status = ln_onnx_int(import, "axis", -1, &axis, err);
    if (status)
        return status;
    const bool slopes = strcmp(import->operator_name, "PRelu") == 0;
    const bool told = broadcast && ln_onnx_find_attribute(import, "axis");
    if ((!slopes && !told) || ln_shape_count(&second->shape) == 1)
        return LN_OK;
    axis = slopes ? 1 : axis < 0 ? axis + first->shape.rank : axis;
    ln_shape shape = second->shape;
    while (axis >= 0 && shape.rank < LN_MAX_RANK && axis + shape.rank < first->shape.rank)
        shape.dims[shape.rank++] = 1;
    if (shape.rank == second->shape.rank)
        return LN_OK;
    if (!constant)
        return ln_onnx_between_shape(import, second, &shape, second->layout, ".placed", second,
                                     err);
    second->shape = shape;
    return LN_OK;
}

ln_status ln_onnx_align_mixed(ln_onnx_import *import, const size_t *inputs, size_t count,
                              bool repeat, ln_onnx_operand *operands, ln_error *err)
{
    ln_onnx_operand *live = ln_arena_calloc(&import->scratch, count, sizeof *live);
    ln_tensor *tensor;
    ln_status status = live ? LN_OK : ln_fail_memory(err, count * sizeof *live);
    for (size_t i = 0; i < count && !status; i++) {
        if (inputs[i] == SIZE_MAX)
            continue;
        if (!ln_onnx_is_constant(import, inputs[i])) {
            status = ln_onnx_live(import, inputs[i], &operands[i], err);
            continue;
        }
        status = ln_onnx_constant(import, inputs[i], &tensor, err);
        if (!status)
            operands[i] = (ln_onnx_operand){.shape = tensor->shape, .dtype = tensor->dtype};
    }
    if (status)
        return status;
    if (count == 2 && !repeat)
        status = place_second(import, &operands[0],
                              inputs[1] != SIZE_MAX && ln_onnx_is_constant(import, inputs[1]),
                              &operands[1], err);
    if (status)
        return status;
    const size_t lives = gather_live(import, inputs, count, operands, live, false);
    const int rank = most_axes(operands, count);
    if (lives == 0)
        return ln_onnx_refuse(import, err, "joins constants only");
    for (size_t i = 0; i < lives && !status; i++)
        status = ln_onnx_widen(import, &live[i], rank, err);
    if (!status)
        status = align_live(import, live, lives, err);
    gather_live(import, inputs, count, operands, live, true);
    for (size_t i = 0; i < count && !status; i++)
        if (inputs[i] != SIZE_MAX && ln_onnx_is_constant(import, inputs[i]))
            status = place_constant(import, inputs[i], repeat, rank, &live[0], &operands[i], err);
    return status;
}

ln_status ln_onnx_align(ln_onnx_import *import, size_t first, size_t count, bool repeat,
                        ln_onnx_operand *out, ln_error *err)
{
    size_t *inputs = ln_arena_calloc(&import->scratch, count, sizeof *inputs);
    if (!inputs)
        return ln_fail_memory(err, count * sizeof *inputs);
    for (size_t i = 0; i < count; i++)
        inputs[i] = first + i;
    return ln_onnx_align_mixed(import, inputs, count, repeat, out, err);
}
