/* Operators whose result depends on constants alone: Range, EyeLike, NonZero, Unique; and ReverseSequence,
 * which needs its lengths as a constant. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

/* ---------------------------------------------------------------- Range */

ln_status ln_onnx_range(ln_onnx_import *import, ln_error *err)
{
    ln_tensor *of_type, *tensor;
    double start = 0, limit = 0, delta = 1;
    ln_shape shape = {.rank = 1};
    ln_status status = ln_onnx_constant(import, 0, &of_type, err);
    if (!status)
        status = ln_onnx_scalar(import, 0, &start, err);
    if (!status)
        status = ln_onnx_scalar(import, 1, &limit, err);
    if (!status)
        status = ln_onnx_scalar(import, 2, &delta, err);
    if (status)
        return status;
    const double count = ceil((limit - start) / delta);
    if (!(count >= 1) || count > 1e9)
        return ln_onnx_refuse(import, err, "makes %g numbers", count > 0 ? count : 0);
    shape.dims[0] = (int64_t)count;
    status = ln_onnx_fold_room(import, (size_t)count * ln_dtype_size(of_type->dtype), err);
    if (!status)
        status = ln_tensor_new(of_type->dtype, &shape, &tensor, err);
    if (status)
        return status;
    for (int64_t i = 0; i < shape.dims[0]; i++) {
        if (of_type->dtype == LN_F32)
            ln_f32(tensor)[i] = (float)(start + (double)i * delta);
        else if (of_type->dtype == LN_I64)
            ln_i64(tensor)[i] = (int64_t)start + i * (int64_t)delta;
        else
            ((int32_t *)tensor->data)[i] = (int32_t)((int64_t)start + i * (int64_t)delta);
    }
    status = ln_onnx_finish_constant(import, 0, tensor, err);
    ln_tensor_release(tensor);
    return status;
}

/* ---------------------------------------------------------------- EyeLike, NonZero */

/* Ones on a diagonal, in the shape of the input, whatever that holds. */
ln_status ln_onnx_eye_like(ln_onnx_import *import, ln_error *err)
{
    const bool constant = import->folding || ln_onnx_is_constant(import, 0);
    ln_onnx_operand x = {0};
    ln_tensor *like, *tensor;
    ln_shape shape;
    ln_dtype dtype;
    int64_t k, type;
    ln_status status =
        constant ? ln_onnx_constant(import, 0, &like, err) : ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_int(import, "k", 0, &k, err);
    if (!status)
        status = ln_onnx_int(import, "dtype", 0, &type, err);
    if (status)
        return status;
    shape = constant ? like->shape : x.shape;
    dtype = constant ? like->dtype : x.dtype;
    if (type == LN_ONNX_INT64 || type == LN_ONNX_INT32 || type == LN_ONNX_BOOL)
        dtype = type == LN_ONNX_INT64 ? LN_I64 : type == LN_ONNX_INT32 ? LN_I32 : LN_BOOL;
    else if (type != 0)
        dtype = LN_F32;
    if (shape.rank != 2)
        return ln_onnx_malformed(import, err, "has an input with %d axes, not 2", shape.rank);
    if (!constant && !import->single)
        return ln_onnx_refuse(import, err, "has as many rows as a batch");
    const int64_t columns = shape.dims[1];
    status =
        ln_onnx_fold_room(import, (size_t)(shape.dims[0] * columns) * ln_dtype_size(dtype), err);
    if (!status)
        status = ln_tensor_new(dtype, &shape, &tensor, err);
    if (status)
        return status;
    for (int64_t i = 0; i < shape.dims[0]; i++) {
        if (k > columns || i + k < 0 || i + k >= columns)
            continue;
        const int64_t at = i * columns + i + k;
        if (dtype == LN_F32)
            ln_f32(tensor)[at] = 1;
        else if (dtype == LN_I64)
            ln_i64(tensor)[at] = 1;
        else if (dtype == LN_I32)
            ((int32_t *)tensor->data)[at] = 1;
        else
            ((uint8_t *)tensor->data)[at] = 1;
    }
    status = ln_onnx_finish_constant(import, 0, tensor, err);
    ln_tensor_release(tensor);
    return status;
}

static bool is_zero(const ln_tensor *tensor, int64_t i)
{
    static const char zeros[8];
    const size_t size = ln_dtype_size(tensor->dtype);
    if (tensor->dtype == LN_F32)
        return ln_f32(tensor)[i] == 0;
    return memcmp((const char *)tensor->data + (size_t)i * size, zeros, size) == 0;
}

/* The indices of what is not 0, axis by axis: only of a constant, since their number is a shape. */
ln_status ln_onnx_non_zero(ln_onnx_import *import, ln_error *err)
{
    ln_tensor *x, *tensor;
    ln_status status = ln_onnx_constant(import, 0, &x, err);
    if (status)
        return status;
    const int64_t count = ln_shape_count(&x->shape);
    ln_shape shape = {2, {x->shape.rank, 0}};
    for (int64_t i = 0; i < count; i++)
        shape.dims[1] += !is_zero(x, i);
    status =
        ln_onnx_fold_room(import, (size_t)(shape.dims[0] * shape.dims[1]) * sizeof(int64_t), err);
    if (!status)
        status = ln_tensor_new(LN_I64, &shape, &tensor, err);
    if (status)
        return status;
    for (int64_t i = 0, to = 0; i < count; i++) {
        if (is_zero(x, i))
            continue;
        int64_t rest = i;
        for (int axis = x->shape.rank - 1; axis >= 0; axis--) {
            ln_i64(tensor)[axis * shape.dims[1] + to] = rest % x->shape.dims[axis];
            rest /= x->shape.dims[axis];
        }
        to++;
    }
    status = ln_onnx_finish_constant(import, 0, tensor, err);
    ln_tensor_release(tensor);
    return status;
}

/* ---------------------------------------------------------------- ReverseSequence */

ln_status ln_onnx_reverse_sequence(ln_onnx_import *import, ln_error *err)
{
    ln_reverse_attributes own = {0};
    ln_onnx_operand x;
    ln_tensor *lengths, *first = NULL;
    int64_t batch, time;
    int stored[2] = {0}, inputs[2];
    const ln_shape one = {1, {1}};
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_numbers(import, 1, LN_I64, &lengths, err);
    if (!status)
        status = ln_onnx_int(import, "batch_axis", 1, &batch, err);
    if (!status)
        status = ln_onnx_int(import, "time_axis", 0, &time, err);
    if (!status)
        status = ln_onnx_axis(import, &x, time, &stored[0], err);
    if (status)
        return status;
    inputs[0] = x.value;
    own.time = stored[0];
    if (batch == x.layout.axis && !ln_onnx_is_shared(&x.layout)) {
        /* A row is one sequence: all have one length. */
        for (int64_t i = 1; i < ln_shape_count(&lengths->shape); i++)
            if (ln_i64(lengths)[i] != ln_i64(lengths)[0])
                return ln_onnx_refuse(import, err, "has another length for each row of a batch");
        status = ln_tensor_copy_of(LN_I64, &one, lengths->data, &first, err);
    } else {
        const ln_ints axes = {2, {time, batch}};
        status = ln_onnx_axes(import, &x, &axes, stored, err);
        own.time = stored[0];
        own.batch = stored[1];
        first = ln_tensor_retain(lengths);
    }
    if (!status)
        status = ln_onnx_own_constant(import, ".lengths", first, &inputs[1], err);
    ln_tensor_release(first);
    return status ? status
                  : ln_onnx_finish(import, "reverse_sequence", &own, inputs, 2, x.layout, err);
}
