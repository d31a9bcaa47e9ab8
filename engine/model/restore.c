/* From stored names and numbers to a graph. Its parameters are not written down one by one: the
 * layers themselves say which ones they have and of what shape, as when a network is declared, so
 * that the weights are one tensor and nothing is said twice. Cost: one copy of the weights. */
#include "model/restore.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

ln_status ln_graph_weights(const ln_graph *graph, ln_tensor **out, ln_error *err)
{
    ln_shape shape = {.rank = 1};
    for (int v = 0; v < graph->value_count; v++)
        if (graph->values[v].parameter)
            shape.dims[0] += ln_shape_count(&graph->values[v].constant->shape);
    ln_status status = ln_graph_wake(graph, err);
    if (!status)
        status = ln_tensor_new(LN_F32, &shape, out, err);
    if (status)
        return status;
    float *to = ln_f32(*out);
    for (int v = 0; v < graph->value_count; v++) {
        if (!graph->values[v].parameter)
            continue;
        memcpy(to, graph->values[v].constant->data, graph->values[v].constant->bytes);
        to += ln_shape_count(&graph->values[v].constant->shape);
    }
    return LN_OK;
}

static ln_status take_parameter(ln_restoring *restoring, const char *name,
                                const ln_layer_parameter *parameter, int *out, ln_error *err)
{
    const int64_t count = ln_shape_count(&parameter->shape);
    const int64_t left = restoring->weights->shape.dims[0] - restoring->used;
    if (count > left)
        return ln_fail(err, LN_EINVALID, "'%s' has %lld numbers, and %lld are left of the weights",
                       name, (long long)count, (long long)left);
    ln_tensor *tensor = NULL;
    ln_status status = ln_tensor_new(LN_F32, &parameter->shape, &tensor, err);
    if (status)
        return status;
    memcpy(tensor->data, ln_f32(restoring->weights) + restoring->used, tensor->bytes);
    restoring->used += count;
    status = ln_graph_add_constant(restoring->graph, name, tensor, !parameter->constant, out, err);
    ln_tensor_release(tensor);
    if (!status)
        restoring->graph->values[*out].parameter = true;
    return status;
}

/* The ids of the node's inputs; makes those that are parameters. */
static ln_status find_inputs(ln_restoring *restoring, const ln_restored_node *node, int *ids,
                             ln_error *err)
{
    ln_layer_parameter parameters[LN_MOST_PARAMETERS] = {{0}};
    int count = 0, next = 0;
    ln_status status = LN_OK;
    for (int i = 0; i < node->input_count && !status; i++) {
        const char *name = node->inputs[i];
        ids[i] = name ? ln_graph_find_value(restoring->graph, name) : -1;
        if (!name || ids[i] >= 0)
            continue;
        if (next == 0 && i > 0 && ids[0] >= 0 && node->layer->parameters)
            status = node->layer->parameters(
                node->attributes, &restoring->graph->values[ids[0]].shape, parameters, &count, err);
        while (!status && next < count && parameters[next].absent)
            next++;
        if (!status && next >= count)
            return ln_fail(err, LN_EINVALID, "nothing makes its input '%s'", name);
        if (!status)
            status = take_parameter(restoring, name, &parameters[next++], &ids[i], err);
    }
    return status;
}

ln_status ln_restore_node(ln_restoring *restoring, const ln_restored_node *node, ln_error *err)
{
    int *ids = ln_calloc((size_t)node->input_count + 1, sizeof *ids);
    if (!ids)
        return ln_fail_memory(err, ((size_t)node->input_count + 1) * sizeof *ids);
    ln_status status = find_inputs(restoring, node, ids, err);
    if (status)
        ln_error_prefix(err, "layer '%s'", node->name);
    else
        status = ln_graph_add_node(restoring->graph, node->layer, node->operator_name, node->name,
                                   node->attributes, ids, node->input_count, node->outputs,
                                   node->output_count, NULL, err);
    ln_free(ids);
    return status;
}

ln_status ln_restore_finish(const ln_restoring *restoring, ln_error *err)
{
    const int64_t count = restoring->weights->shape.dims[0];
    if (restoring->used == count)
        return LN_OK;
    return ln_fail(err, LN_EINVALID, "there are %lld weights, and the graph has a place for %lld",
                   (long long)count, (long long)restoring->used);
}
