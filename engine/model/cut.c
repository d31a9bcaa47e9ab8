/* A model that reads a layer's numbers beside its inputs. The layer's own node stays in the graph, where a
 * plan leaves it out unless other ways lead through it. */
#include "base/error.h"
#include "model/kept.h"

#include <stdio.h>

/* The value's name with a sign that no layer's has. */
static ln_status add_input(ln_graph *graph, int value, int *out, ln_error *err)
{
    const ln_value *cut = &graph->values[value];
    char name[256];
    snprintf(name, sizeof name, "%.200s (given)", cut->name);
    const ln_shape shape = cut->shape;
    return ln_graph_add_input(graph, name, LN_F32, &shape, out, err);
}

ln_status ln_model_cut(const ln_model *model, int value, ln_model **out, ln_error *err)
{
    ln_graph *graph = NULL;
    int given = -1;
    *out = NULL;
    ln_status status = ln_kept_copy(model, &graph, err);
    if (!status)
        status = add_input(graph, value, &given, err);
    if (status) {
        ln_graph_release(graph);
        return status;
    }
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] == value)
                graph->nodes[i].inputs[k] = given;
    const char *output = graph->values[model->output_value].name;
    status = ln_model_new(model->format, graph, output, NULL, model->task, out, err);
    if (!status) {
        (*out)->fast = model->fast;
        (*out)->profile = model->profile;
    }
    ln_graph_release(graph);
    return status;
}
