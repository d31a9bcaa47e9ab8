/* Building and finding: a graph is two growing arrays, values and nodes. A node can only name
 * values that exist, so the order in which nodes are added is an order in which they can run, and a
 * cycle cannot be written down. Its identity and its JSON are in describe.c. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

ln_status ln_graph_new(ln_graph **out, ln_error *err)
{
    ln_graph *graph = ln_calloc(1, sizeof *graph);
    if (!graph)
        return ln_fail_memory(err, sizeof *graph);
    graph->references = 1;
    *out = graph;
    return LN_OK;
}

ln_graph *ln_graph_retain(ln_graph *graph)
{
    __atomic_add_fetch(&graph->references, 1, __ATOMIC_RELAXED);
    return graph;
}

static void free_node(ln_node *node)
{
    ln_free(node->name);
    ln_free(node->operator);
    ln_free(node->inputs);
    ln_free(node->outputs);
    ln_free(node->attributes);
}

void ln_graph_release(ln_graph *graph)
{
    if (!graph || __atomic_sub_fetch(&graph->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (int i = 0; i < graph->value_count; i++) {
        ln_free(graph->values[i].name);
        ln_tensor_release(graph->values[i].constant);
    }
    for (int i = 0; i < graph->node_count; i++)
        free_node(&graph->nodes[i]);
    ln_free(graph->values);
    ln_free(graph->nodes);
    ln_free(graph->inputs);
    ln_free(graph->outputs);
    ln_free(graph);
}

/* Room for one more in an array of `count`: capacities are powers of two. */
static ln_status grow(void **array, int count, size_t size, ln_error *err)
{
    if (count & (count - 1))
        return LN_OK;
    size_t bytes = (count ? (size_t)count * 2 : 1) * size;
    void *larger = ln_realloc(*array, bytes);
    if (!larger)
        return ln_fail_memory(err, bytes);
    *array = larger;
    return LN_OK;
}

/* Adds a value; `name` is copied, `constant` not retained yet. */
static ln_status add_value(ln_graph *graph, const char *name, ln_value value, int *out,
                           ln_error *err)
{
    if (ln_graph_find_value(graph, name) >= 0)
        return ln_fail(err, LN_EINVALID, "two values of the graph are named '%s'", name);
    ln_status status = grow((void **)&graph->values, graph->value_count, sizeof value, err);
    if (status)
        return status;
    value.name = ln_strdup(name);
    if (!value.name)
        return ln_fail_memory(err, strlen(name) + 1);
    *out = graph->value_count;
    graph->values[graph->value_count++] = value;
    return LN_OK;
}

ln_status ln_graph_add_input(ln_graph *graph, const char *name, ln_dtype dtype,
                             const ln_shape *shape, int *out, ln_error *err)
{
    ln_value value = {.kind = LN_VALUE_INPUT, .dtype = dtype, .shape = *shape, .producer = -1};
    char text[64];
    if (shape->rank < 1)
        return ln_fail(err, LN_EUNSUPPORTED, "input '%s' is a single number: it needs rows", name);
    value.shape.dims[0] = -1;
    for (int i = 1; i < shape->rank; i++)
        if (shape->dims[i] < 1)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "input '%s' has shape %s: every dimension but the first must be known",
                           name, ln_shape_text(shape, text, sizeof text));
    ln_status status = grow((void **)&graph->inputs, graph->input_count, sizeof(int), err);
    if (!status)
        status = add_value(graph, name, value, out, err);
    if (!status)
        graph->inputs[graph->input_count++] = *out;
    return status;
}

ln_status ln_graph_add_constant(ln_graph *graph, const char *name, ln_tensor *constant,
                                bool trainable, int *out, ln_error *err)
{
    ln_value value = {.kind = LN_VALUE_CONSTANT,
                      .dtype = constant->dtype,
                      .shape = constant->shape,
                      .constant = constant,
                      .trainable = trainable,
                      .fixed = true,
                      .producer = -1};
    ln_status status = add_value(graph, name, value, out, err);
    if (!status)
        ln_tensor_retain(constant);
    return status;
}

ln_status ln_graph_add_output(ln_graph *graph, int value, ln_error *err)
{
    ln_status status = grow((void **)&graph->outputs, graph->output_count, sizeof(int), err);
    if (!status)
        graph->outputs[graph->output_count++] = value;
    return status;
}

/* What must hold of the inputs whatever the layer is; their shapes go to `shapes`. */
static ln_status check_inputs(const ln_graph *graph, const ln_layer *layer, const int *inputs,
                              int count, ln_shape *shapes, bool *fixed, ln_error *err)
{
    if (count < layer->min_inputs || (layer->max_inputs >= 0 && count > layer->max_inputs)) {
        const char *most = layer->max_inputs < 0 ? " or more" : "";
        return ln_fail(err, LN_EINVALID, "it has %d inputs; '%s' takes %d%s", count,
                       layer->word.name,
                       count < layer->min_inputs ? layer->min_inputs : layer->max_inputs, most);
    }
    *fixed = true;
    for (int i = 0; i < count; i++) {
        if (inputs[i] < 0) {
            shapes[i] = (ln_shape){0};
            continue;
        }
        const ln_value *value = &graph->values[inputs[i]];
        if (value->dtype != LN_F32)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "its input '%s' holds %s numbers; layers compute in f32", value->name,
                           ln_dtype_name(value->dtype));
        *fixed = *fixed && value->fixed;
        shapes[i] = value->shape;
    }
    return LN_OK;
}

static ln_status fill_node(ln_node *node, const ln_layer *layer, const char *operator,
                           const char * name, const void *attributes, const int *inputs,
                           int input_count, int output_count, ln_error *err)
{
    const size_t size = layer->word.params_size;
    node->layer = layer;
    node->input_count = input_count;
    node->output_count = output_count;
    node->name = ln_strdup(name);
    node->operator= ln_strdup(operator);
    node->inputs = ln_alloc((size_t)input_count * sizeof(int));
    node->outputs = ln_calloc((size_t)output_count, sizeof(int));
    node->attributes = size ? ln_calloc(1, size) : NULL;
    if (!node->name ||
        !node->operator|| !node->inputs || !node->outputs ||(size && !node->attributes))
        return ln_fail_memory(err, size);
    if (input_count)
        memcpy(node->inputs, inputs, (size_t)input_count * sizeof(int));
    if (size && attributes)
        memcpy(node->attributes, attributes, size);
    return LN_OK;
}

/* Infers and checks the shapes of the results, then adds them. */
static ln_status add_results(ln_graph *graph, ln_node *node, const ln_shape *in, bool fixed,
                             const char *const *outputs, ln_error *err)
{
    ln_shape shapes[LN_MAX_RANK] = {{0}};
    char text[64];
    if (node->output_count < 1 || node->output_count > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "it has %d outputs", node->output_count);
    ln_status status = node->layer->infer(graph, node, in, shapes, err);
    for (int i = 0; i < node->output_count && !status; i++) {
        ln_value value = {.kind = LN_VALUE_RESULT,
                          .dtype = LN_F32,
                          .shape = shapes[i],
                          .fixed = fixed,
                          .producer = graph->node_count};
        if (!fixed && (shapes[i].rank < 1 || shapes[i].dims[0] != -1))
            return ln_fail(err, LN_EUNSUPPORTED,
                           "its result has shape %s: the rows must stay the first dimension",
                           ln_shape_text(&shapes[i], text, sizeof text));
        status = add_value(graph, outputs[i], value, &node->outputs[i], err);
    }
    return status;
}

static ln_status add_node(ln_graph *graph, ln_node *node, const char *const *outputs,
                          const ln_layer *layer, const char *operator, const char * name,
                          const void *attributes, const int *inputs, int input_count,
                          int output_count, ln_error *err)
{
    const int values = graph->value_count;
    bool fixed = false;
    ln_shape *shapes = ln_calloc((size_t)input_count, sizeof *shapes);
    if (!shapes)
        return ln_fail_memory(err, (size_t)input_count * sizeof *shapes);
    ln_status status = check_inputs(graph, layer, inputs, input_count, shapes, &fixed, err);
    if (!status)
        status = fill_node(node, layer, operator, name, attributes, inputs, input_count,
                           output_count, err);
    if (!status && ln_graph_find_node(graph, name) >= 0)
        status = ln_fail(err, LN_EINVALID, "two nodes of the graph have this name");
    if (!status)
        status = grow((void **)&graph->nodes, graph->node_count, sizeof *node, err);
    if (!status)
        status = add_results(graph, node, shapes, fixed, outputs, err);
    ln_free(shapes);
    if (status)
        while (graph->value_count > values)
            ln_free(graph->values[--graph->value_count].name);
    return status;
}

ln_status ln_graph_add_node(ln_graph *graph, const ln_layer *layer, const char *operator,
                            const char * name, const void *attributes, const int *inputs,
                            int input_count, const char *const *outputs, int output_count, int *out,
                            ln_error *err)
{
    ln_node node = {0};
    ln_status status = add_node(graph, &node, outputs, layer, operator, name, attributes, inputs,
                                input_count, output_count, err);
    if (status) {
        free_node(&node);
        ln_error_prefix(err, "%s '%s'", operator, name);
        return status;
    }
    if (out)
        *out = graph->node_count;
    graph->nodes[graph->node_count++] = node;
    return LN_OK;
}

ln_status ln_graph_copy(const ln_graph *graph, ln_graph **out, ln_error *err)
{
    ln_graph *copy = NULL;
    int id;
    ln_status status = ln_graph_new(&copy, err);
    /* Values keep their ids, so they are added as they stand, nodes after them. */
    for (int i = 0; i < graph->value_count && !status; i++) {
        status = add_value(copy, graph->values[i].name, graph->values[i], &id, err);
        if (!status && graph->values[i].constant)
            ln_tensor_retain(graph->values[i].constant);
    }
    for (int i = 0; i < graph->node_count && !status; i++) {
        const ln_node *from = &graph->nodes[i];
        status = grow((void **)&copy->nodes, copy->node_count, sizeof *from, err);
        if (status)
            break;
        ln_node *node = &copy->nodes[copy->node_count++];
        *node = (ln_node){0};
        status = fill_node(node, from->layer, from->operator, from->name, from->attributes,
                           from->inputs, from->input_count, from->output_count, err);
        if (!status)
            memcpy(node->outputs, from->outputs, (size_t)from->output_count * sizeof(int));
    }
    for (int i = 0; i < graph->input_count && !status; i++) {
        status = grow((void **)&copy->inputs, copy->input_count, sizeof(int), err);
        if (!status)
            copy->inputs[copy->input_count++] = graph->inputs[i];
    }
    for (int i = 0; i < graph->output_count && !status; i++)
        status = ln_graph_add_output(copy, graph->outputs[i], err);
    if (status)
        ln_graph_release(copy);
    else
        *out = copy;
    return status;
}

int ln_graph_find_value(const ln_graph *graph, const char *name)
{
    for (int i = 0; i < graph->value_count; i++)
        if (strcmp(graph->values[i].name, name) == 0)
            return i;
    return -1;
}

int ln_graph_find_node(const ln_graph *graph, const char *name)
{
    for (int i = 0; i < graph->node_count; i++)
        if (strcmp(graph->nodes[i].name, name) == 0)
            return i;
    return -1;
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
        if (graph->values[i].kind != LN_VALUE_CONSTANT)
            words[count++] = graph->values[i].name;
    const char *nearest = ln_nearest_word(name, words);
    if (nearest)
        ln_error_hint(err, "did you mean '%s'?", nearest);
    ln_free(words);
}

ln_status ln_graph_find_layer(const ln_graph *graph, const char *name_or_number, int *value,
                              ln_error *err)
{
    char *end;
    int found = ln_graph_find_node(graph, name_or_number);
    if (found < 0) {
        long number = strtol(name_or_number, &end, 10);
        if (end != name_or_number && *end == '\0') {
            if (number < 0 || number >= graph->node_count)
                return ln_fail(err, LN_EINVALID,
                               "there is no layer %ld: the network's layers are 0 to %d", number,
                               graph->node_count - 1);
            found = (int)number;
        }
    }
    *value =
        found >= 0 ? graph->nodes[found].outputs[0] : ln_graph_find_value(graph, name_or_number);
    if (*value >= 0 && graph->values[*value].kind != LN_VALUE_CONSTANT)
        return LN_OK;
    ln_fail(err, LN_EINVALID, "the network has no layer and no value named '%s'", name_or_number);
    hint_nearest(graph, name_or_number, err);
    return LN_EINVALID;
}
