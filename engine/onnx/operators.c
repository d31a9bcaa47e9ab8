/* The table from ONNX operators to what builds them. A family of operators is a file
 * (operators_<family>.c); a new one needs its line here and in operators.h.
 * Sources: onnx.ai/onnx/operators. */
#include "onnx/operators.h"

/* In the order of the alphabet. `true` at the end: it makes constants itself. */
static const ln_onnx_operator operators[] = {
    {"Add", 2, 2, "", ln_onnx_add, false},
    {"AveragePool", 1, 1,
     "auto_pad|ceil_mode|count_include_pad|dilations|kernel_shape|pads|strides",
     ln_onnx_average_pool, false},
    {"BatchNormalization", 5, 5, "consumed_inputs|epsilon|is_test|momentum|spatial|training_mode",
     ln_onnx_batch_normalization, false},
    {"Cast", 1, 1, "to|saturate|round_mode", ln_onnx_cast, false},
    {"CastLike", 2, 2, "saturate|round_mode", ln_onnx_cast_like, false},
    {"Concat", 1, -1, "axis", ln_onnx_concat, false},
    {"Constant", 0, 0, "value|value_float|value_floats|value_int|value_ints", ln_onnx_constant_node,
     true},
    {"ConstantOfShape", 1, 1, "value", ln_onnx_constant_of_shape, true},
    {"Conv", 2, 3, "auto_pad|dilations|group|kernel_shape|pads|strides", ln_onnx_conv, false},
    {"ConvTranspose", 2, 3,
     "auto_pad|dilations|group|kernel_shape|output_padding|output_shape|pads|strides",
     ln_onnx_conv_transpose, false},
    {"DequantizeLinear", 2, 3, "axis|block_size|output_dtype", ln_onnx_dequantize, true},
    {"Dropout", 1, 3, "ratio|seed", ln_onnx_dropout, true},
    {"Elu", 1, 1, "alpha", ln_onnx_elu, false},
    {"Expand", 2, 2, "", ln_onnx_expand, false},
    {"Flatten", 1, 1, "axis", ln_onnx_flatten, false},
    {"Gemm", 2, 3, "alpha|beta|transA|transB", ln_onnx_gemm, false},
    {"GlobalAveragePool", 1, 1, "", ln_onnx_global_average_pool, false},
    {"GlobalLpPool", 1, 1, "p", ln_onnx_global_lp_pool, false},
    {"GlobalMaxPool", 1, 1, "", ln_onnx_global_max_pool, false},
    {"GroupNormalization", 3, 3, "epsilon|num_groups|stash_type", ln_onnx_group_normalization,
     false},
    {"Identity", 1, 1, "", ln_onnx_identity, true},
    {"InstanceNormalization", 3, 3, "consumed_inputs|epsilon", ln_onnx_instance_normalization,
     false},
    {"LRN", 1, 1, "alpha|beta|bias|size", ln_onnx_lrn, false},
    {"LayerNormalization", 2, 3, "axis|epsilon|stash_type", ln_onnx_layer_normalization, false},
    {"LeakyRelu", 1, 1, "alpha", ln_onnx_leaky_relu, false},
    {"LpNormalization", 1, 1, "axis|p", ln_onnx_lp_normalization, false},
    {"LpPool", 1, 1, "auto_pad|ceil_mode|dilations|kernel_shape|p|pads|strides", ln_onnx_lp_pool,
     false},
    {"MatMul", 2, 2, "", ln_onnx_matmul, false},
    {"MaxPool", 1, 1, "auto_pad|ceil_mode|dilations|kernel_shape|pads|storage_order|strides",
     ln_onnx_max_pool, false},
    {"MeanVarianceNormalization", 1, 1, "axes", ln_onnx_mean_variance_normalization, false},
    {"QuantizeLinear", 2, 3, "axis|block_size|output_dtype|precision|saturate", ln_onnx_quantize,
     true},
    {"RMSNormalization", 2, 2, "axis|epsilon|stash_type", ln_onnx_rms_normalization, false},
    {"Relu", 1, 1, "", ln_onnx_relu, false},
    {"Reshape", 2, 2, "allowzero", ln_onnx_reshape, false},
    {"Shape", 1, 1, "start|end", ln_onnx_shape_node, true},
    {"Sigmoid", 1, 1, "", ln_onnx_sigmoid, false},
    {"Size", 1, 1, "", ln_onnx_size_node, true},
    {"Softmax", 1, 1, "axis", ln_onnx_softmax, false},
    {"Softplus", 1, 1, "", ln_onnx_softplus, false},
    {"Squeeze", 1, 2, "axes", ln_onnx_squeeze, false},
    {"Tanh", 1, 1, "", ln_onnx_tanh, false},
    {"Transpose", 1, 1, "perm", ln_onnx_transpose, false},
    {"Unsqueeze", 1, 2, "axes", ln_onnx_unsqueeze, false},
};

/* Of the domain "ai.onnx.ml". */
static const ln_onnx_operator ml_operators[] = {
    {"Scaler", 1, 1, "offset|scale", ln_onnx_scaler, false},
};

static const ln_onnx_operator *find(const ln_onnx_operator *table, size_t count, ln_bytes name)
{
    for (size_t i = 0; i < count; i++)
        if (ln_bytes_equal(name, table[i].name))
            return &table[i];
    return NULL;
}

const ln_onnx_operator *ln_onnx_operator_find(ln_bytes domain, ln_bytes name)
{
    if (domain.size == 0 || ln_bytes_equal(domain, "ai.onnx"))
        return find(operators, sizeof operators / sizeof *operators, name);
    if (ln_bytes_equal(domain, "ai.onnx.ml"))
        return find(ml_operators, sizeof ml_operators / sizeof *ml_operators, name);
    return NULL;
}
