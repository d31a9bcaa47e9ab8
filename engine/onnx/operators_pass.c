/* Operators that pass numbers on: Identity, Dropout, Cast. */
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

/* The node's first input under the name of its first output. */
static ln_status pass_on(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_tensor *tensor;
    ln_status status;
    if (ln_onnx_is_constant(import, 0)) {
        status = ln_onnx_constant(import, 0, &tensor, err);
        return status ? status : ln_onnx_finish_constant(import, 0, tensor, err);
    }
    status = ln_onnx_live(import, 0, &x, err);
    return status ? status : ln_onnx_finish_one(import, "identity", NULL, &x, err);
}

ln_status ln_onnx_identity(ln_onnx_import *import, ln_error *err)
{
    return pass_on(import, err);
}

/* The mask says that nothing was dropped. */
static ln_status full_mask(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_tensor *mask, *given;
    if (!ln_onnx_has_output(import, 1))
        return LN_OK;
    ln_status status = LN_OK;
    if (ln_onnx_is_constant(import, 0)) {
        status = ln_onnx_constant(import, 0, &given, err);
        if (!status)
            x.shape = given->shape;
    } else {
        status = ln_onnx_live(import, 0, &x, err);
    }
    const ln_dtype dtype = import->opset < 10 ? LN_F32 : LN_BOOL;
    if (!status)
        status =
            ln_onnx_fold_room(import, (size_t)ln_shape_count(&x.shape) * ln_dtype_size(dtype), err);
    if (!status)
        status = ln_tensor_new(dtype, &x.shape, &mask, err);
    if (status)
        return status;
    for (int64_t i = 0; i < ln_shape_count(&x.shape); i++)
        if (dtype == LN_F32)
            ln_f32(mask)[i] = 1;
        else
            ((uint8_t *)mask->data)[i] = 1;
    status = ln_onnx_finish_constant(import, 1, mask, err);
    ln_tensor_release(mask);
    return status;
}

/* Outside of training nothing is dropped. */
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
    ln_status status = pass_on(import, err);
    return status ? status : full_mask(import, err);
}

/* ---------------------------------------------------------------- Cast */

/* What a type of the file is to the cast layer, or -1. Narrow whole numbers are kept in wider ones. */
static int cast_target(int64_t type)
{
    ln_dtype dtype;
    if (type == LN_ONNX_FLOAT16)
        return LN_CAST_F16;
    if (type == LN_ONNX_BFLOAT16)
        return LN_CAST_BF16;
    if (!ln_onnx_type_dtype(type, &dtype))
        return -1;
    return dtype == LN_F32   ? LN_CAST_F32
           : dtype == LN_I64 ? LN_CAST_I64
           : dtype == LN_I32 ? LN_CAST_I32
                             : LN_CAST_BOOL;
}

ln_status ln_onnx_cast(ln_onnx_import *import, ln_error *err)
{
    int64_t type;
    ln_status status = ln_onnx_int(import, "to", 0, &type, err);
    if (status)
        return status;
    const ln_cast_attributes attributes = {.to = cast_target(type)};
    if (attributes.to < 0)
        return ln_onnx_refuse(import, err, "casts to %s, which is not supported",
                              ln_onnx_type_name(type));
    return ln_onnx_unary(import, "cast", &attributes, err);
}

/* The constant first input in another type: the node's result, a constant too. */
static ln_status constant_like(ln_onnx_import *import, ln_dtype dtype, int to, ln_error *err)
{
    ln_tensor *given, *made;
    ln_status status = ln_onnx_constant(import, 0, &given, err);
    if (status)
        return status;
    const int64_t count = ln_shape_count(&given->shape);
    status = ln_onnx_fold_room(import, (size_t)count * ln_dtype_size(dtype), err);
    if (!status)
        status = ln_tensor_new(dtype, &given->shape, &made, err);
    if (status)
        return status;
    ln_cast_numbers(given->data, given->dtype, count, to, made->data);
    status = ln_onnx_finish_constant(import, 0, made, err);
    ln_tensor_release(made);
    return status;
}

ln_status ln_onnx_cast_like(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand like;
    ln_tensor *tensor;
    ln_dtype dtype;
    ln_status status;
    if (import->folding || ln_onnx_is_constant(import, 1)) {
        status = ln_onnx_constant(import, 1, &tensor, err);
        dtype = status ? LN_F32 : tensor->dtype;
    } else {
        status = ln_onnx_live(import, 1, &like, err);
        dtype = status ? LN_F32 : like.dtype;
    }
    const ln_cast_attributes attributes = {.to = dtype == LN_F32   ? LN_CAST_F32
                                                 : dtype == LN_I64 ? LN_CAST_I64
                                                 : dtype == LN_I32 ? LN_CAST_I32
                                                                   : LN_CAST_BOOL};
    if (status)
        return status;
    if (ln_onnx_is_constant(import, 0)) /* exporters write numbers beside live values so */
        return constant_like(import, dtype, attributes.to, err);
    return ln_onnx_unary(import, "cast", &attributes, err);
}
