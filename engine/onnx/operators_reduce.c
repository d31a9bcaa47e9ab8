/* Operators that go along axes: the reductions, ArgMax and ArgMin, TopK, Hardmax, LogSoftmax, CumSum,
 * Trilu. */
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

/* ---------------------------------------------------------------- reductions */

/* The stored axes that the reduction takes, and the logical ones as bits. No axes: all of them. */
static ln_status read_axes(ln_onnx_import *import, ln_onnx_operand *x, bool *identity,
                           ln_ints *stored, unsigned *bits, ln_error *err)
{
    ln_ints axes;
    int at[LN_MAX_RANK];
    int64_t none_is_none = 0;
    bool given;
    ln_status status = ln_onnx_ints_of(import, "axes", 1, &axes, &given, err);
    if (!status)
        status = ln_onnx_int(import, "noop_with_empty_axes", 0, &none_is_none, err);
    if (status)
        return status;
    *identity = axes.count == 0 && none_is_none != 0;
    *bits = 0;
    *stored = (ln_ints){0};
    if (*identity)
        return LN_OK;
    for (int i = 0; i < x->shape.rank && axes.count == 0 && i < LN_MAX_RANK; i++)
        axes.at[i] = i;
    if (axes.count == 0)
        axes.count = x->shape.rank;
    status = ln_onnx_axes(import, x, &axes, at, err);
    for (int i = 0; i < axes.count && !status; i++) {
        int64_t axis = axes.at[i];
        status = ln_onnx_check_axis(import, x->shape.rank, &axis, err);
        *bits |= 1u << axis;
        stored->at[stored->count++] = at[i];
    }
    return status;
}

ln_status ln_onnx_reduce(ln_onnx_import *import, ln_error *err)
{
    static const char *const names[] = {
        "ReduceSum", "ReduceMean", "ReduceMax",    "ReduceMin",       "ReduceProd",
        "ReduceL1",  "ReduceL2",   "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"};
    ln_reduce_attributes own = {0};
    ln_onnx_operand x;
    int64_t keep;
    bool identity;
    unsigned bits;
    while (strcmp(names[own.operation], import->operator_name) != 0)
        own.operation++;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = read_axes(import, &x, &identity, &own.axes, &bits, err);
    if (!status)
        status = ln_onnx_int(import, "keepdims", 1, &keep, err);
    if (status)
        return status;
    if (identity || own.axes.count == 0)
        return ln_onnx_finish_one(import, "identity", NULL, &x, err);
    own.keepdims = keep != 0;
    const ln_onnx_layout layout = keep ? x.layout : ln_onnx_layout_without(x.layout, bits);
    return ln_onnx_finish(import, "reduce", &own, &x.value, 1, layout, err);
}

/* ---------------------------------------------------------------- places */

ln_status ln_onnx_argument(ln_onnx_import *import, ln_error *err)
{
    ln_argument_attributes own = {.least = strcmp(import->operator_name, "ArgMin") == 0};
    ln_onnx_operand x;
    int64_t axis, keep, last;
    int stored;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_int(import, "axis", 0, &axis, err);
    if (!status)
        status = ln_onnx_int(import, "keepdims", 1, &keep, err);
    if (!status)
        status = ln_onnx_int(import, "select_last_index", 0, &last, err);
    if (!status)
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
    if (!status)
        status = ln_onnx_axis(import, &x, axis, &stored, err);
    if (status)
        return status;
    own.axis = stored;
    own.keepdims = keep != 0;
    own.last = last != 0;
    const ln_onnx_layout layout = keep ? x.layout : ln_onnx_layout_without(x.layout, 1u << axis);
    return ln_onnx_finish(import, "argument", &own, &x.value, 1, layout, err);
}

ln_status ln_onnx_topk(ln_onnx_import *import, ln_error *err)
{
    ln_topk_attributes own = {0};
    ln_onnx_operand x;
    double k = 0;
    int64_t largest = 1, sorted;
    int stored;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status && import->opset < 10)
        status = ln_onnx_int(import, "k", 0, &own.k, err);
    else if (!status && !ln_onnx_has_input(import, 1))
        return ln_onnx_malformed(import, err, "has no input 1, the number of elements");
    else if (!status)
        status = ln_onnx_scalar(import, 1, &k, err);
    if (!status)
        status = ln_onnx_int(import, "largest", 1, &largest, err);
    if (!status)
        status = ln_onnx_int(import, "sorted", 1, &sorted, err);
    if (!status)
        status = ln_onnx_axis_attribute(import, "axis", -1, &x, &stored, err);
    if (status)
        return status;
    if (import->opset >= 10)
        own.k = (int64_t)k;
    own.axis = stored;
    own.least = !largest;
    return ln_onnx_finish_outputs(import, "topk", &own, &x.value, 1,
                                  (const ln_onnx_layout[]){x.layout, x.layout}, 2, err);
}

/* ---------------------------------------------------------------- lines */

/* Before opset 13 all axes from `axis` on are one; the layer `word` then works on a value of that
 * shape. */
static ln_status coerced(ln_onnx_import *import, const char *word, ln_onnx_operand *x, int64_t axis,
                         ln_error *err)
{
    ln_onnx_operand flat, made;
    int last;
    ln_status status = ln_onnx_rows_before(import, x, (int)axis, err);
    if (status)
        return status;
    ln_shape shape = {.rank = (int)axis + 1};
    memcpy(shape.dims, x->shape.dims, (size_t)axis * sizeof *shape.dims);
    shape.dims[axis] = 1;
    for (int i = (int)axis; i < x->shape.rank; i++)
        shape.dims[axis] *= x->shape.dims[i];
    status = ln_onnx_between_shape(import, x, &shape, x->layout, ".flat", &flat, err);
    if (!status)
        status = ln_onnx_axis(import, &flat, axis, &last, err);
    if (status)
        return status;
    const ln_axis_attributes own = {.axis = last};
    status = ln_onnx_between(import, word, &own, &flat.value, 1, flat.layout, ".lines", &made, err);
    return status ? status : ln_onnx_finish_shape(import, &made, &x->shape, x->layout, err);
}

ln_status ln_onnx_lines(ln_onnx_import *import, ln_error *err)
{
    const char *word = strcmp(import->operator_name, "Softmax") == 0      ? "softmax"
                       : strcmp(import->operator_name, "LogSoftmax") == 0 ? "log_softmax"
                                                                          : "hardmax";
    ln_onnx_operand x;
    int64_t axis = 0;
    int stored;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_int(import, "axis", import->opset < 13 ? 1 : -1, &axis, err);
    if (!status)
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
    if (!status && import->opset < 13 && axis != x.shape.rank - 1)
        return coerced(import, word, &x, axis, err);
    if (!status)
        status = ln_onnx_axis(import, &x, axis, &stored, err);
    if (status)
        return status;
    const ln_axis_attributes own = {.axis = stored};
    return ln_onnx_finish_one(import, word, &own, &x, err);
}

ln_status ln_onnx_cumsum(ln_onnx_import *import, ln_error *err)
{
    ln_cumsum_attributes own = {0};
    ln_onnx_operand x;
    int64_t exclusive, reverse;
    double axis = 0;
    int stored;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_scalar(import, 1, &axis, err);
    if (!status)
        status = ln_onnx_int(import, "exclusive", 0, &exclusive, err);
    if (!status)
        status = ln_onnx_int(import, "reverse", 0, &reverse, err);
    if (!status)
        status = ln_onnx_axis(import, &x, (int64_t)axis, &stored, err);
    if (status)
        return status;
    own.axis = stored;
    own.exclusive = exclusive != 0;
    own.reverse = reverse != 0;
    return ln_onnx_finish_one(import, "cumsum", &own, &x, err);
}

ln_status ln_onnx_trilu(ln_onnx_import *import, ln_error *err)
{
    ln_trilu_attributes own = {0};
    ln_onnx_operand x;
    int64_t upper;
    double k = 0;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_int(import, "upper", 1, &upper, err);
    if (!status && ln_onnx_has_input(import, 1))
        status = ln_onnx_scalar(import, 1, &k, err);
    if (!status && x.shape.rank < 2)
        return ln_onnx_malformed(import, err, "has an input with %d axes", x.shape.rank);
    if (!status)
        status = ln_onnx_rows_before(import, &x, x.shape.rank - 2, err);
    if (status)
        return status;
    own.upper = upper != 0;
    own.k = (int64_t)k;
    return ln_onnx_finish_one(import, "trilu", &own, &x, err);
}
