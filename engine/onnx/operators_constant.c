/* Operators that make constants: Constant, ConstantOfShape, Shape, Size, and the weights behind
 * DequantizeLinear and QuantizeLinear. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

/* ---------------------------------------------------------------- Constant */

static ln_status constant_tensor(ln_onnx_import *import, const ln_onnx_attribute *value,
                                 ln_tensor **out, ln_error *err)
{
    ln_onnx_source source = {.origin = import->origin, .folder = import->options->folder};
    if (!value->has_tensor)
        return ln_onnx_malformed(import, err, "has a value that is no tensor");
    ln_status status = ln_onnx_decode_tensor(value->tensor, &source, out, err);
    if (status == LN_EINVALID || status == LN_EUNSUPPORTED)
        ln_error_prefix(err, "the constant of node '%s'", import->name);
    return status;
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
        status = constant_tensor(import, value, &tensor, err);
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
        status = ln_onnx_finish_constant(import, 0, tensor, err);
    ln_tensor_release(tensor);
    return status;
}

/* One element of `value`, or a 0, as often as the shape says. */
static ln_status filled(ln_onnx_import *import, const ln_tensor *value, const ln_shape *shape,
                        ln_tensor **out, ln_error *err)
{
    const ln_dtype dtype = value ? value->dtype : LN_F32;
    const size_t size = ln_dtype_size(dtype);
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        if (shape->dims[i] < 0 || __builtin_mul_overflow(count, shape->dims[i], &count) ||
            count > LN_MOST_NUMBERS)
            return ln_onnx_malformed(import, err, "has the size %lld at axis %d of its shape",
                                     (long long)shape->dims[i], i);
    ln_status status = ln_onnx_fold_room(import, (size_t)count * size, err);
    if (!status)
        status = ln_tensor_new(dtype, shape, out, err);
    for (int64_t i = 0; i < count && value && !status; i++)
        memcpy((char *)(*out)->data + (size_t)i * size, value->data, size);
    return status;
}

ln_status ln_onnx_constant_of_shape(ln_onnx_import *import, ln_error *err)
{
    const ln_onnx_attribute *attribute = ln_onnx_find_attribute(import, "value");
    ln_tensor *value = NULL, *tensor = NULL;
    ln_ints wanted;
    ln_status status = ln_onnx_list(import, 0, &wanted, err);
    if (!status && attribute)
        status = constant_tensor(import, attribute, &value, err);
    if (!status && value && ln_shape_count(&value->shape) != 1)
        status = ln_onnx_malformed(import, err, "has a value that is not one number");
    if (!status) {
        const ln_shape shape = ln_shape_of(wanted.count, wanted.at);
        status = filled(import, value, &shape, &tensor, err);
    }
    if (!status)
        status = ln_onnx_finish_constant(import, 0, tensor, err);
    ln_tensor_release(value);
    ln_tensor_release(tensor);
    return status;
}

/* ---------------------------------------------------------------- Shape, Size */

/* The logical shape of the first input, constant or live. */
static ln_status input_shape(ln_onnx_import *import, ln_shape *out, ln_error *err)
{
    ln_onnx_operand x;
    ln_tensor *tensor;
    ln_status status;
    if (ln_onnx_is_constant(import, 0)) {
        status = ln_onnx_constant(import, 0, &tensor, err);
        if (!status)
            *out = tensor->shape;
    } else {
        status = ln_onnx_live(import, 0, &x, err);
        if (!status)
            *out = x.shape;
    }
    return status;
}

static ln_status finish_whole_numbers(ln_onnx_import *import, const ln_shape *shape,
                                      const int64_t *numbers, ln_error *err)
{
    ln_tensor *tensor;
    ln_status status = ln_tensor_copy_of(LN_I64, shape, numbers, &tensor, err);
    if (status)
        return status;
    status = ln_onnx_finish_constant(import, 0, tensor, err);
    ln_tensor_release(tensor);
    return status;
}

static int64_t clamped(int64_t axis, int rank)
{
    axis += axis < 0 ? rank : 0;
    return axis < 0 ? 0 : axis > rank ? rank : axis;
}

ln_status ln_onnx_shape_node(ln_onnx_import *import, ln_error *err)
{
    ln_shape shape;
    int64_t start, end;
    ln_status status = input_shape(import, &shape, err);
    if (!status)
        status = ln_onnx_int(import, "start", 0, &start, err);
    if (!status)
        status = ln_onnx_int(import, "end", shape.rank, &end, err);
    if (status)
        return status;
    start = clamped(start, shape.rank);
    end = clamped(end, shape.rank);
    const ln_shape list = {.rank = 1, .dims = {end > start ? end - start : 0}};
    return finish_whole_numbers(import, &list, shape.dims + start, err);
}

ln_status ln_onnx_size_node(ln_onnx_import *import, ln_error *err)
{
    ln_shape shape;
    const ln_shape scalar = {.rank = 0};
    ln_status status = input_shape(import, &shape, err);
    if (status)
        return status;
    const int64_t count = ln_shape_count(&shape);
    return finish_whole_numbers(import, &scalar, &count, err);
}

/* ---------------------------------------------------------------- DequantizeLinear */

/* How elements find their scale: one for all, one an index of the axis, or one a block of it. */
typedef struct quantisation {
    int64_t inner;  /* elements from one index of the axis to the next */
    int64_t length; /* of the axis */
    int64_t block;  /* indices of one scale; 0: a scale for all */
    int64_t scales; /* along the axis */
} quantisation;

static ln_status read_quantisation(ln_onnx_import *import, const ln_tensor *x,
                                   const ln_tensor *scale, quantisation *out, ln_error *err)
{
    int64_t axis, block;
    ln_status status = ln_onnx_int(import, "axis", 1, &axis, err);
    if (!status)
        status = ln_onnx_int(import, "block_size", 0, &block, err);
    *out = (quantisation){.inner = 1};
    if (status || ln_shape_count(&scale->shape) == 1)
        return status;
    status = ln_onnx_check_axis(import, x->shape.rank, &axis, err);
    if (status)
        return status;
    for (int i = (int)axis + 1; i < x->shape.rank; i++)
        out->inner *= x->shape.dims[i];
    out->length = x->shape.dims[axis];
    out->block = block > 0 ? block : 1;
    out->scales = (out->length + out->block - 1) / out->block;
    ln_shape wanted = x->shape;
    wanted.dims[axis] = out->scales;
    const bool fits = block > 0 ? ln_shape_equal(&wanted, &scale->shape)
                                : scale->shape.rank == 1 && scale->shape.dims[0] == out->length;
    if (!fits)
        return ln_onnx_malformed(import, err, "has scales that do not fit axis %lld of its input",
                                 (long long)axis);
    if (block == 0)
        out->inner *= -1; /* one list of scales for everything before the axis */
    return LN_OK;
}

static int64_t scale_index(const quantisation *q, int64_t i)
{
    const int64_t inner = q->inner < 0 ? -q->inner : q->inner;
    if (q->block == 0)
        return 0;
    const int64_t at = i / inner % q->length / q->block;
    if (q->inner < 0)
        return at;
    return (i / inner / q->length * q->scales + at) * inner + i % inner;
}

static ln_status refuse_live(ln_onnx_import *import, ln_error *err)
{
    return ln_onnx_refuse(import, err,
                          "quantises values that depend on the network's input; only quantised "
                          "weights are read, as float32: export the model before quantisation");
}

static double whole_at(const ln_tensor *tensor, int64_t i)
{
    return tensor->dtype == LN_F32   ? (double)ln_f32(tensor)[i]
           : tensor->dtype == LN_I64 ? (double)ln_i64(tensor)[i]
                                     : (double)((const int32_t *)tensor->data)[i];
}

/* y = (x - zero point) scale, of a constant. */
ln_status ln_onnx_dequantize(ln_onnx_import *import, ln_error *err)
{
    ln_tensor *x, *scale, *zero = NULL, *y;
    quantisation q;
    if (!ln_onnx_is_constant(import, 0))
        return refuse_live(import, err);
    ln_status status = ln_onnx_constant(import, 0, &x, err);
    if (!status)
        status = ln_onnx_numbers(import, 1, LN_F32, &scale, err);
    if (!status && ln_onnx_has_input(import, 2))
        status = ln_onnx_constant(import, 2, &zero, err);
    if (!status)
        status = read_quantisation(import, x, scale, &q, err);
    if (!status &&
        (x->dtype == LN_BOOL ||
         (zero && (zero->dtype == LN_BOOL || !ln_shape_equal(&zero->shape, &scale->shape)))))
        status = ln_onnx_malformed(import, err, "has a zero point that does not fit its scale");
    const int64_t count = status ? 0 : ln_shape_count(&x->shape);
    if (!status)
        status = ln_onnx_fold_room(import, (size_t)count * sizeof(float), err);
    if (!status)
        status = ln_tensor_new(LN_F32, &x->shape, &y, err);
    if (status)
        return status;
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = scale_index(&q, i);
        ln_f32(y)[i] =
            (float)(whole_at(x, i) - (zero ? whole_at(zero, at) : 0)) * ln_f32(scale)[at];
    }
    import->info->from_quantised++;
    status = ln_onnx_finish_constant(import, 0, y, err);
    ln_tensor_release(y);
    return status;
}

/* Of a constant it could be computed, but what it makes is read by quantised arithmetic only. */
ln_status ln_onnx_quantize(ln_onnx_import *import, ln_error *err)
{
    return refuse_live(import, err);
}
