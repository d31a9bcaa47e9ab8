/* Finding by name. What a script calls a layer may be a node's name or number or, in a model from a
 * file, the name of a value; names go before numbers, but for those of values: exporters number them,
 * and `layer = 3` has to stay the fourth layer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/graph.h"

int ln_graph_find_value(const ln_graph *graph, const char *name)
{
    return ln_name_index_find(&graph->value_names, name);
}

int ln_graph_find_node(const ln_graph *graph, const char *name)
{
    return ln_name_index_find(&graph->node_names, name);
}

/* Lists the first layers by their names, without those that are made of constants. */
static void hint_layers(const ln_graph *graph, ln_error *err)
{
    enum { LISTED = 8 };
    char list[256] = "";
    size_t length = 0;
    int count = 0;
    for (int i = 0; i < graph->node_count && length < sizeof list; i++) {
        const ln_node *node = &graph->nodes[i];
        if (graph->values[node->outputs[0]].fixed)
            continue;
        if (++count > LISTED)
            break;
        length += (size_t)snprintf(list + length, sizeof list - length, "%s%s",
                                   count > 1 ? ", " : "", node->name);
    }
    if (length < sizeof list)
        ln_error_hint(err, "its layers: %s%s", list, count > LISTED ? " ..." : "");
}

/* The hint of a name that is not there: the nearest node's or value's. */
static void hint_nearest(const ln_graph *graph, const char *name, ln_error *err)
{
    const size_t room = (size_t)graph->node_count + (size_t)graph->value_count + 1;
    const char **words = ln_calloc(room, sizeof *words);
    int count = 0;
    if (!words)
        return; /* the error says enough without it */
    for (int i = 0; i < graph->node_count; i++)
        words[count++] = graph->nodes[i].name;
    for (int i = 0; i < graph->value_count; i++)
        if (!graph->values[i].fixed)
            words[count++] = graph->values[i].name;
    const char *nearest = ln_nearest_word(name, words);
    if (nearest)
        ln_error_hint(err, "did you mean '%s'?", nearest);
    else
        hint_layers(graph, err);
    ln_free(words);
}

static bool is_number(const char *text)
{
    const char *digits = text + (*text == '-');
    return *digits && digits[strspn(digits, "0123456789")] == '\0';
}

static ln_status refuse_layer(const ln_graph *graph, const char *name, ln_error *err)
{
    if (is_number(name))
        return ln_fail(err, LN_EINVALID,
                       "there is no layer %s: the network has %d, numbered from 0", name,
                       graph->node_count);
    ln_fail(err, LN_EINVALID, "the network has no layer and no value named '%s'", name);
    hint_nearest(graph, name, err);
    return LN_EINVALID;
}

ln_status ln_graph_find_layer(const ln_graph *graph, const char *name_or_number, int *value,
                              ln_error *err)
{
    int node = ln_graph_find_node(graph, name_or_number);
    if (node < 0 && is_number(name_or_number)) {
        const long number = strtol(name_or_number, NULL, 10);
        node = number >= 0 && number < graph->node_count ? (int)number : -1;
    }
    const int found =
        node >= 0 ? graph->nodes[node].outputs[0] : ln_graph_find_value(graph, name_or_number);
    if (found < 0)
        return refuse_layer(graph, name_or_number, err);
    if (graph->values[found].fixed)
        return ln_fail(
            err, LN_EINVALID, "'%s' does not depend on the network's input: %s", name_or_number,
            graph->values[found].kind == LN_VALUE_CONSTANT ? "it is a constant"
                                                           : "it is made from constants alone");
    *value = found;
    return LN_OK;
}

ln_status ln_graph_depends(const ln_graph *graph, int to, int from, int without, bool *out,
                           ln_error *err)
{
    bool *reached = ln_calloc((size_t)graph->value_count, sizeof *reached);
    if (!reached)
        return ln_fail_memory(err, (size_t)graph->value_count * sizeof *reached);
    reached[from] = from != without;
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        bool reads = false;
        for (int j = 0; j < node->input_count; j++)
            reads = reads || (node->inputs[j] >= 0 && reached[node->inputs[j]]);
        for (int j = 0; j < node->output_count && reads; j++)
            reached[node->outputs[j]] = node->outputs[j] != without;
    }
    *out = reached[to];
    ln_free(reached);
    return LN_OK;
}

const ln_node *ln_graph_only_reader(const ln_graph *graph, int value)
{
    const ln_node *found = NULL;
    for (int n = 0; n < graph->node_count; n++)
        for (int i = 0; i < graph->nodes[n].input_count; i++) {
            if (graph->nodes[n].inputs[i] != value)
                continue;
            if (found)
                return NULL;
            found = &graph->nodes[n];
        }
    return found;
}
