/* Building: a graph is two growing arrays, values and nodes. A node can only name
 * values that exist, so the order in which nodes are added is an order in which they can run, and a
 * cycle cannot be written down. Finding is in find.c, identity and JSON are in describe.c. */
#include "graph/graph.h"

#include <assert.h>
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
    ln_free(node->operator_name);
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
    ln_name_index_free(&graph->value_names);
    ln_name_index_free(&graph->node_names);
    ln_free(graph->values);
    ln_free(graph->nodes);
    ln_free(graph->inputs);
    ln_free(graph->outputs);
    ln_free(graph);
}

/* The array of `count` entries with room for one more: capacities are powers of two. NULL: out of
 * memory, and the array is as it was. */
static void *with_room(void *array, int count, size_t size, ln_error *err)
{
    if (array && (count & (count - 1)))
        return array;
    size_t bytes = (count ? (size_t)count * 2 : 1) * size;
    void *larger = ln_realloc(array, bytes);
    if (!larger)
        ln_fail_memory(err, bytes);
    return larger;
}

/* Appends a value id to one of the graph's two lists. */
static ln_status append(int **list, int *count, int value, ln_error *err)
{
    int *larger = with_room(*list, *count, sizeof value, err);
    if (!larger)
        return LN_ENOMEM;
    *list = larger;
    larger[(*count)++] = value;
    return LN_OK;
}

/* Adds a value; `name` is copied, `constant` not retained yet. */
static ln_status add_value(ln_graph *graph, const char *name, ln_value value, int *out,
                           ln_error *err)
{
    if (ln_graph_find_value(graph, name) >= 0)
        return ln_fail(err, LN_EINVALID, "two values of the graph are named '%s'", name);
    ln_value *values = with_room(graph->values, graph->value_count, sizeof value, err);
    if (!values)
        return LN_ENOMEM;
    graph->values = values;
    value.name = ln_strdup(name);
    if (!value.name)
        return ln_fail_memory(err, strlen(name) + 1);
    ln_status status = ln_name_index_add(&graph->value_names, value.name, err);
    if (status) {
        ln_free(value.name);
        return status;
    }
    *out = graph->value_count;
    values[graph->value_count++] = value;
    return LN_OK;
}

/* Takes back the value that was added last; it retains nothing. */
static void remove_last_value(ln_graph *graph)
{
    ln_name_index_remove_last(&graph->value_names);
    ln_free(graph->values[--graph->value_count].name);
}

static ln_status check_size(const ln_shape *shape, ln_error *err)
{
    char text[64];
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        if (shape->dims[i] >= 0 &&
            (__builtin_mul_overflow(count, shape->dims[i], &count) || count > LN_MOST_NUMBERS))
            return ln_fail(err, LN_EUNSUPPORTED,
                           "its shape %s is too large: at most %lld numbers a row are possible",
                           ln_shape_text(shape, text, sizeof text), (long long)LN_MOST_NUMBERS);
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
    ln_status status = check_size(&value.shape, err);
    if (status) {
        ln_error_prefix(err, "input '%s'", name);
        return status;
    }
    status = add_value(graph, name, value, out, err);
    if (status)
        return status;
    status = append(&graph->inputs, &graph->input_count, *out, err);
    if (status)
        remove_last_value(graph);
    return status;
}

ln_status ln_graph_add_constant(ln_graph *graph, const char *name, ln_tensor *constant,
                                bool trainable, int *out, ln_error *err)
{
    ln_value value = {.kind = LN_VALUE_CONSTANT,
                      .dtype = constant->dtype,
                      .shape = constant->shape,
                      .constant = constant,
                      .trainable = trainable && constant->dtype == LN_F32,
                      .parameter = trainable && constant->dtype == LN_F32,
                      .fixed = true,
                      .producer = -1};
    ln_status status = add_value(graph, name, value, out, err);
    if (!status)
        ln_tensor_retain(constant);
    return status;
}

ln_status ln_graph_add_output(ln_graph *graph, int value, ln_error *err)
{
    assert(value >= 0 && value < graph->value_count);
    return append(&graph->outputs, &graph->output_count, value, err);
}

/* An input of a node, as its layer is asked about it. */
typedef struct operands {
    ln_shape *shapes;
    ln_dtype *types;
    bool fixed; /* all of them */
} operands;

/* What must hold of the inputs whatever the layer is; fills `out`, which has room for them. */
static ln_status check_inputs(const ln_graph *graph, const ln_layer *layer, const int *inputs,
                              int count, operands *out, ln_error *err)
{
    char text[64];
    if (count < layer->min_inputs || (layer->max_inputs >= 0 && count > layer->max_inputs)) {
        const char *most = layer->max_inputs < 0 ? " or more" : "";
        return ln_fail(err, LN_EINVALID, "it has %d inputs; '%s' takes %d%s", count,
                       layer->word.name,
                       count < layer->min_inputs ? layer->min_inputs : layer->max_inputs, most);
    }
    out->fixed = true;
    for (int i = 0; i < count; i++) {
        assert(inputs[i] < graph->value_count);
        if ((i < layer->min_inputs || layer->max_inputs < 0) && inputs[i] < 0)
            return ln_fail(err, LN_EINVALID, "its input %d is missing", i);
        out->shapes[i] = (ln_shape){0};
        out->types[i] = LN_F32;
        if (inputs[i] < 0)
            continue;
        const ln_value *value = &graph->values[inputs[i]];
        if (value->dtype != LN_F32 && !layer->types)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "its input '%s' holds %s numbers; '%s' computes in f32", value->name,
                           ln_dtype_name(value->dtype), layer->word.name);
        if (ln_shape_count(&value->shape) == 0)
            return ln_fail(err, LN_EINVALID, "its input '%s' has shape %s: nothing may be 0",
                           value->name, ln_shape_text(&value->shape, text, sizeof text));
        out->fixed = out->fixed && value->fixed;
        out->shapes[i] = value->shape;
        out->types[i] = value->dtype;
    }
    return LN_OK;
}

static ln_status fill_node(ln_node *node, const ln_layer *layer, const char *operator_name,
                           const char *name, const void *attributes, const int *inputs,
                           int input_count, int output_count, ln_error *err)
{
    const size_t size = layer->word.params_size;
    node->layer = layer;
    node->input_count = input_count;
    node->output_count = output_count;
    node->name = ln_strdup(name);
    node->operator_name = ln_strdup(operator_name);
    node->inputs = ln_alloc((size_t)input_count * sizeof(int));
    node->outputs = ln_calloc((size_t)output_count, sizeof(int));
    node->attributes = size ? ln_calloc(1, size) : NULL;
    if (!node->name || !node->operator_name || !node->inputs || !node->outputs ||
        (size && !node->attributes))
        return ln_fail_memory(err, size);
    if (input_count)
        memcpy(node->inputs, inputs, (size_t)input_count * sizeof(int));
    if (size && attributes)
        memcpy(node->attributes, attributes, size);
    return LN_OK;
}

/* Infers and checks types and shapes of the results, then adds them. */
static ln_status add_results(ln_graph *graph, ln_node *node, const operands *in,
                             const char *const *outputs, ln_error *err)
{
    const ln_layer *layer = node->layer;
    ln_shape shapes[LN_MOST_OUTPUTS] = {{0}};
    ln_dtype types[LN_MOST_OUTPUTS];
    char text[64];
    if (node->output_count < 1 || node->output_count > LN_MOST_OUTPUTS)
        return ln_fail(err, LN_EUNSUPPORTED, "it has %d outputs: 1 to %d are possible",
                       node->output_count, LN_MOST_OUTPUTS);
    for (int i = 0; i < node->output_count; i++)
        types[i] = LN_F32;
    ln_status status = layer->types ? layer->types(graph, node, in->types, types, err) : LN_OK;
    if (!status)
        status = layer->infer(graph, node, in->shapes, shapes, err);
    for (int i = 0; i < node->output_count && !status; i++) {
        ln_value value = {.kind = LN_VALUE_RESULT,
                          .dtype = types[i],
                          .shape = shapes[i],
                          .fixed = in->fixed,
                          .producer = graph->node_count};
        if (!in->fixed && (shapes[i].rank < 1 || shapes[i].dims[0] != -1))
            return ln_fail(err, LN_EUNSUPPORTED,
                           "its result has shape %s: the rows must stay the first dimension",
                           ln_shape_text(&shapes[i], text, sizeof text));
        status = check_size(&shapes[i], err);
        if (!status)
            status = add_value(graph, outputs[i], value, &node->outputs[i], err);
    }
    return status;
}

static ln_status reserve_node(ln_graph *graph, ln_error *err)
{
    ln_node *nodes = with_room(graph->nodes, graph->node_count, sizeof *nodes, err);
    if (!nodes)
        return LN_ENOMEM;
    graph->nodes = nodes;
    return LN_OK;
}

/* All that can fail of adding a node; `node` is the caller's to free where it does. */
static ln_status add_node(ln_graph *graph, ln_node *node, const char *const *outputs,
                          const ln_layer *layer, const char *operator_name, const char *name,
                          const void *attributes, const int *inputs, int input_count,
                          int output_count, ln_error *err)
{
    const int values = graph->value_count;
    operands in = {.shapes = ln_calloc((size_t)input_count, sizeof *in.shapes),
                   .types = ln_calloc((size_t)input_count, sizeof *in.types)};
    ln_status status = LN_OK;
    if (!in.shapes || !in.types)
        status = ln_fail_memory(err, (size_t)input_count * sizeof *in.shapes);
    if (!status)
        status = check_inputs(graph, layer, inputs, input_count, &in, err);
    if (!status)
        status = fill_node(node, layer, operator_name, name, attributes, inputs, input_count,
                           output_count, err);
    if (!status && ln_graph_find_node(graph, name) >= 0)
        status = ln_fail(err, LN_EINVALID, "two nodes of the graph have this name");
    if (!status)
        status = reserve_node(graph, err);
    if (!status)
        status = add_results(graph, node, &in, outputs, err);
    if (!status)
        status = ln_name_index_add(&graph->node_names, node->name, err);
    ln_free(in.shapes);
    ln_free(in.types);
    while (status && graph->value_count > values)
        remove_last_value(graph);
    return status;
}

ln_status ln_graph_add_node(ln_graph *graph, const ln_layer *layer, const char *operator_name,
                            const char *name, const void *attributes, const int *inputs,
                            int input_count, const char *const *outputs, int output_count, int *out,
                            ln_error *err)
{
    ln_node node = {0};
    ln_status status = add_node(graph, &node, outputs, layer, operator_name, name, attributes,
                                inputs, input_count, output_count, err);
    if (status) {
        free_node(&node);
        ln_error_prefix(err, "%s '%s'", operator_name, name);
        return status;
    }
    if (out)
        *out = graph->node_count;
    graph->nodes[graph->node_count++] = node;
    return LN_OK;
}

ln_status ln_graph_wake(const ln_graph *graph, ln_error *err)
{
    ln_status status = LN_OK;
    for (int i = 0; i < graph->value_count && !status; i++)
        if (graph->values[i].constant)
            status = ln_tensor_wake(graph->values[i].constant, err);
    return status;
}

static ln_status copy_values(const ln_graph *graph, ln_graph *copy, ln_error *err)
{
    ln_status status = LN_OK;
    int id;
    for (int i = 0; i < graph->value_count && !status; i++) {
        status = add_value(copy, graph->values[i].name, graph->values[i], &id, err);
        if (!status && graph->values[i].constant)
            ln_tensor_retain(graph->values[i].constant);
    }
    return status;
}

static ln_status copy_node(const ln_node *from, ln_graph *copy, ln_error *err)
{
    ln_node node = {0};
    ln_status status = reserve_node(copy, err);
    if (!status)
        status = fill_node(&node, from->layer, from->operator_name, from->name, from->attributes,
                           from->inputs, from->input_count, from->output_count, err);
    if (!status)
        status = ln_name_index_add(&copy->node_names, node.name, err);
    if (status) {
        free_node(&node);
        return status;
    }
    memcpy(node.outputs, from->outputs, (size_t)from->output_count * sizeof(int));
    copy->nodes[copy->node_count++] = node;
    return LN_OK;
}

ln_status ln_graph_copy(const ln_graph *graph, ln_graph **out, ln_error *err)
{
    ln_graph *copy = NULL;
    ln_status status = ln_graph_new(&copy, err);
    /* Ids stay what they are, since everything is added in its order. */
    if (!status)
        status = copy_values(graph, copy, err);
    for (int i = 0; i < graph->node_count && !status; i++)
        status = copy_node(&graph->nodes[i], copy, err);
    for (int i = 0; i < graph->input_count && !status; i++)
        status = append(&copy->inputs, &copy->input_count, graph->inputs[i], err);
    for (int i = 0; i < graph->output_count && !status; i++)
        status = append(&copy->outputs, &copy->output_count, graph->outputs[i], err);
    if (status)
        ln_graph_release(copy);
    else
        *out = copy;
    return status;
}
