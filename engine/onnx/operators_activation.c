/* Activations: one value in, one out, element by element; and Softmax. */
#include <string.h>

#include "onnx/operators.h"

ln_status ln_onnx_unary(ln_onnx_import *import, const char *word, const void *attributes,
                        ln_error *err)
{
    ln_onnx_operand x;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    return status ? status : ln_onnx_finish_one(import, word, attributes, &x, err);
}

ln_status ln_onnx_relu(ln_onnx_import *import, ln_error *err)
{
    return ln_onnx_unary(import, "relu", NULL, err);
}

ln_status ln_onnx_sigmoid(ln_onnx_import *import, ln_error *err)
{
    return ln_onnx_unary(import, "sigmoid", NULL, err);
}

ln_status ln_onnx_tanh(ln_onnx_import *import, ln_error *err)
{
    return ln_onnx_unary(import, "tanh", NULL, err);
}

ln_status ln_onnx_softplus(ln_onnx_import *import, ln_error *err)
{
    /* Above 20 log(1 + e^x) and x are the same float32. */
    ln_softplus_attributes attributes = {.beta = 1, .threshold = 20};
    return ln_onnx_unary(import, "softplus", &attributes, err);
}

ln_status ln_onnx_elu(ln_onnx_import *import, ln_error *err)
{
    float alpha;
    ln_status status = ln_onnx_float(import, "alpha", 1, &alpha, err);
    ln_elu_attributes attributes = {.alpha = (double)alpha};
    return status ? status : ln_onnx_unary(import, "elu", &attributes, err);
}

ln_status ln_onnx_leaky_relu(ln_onnx_import *import, ln_error *err)
{
    float alpha;
    ln_status status = ln_onnx_float(import, "alpha", 0.01f, &alpha, err);
    ln_leaky_relu_attributes attributes = {.negative_slope = (double)alpha};
    return status ? status : ln_onnx_unary(import, "leaky_relu", &attributes, err);
}

/* Before opset 13: all axes from `axis` on (default 1) are one for the sum. */
static ln_status coerced(ln_onnx_import *import, ln_onnx_operand *x, int64_t axis, ln_error *err)
{
    ln_onnx_operand flat, summed;
    ln_axis_attributes attributes;
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
    attributes.axis = last;
    status = ln_onnx_between(import, "softmax", &attributes, &flat.value, 1, flat.layout,
                             ".softmax", &summed, err);
    return status ? status : ln_onnx_finish_shape(import, &summed, &x->shape, x->layout, err);
}

ln_status ln_onnx_softmax(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_axis_attributes attributes = {0};
    int64_t axis = 0;
    int stored;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_int(import, "axis", import->opset < 13 ? 1 : -1, &axis, err);
    if (!status)
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
    if (!status && import->opset < 13 && axis != x.shape.rank - 1)
        return coerced(import, &x, axis, err);
    if (!status)
        status = ln_onnx_axis(import, &x, axis, &stored, err);
    if (status)
        return status;
    attributes.axis = stored;
    return ln_onnx_finish_one(import, "softmax", &attributes, &x, err);
}
