/* What one node takes over from its neighbour.
 *
 * Batch norm after a convolution or dense layer, with s_c = weight_c / sqrt(variance_c + eps):
 *
 *     W'_c = s_c W_c                b'_c = s_c (b_c - mean_c) + bias_c
 *
 * and before one that pads nothing, with the offsets t_i = bias_i - s_i mean_i of its input channels:
 *
 *     W'_ci = W_ci s_i              b'_c = b_c + sum over i of W_ci t_i
 *
 * in float64, once. Pad with zeros before a convolution or an average, with -infinity before a maximum, is
 * their own padding. Only where nobody else reads what is in between. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/simplify_internal.h"
#include "layers/attributes.h"
#include "layers/normalisation.h"

static bool begins(const ln_node *node, const char *word)
{
    return strncmp(node->layer->word.name, word, strlen(word)) == 0;
}

static bool is(const ln_node *node, const char *word)
{
    return strcmp(node->layer->word.name, word) == 0;
}

static bool is_convolution(const ln_node *node)
{
    return begins(node, "conv1d") || begins(node, "conv2d") || begins(node, "conv3d") ||
           begins(node, "conv_transpose");
}

static const ln_tensor *constant_at(const ln_graph *graph, const ln_node *node, int input)
{
    if (input >= node->input_count || node->inputs[input] < 0)
        return NULL;
    const ln_value *value = &graph->values[node->inputs[input]];
    return value->dtype == LN_F32 ? value->constant : NULL;
}

/* Weights that are there are constants. */
static bool has_constants(const ln_graph *graph, const ln_node *node)
{
    for (int i = 1; i < node->input_count; i++)
        if (node->inputs[i] >= 0 && !constant_at(graph, node, i))
            return false;
    return true;
}

/* ---------------------------------------------------------------- finding */

int ln_simplify_sole_producer(const ln_simplifying *s, int value)
{
    const int producer = s->from->values[value].producer;
    return producer >= 0 && s->readers[value] == 1 && s->from->nodes[producer].output_count == 1
               ? producer
               : -1;
}

const ln_node *ln_simplify_made_by(const ln_simplifying *s, int value, const ln_layer *layer,
                                   int readers)
{
    const int producer = value < 0 ? -1 : s->from->values[value].producer;
    if (producer < 0 || s->readers[value] != readers)
        return NULL;
    const ln_node *node = &s->from->nodes[producer];
    return node->layer == layer && node->output_count == 1 ? node : NULL;
}

bool ln_simplify_is_number(const ln_graph *graph, int value, double *out)
{
    const ln_tensor *constant = value < 0 ? NULL : graph->values[value].constant;
    if (!constant || constant->dtype != LN_F32 || ln_shape_count(&constant->shape) != 1)
        return false;
    *out = (double)ln_f32(constant)[0];
    return true;
}

static bool takes_norm(const ln_graph *graph, const ln_node *node, const ln_node *norm)
{
    const ln_channel_norm_attributes *own = norm->attributes;
    const ln_shape *shape = &graph->values[norm->inputs[0]].shape;
    if (!has_constants(graph, node) || !has_constants(graph, norm) || norm->input_count < 5 ||
        norm->output_count != 1)
        return false;
    if (is(node, "dense")) /* its outputs are the channels */
        return shape->rank == 2 + (int)own->outer;
    return is_convolution(node) &&
           ((const ln_convolution_attributes *)node->attributes)->outer == own->outer;
}

/* Whether the norm's channels are all that the node's weights reach: nothing is put beside them. */
static bool follows_norm(const ln_graph *graph, const ln_node *node, const ln_node *norm)
{
    const ln_convolution_attributes *own = node->attributes;
    if (!takes_norm(graph, node, norm) || begins(node, "conv_transpose"))
        return false;
    for (int i = 0; is_convolution(node) && i < own->padding.count; i++)
        if (own->padding.at[i] != 0)
            return false;
    for (int i = 0; is_convolution(node) && i < own->padding_after.count; i++)
        if (own->padding_after.at[i] != 0)
            return false;
    return !is_convolution(node) || own->padding.count >= 0; /* not "same" */
}

static bool pads_nothing_but(const ln_pad_attributes *pad, int first)
{
    bool only = pad->mode == LN_PAD_CONSTANT && pad->before.count == pad->after.count;
    for (int i = 0; i < pad->before.count; i++)
        only = only && pad->before.at[i] >= 0 && pad->after.at[i] >= 0 &&
               (i >= first || (pad->before.at[i] == 0 && pad->after.at[i] == 0));
    return only;
}

static bool takes_pad(const ln_graph *graph, const ln_node *node, const ln_node *pad)
{
    const ln_pad_attributes *own = pad->attributes;
    if (!has_constants(graph, pad))
        return false;
    if (is_convolution(node) && !begins(node, "conv_transpose")) {
        const ln_convolution_attributes *convolution = node->attributes;
        return convolution->padding.count >= 0 && own->value == 0 &&
               pads_nothing_but(own, (int)convolution->outer + 1);
    }
    const bool greatest = begins(node, "max_pool"), mean = begins(node, "avg_pool");
    if ((!greatest && !mean) || node->output_count != 1)
        return false;
    const ln_pool_attributes *pool = node->attributes;
    bool padded = pool->ceil_mode;
    for (int i = 0; i < pool->padding.count; i++)
        padded = padded || pool->padding.at[i] != 0;
    for (int i = 0; i < pool->padding_after.count; i++)
        padded = padded || pool->padding_after.at[i] != 0;
    return pads_nothing_but(own, (int)pool->outer + 1) && !padded &&
           (greatest ? own->value == -INFINITY : own->value == 0);
}

void ln_simplify_find(ln_simplifying *s)
{
    const ln_graph *graph = s->from;
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        s->norm[i] = s->ahead[i] = s->pad[i] = -1;
        if (node->input_count == 0 || node->inputs[0] < 0)
            continue;
        const int before = ln_simplify_sole_producer(s, node->inputs[0]);
        if (before < 0)
            continue;
        if ((s->passes & LN_SIMPLIFY_BATCH_NORM) && begins(node, "batch_norm") &&
            takes_norm(graph, &graph->nodes[before], node)) {
            s->norm[before] = i;
            s->absorbed[i] = true;
        }
        if ((s->passes & LN_SIMPLIFY_BATCH_NORM) && begins(&graph->nodes[before], "batch_norm") &&
            !s->absorbed[before] && follows_norm(graph, node, &graph->nodes[before])) {
            s->ahead[i] = before;
            s->absorbed[before] = true;
        }
        if ((s->passes & LN_SIMPLIFY_PAD) && is(&graph->nodes[before], "pad") &&
            takes_pad(graph, node, &graph->nodes[before])) {
            s->pad[i] = before;
            s->absorbed[before] = true;
        }
    }
}

/* ---------------------------------------------------------------- batch norm */

/* y = factor x + offset, a channel. */
static void scale_of(const ln_graph *graph, const ln_node *norm, int64_t channels, double *factor,
                     double *offset)
{
    const ln_channel_norm_attributes *own = norm->attributes;
    const ln_tensor *weight = constant_at(graph, norm, 1), *bias = constant_at(graph, norm, 2);
    const ln_tensor *mean = constant_at(graph, norm, 3), *variance = constant_at(graph, norm, 4);
    for (int64_t c = 0; c < channels; c++) {
        factor[c] = (weight ? (double)ln_f32(weight)[c] : 1) /
                    sqrt((double)ln_f32(variance)[c] + ln_norm_eps(own->eps));
        offset[c] = (bias ? (double)ln_f32(bias)[c] : 0) - factor[c] * (double)ln_f32(mean)[c];
    }
}

/* The output channel of an element of the weight. */
static int64_t channel_of(const ln_node *node, const ln_shape *weight, int64_t channels, int64_t i)
{
    int64_t inner = 1;
    for (int axis = 1; axis < weight->rank; axis++)
        inner *= weight->dims[axis];
    const int64_t first = i / inner;
    if (is(node, "dense"))
        return ((const ln_dense_attributes *)node->attributes)->in_out ? i % inner : first;
    if (!begins(node, "conv_transpose"))
        return first;
    const int64_t a_group = weight->dims[1], groups = channels / a_group;
    return first / (weight->dims[0] / groups) * a_group + i / (inner / a_group) % a_group;
}

/* The input channel of an element of the weight of a dense layer or a convolution (not transposed). */
static int64_t input_channel_of(const ln_node *node, const ln_shape *weight, int64_t channels,
                                int64_t i)
{
    int64_t taps = 1;
    for (int axis = 2; axis < weight->rank; axis++)
        taps *= weight->dims[axis];
    if (is(node, "dense") && ((const ln_dense_attributes *)node->attributes)->in_out)
        return i / weight->dims[1];
    const int64_t a_group = weight->dims[1], groups = channels / a_group;
    const int64_t output = i / (a_group * taps);
    return output / (weight->dims[0] / groups) * a_group + i / taps % a_group;
}

ln_status ln_simplify_add_constant(ln_simplifying *s, const ln_node *node, const char *what,
                                   ln_tensor *tensor, int *value, ln_error *err)
{
    char name[512];
    for (int number = 0;; number++) {
        snprintf(name, sizeof name, "%.480s/%s.%d", node->name, what, number);
        if (ln_graph_find_value(s->to, name) < 0 && ln_graph_find_value(s->from, name) < 0)
            break;
    }
    return ln_graph_add_constant(s->to, name, tensor, true, value, err);
}

/* Weights and biases of a node, in float64. */
typedef struct folding {
    const ln_shape *shape;
    int64_t outputs;
    double *weight, *bias;
} folding;

static ln_status folding_new(const ln_graph *graph, const ln_node *node, folding *out,
                             ln_error *err)
{
    const ln_tensor *weight = constant_at(graph, node, 1), *bias = constant_at(graph, node, 2);
    const ln_shape *result = &graph->values[node->outputs[0]].shape;
    const int64_t count = ln_shape_count(&weight->shape);
    ln_status status = ln_tensor_wake(graph->values[node->inputs[1]].constant, err);
    if (status)
        return status;
    const int outer = is_convolution(node)
                          ? (int)((const ln_convolution_attributes *)node->attributes)->outer
                          : 0;
    *out = (folding){.shape = &weight->shape};
    out->outputs = result->dims[is_convolution(node) ? 1 + outer : result->rank - 1];
    out->weight = ln_calloc((size_t)(count + out->outputs), sizeof *out->weight);
    if (!out->weight)
        return ln_fail_memory(err, (size_t)(count + out->outputs) * sizeof *out->weight);
    out->bias = out->weight + count;
    for (int64_t i = 0; i < count; i++)
        out->weight[i] = (double)ln_f32(weight)[i];
    for (int64_t c = 0; c < out->outputs; c++)
        out->bias[c] = bias ? (double)ln_f32(bias)[c] : 0;
    return LN_OK;
}

/* Takes the batch norm behind the node in, or the one `ahead` of it. */
static ln_status fold_norm(const ln_graph *graph, const ln_node *node, const ln_node *norm,
                           bool ahead, folding *to, ln_error *err)
{
    const int64_t channels = ln_shape_count(&constant_at(graph, norm, 4)->shape);
    double *factor = ln_calloc((size_t)channels, 2 * sizeof *factor);
    if (!factor)
        return ln_fail_memory(err, 2 * (size_t)channels * sizeof *factor);
    double *offset = factor + channels;
    scale_of(graph, norm, channels, factor, offset);
    for (int64_t i = 0; i < ln_shape_count(to->shape); i++) {
        const int64_t output = channel_of(node, to->shape, to->outputs, i);
        const int64_t from = ahead ? input_channel_of(node, to->shape, channels, i) : output;
        if (ahead)
            to->bias[output] += to->weight[i] * offset[from];
        to->weight[i] *= factor[from];
    }
    for (int64_t c = 0; c < channels && !ahead; c++)
        to->bias[c] = to->bias[c] * factor[c] + offset[c];
    ln_free(factor);
    return LN_OK;
}

/* Weight and bias with the batch norms in them (NULL: none), as inputs 1 and 2. */
static ln_status fold_norms(ln_simplifying *s, const ln_node *node, const ln_node *ahead,
                            const ln_node *norm, int *inputs, ln_error *err)
{
    ln_tensor *scaled = NULL, *moved = NULL;
    folding made;
    ln_status status = folding_new(s->from, node, &made, err);
    if (status)
        return status;
    const ln_shape vector = {1, {made.outputs}};
    if (ahead)
        status = fold_norm(s->from, node, ahead, true, &made, err);
    if (!status && norm)
        status = fold_norm(s->from, node, norm, false, &made, err);
    if (!status)
        status = ln_tensor_new(LN_F32, made.shape, &scaled, err);
    if (!status)
        status = ln_tensor_new(LN_F32, &vector, &moved, err);
    if (!status) {
        for (int64_t i = 0; i < ln_shape_count(made.shape); i++)
            ln_f32(scaled)[i] = (float)made.weight[i];
        for (int64_t c = 0; c < made.outputs; c++)
            ln_f32(moved)[c] = (float)made.bias[c];
        status = ln_simplify_add_constant(s, node, "weight", scaled, &inputs[1], err);
    }
    if (!status)
        status = ln_simplify_add_constant(s, node, "bias", moved, &inputs[2], err);
    ln_tensor_release(scaled);
    ln_tensor_release(moved);
    ln_free(made.weight);
    return status;
}

/* ---------------------------------------------------------------- pad */

static int64_t entry(const ln_ints *list, int axis)
{
    return list->count == 0 ? 0 : list->at[list->count == 1 ? 0 : axis];
}

/* padding += the pad's, axis by axis of the last `spatial` ones. */
static void widen(const ln_pad_attributes *pad, int spatial, ln_ints *padding, ln_ints *after)
{
    ln_ints first = {.count = spatial}, last = {.count = spatial};
    for (int i = 0; i < spatial; i++) {
        const int axis = pad->before.count - spatial + i;
        first.at[i] = entry(padding, i) + pad->before.at[axis];
        last.at[i] = entry(after->count ? after : padding, i) + pad->after.at[axis];
    }
    *padding = first;
    *after = last;
}

/* The attributes of a node that pads for itself. */
static void fold_pad(const ln_simplifying *s, const ln_node *node, const ln_node *pad,
                     ln_convolution_attributes *convolution, ln_pool_attributes *pool)
{
    const ln_pad_attributes *own = pad->attributes;
    const int rank = s->from->values[node->inputs[0]].shape.rank;
    if (is_convolution(node)) {
        *convolution = *(const ln_convolution_attributes *)node->attributes;
        widen(own, rank - 2 - (int)convolution->outer, &convolution->padding,
              &convolution->padding_after);
        return;
    }
    *pool = *(const ln_pool_attributes *)node->attributes;
    pool->count_include_pad = true;
    widen(own, rank - 2 - (int)pool->outer, &pool->padding, &pool->padding_after);
}

/* ---------------------------------------------------------------- adding */

ln_status ln_simplify_absorb(ln_simplifying *s, int index, bool *done, ln_error *err)
{
    const ln_node *node = &s->from->nodes[index];
    const ln_node *norm = s->norm[index] >= 0 ? &s->from->nodes[s->norm[index]] : NULL;
    const ln_node *ahead = s->ahead[index] >= 0 ? &s->from->nodes[s->ahead[index]] : NULL;
    const ln_node *pad = s->pad[index] >= 0 ? &s->from->nodes[s->pad[index]] : NULL;
    const void *attributes = node->attributes;
    ln_convolution_attributes convolution;
    ln_pool_attributes pool;
    int inputs[3] = {-1, -1, -1}, count = node->input_count, made;
    if (count > 3)
        return LN_OK;
    for (int i = 0; i < count; i++)
        inputs[i] = node->inputs[i] < 0 ? -1 : s->map[node->inputs[i]];
    ln_status status = LN_OK;
    if (norm || ahead) {
        status = fold_norms(s, node, ahead, norm, inputs, err);
        count = 3;
    }
    if (ahead)
        inputs[0] = s->map[ahead->inputs[0]];
    if (pad) {
        inputs[0] = s->map[pad->inputs[0]];
        fold_pad(s, node, pad, &convolution, &pool);
        attributes = is_convolution(node) ? (const void *)&convolution : (const void *)&pool;
    }
    if (status)
        return status;
    const int result = norm ? norm->outputs[0] : node->outputs[0];
    const char *name = s->from->values[result].name;
    status = ln_graph_add_node(s->to, node->layer, node->operator_name, node->name, attributes,
                               inputs, count, &name, 1, &made, err);
    if (status == LN_EINVALID || status == LN_EUNSUPPORTED)
        return LN_OK; /* more padding than the layer takes, say: all stay as they are */
    if (status)
        return status;
    s->map[result] = s->to->nodes[made].outputs[0];
    *done = true;
    return LN_OK;
}
