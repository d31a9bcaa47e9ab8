/* Where all that stands behind a first dense layer is dense layers too, with activations between them: the
 * layers for kernels/cascade.h. */
#include <math.h>
#include <string.h>

#include "kernels/elementary.h"
#include "kernels/kernels.h"
#include "layers/attributes.h"
#include "model/kept.h"
#include "model/model.h"

enum {
    MOST_LAYERS = 16,
    /* Weights of all layers: half a megabyte, which stays in the second cache for all rows. */
    MOST_WEIGHTS = 128 * 1024
};

/* What is found on the way from the input to the output. */
typedef struct way {
    const ln_graph *graph;
    ln_cascade_ending first;              /* of what comes in */
    ln_cascade_dense layers[MOST_LAYERS]; /* in their order */
    int64_t count, weights;               /* of the layers; numbers of all their weights */
} way;

static bool all_finite(const float *numbers, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(numbers[i]))
            return false;
    return true;
}

static bool is_constant(const way *it, int value)
{
    const ln_value *v = &it->graph->values[value];
    return v->constant && all_finite(ln_f32(v->constant), ln_shape_count(&v->shape));
}

/* A dense layer, if it is one of ours: what tiles or a library multiply faster stays theirs, and a number
 * that is not finite makes NaN of a 0 that is left out here. */
static bool take_dense(way *it, const ln_node *node)
{
    const ln_dense_attributes *own = node->attributes;
    const ln_shape *shape = &it->graph->values[node->inputs[1]].shape;
    const int bias = node->input_count > 2 ? node->inputs[2] : -1;
    if (it->count == MOST_LAYERS || it->graph->values[node->inputs[0]].shape.rank != 2 ||
        !is_constant(it, node->inputs[1]) || (bias >= 0 && !is_constant(it, bias)))
        return false;
    const int64_t inputs = shape->dims[own->in_out ? 0 : 1];
    const int64_t outputs = shape->dims[own->in_out ? 1 : 0];
    it->weights += inputs * outputs;
    if (it->weights > MOST_WEIGHTS || inputs > LN_CASCADE_WIDEST ||
        ln_kernels_choose(inputs, outputs) != &ln_kernels_plain)
        return false;
    it->layers[it->count++] = (ln_cascade_dense){
        .inputs = inputs,
        .outputs = outputs,
        .weight = ln_f32(it->graph->values[node->inputs[1]].constant),
        .input_step = own->in_out ? outputs : 1,
        .output_step = own->in_out ? 1 : inputs,
        .bias = bias >= 0 ? ln_f32(it->graph->values[bias].constant) : NULL,
        .ending.cut = own->cut,
    };
    return true;
}

static ln_cascade_activation activation_of(const ln_node *node)
{
    const char *word = node->layer->word.name;
    const ln_elementary *elementary = ln_elementary_choose();
    if (strcmp(word, "tanh") == 0)
        return elementary->tanh;
    if (strcmp(word, "sigmoid") == 0)
        return elementary->sigmoid;
    if (strcmp(word, "gelu") == 0 && !((const ln_scalar_attributes *)node->attributes)->approximate)
        return elementary->gelu;
    return NULL;
}

/* An activation behind a layer that has none yet. */
static bool take_activation(way *it, const ln_node *node)
{
    ln_cascade_ending *ending = it->count > 0 ? &it->layers[it->count - 1].ending : &it->first;
    if (ending->cut || ending->activate)
        return false;
    ending->cut = strcmp(node->layer->word.name, "relu") == 0;
    ending->activate = activation_of(node);
    return ending->cut || ending->activate;
}

/* Walks from the input to the output; false where something else stands there. */
static bool find(way *it, int output)
{
    for (int value = it->graph->inputs[0]; value != output;) {
        const ln_node *node = ln_graph_only_reader(it->graph, value);
        if (!node || node->inputs[0] != value || node->output_count != 1)
            return false;
        const bool taken = strcmp(node->layer->word.name, "dense") == 0 ? take_dense(it, node)
                                                                        : take_activation(it, node);
        if (!taken)
            return false;
        value = node->outputs[0];
    }
    if (it->count == 0)
        return false;
    const ln_cascade_ending *ending = &it->layers[it->count - 1].ending;
    return !ending->cut && !ending->activate;
}

ln_status ln_model_cascade(ln_model *model, const ln_function_options *options, bool cut,
                           ln_cascade *out, ln_error *err)
{
    ln_function *function = NULL;
    *out = (ln_cascade){0};
    ln_status status = ln_function_new(model, options, &function, err);
    if (!status) {
        way it = {.graph = function->graph, .first.cut = cut};
        if (find(&it, function->output))
            status = ln_cascade_make(function->width, it.first, it.layers, it.count, out, err);
    }
    ln_function_free(function);
    return status;
}
