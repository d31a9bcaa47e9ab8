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

/* operators_elementwise.c */
ln_status ln_onnx_bitwise_not(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_bit_shift(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_celu(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_clip(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_function(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_gelu(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_hard_sigmoid(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_is_inf(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_mod(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_pair(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_selu(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_several(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_shrink(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_swish(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_thresholded_relu(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_where(ln_onnx_import *import, ln_error *err);

/* operators_gather.c */
ln_status ln_onnx_compress(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_elements(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_gather(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_gather_nd(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_one_hot(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_scatter_nd(ln_onnx_import *import, ln_error *err);

/* operators_make.c */
ln_status ln_onnx_eye_like(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_non_zero(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_range(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_reverse_sequence(ln_onnx_import *import, ln_error *err);

/* operators_parts.c */
ln_status ln_onnx_center_crop_pad(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_pad(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_shuffle(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_slice(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_split(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_tile(ln_onnx_import *import, ln_error *err);

/* of composites.c's operators and bodies */
ln_status ln_onnx_composite_form(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_mask_bias(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_affine_base(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_swap_axis(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_grid_sample_input(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_col2im_kernel(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_turns(ln_onnx_import *import, ln_error *err);

/* operators_products.c */
ln_status ln_onnx_einsum(ln_onnx_import *import, ln_error *err);
/* What operators_linear.c has no constant weight for. */
ln_status ln_onnx_matmul_general(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_gemm_general(ln_onnx_import *import, float alpha, float beta, bool trans_a,
                               bool trans_b, ln_error *err);

/* operators_recurrent.c */
ln_status ln_onnx_recurrent(ln_onnx_import *import, ln_error *err);

/* operators_resize.c */
ln_status ln_onnx_resize(ln_onnx_import *import, ln_error *err);

/* operators_reduce.c */
ln_status ln_onnx_argument(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_cumsum(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_lines(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_reduce(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_topk(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_trilu(ln_onnx_import *import, ln_error *err);

/* A number as a constant beside x, in x's type. */
ln_status ln_onnx_number_like(ln_onnx_import *import, const ln_onnx_operand *x, double number,
                              const char *suffix, int *value, ln_error *err);
/* Input 0 through a layer of one input: the node's result. */
ln_status ln_onnx_unary(ln_onnx_import *import, const char *word, const void *attributes,
                        ln_error *err);

#endif
