#include "graph/behind.h"

#include "base/alloc.h"
#include "base/error.h"
#include "graph/simplify_internal.h"

/* Marks the values that `output` is made from, as far as `value`; false where one is an input. */
static bool mark(const ln_graph *graph, int value, int output, bool *needed)
{
    needed[output] = true;
    for (int n = graph->node_count - 1; n >= 0; n--) {
        const ln_node *node = &graph->nodes[n];
        bool wanted = false;
        for (int i = 0; i < node->output_count; i++)
            wanted |= needed[node->outputs[i]] && node->outputs[i] != value;
        for (int i = 0; i < node->input_count && wanted; i++)
            if (node->inputs[i] >= 0)
                needed[node->inputs[i]] = true;
    }
    for (int i = 0; i < graph->input_count; i++)
        if (needed[graph->inputs[i]])
            return false;
    return needed[value];
}

static ln_status build(const ln_graph *graph, int value, const bool *needed, ln_simplifying *s,
                       ln_error *err)
{
    const ln_value *from = &graph->values[value];
    ln_status status =
        ln_graph_add_input(s->to, from->name, from->dtype, &from->shape, &s->map[value], err);
    for (int v = 0; v < graph->value_count && !status; v++)
        if (needed[v] && graph->values[v].constant)
            status = ln_graph_add_constant(s->to, graph->values[v].name, graph->values[v].constant,
                                           graph->values[v].trainable, &s->map[v], err);
    for (int n = 0; n < graph->node_count && !status; n++) {
        bool wanted = false;
        for (int i = 0; i < graph->nodes[n].output_count; i++)
            wanted |= needed[graph->nodes[n].outputs[i]] && graph->nodes[n].outputs[i] != value;
        if (wanted)
            status = ln_simplify_copy(s, n, err);
    }
    return status;
}

ln_status ln_graph_behind(const ln_graph *graph, int value, int output, ln_graph **out,
                          int *out_output, ln_error *err)
{
    size_t values = (size_t)graph->value_count;
    bool *needed = ln_calloc(values, sizeof *needed);
    ln_simplifying s = {.from = graph, .map = ln_calloc(values, sizeof *s.map)};
    ln_status status = LN_OK;
    *out = NULL;
    if (!needed || !s.map)
        status = ln_fail_memory(err, values * sizeof *s.map);
    else if (value != output && mark(graph, value, output, needed))
        status = ln_graph_new(&s.to, err);
    if (!status && s.to) {
        status = build(graph, value, needed, &s, err);
        *out_output = s.map[output];
    }
    if (!status && s.to)
        status = ln_graph_add_output(s.to, *out_output, err);
    if (status)
        ln_graph_release(s.to);
    else
        *out = s.to;
    ln_free(needed);
    ln_free(s.map);
    return status;
}
