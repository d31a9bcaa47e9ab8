/* BatchNormalization, InstanceNormalization, GroupNormalization, LayerNormalization,
 * RMSNormalization, MeanVarianceNormalization, LpNormalization and LRN. */
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"
#include "onnx/operators_window.h"

/* stash_type: what the moments are computed in; ours are float64, which serves float32's place. */
static ln_status check_stash(ln_onnx_import *import, ln_error *err)
{
    int64_t type;
    ln_status status = ln_onnx_int(import, "stash_type", LN_ONNX_FLOAT, &type, err);
    if (!status && type != LN_ONNX_FLOAT)
        status = ln_onnx_refuse(import, err, "computes its moments in %s (stash_type)",
                                ln_onnx_type_name(type));
    return status;
}

static ln_status read_epsilon(ln_onnx_import *import, float fallback, double *out, ln_error *err)
{
    float epsilon;
    ln_status status = ln_onnx_float(import, "epsilon", fallback, &epsilon, err);
    *out = (double)epsilon;
    return status;
}

/* Weights from input 1 on go to inputs[1..]; *count counts the first input too. */
static ln_status read_weights(ln_onnx_import *import, int most, int *inputs, int *count,
                              ln_error *err)
{
    ln_status status = LN_OK;
    for (*count = 1; *count <= most && ln_onnx_has_input(import, (size_t)*count) && !status;
         ++*count)
        status = ln_onnx_weight(import, (size_t)*count, &inputs[*count], NULL, err);
    return status;
}

/* ---------------------------------------------------------------- by channels */

ln_status ln_onnx_batch_normalization(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_images images;
    ln_channel_norm_attributes attributes = {.affine = true};
    float momentum;
    int64_t training = 0, spatial = 1, test = 1; /* is_test: before operator set 7 */
    int inputs[5], count;
    ln_status status = ln_onnx_images_of(import, 0, 0, &images, err);
    if (!status)
        status = ln_onnx_int(import, "training_mode", 0, &training, err);
    if (!status)
        status = ln_onnx_int(import, "spatial", 1, &spatial, err);
    if (!status)
        status = ln_onnx_int(import, "is_test", import->opset < 7 ? 0 : 1, &test, err);
    if (!status && (training || !test))
        return ln_onnx_refuse(import, err, "is in training (%s)",
                              training ? "training_mode" : "is_test = 0");
    if (!status && spatial != 1)
        return ln_onnx_refuse(import, err, "normalises each element (spatial = 0)");
    for (size_t i = 1; i < import->node.outputs.count && !status; i++)
        if (ln_onnx_has_output(import, i))
            return ln_onnx_refuse(import, err, "gives statistics of the batch, which is training");
    if (!status)
        status = read_epsilon(import, 1e-5f, &attributes.eps, err);
    if (!status)
        status = ln_onnx_float(import, "momentum", 0.9f, &momentum, err);
    if (!status)
        status = read_weights(import, 4, inputs, &count, err);
    if (status)
        return status;
    inputs[0] = images.x.value;
    attributes.momentum = 1 - (double)momentum;
    attributes.outer = images.outer;
    return ln_onnx_finish(import, "batch_norm1d", &attributes, inputs, count, images.x.layout, err);
}

ln_status ln_onnx_instance_normalization(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_images images;
    ln_channel_norm_attributes attributes = {.affine = true};
    int inputs[3], count;
    ln_status status = ln_onnx_images_of(import, 1, 3, &images, err);
    if (!status)
        status = read_epsilon(import, 1e-5f, &attributes.eps, err);
    if (!status)
        status = read_weights(import, 2, inputs, &count, err);
    if (status)
        return status;
    inputs[0] = images.x.value;
    attributes.outer = images.outer;
    return ln_onnx_finish(import, ln_onnx_spatial_word("instance_norm", images.axes).at,
                          &attributes, inputs, count, images.x.layout, err);
}

/* Before operator set 21 weight and bias have a number a group, since then a channel. */
ln_status ln_onnx_group_normalization(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_images images;
    ln_group_norm_attributes attributes = {.affine = true, .by_group = import->opset < 21};
    int inputs[3], count;
    ln_status status = ln_onnx_images_of(import, 0, 0, &images, err);
    if (!status)
        status = check_stash(import, err);
    if (!status)
        status = read_epsilon(import, 1e-5f, &attributes.eps, err);
    if (!status)
        status = ln_onnx_int(import, "num_groups", 0, &attributes.num_groups, err);
    if (!status && attributes.num_groups < 1)
        return ln_onnx_malformed(import, err, "has num_groups = %lld",
                                 (long long)attributes.num_groups);
    if (!status)
        status = read_weights(import, 2, inputs, &count, err);
    if (status)
        return status;
    inputs[0] = images.x.value;
    attributes.outer = images.outer;
    return ln_onnx_finish(import, "group_norm", &attributes, inputs, count, images.x.layout, err);
}

ln_status ln_onnx_lrn(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_images images;
    ln_response_norm_attributes attributes = {.later = true};
    float alpha, beta, bias;
    ln_status status = ln_onnx_images_of(import, 0, 0, &images, err);
    if (!status)
        status = ln_onnx_float(import, "alpha", 1e-4f, &alpha, err);
    if (!status)
        status = ln_onnx_float(import, "beta", 0.75f, &beta, err);
    if (!status)
        status = ln_onnx_float(import, "bias", 1, &bias, err);
    if (!status)
        status = ln_onnx_int(import, "size", 0, &attributes.size, err);
    if (status)
        return status;
    if (attributes.size < 1 || attributes.size > 1 << 24)
        return ln_onnx_malformed(import, err, "has size = %lld", (long long)attributes.size);
    attributes.alpha = (double)alpha;
    attributes.beta = (double)beta;
    attributes.k = (double)bias;
    attributes.outer = images.outer;
    return ln_onnx_finish_one(import, "local_response_norm", &attributes, &images.x, err);
}

/* ---------------------------------------------------------------- the last axes */

/* The axes from `axis` on, all within a row. */
static ln_status last_axes(ln_onnx_import *import, ln_onnx_operand *x,
                           ln_layer_norm_attributes *attributes, ln_error *err)
{
    int64_t axis;
    ln_status status = ln_onnx_live(import, 0, x, err);
    if (!status)
        status = check_stash(import, err);
    if (!status)
        status = ln_onnx_int(import, "axis", -1, &axis, err);
    if (!status)
        status = ln_onnx_check_axis(import, x->shape.rank, &axis, err);
    if (!status)
        status = ln_onnx_rows_before(import, x, (int)axis, err);
    if (!status)
        attributes->axes = x->shape.rank - axis;
    return status ? status : read_epsilon(import, 1e-5f, &attributes->eps, err);
}

ln_status ln_onnx_layer_normalization(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_layer_norm_attributes attributes = {.elementwise_affine = true};
    int inputs[3], count;
    ln_status status = last_axes(import, &x, &attributes, err);
    if (!status)
        status = read_weights(import, 2, inputs, &count, err);
    if (status)
        return status;
    inputs[0] = x.value;
    attributes.bias = count > 2;
    const ln_onnx_layout layouts[] = {x.layout, x.layout, x.layout};
    const int outputs = ln_onnx_has_output(import, 2) ? 3 : ln_onnx_has_output(import, 1) ? 2 : 1;
    return ln_onnx_finish_outputs(import, "layer_norm", &attributes, inputs, count, layouts,
                                  outputs, err);
}

ln_status ln_onnx_rms_normalization(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_layer_norm_attributes attributes = {.elementwise_affine = true};
    int inputs[2], count;
    ln_status status = last_axes(import, &x, &attributes, err);
    if (!status)
        status = read_weights(import, 1, inputs, &count, err);
    if (status)
        return status;
    inputs[0] = x.value;
    return ln_onnx_finish(import, "rms_norm", &attributes, inputs, count, x.layout, err);
}

/* The axes of the attribute (default 0, 2, 3) are brought to the end, normalised and brought back:
 * (x - mean) / (deviation + 1e-9). */
ln_status ln_onnx_mean_variance_normalization(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x, turned, normal;
    ln_ints axes = {.count = 0};
    int order[LN_MAX_RANK], back[LN_MAX_RANK], count = 0;
    bool normalised[LN_MAX_RANK] = {false};
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_ints(import, "axes", &axes, err);
    if (!status && axes.count == 0)
        axes = (ln_ints){3, {0, 2, 3}};
    for (int i = 0; i < axes.count && !status; i++) {
        status = ln_onnx_check_axis(import, x.shape.rank, &axes.at[i], err);
        if (!status)
            normalised[axes.at[i]] = true;
    }
    if (status)
        return status;
    for (int wanted = 0; wanted < 2; wanted++)
        for (int i = 0; i < x.shape.rank; i++)
            if (normalised[i] == (wanted == 1)) {
                back[i] = count;
                order[count++] = i;
            }
    ln_layer_norm_attributes attributes = {.eps = 1e-18};
    for (int i = 0; i < x.shape.rank; i++)
        attributes.axes += normalised[i];
    status = ln_onnx_rows_before(import, &x, x.shape.rank, err);
    if (!status && x.layout.axis >= 0 && normalised[x.layout.axis]) {
        if (!import->single)
            return ln_onnx_refuse(import, err, "normalises over axis %d, which holds the rows",
                                  x.layout.axis);
        status = ln_onnx_unfold(import, &x, err);
    }
    if (!status)
        status = ln_onnx_between_transposed(import, &x, order, ".turned", &turned, err);
    if (!status)
        status = ln_onnx_rows_before(import, &turned, x.shape.rank - (int)attributes.axes, err);
    if (!status)
        status = ln_onnx_between(import, "layer_norm", &attributes, &turned.value, 1, turned.layout,
                                 ".normal", &normal, err);
    return status ? status : ln_onnx_finish_transposed(import, &normal, back, err);
}

/* x / (sum of |x|^p along an axis)^(1/p), p 1 or 2; 0 where all of them are 0. */
ln_status ln_onnx_lp_normalization(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x, norm, none;
    int64_t p;
    int axis, zero, one;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_axis_attribute(import, "axis", -1, &x, &axis, err);
    if (!status)
        status = ln_onnx_int(import, "p", 2, &p, err);
    if (!status && p != 1 && p != 2)
        status = ln_onnx_malformed(import, err, "has p = %lld; 1 and 2 are possible", (long long)p);
    if (status)
        return status;
    const ln_reduce_attributes reduce = {
        .operation = p == 1 ? LN_REDUCE_l1 : LN_REDUCE_l2, .axes = {1, {axis}}, .keepdims = true};
    status = ln_onnx_between(import, "reduce", &reduce, &x.value, 1, x.layout, ".sum", &norm, err);
    if (!status)
        status = ln_onnx_number_like(import, &norm, 0, ".zero", &zero, err);
    if (!status)
        status = ln_onnx_number_like(import, &norm, 1, ".one", &one, err);
    if (!status)
        status = ln_onnx_between(import, "equal", NULL, (const int[]){norm.value, zero}, 2,
                                 norm.layout, ".none", &none, err);
    if (!status)
        status = ln_onnx_between(import, "where", NULL, (const int[]){none.value, one, norm.value},
                                 3, norm.layout, ".norm", &norm, err);
    return status ? status
                  : ln_onnx_finish(import, "div", NULL, (const int[]){x.value, norm.value}, 2,
                                   x.layout, err);
}
