/* Activations: one value in, one out, element by element. */
#include "onnx/operators.h"

ln_status ln_onnx_unary(ln_onnx_import *import, const char *word, const void *attributes,
                        ln_error *err)
{
    ln_onnx_operand x;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    return status ? status : ln_onnx_finish_one(import, word, attributes, &x, err);
}

/* relu is computed of f32: of whole numbers it is the greater of x and 0. */
ln_status ln_onnx_relu(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    int inputs[2];
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status && x.dtype == LN_F32)
        return ln_onnx_finish_one(import, "relu", NULL, &x, err);
    inputs[0] = x.value;
    if (!status)
        status = ln_onnx_number_like(import, &x, 0, ".zero", &inputs[1], err);
    return status ? status : ln_onnx_finish(import, "maximum", NULL, inputs, 2, x.layout, err);
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
