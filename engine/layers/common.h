/* Inside layers/: what several families say in the same words. */
#ifndef LN_LAYERS_COMMON_H
#define LN_LAYERS_COMMON_H

#include "base/error.h"
#include "graph/graph.h"
#include "layers/attributes.h"
#include "layers/layer.h"

/* Elements of a value in the rows of this pass. */
static inline int64_t ln_pass_count(const ln_pass *pass, const ln_shape *shape)
{
    return shape->rank == 0 ? 1 : pass->rows * ln_shape_row(shape);
}

/* What numbers an input or output of the step holds. */
static inline ln_dtype ln_in_dtype(const ln_step *step, int input)
{
    return step->graph->values[step->node->inputs[input]].dtype;
}
static inline ln_dtype ln_out_dtype(const ln_step *step, int output)
{
    return step->graph->values[step->node->outputs[output]].dtype;
}

/* The result has the shape of the first input. */
ln_status ln_infer_same(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_shape *in, ln_shape *out, ln_error *err);

/* An axis of a script or file as an index below `rank`, not the rows'; LN_EINVALID otherwise. */
ln_status ln_axis_resolve(int64_t axis, int rank, int *out, ln_error *err);

/* Copies the first input's rows to the output, and the gradient back. */
ln_status ln_copy_forward(const ln_pass *pass, ln_error *err);
ln_status ln_copy_backward(const ln_pass *pass, ln_error *err);

/* All layers, a family a line or two: the table of layers.c. */
/* clang-format off */
#define LN_LAYERS(X) \
    X(dense) \
    X(conv1d) X(conv2d) X(conv3d) X(conv_transpose1d) X(conv_transpose2d) X(conv_transpose3d) \
    X(max_pool1d) X(max_pool2d) X(max_pool3d) X(avg_pool1d) X(avg_pool2d) X(avg_pool3d) \
    X(lp_pool1d) X(lp_pool2d) X(lp_pool3d) \
    X(adaptive_avg_pool1d) X(adaptive_avg_pool2d) X(adaptive_avg_pool3d) \
    X(adaptive_max_pool1d) X(adaptive_max_pool2d) X(adaptive_max_pool3d) \
    X(batch_norm1d) X(batch_norm2d) X(batch_norm3d) X(instance_norm1d) X(instance_norm2d) \
    X(instance_norm3d) \
    X(group_norm) X(layer_norm) X(rms_norm) X(local_response_norm) \
    X(relu) X(leaky_relu) X(sigmoid) X(tanh) X(elu) X(softplus) \
    X(relu6) X(silu) X(mish) X(hardswish) X(softsign) X(tanhshrink) X(logsigmoid) X(selu) \
    X(hardsigmoid) X(hardtanh) X(celu) X(threshold) X(hardshrink) X(softshrink) X(gelu) \
    X(clip) X(clipped_line) X(shrink) \
    X(abs) X(neg) X(sign) X(reciprocal) X(sqrt) X(exp) X(log) X(floor) X(ceil) X(round) X(erf) \
    X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) \
    X(sinh) X(cosh) X(asinh) X(acosh) X(atanh) \
    X(dropout) \
    X(softmax) X(log_softmax) X(class_loss) \
    X(reduce) X(argument) X(topk) X(hardmax) X(cumsum) X(trilu) \
    X(flatten) X(reshape) X(identity) X(transpose) X(expand) X(repeat) X(cast) \
    X(add) X(sub) X(mul) X(div) X(pow) X(maximum) X(minimum) X(fmod) X(mod) X(prelu) \
    X(equal) X(less) X(less_or_equal) X(greater) X(greater_or_equal) X(is_nan) X(is_inf) \
    X(logical_and) X(logical_or) X(logical_xor) X(not) X(where) \
    X(bitwise_and) X(bitwise_or) X(bitwise_xor) X(shift_left) X(shift_right) \
    X(gather) X(gather_elements) X(gather_nd) X(scatter_elements) X(scatter_nd) X(one_hot) \
    X(matmul) X(einsum) \
    X(concat) X(slice) X(pad) X(tile) X(pixel_shuffle) X(pixel_unshuffle) \
    X(reverse_sequence) X(upsample) \
    X(embedding) X(lstm) X(gru) X(rnn)
/* clang-format on */

#define X(name) extern const ln_layer ln_layer_##name;
LN_LAYERS(X)
#undef X

#endif
