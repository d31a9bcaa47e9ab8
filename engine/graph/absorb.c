/* What one node takes over from its neighbour.
 *
 * Batch norm after a convolution or dense layer, with s_c = weight_c / sqrt(variance_c + eps):
 *
 *     W'_c = s_c W_c                b'_c = s_c (b_c - mean_c) + bias_c
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
        s->norm[i] = s->pad[i] = -1;
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

static ln_status add_constant(ln_simplifying *s, const ln_node *node, const char *what,
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

/* Weight and bias with the batch norm in them, as inputs 1 and 2. */
static ln_status fold_norm(ln_simplifying *s, const ln_node *node, const ln_node *norm, int *inputs,
                           ln_error *err)
{
    const ln_tensor *weight = constant_at(s->from, node, 1), *bias = constant_at(s->from, node, 2);
    const int64_t channels = ln_shape_count(&constant_at(s->from, norm, 4)->shape);
    double *factor = ln_calloc((size_t)channels, 2 * sizeof *factor);
    ln_tensor *scaled = NULL, *moved = NULL;
    const ln_shape vector = {1, {channels}};
    ln_status status = factor ? LN_OK : ln_fail_memory(err, 2 * (size_t)channels * sizeof *factor);
    if (!status)
        status = ln_tensor_new(LN_F32, &weight->shape, &scaled, err);
    if (!status)
        status = ln_tensor_new(LN_F32, &vector, &moved, err);
    if (!status) {
        double *offset = factor + channels;
        scale_of(s->from, norm, channels, factor, offset);
        for (int64_t i = 0; i < ln_shape_count(&weight->shape); i++)
            ln_f32(scaled)[i] = (float)((double)ln_f32(weight)[i] *
                                        factor[channel_of(node, &weight->shape, channels, i)]);
        for (int64_t c = 0; c < channels; c++)
            ln_f32(moved)[c] =
                (float)((bias ? (double)ln_f32(bias)[c] : 0) * factor[c] + offset[c]);
        status = add_constant(s, node, "weight", scaled, &inputs[1], err);
    }
    if (!status)
        status = add_constant(s, node, "bias", moved, &inputs[2], err);
    ln_tensor_release(scaled);
    ln_tensor_release(moved);
    ln_free(factor);
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
    if (norm) {
        status = fold_norm(s, node, norm, inputs, err);
        count = 3;
    }
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
