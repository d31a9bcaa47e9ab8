/* A model some of whose layers have forgotten what they learnt: the weights of dense layers and convolutions
 * drawn anew, uniform in +- 1 / sqrt(n) where n inputs go into each output (what declared layers start from,
 * biases too). Draws depend on (seed, the layer's place, the number of the weight) alone: a layer forgets in the
 * same way whichever others forget with it. All else, batch normalisation too, stays. */
#include <math.h>

#include "base/error.h"
#include "base/rng.h"
#include "model/kept.h"

static bool has_weights(const ln_graph *graph, const ln_node *node)
{
    return (node->layer->flags & LN_LAYER_LINEAR) && node->input_count > 1 &&
           node->inputs[1] >= 0 && !graph->values[node->outputs[0]].fixed;
}

/* Inputs of one output. Dense weights are stored either way round; of convolutions the first axis counts
 * outputs (of transposed ones it is what PyTorch takes for them). */
static double fan_in(const ln_graph *graph, const ln_node *node)
{
    const ln_shape *weight = &graph->values[node->inputs[1]].shape;
    const ln_shape *out = &graph->values[node->outputs[0]].shape;
    const int64_t outputs = weight->rank == 2 ? out->dims[out->rank - 1] : weight->dims[0];
    return (double)ln_shape_count(weight) / (double)(outputs > 0 ? outputs : 1);
}

static ln_status draw(ln_graph *graph, int index, uint64_t seed, ln_error *err)
{
    const ln_node *node = &graph->nodes[index];
    const double bound = 1 / sqrt(fan_in(graph, node));
    for (int i = 1; i < node->input_count && i < 3; i++) {
        ln_value *value = node->inputs[i] < 0 ? NULL : &graph->values[node->inputs[i]];
        ln_tensor *made = NULL;
        if (!value)
            continue;
        if (!value->constant || value->dtype != LN_F32)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "the weights of '%s' are made from others, and cannot be drawn anew",
                           node->name);
        ln_status status = ln_tensor_new(LN_F32, &value->shape, &made, err);
        if (status)
            return status;
        ln_rng rng = ln_rng_make(seed, "randomise", (uint64_t)index, (uint64_t)i);
        for (int64_t k = 0; k < ln_shape_count(&value->shape); k++)
            ln_f32(made)[k] = (float)((2 * ln_rng_uniform(&rng) - 1) * bound);
        ln_tensor_release(value->constant);
        value->constant = made;
    }
    return LN_OK;
}

/* The node that makes the value, which must have weights. */
static ln_status find_node(const ln_graph *graph, int value, int *out, ln_error *err)
{
    for (int i = 0; i < graph->node_count; i++)
        if (has_weights(graph, &graph->nodes[i]) && graph->nodes[i].outputs[0] == value) {
            *out = i;
            return LN_OK;
        }
    ln_fail(err, LN_EINVALID, "'%s' has no weights to draw anew", graph->values[value].name);
    ln_error_hint(err, "dense layers and convolutions have");
    return LN_EINVALID;
}

ln_status ln_model_randomise(const ln_model *model, int layer, ln_randomise order, uint64_t seed,
                             ln_model **out, ln_error *err)
{
    ln_graph *graph = NULL;
    int chosen = -1, count = 0;
    *out = NULL;
    if (model->callback.run)
        return ln_fail(err, LN_EUNSUPPORTED, "a blackbox has no weights to draw anew");
    ln_status status = layer >= 0 ? find_node(model->graph, layer, &chosen, err) : LN_OK;
    if (!status)
        status = ln_kept_copy(model, &graph, err);
    for (int i = 0; !status && i < graph->node_count; i++) {
        const bool with = chosen < 0 || i == chosen ||
                          (order == LN_RANDOMISE_TOP_DOWN && i > chosen) ||
                          (order == LN_RANDOMISE_BOTTOM_UP && i < chosen);
        if (!with || !has_weights(graph, &graph->nodes[i]))
            continue;
        status = draw(graph, i, seed, err);
        count++;
    }
    if (!status && count == 0)
        status = ln_fail(err, LN_EUNSUPPORTED,
                         "the model has no dense layer and no convolution to draw anew");
    if (!status)
        status = ln_model_new(model->format, graph, graph->values[model->output_value].name, NULL,
                              model->task, out, err);
    if (!status)
        (*out)->fast = model->fast;
    ln_graph_release(graph);
    return status;
}
