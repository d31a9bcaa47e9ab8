/* Operators that choose or put elements by indices: Gather, GatherElements, GatherND, ScatterElements,
 * ScatterND, OneHot, Compress.
 *
 * Rows: indices that are the same for all rows are a constant; what they point into may be one, too (an
 * embedding). Where both depend on the network's input each row has its own of both. */
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

static bool is_constant(const ln_onnx_import *import, size_t input)
{
    return !import->folding && ln_onnx_is_constant(import, input);
}

/* A constant input of any type as a value of the graph, all its axes within a row. */
static ln_status any_constant(ln_onnx_import *import, size_t input, int *value, ln_error *err)
{
    ln_tensor *tensor;
    ln_status status = ln_onnx_constant(import, input, &tensor, err);
    if (!status && tensor->dtype == LN_F32)
        return ln_onnx_constant_value(import, input, value, err);
    return status ? status : ln_onnx_own_constant(import, ".constant", tensor, value, err);
}

/* Inputs [0, count) with their rows outside of all axes; constants stay what they are. Only where the
 * file knows one row. */
static ln_status outside(ln_onnx_import *import, size_t count, ln_onnx_operand *out, ln_error *err)
{
    ln_status status = LN_OK;
    if (!import->single)
        return ln_onnx_refuse(import, err,
                              "chooses among the rows of a batch by numbers that depend on the "
                              "network's input");
    for (size_t i = 0; i < count && !status; i++) {
        ln_tensor *tensor;
        if (!is_constant(import, i)) {
            status = ln_onnx_live(import, i, &out[i], err);
            if (!status)
                status = ln_onnx_unfold(import, &out[i], err);
            continue;
        }
        status = ln_onnx_constant(import, i, &tensor, err);
        if (!status)
            out[i] = (ln_onnx_operand){.shape = tensor->shape,
                                       .dtype = tensor->dtype,
                                       .layout = {.axis = -1, .before = 1, .after = 1}};
        if (!status)
            status = any_constant(import, i, &out[i].value, err);
    }
    return status;
}

/* ---------------------------------------------------------------- Gather */

/* Out of a constant by live indices: the result's rows are those of the indices. */
static ln_status gather_constant(ln_onnx_import *import, int64_t axis, ln_error *err)
{
    ln_onnx_operand index;
    ln_tensor *table;
    int inputs[2];
    ln_status status = ln_onnx_constant(import, 0, &table, err);
    if (!status)
        status = ln_onnx_check_axis(import, table->shape.rank, &axis, err);
    if (!status)
        status = any_constant(import, 0, &inputs[0], err);
    if (!status)
        status = ln_onnx_live(import, 1, &index, err);
    if (status)
        return status;
    inputs[1] = index.value;
    const ln_axis_attributes own = {.axis = axis + 1};
    ln_onnx_layout layout = index.layout;
    layout.axis += layout.axis < 0 ? 0 : (int)axis;
    return ln_onnx_finish(import, "gather", &own, inputs, 2, layout, err);
}

/* Out of a live value by these indices, a value of the graph with as many axes. */
static ln_status gather_from(ln_onnx_import *import, int64_t axis, int index, int rank,
                             ln_error *err)
{
    ln_onnx_operand x;
    int stored;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
    if (!status)
        status = ln_onnx_axis(import, &x, axis, &stored, err);
    if (status)
        return status;
    const ln_axis_attributes own = {.axis = stored};
    ln_onnx_layout layout = x.layout;
    layout.axis += layout.axis > axis ? rank - 1 : 0;
    return ln_onnx_finish(import, "gather", &own, (const int[]){x.value, index}, 2, layout, err);
}

/* Out of a live value by constant indices. */
static ln_status gather_live(ln_onnx_import *import, int64_t axis, ln_error *err)
{
    ln_tensor *index;
    int value;
    ln_status status = ln_onnx_constant(import, 1, &index, err);
    if (!status)
        status = any_constant(import, 1, &value, err);
    return status ? status : gather_from(import, axis, value, index->shape.rank, err);
}

ln_status ln_onnx_gather(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand both[2];
    int64_t axis;
    ln_status status = ln_onnx_int(import, "axis", 0, &axis, err);
    if (status)
        return status;
    if (is_constant(import, 0))
        return gather_constant(import, axis, err);
    if (is_constant(import, 1))
        return gather_live(import, axis, err);
    status = outside(import, 2, both, err);
    if (!status)
        status = ln_onnx_check_axis(import, both[0].shape.rank, &axis, err);
    if (status)
        return status;
    const ln_axis_attributes own = {.axis = axis + 1};
    return ln_onnx_finish(import, "gather", &own, (const int[]){both[0].value, both[1].value}, 2,
                          both[0].layout, err);
}

/* ---------------------------------------------------------------- of one rank */

/* GatherElements and ScatterElements: all inputs have as many axes. */
ln_status ln_onnx_elements(ln_onnx_import *import, ln_error *err)
{
    const bool scatters = strcmp(import->operator_name, "GatherElements") != 0;
    const size_t count = scatters ? 3 : 2;
    ln_scatter_attributes scatter = {0};
    ln_onnx_operand x[3];
    int64_t axis;
    int stored, values[3];
    ln_status status = ln_onnx_int(import, "axis", 0, &axis, err);
    if (!status && scatters)
        status = ln_onnx_choice(import, "reduction", LN_SCATTER_REDUCTIONS, "none",
                                &scatter.reduction, err);
    if (!status)
        status = ln_onnx_align(import, 0, count, true, x, err);
    if (!status)
        status = ln_onnx_axis_all(import, x, count, axis, &stored, err);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++)
        values[i] = x[i].value;
    const ln_axis_attributes gather = {.axis = stored};
    scatter.axis = stored;
    if (scatters)
        return ln_onnx_finish(import, "scatter_elements", &scatter, values, 3, x[0].layout, err);
    return ln_onnx_finish(import, "gather_elements", &gather, values, 2, x[0].layout, err);
}

/* ---------------------------------------------------------------- by tuples */

static bool rows_first(const ln_onnx_operand *x)
{
    return x->layout.axis == 0 && !ln_onnx_is_shared(&x->layout);
}

/* Whether it has constant indices of one number each, which name places along the first axis. */
static ln_status names_places(ln_onnx_import *import, int64_t batch, ln_tensor **index, bool *names,
                              ln_error *err)
{
    *names = batch == 0 && is_constant(import, 1) && !is_constant(import, 0);
    if (!*names)
        return LN_OK;
    ln_status status = ln_onnx_constant(import, 1, index, err);
    if (!status)
        *names = (*index)->shape.rank > 0 && (*index)->shape.dims[(*index)->shape.rank - 1] == 1;
    return status;
}

/* x[:, places], as torch exports it: the axis in front, and its places by number. */
static ln_status gather_places(ln_onnx_import *import, ln_tensor *index, ln_error *err)
{
    const int rank = index->shape.rank - 1;
    const ln_shape shape = ln_shape_of(rank, index->shape.dims);
    ln_tensor *places;
    int value;
    ln_status status = ln_tensor_reshape(index, &shape, &places, err);
    if (status)
        return status;
    status = ln_onnx_own_constant(import, ".places", places, &value, err);
    ln_tensor_release(places);
    return status ? status : gather_from(import, 0, value, rank, err);
}

ln_status ln_onnx_gather_nd(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand both[2];
    ln_tensor *index;
    int64_t batch;
    bool places;
    ln_status status = ln_onnx_int(import, "batch_dims", 0, &batch, err);
    if (!status)
        status = names_places(import, batch, &index, &places, err);
    if (status)
        return status;
    if (places)
        return gather_places(import, index, err);
    if (!import->single && batch > 0 && !is_constant(import, 0) && !is_constant(import, 1)) {
        status = ln_onnx_live(import, 0, &both[0], err);
        if (!status)
            status = ln_onnx_live(import, 1, &both[1], err);
        if (!status && rows_first(&both[0]) && rows_first(&both[1]))
            batch--;
        else if (!status)
            status = ln_onnx_refuse(import, err, "has its rows elsewhere than in axis 0");
    } else {
        status = outside(import, 2, both, err);
    }
    if (status)
        return status;
    const ln_gather_nd_attributes own = {.batch = batch};
    return ln_onnx_finish(import, "gather_nd", &own, (const int[]){both[0].value, both[1].value}, 2,
                          both[0].layout, err);
}

ln_status ln_onnx_scatter_nd(ln_onnx_import *import, ln_error *err)
{
    ln_scatter_attributes own = {0};
    ln_onnx_operand x[3];
    ln_status status =
        ln_onnx_choice(import, "reduction", LN_SCATTER_REDUCTIONS, "none", &own.reduction, err);
    if (!status)
        status = outside(import, 3, x, err);
    return status ? status
                  : ln_onnx_finish(import, "scatter_nd", &own,
                                   (const int[]){x[0].value, x[1].value, x[2].value}, 3,
                                   x[0].layout, err);
}

/* ---------------------------------------------------------------- OneHot */

ln_status ln_onnx_one_hot(ln_onnx_import *import, ln_error *err)
{
    ln_one_hot_attributes own = {0};
    ln_onnx_operand x;
    ln_tensor *values;
    int64_t axis;
    double depth = 0;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_scalar(import, 1, &depth, err);
    if (!status)
        status = ln_onnx_constant(import, 2, &values, err);
    if (!status && (values->shape.rank != 1 || values->shape.dims[0] != 2))
        return ln_onnx_malformed(import, err, "has values that are not two numbers");
    if (!status)
        status = ln_onnx_int(import, "axis", -1, &axis, err);
    if (!status)
        status = ln_onnx_check_axis(import, x.shape.rank + 1, &axis, err);
    if (status)
        return status;
    if (values->dtype == LN_F32) {
        own.off = (double)ln_f32(values)[0];
        own.on = (double)ln_f32(values)[1];
    } else {
        const bool narrow = values->dtype == LN_I32;
        if (values->dtype != LN_I64 && !narrow)
            return ln_onnx_refuse(import, err, "makes %s numbers", ln_dtype_name(values->dtype));
        own.off = narrow ? ((const int32_t *)values->data)[0] : (double)ln_i64(values)[0];
        own.on = narrow ? ((const int32_t *)values->data)[1] : (double)ln_i64(values)[1];
        own.type = narrow ? 2 : 1;
    }
    own.depth = (int64_t)depth;
    /* The new axis in the logical shape; the rows move behind it where they were not before it. */
    ln_onnx_layout layout = x.layout;
    layout.axis += layout.axis >= axis ? 1 : 0;
    own.axis = ln_onnx_stored_axis(&layout, (int)axis);
    return ln_onnx_finish(import, "one_hot", &own, &x.value, 1, layout, err);
}

/* ---------------------------------------------------------------- Compress */

/* The places where the constant condition holds. Caller releases. */
static ln_status places_of(ln_onnx_import *import, int64_t most, ln_tensor **out, ln_error *err)
{
    ln_tensor *condition;
    ln_status status = ln_onnx_numbers(import, 1, LN_BOOL, &condition, err);
    if (status)
        return status;
    const uint8_t *holds = condition->data;
    const int64_t count = ln_shape_count(&condition->shape);
    ln_shape shape = {.rank = 1};
    for (int64_t i = 0; i < count && i < most; i++)
        shape.dims[0] += holds[i] != 0;
    if (shape.dims[0] == 0)
        return ln_onnx_refuse(import, err, "leaves nothing");
    status = ln_tensor_new(LN_I64, &shape, out, err);
    for (int64_t i = 0, to = 0; i < count && i < most && !status; i++)
        if (holds[i])
            ln_i64(*out)[to++] = i;
    return status;
}

ln_status ln_onnx_compress(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_tensor *places = NULL;
    int64_t axis = 0;
    int stored = 0, inputs[2];
    const bool flat = !ln_onnx_find_attribute(import, "axis");
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status && flat && !import->single)
        return ln_onnx_refuse(import, err, "takes the rows of a batch for one list");
    if (!status && flat) {
        ln_shape list = {.rank = 1, .dims = {ln_shape_count(&x.shape)}};
        status = ln_onnx_unfold(import, &x, err);
        if (!status)
            status = ln_onnx_between_shape(import, &x, &list, x.layout, ".flat", &x, err);
    }
    if (!status)
        status = ln_onnx_int(import, "axis", 0, &axis, err);
    if (!status)
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
    if (!status)
        status = ln_onnx_axis(import, &x, axis, &stored, err);
    if (!status)
        status = places_of(import, x.shape.dims[axis], &places, err);
    if (!status)
        status = ln_onnx_own_constant(import, ".places", places, &inputs[1], err);
    ln_tensor_release(places);
    if (status)
        return status;
    inputs[0] = x.value;
    const ln_axis_attributes own = {.axis = stored};
    return ln_onnx_finish(import, "gather", &own, inputs, 2, x.layout, err);
}
