/* Convolutions, poolings and normalisations as operators. Their words differ by the number of axes only,
 * ONNX's operators not even by that. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "layers/attributes.h"
#include "layers/window.h"
#include "onnx/write_layers.h"

enum { AXES = 3 }; /* of a window at most */
static const ln_onnx_written END = {.name = NULL};

/* The lists of a window, one number an axis. */
typedef struct lists {
    int axes;
    int64_t kernel[AXES], strides[AXES], dilations[AXES], pads[2 * AXES], more[AXES];
} lists;

static int64_t entry(const ln_ints *list, int axis, int64_t fallback)
{
    return list->count == 0 ? fallback : list->at[list->count == 1 ? 0 : axis];
}

static ln_onnx_written ints(const char *name, int count, const int64_t *numbers)
{
    return (ln_onnx_written){
        .name = name, .kind = LN_ONNX_WRITTEN_INTS, .count = count, .ints = numbers};
}

static ln_onnx_written whole(const char *name, int64_t number)
{
    return (ln_onnx_written){.name = name, .kind = LN_ONNX_WRITTEN_INT, .number = (double)number};
}

static ln_onnx_written real(const char *name, double number)
{
    return (ln_onnx_written){.name = name, .kind = LN_ONNX_WRITTEN_FLOAT, .number = number};
}

static const ln_shape *shape_of(const ln_onnx_writing *w, int input)
{
    return &w->graph->values[w->node->inputs[input]].shape;
}

/* Files of ours have images as rows; those that were read may have several a row. */
static ln_status check_outer(int64_t outer, ln_error *err)
{
    if (outer == 0)
        return LN_OK;
    return ln_fail(err, LN_EUNSUPPORTED,
                   "it works on several images a row, which cannot be written as ONNX yet");
}

static void pads_of(lists *out, const ln_ints *before, const ln_ints *after)
{
    for (int i = 0; i < out->axes; i++) {
        out->pads[i] = entry(before, i, 0);
        out->pads[out->axes + i] = entry(after->count ? after : before, i, 0);
    }
}

/* ---------------------------------------------------------------- convolution */

/* "same": as many zeros in all as the kernel is longer than one element, the odd one after. */
static void pads_same(lists *out)
{
    for (int i = 0; i < out->axes; i++) {
        const int64_t all = out->dilations[i] * (out->kernel[i] - 1);
        out->pads[i] = all / 2;
        out->pads[out->axes + i] = all - all / 2;
    }
}

static ln_status convolution(ln_onnx_writing *w, bool transposed, ln_error *err)
{
    const ln_convolution_attributes *own = w->node->attributes;
    const ln_shape *weight = shape_of(w, 1);
    lists of = {.axes = weight->rank - 2};
    for (int i = 0; i < of.axes; i++) {
        of.kernel[i] = weight->dims[2 + i];
        of.strides[i] = entry(&own->stride, i, 1);
        of.dilations[i] = entry(&own->dilation, i, 1);
        of.more[i] = entry(&own->output_padding, i, 0);
    }
    if (own->padding.count == LN_PADDING_SAME)
        pads_same(&of);
    else
        pads_of(&of, &own->padding, &own->padding_after);
    const ln_onnx_written attributes[] = {ints("kernel_shape", of.axes, of.kernel),
                                          ints("strides", of.axes, of.strides),
                                          ints("dilations", of.axes, of.dilations),
                                          ints("pads", 2 * of.axes, of.pads),
                                          whole("group", own->groups ? own->groups : 1),
                                          transposed ? ints("output_padding", of.axes, of.more)
                                                     : END,
                                          END};
    ln_status status = check_outer(own->outer, err);
    if (!status)
        ln_onnx_put_own(w, transposed ? "ConvTranspose" : "Conv", attributes);
    return status;
}

static ln_status write_conv(ln_onnx_writing *w, ln_error *err)
{
    return convolution(w, false, err);
}

static ln_status write_conv_transpose(ln_onnx_writing *w, ln_error *err)
{
    return convolution(w, true, err);
}

/* ---------------------------------------------------------------- pooling */

static void pool_lists(const ln_onnx_writing *w, lists *out)
{
    const ln_pool_attributes *own = w->node->attributes;
    *out = (lists){.axes = shape_of(w, 0)->rank - 2 - (int)own->outer};
    for (int i = 0; i < out->axes; i++) {
        out->kernel[i] = entry(&own->kernel_size, i, 1);
        out->strides[i] = entry(&own->stride, i, out->kernel[i]);
        out->dilations[i] = entry(&own->dilation, i, 1);
    }
    pads_of(out, &own->padding, &own->padding_after);
}

static ln_status write_max_pool(ln_onnx_writing *w, ln_error *err)
{
    const ln_pool_attributes *own = w->node->attributes;
    lists of;
    pool_lists(w, &of);
    const ln_onnx_written attributes[] = {
        ints("kernel_shape", of.axes, of.kernel), ints("strides", of.axes, of.strides),
        ints("dilations", of.axes, of.dilations), ints("pads", 2 * of.axes, of.pads),
        whole("ceil_mode", own->ceil_mode),       END};
    ln_status status = check_outer(own->outer, err);
    if (!status && w->node->output_count > 1)
        return ln_fail(err, LN_EUNSUPPORTED, "its places cannot be written as ONNX yet");
    if (!status)
        ln_onnx_put_own(w, "MaxPool", attributes);
    return status;
}

static ln_status write_avg_pool(ln_onnx_writing *w, ln_error *err)
{
    const ln_pool_attributes *own = w->node->attributes;
    lists of;
    pool_lists(w, &of);
    const ln_onnx_written attributes[] = {ints("kernel_shape", of.axes, of.kernel),
                                          ints("strides", of.axes, of.strides),
                                          ints("pads", 2 * of.axes, of.pads),
                                          whole("ceil_mode", own->ceil_mode),
                                          whole("count_include_pad", own->count_include_pad),
                                          END};
    ln_status status = check_outer(own->outer, err);
    if (!status && own->divisor_override != 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "its divisor_override cannot be written as ONNX: no operator has it");
    for (int i = 0; i < of.axes && !status; i++)
        if (of.dilations[i] != 1)
            status = ln_fail(err, LN_EUNSUPPORTED,
                             "its dilation cannot be written as ONNX of operator set 17");
    if (!status)
        ln_onnx_put_own(w, "AveragePool", attributes);
    return status;
}

/* Windows of one size that tile the input; ONNX has no others. */
static ln_status adaptive(ln_onnx_writing *w, const char *operator_name, const char *global,
                          ln_error *err)
{
    const ln_adaptive_attributes *own = w->node->attributes;
    const ln_shape *in = shape_of(w, 0), *out = &w->graph->values[w->node->outputs[0]].shape;
    lists of = {.axes = in->rank - 2 - (int)own->outer};
    bool one = true;
    ln_status status = check_outer(own->outer, err);
    for (int i = 0; i < of.axes && !status; i++) {
        const int64_t size = in->dims[2 + i], wanted = out->dims[2 + i];
        one = one && wanted == 1;
        of.kernel[i] = of.strides[i] = size / wanted;
        if (size % wanted != 0)
            status =
                ln_fail(err, LN_EUNSUPPORTED,
                        "%lld elements do not fall into %lld windows of one size, which is all "
                        "that ONNX has",
                        (long long)size, (long long)wanted);
    }
    const ln_onnx_written attributes[] = {ints("kernel_shape", of.axes, of.kernel),
                                          ints("strides", of.axes, of.strides), END};
    if (!status)
        ln_onnx_put_own(w, one ? global : operator_name, one ? NULL : attributes);
    return status;
}

static ln_status write_adaptive_avg(ln_onnx_writing *w, ln_error *err)
{
    return adaptive(w, "AveragePool", "GlobalAveragePool", err);
}

static ln_status write_adaptive_max(ln_onnx_writing *w, ln_error *err)
{
    return adaptive(w, "MaxPool", "GlobalMaxPool", err);
}

/* ---------------------------------------------------------------- normalisation */

/* Input `input` of the node, or a constant of so many equal numbers where it is absent. */
static ln_status filled(ln_onnx_writing *w, int input, int64_t count, float number, char *name,
                        ln_error *err)
{
    ln_tensor *tensor;
    if (input < w->node->input_count && w->node->inputs[input] >= 0)
        return LN_OK;
    ln_status status = ln_tensor_new(LN_F32, &(ln_shape){1, {count}}, &tensor, err);
    if (status)
        return status;
    for (int64_t i = 0; i < count; i++)
        ln_f32(tensor)[i] = number;
    w->in[input] = ln_onnx_write_name(w->writer, w->out, name, LN_ONNX_NAME);
    ln_onnx_write_constant(w->writer, name, tensor);
    ln_tensor_release(tensor);
    return LN_OK;
}

/* ONNX wants a weight and a bias; a layer without them has ones and zeros. */
static ln_status normalisation(ln_onnx_writing *w, const char *operator_name, ln_error *err)
{
    const ln_channel_norm_attributes *own = w->node->attributes;
    const int64_t channels = shape_of(w, 0)->dims[1];
    char weight[LN_ONNX_NAME], bias[LN_ONNX_NAME];
    const ln_onnx_written attributes[] = {real("epsilon", own->eps), END};
    ln_status status = check_outer(own->outer, err);
    if (!status)
        status = filled(w, 1, channels, 1, weight, err);
    if (!status)
        status = filled(w, 2, channels, 0, bias, err);
    if (!status)
        ln_onnx_put_own(w, operator_name, attributes);
    return status;
}

static ln_status write_batch_norm(ln_onnx_writing *w, ln_error *err)
{
    return normalisation(w, "BatchNormalization", err);
}

static ln_status write_instance_norm(ln_onnx_writing *w, ln_error *err)
{
    return normalisation(w, "InstanceNormalization", err);
}

static ln_status write_layer_norm(ln_onnx_writing *w, ln_error *err)
{
    const ln_layer_norm_attributes *own = w->node->attributes;
    const ln_shape *in = shape_of(w, 0);
    const int axes = own->normalized_shape.count ? own->normalized_shape.count : (int)own->axes;
    ln_shape shape = {.rank = axes};
    ln_tensor *ones;
    char weight[LN_ONNX_NAME];
    const ln_onnx_written attributes[] = {whole("axis", -axes), real("epsilon", own->eps), END};
    if (w->node->output_count > 1)
        return ln_fail(err, LN_EUNSUPPORTED, "its mean cannot be written as ONNX yet");
    if (w->node->input_count < 2 || w->node->inputs[1] < 0) {
        memcpy(shape.dims, in->dims + in->rank - axes, (size_t)axes * sizeof *shape.dims);
        ln_status status = ln_tensor_new(LN_F32, &shape, &ones, err);
        if (status)
            return status;
        for (int64_t i = 0; i < ln_shape_count(&shape); i++)
            ln_f32(ones)[i] = 1;
        w->in[1] = ln_onnx_write_name(w->writer, w->out, weight, LN_ONNX_NAME);
        ln_onnx_write_constant(w->writer, weight, ones);
        ln_tensor_release(ones);
    }
    ln_onnx_put_own(w, "LayerNormalization", attributes);
    return LN_OK;
}

static ln_status write_response_norm(ln_onnx_writing *w, ln_error *err)
{
    const ln_response_norm_attributes *own = w->node->attributes;
    const ln_onnx_written attributes[] = {whole("size", own->size), real("alpha", own->alpha),
                                          real("beta", own->beta), real("bias", own->k), END};
    if (own->size % 2 == 0 && !own->later)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "its even size cannot be written as ONNX, which has the odd channel after");
    ln_status status = check_outer(own->outer, err);
    if (!status)
        ln_onnx_put_own(w, "LRN", attributes);
    return status;
}

/* ---------------------------------------------------------------- the table */

#define EACH(word, write)                                                                          \
    {word "1d", write}, {word "2d", write},                                                        \
    {                                                                                              \
        word "3d", write                                                                           \
    }
const ln_onnx_layer_writer ln_onnx_spatial_writers[] = {
    EACH("conv", write_conv),
    EACH("conv_transpose", write_conv_transpose),
    EACH("max_pool", write_max_pool),
    EACH("avg_pool", write_avg_pool),
    EACH("adaptive_avg_pool", write_adaptive_avg),
    EACH("adaptive_max_pool", write_adaptive_max),
    EACH("batch_norm", write_batch_norm),
    EACH("instance_norm", write_instance_norm),
    {"layer_norm", write_layer_norm},
    {"local_response_norm", write_response_norm},
    {NULL, NULL},
};
