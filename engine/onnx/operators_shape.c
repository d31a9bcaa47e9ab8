/* Operators that move numbers or pass them on: Reshape, Flatten, Concat, Identity, Dropout,
 * Constant. What is asked of the rows' axis: it stays the first, and no element leaves its row. */
#include <string.h>

#include "base/error.h"
#include "onnx/import.h"
#include "onnx/operators.h"

int64_t ln_onnx_product(const ln_shape *shape, int axis)
{
    /* Sizes of rows are bounded when inputs and results are made; what does not fit is -1. */
    int64_t count = 1;
    for (; axis < shape->rank; axis++)
        if (__builtin_mul_overflow(count, shape->dims[axis], &count))
            return -1;
    return count;
}

/* The layer's attributes for a shape whose first axis is the rows. */
static ln_reshape_attributes reshape_to(const ln_shape *shape)
{
    ln_reshape_attributes out = {.whole = true, .shape = {.count = shape->rank}};
    memcpy(out.shape.at, shape->dims, sizeof shape->dims);
    out.shape.at[0] = -1;
    return out;
}

ln_status ln_onnx_finish_shape(ln_onnx_import *import, int value, const ln_shape *shape,
                               ln_error *err)
{
    ln_reshape_attributes attributes = reshape_to(shape);
    return ln_onnx_finish(import, "reshape", &attributes, &value, 1, err);
}

ln_status ln_onnx_between_shape(ln_onnx_import *import, int value, const ln_shape *shape,
                                const char *suffix, int *out, ln_error *err)
{
    ln_reshape_attributes attributes = reshape_to(shape);
    return ln_onnx_between(import, "reshape", &attributes, &value, 1, suffix, out, err);
}

/* ---------------------------------------------------------------- Reshape */

/* The wanted shape with 0 (copy that axis) and -1 (what is left) replaced; its first axis is the
 * rows, whatever number stands there. */
static ln_status resolve_shape(const ln_onnx_import *import, const ln_shape *from,
                               const int64_t *wanted, int rank, ln_shape *out, ln_error *err)
{
    *out = (ln_shape){.rank = rank};
    int open = -1;
    for (int axis = 0; axis < rank; axis++) {
        int64_t size = wanted[axis];
        if (size < -1 || (size == 0 && axis >= from->rank))
            return ln_onnx_malformed(import, err, "has the size %lld at axis %d of its shape",
                                     (long long)size, axis);
        out->dims[axis] = size == 0 ? from->dims[axis] : size;
        if (size != -1)
            continue;
        if (open >= 0)
            return ln_onnx_malformed(import, err, "has two open axes (-1) in its shape");
        open = axis;
    }
    int64_t row = ln_onnx_product(from, 1);
    if (open > 0) {
        out->dims[open] = 1;
        int64_t rest = ln_onnx_product(out, 1);
        out->dims[open] = rest > 0 ? row / rest : 0;
    }
    out->dims[0] = -1;
    if (row < 0 || ln_onnx_product(out, 1) != row) {
        char before[128], after[128];
        return ln_onnx_refuse(
            import, err, "reshapes %s to %s, which does not keep the rows of a batch apart",
            ln_shape_text(from, before, sizeof before), ln_shape_text(out, after, sizeof after));
    }
    return LN_OK;
}

ln_status ln_onnx_reshape(ln_onnx_import *import, ln_error *err)
{
    int value;
    int64_t allow_zero;
    ln_tensor *wanted;
    ln_status status = ln_onnx_live(import, 0, &value, err);
    if (!status)
        status = ln_onnx_numbers(import, 1, LN_I64, &wanted, err);
    if (!status)
        status = ln_onnx_int(import, "allowzero", 0, &allow_zero, err);
    if (status)
        return status;
    int64_t rank = wanted->shape.rank == 1 ? wanted->shape.dims[0] : -1;
    if (rank < 1 || rank > LN_MAX_RANK)
        return ln_onnx_refuse(import, err, "takes a list of 1 to %d sizes as its shape",
                              LN_MAX_RANK);
    for (int64_t axis = 0; axis < rank && allow_zero; axis++)
        if (ln_i64(wanted)[axis] == 0)
            return ln_onnx_refuse(import, err, "makes an empty tensor (allowzero)");
    ln_shape shape;
    status =
        resolve_shape(import, ln_onnx_shape(import, value), ln_i64(wanted), (int)rank, &shape, err);
    return status ? status : ln_onnx_finish_shape(import, value, &shape, err);
}

/* (rows, ...) to (rows * axes before `axis`, the others): only axes of size 1 may come before. */
ln_status ln_onnx_flatten(ln_onnx_import *import, ln_error *err)
{
    int value;
    int64_t axis;
    ln_status status = ln_onnx_live(import, 0, &value, err);
    if (!status)
        status = ln_onnx_int(import, "axis", 1, &axis, err);
    if (status)
        return status;
    const ln_shape *shape = ln_onnx_shape(import, value);
    if (axis < -shape->rank || axis > shape->rank)
        return ln_onnx_malformed(import, err, "has the axis %lld, but its input has %d axes",
                                 (long long)axis, shape->rank);
    axis += axis < 0 ? shape->rank : 0;
    bool apart = axis > 0;
    for (int64_t before = 1; before < axis; before++)
        apart = apart && shape->dims[before] == 1;
    if (!apart)
        return ln_onnx_refuse(import, err,
                              "flattens at axis %lld, which does not keep the rows of a batch "
                              "apart",
                              (long long)axis);
    if (axis == 1 && shape->rank > 1) {
        ln_flatten_attributes attributes = {.start = 1};
        return ln_onnx_finish(import, "flatten", &attributes, &value, 1, err);
    }
    ln_shape flat = {.rank = 2, .dims = {-1, ln_onnx_product(shape, (int)axis)}};
    return ln_onnx_finish_shape(import, value, &flat, err);
}

/* ---------------------------------------------------------------- Concat */

ln_status ln_onnx_concat(ln_onnx_import *import, ln_error *err)
{
    if (!ln_onnx_find_attribute(import, "axis"))
        return ln_onnx_malformed(import, err, "has no axis");
    int count = (int)import->node.inputs.count;
    int *values = ln_arena_calloc(&import->scratch, (size_t)count, sizeof *values);
    if (!values)
        return ln_fail_memory(err, (size_t)count * sizeof *values);
    int64_t axis;
    ln_status status = LN_OK;
    for (int i = 0; i < count && !status; i++) {
        if (!ln_onnx_has_input(import, (size_t)i))
            return ln_onnx_malformed(import, err, "has no input %d", i);
        status = ln_onnx_live(import, (size_t)i, &values[i], err);
    }
    if (!status)
        status =
            ln_onnx_axis(import, "axis", 1, ln_onnx_shape(import, values[0])->rank, &axis, err);
    if (status)
        return status;
    ln_axis_attributes attributes = {.axis = axis};
    return ln_onnx_finish(import, "concat", &attributes, values, count, err);
}

/* ---------------------------------------------------------------- passing on */

/* The node's first input under the name of its first output. */
static ln_status pass_on(ln_onnx_import *import, ln_error *err)
{
    if (ln_onnx_is_constant(import, 0)) {
        ln_tensor *tensor;
        ln_status status = ln_onnx_constant(import, 0, &tensor, err);
        return status ? status : ln_onnx_finish_constant(import, tensor, err);
    }
    int value;
    ln_status status = ln_onnx_live(import, 0, &value, err);
    return status ? status : ln_onnx_finish(import, "identity", NULL, &value, 1, err);
}

ln_status ln_onnx_identity(ln_onnx_import *import, ln_error *err)
{
    return pass_on(import, err);
}

/* Outside of training nothing is dropped. Its second output, the mask, is not made. */
ln_status ln_onnx_dropout(ln_onnx_import *import, ln_error *err)
{
    if (ln_onnx_has_input(import, 2)) {
        ln_tensor *training;
        ln_status status = ln_onnx_numbers(import, 2, LN_BOOL, &training, err);
        if (status)
            return status;
        bool on = ln_shape_count(&training->shape) > 0 && *(const uint8_t *)training->data;
        if (on)
            return ln_onnx_refuse(import, err, "drops at random (training_mode)");
    }
    return pass_on(import, err);
}

ln_status ln_onnx_constant_node(ln_onnx_import *import, ln_error *err)
{
    if (import->node.attribute_count != 1)
        return ln_onnx_malformed(import, err, "has %zu values; it must have one",
                                 import->node.attribute_count);
    const ln_onnx_attribute *value = &import->node.attributes[0];
    const ln_shape scalar = {.rank = 0};
    ln_tensor *tensor = NULL;
    ln_status status;
    int64_t whole;
    float real;
    if (ln_bytes_equal(value->name, "value")) {
        if (!value->has_tensor)
            return ln_onnx_malformed(import, err, "has a value that is no tensor");
        status = ln_onnx_decode_tensor(value->tensor, import->origin, &tensor, err);
        if (status == LN_EINVALID || status == LN_EUNSUPPORTED)
            ln_error_prefix(err, "the constant of node '%s'", import->name);
    } else if (ln_bytes_equal(value->name, "value_ints")) {
        status = ln_onnx_decode_list(value, import->origin, LN_I64, &tensor, err);
    } else if (ln_bytes_equal(value->name, "value_floats")) {
        status = ln_onnx_decode_list(value, import->origin, LN_F32, &tensor, err);
    } else if (ln_bytes_equal(value->name, "value_int")) {
        status = ln_onnx_int(import, "value_int", 0, &whole, err);
        if (!status)
            status = ln_tensor_copy_of(LN_I64, &scalar, &whole, &tensor, err);
    } else {
        status = ln_onnx_float(import, "value_float", 0, &real, err);
        if (!status)
            status = ln_tensor_copy_of(LN_F32, &scalar, &real, &tensor, err);
    }
    if (!status)
        status = ln_onnx_finish_constant(import, tensor, err);
    ln_tensor_release(tensor);
    return status;
}
