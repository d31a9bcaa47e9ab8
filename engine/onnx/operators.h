/* The operators of all families (operators_<family>.c), for the table in operators.c, and what
 * families share. */
#ifndef LN_ONNX_OPERATORS_H
#define LN_ONNX_OPERATORS_H

#include "onnx/import.h"

/* operators_activation.c */
ln_status ln_onnx_elu(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_leaky_relu(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_relu(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_sigmoid(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_softmax(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_softplus(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_tanh(ln_onnx_import *import, ln_error *err);

/* operators_constant.c */
ln_status ln_onnx_constant_node(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_constant_of_shape(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_dequantize(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_quantize(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_shape_node(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_size_node(ln_onnx_import *import, ln_error *err);

/* operators_convolution.c */
ln_status ln_onnx_conv(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_conv_transpose(ln_onnx_import *import, ln_error *err);

/* operators_linear.c */
ln_status ln_onnx_add(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_gemm(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_matmul(ln_onnx_import *import, ln_error *err);

/* operators_normalisation.c */
ln_status ln_onnx_batch_normalization(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_group_normalization(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_instance_normalization(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_layer_normalization(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_lp_normalization(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_lrn(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_mean_variance_normalization(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_rms_normalization(ln_onnx_import *import, ln_error *err);
/* operators_ml.c */
ln_status ln_onnx_scaler(ln_onnx_import *import, ln_error *err);

/* operators_pass.c */
ln_status ln_onnx_cast(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_cast_like(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_dropout(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_identity(ln_onnx_import *import, ln_error *err);

/* operators_pooling.c */
ln_status ln_onnx_average_pool(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_global_average_pool(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_global_lp_pool(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_global_max_pool(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_lp_pool(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_max_pool(ln_onnx_import *import, ln_error *err);

/* operators_shape.c */
ln_status ln_onnx_concat(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_expand(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_flatten(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_reshape(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_squeeze(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_transpose(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_unsqueeze(ln_onnx_import *import, ln_error *err);

/* Input 0 through a layer of one input: the node's result. */
ln_status ln_onnx_unary(ln_onnx_import *import, const char *word, const void *attributes,
                        ln_error *err);

#endif
