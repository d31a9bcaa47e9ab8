/* Where a model begins with a dense layer that all of its input goes through: what perturbs the input one
 * feature at a time can then add up columns of its weights (explainers/common/factored.h). */
#include <string.h>

#include "graph/behind.h"
#include "layers/attributes.h"
#include "model/head.h"
#include "model/model.h"

static bool keeps_a_row(const char *word)
{
    static const char *const words[] = {"identity", "dropout", "flatten", "reshape"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* The dense layer behind the input, if nothing but the form of a row changes on the way to it. */
static const ln_node *find(const ln_model *model)
{
    const ln_graph *graph = model->graph;
    if (model->callback.run || model->holds || graph->input_count != 1 ||
        graph->values[graph->inputs[0]].dtype != LN_F32)
        return NULL;
    for (int value = graph->inputs[0];;) {
        const ln_node *node = ln_graph_only_reader(graph, value);
        if (!node || node->inputs[0] != value)
            return NULL;
        if (strcmp(node->layer->word.name, "dense") == 0)
            return graph->values[value].shape.rank == 2 ? node : NULL;
        if (!keeps_a_row(node->layer->word.name) || node->output_count != 1)
            return NULL;
        value = node->outputs[0];
    }
}

static ln_status is_behind(const ln_graph *graph, int value, int output, bool *out, ln_error *err)
{
    ln_graph *behind;
    int made;
    ln_status status = ln_graph_behind(graph, value, output, &behind, &made, err);
    *out = !status && behind;
    ln_graph_release(behind);
    return status;
}

ln_status ln_model_first_dense(const ln_model *model, ln_link link, ln_first_dense *out,
                               ln_error *err)
{
    *out = (ln_first_dense){0};
    const ln_node *node = find(model);
    if (!node)
        return LN_OK;
    const ln_graph *graph = model->graph;
    const ln_value *weight = &graph->values[node->inputs[1]];
    const int bias = node->input_count > 2 ? node->inputs[2] : -1;
    if (!weight->constant || (bias >= 0 && !graph->values[bias].constant))
        return LN_OK;
    /* Behind the relu where there is one and something follows it; else behind the layer itself. */
    const ln_node *next = ln_graph_only_reader(graph, node->outputs[0]);
    const bool cut = next && strcmp(next->layer->word.name, "relu") == 0;
    const int value = cut ? next->outputs[0] : node->outputs[0];
    ln_graph *linked = NULL;
    int output;
    bool found = false, found_cut = false;
    ln_status status = ln_link_apply(model, link, &linked, &output, err);
    if (!status && cut)
        status = is_behind(linked, value, output, &found_cut, err);
    if (!status && !found_cut)
        status = is_behind(linked, node->outputs[0], output, &found, err);
    if (!status && (found || found_cut))
        *out = (ln_first_dense){
            .weight = ln_f32(weight->constant),
            .bias = bias >= 0 ? ln_f32(graph->values[bias].constant) : NULL,
            .in_out = ((const ln_dense_attributes *)node->attributes)->in_out,
            .inputs = model->width,
            .outputs = ln_shape_row(&graph->values[node->outputs[0]].shape),
            .cut = found_cut,
            .value = found_cut ? value : node->outputs[0],
        };
    ln_graph_release(linked);
    return status;
}
