/* What a node makes: layers in the graph, under the file's names, and the layouts of their results. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "onnx/import.h"

ln_status ln_onnx_set_layout(ln_onnx_import *import, int value, ln_onnx_layout layout,
                             ln_error *err)
{
    if (value >= import->layout_room) {
        const int room = value < 32 ? 64 : 2 * value;
        ln_onnx_layout *larger =
            ln_realloc(import->layouts, (size_t)room * sizeof *import->layouts);
        if (!larger)
            return ln_fail_memory(err, (size_t)room * sizeof *import->layouts);
        import->layouts = larger;
        import->layout_room = room;
    }
    import->layouts[value] = layout;
    return LN_OK;
}

bool ln_onnx_has_output(const ln_onnx_import *import, size_t output)
{
    return output < import->node.outputs.count && import->node.outputs.at[output].size > 0;
}

/* The name of an output in the graph: the file's, or a free one where the file leaves it out. */
static ln_status output_name(ln_onnx_import *import, size_t output, const char **out, ln_error *err)
{
    if (ln_onnx_has_output(import, output))
        return ln_onnx_name_copy(&import->scratch, import->node.outputs.at[output], out, err);
    char suffix[32]; /* numbered: a node may leave out several, which are added together */
    snprintf(suffix, sizeof suffix, ".unused%zu", output);
    return ln_onnx_fresh_value(import, import->name, suffix, out, err);
}

/* Adds the layer; its results get their layouts. */
static ln_status add_layer(ln_onnx_import *import, const char *word, const void *attributes,
                           const int *inputs, int input_count, const char *node_name,
                           const char *const *names, const ln_onnx_layout *layouts,
                           int output_count, int *node, ln_error *err)
{
    const ln_layer *layer = ln_layer_find(word);
    ln_status status =
        ln_graph_add_node(import->graph, layer, import->operator_name, node_name, attributes,
                          inputs, input_count, names, output_count, node, err);
    if (status == LN_EINVALID || status == LN_EUNSUPPORTED)
        ln_error_prefix(err, "opset %lld", (long long)import->opset);
    for (int i = 0; i < output_count && !status; i++)
        status =
            ln_onnx_set_layout(import, import->graph->nodes[*node].outputs[i], layouts[i], err);
    return status;
}

/* The node's own name for its first layer, a free one for the others. */
static ln_status layer_name(ln_onnx_import *import, const char **out, ln_error *err)
{
    *out = import->name;
    if (ln_graph_find_node(import->graph, import->name) < 0)
        return LN_OK;
    return ln_onnx_fresh_node(import, import->name, "", out, err);
}

ln_status ln_onnx_finish_outputs(ln_onnx_import *import, const char *word, const void *attributes,
                                 const int *inputs, int input_count, const ln_onnx_layout *layouts,
                                 int output_count, ln_error *err)
{
    const char *names[LN_MOST_OUTPUTS], *name;
    ln_status status = layer_name(import, &name, err);
    int node;
    if (output_count > LN_MOST_OUTPUTS)
        return ln_onnx_refuse(import, err, "has %d outputs; up to %d are possible", output_count,
                              LN_MOST_OUTPUTS);
    for (int i = 0; i < output_count && !status; i++)
        status = output_name(import, (size_t)i, &names[i], err);
    if (!status)
        status = add_layer(import, word, attributes, inputs, input_count, name, names, layouts,
                           output_count, &node, err);
    for (int i = 0; i < output_count && !status; i++)
        if (ln_onnx_has_output(import, (size_t)i))
            ln_onnx_symbol_find(import, import->node.outputs.at[i])->value =
                import->graph->nodes[node].outputs[i];
    return status;
}

ln_status ln_onnx_finish_output(ln_onnx_import *import, size_t output, const char *word,
                                const void *attributes, const int *inputs, int input_count,
                                ln_onnx_layout layout, ln_error *err)
{
    const char *value, *name;
    int node;
    if (!ln_onnx_has_output(import, output))
        return LN_OK;
    ln_status status = output_name(import, output, &value, err);
    if (!status)
        status = layer_name(import, &name, err);
    if (!status)
        status = add_layer(import, word, attributes, inputs, input_count, name, &value, &layout, 1,
                           &node, err);
    if (!status)
        ln_onnx_symbol_find(import, import->node.outputs.at[output])->value =
            import->graph->nodes[node].outputs[0];
    return status;
}

ln_status ln_onnx_finish(ln_onnx_import *import, const char *word, const void *attributes,
                         const int *inputs, int input_count, ln_onnx_layout layout, ln_error *err)
{
    return ln_onnx_finish_output(import, 0, word, attributes, inputs, input_count, layout, err);
}

ln_status ln_onnx_finish_one(ln_onnx_import *import, const char *word, const void *attributes,
                             const ln_onnx_operand *x, ln_error *err)
{
    return ln_onnx_finish_output(import, 0, word, attributes, &x->value, 1, x->layout, err);
}

ln_status ln_onnx_between(ln_onnx_import *import, const char *word, const void *attributes,
                          const int *inputs, int input_count, ln_onnx_layout layout,
                          const char *suffix, ln_onnx_operand *out, ln_error *err)
{
    const char *stem, *value, *name;
    int node;
    ln_status status = output_name(import, 0, &stem, err);
    if (!status)
        status = ln_onnx_fresh_value(import, stem, suffix, &value, err);
    if (!status)
        status = ln_onnx_fresh_node(import, import->name, suffix, &name, err);
    if (!status)
        status = add_layer(import, word, attributes, inputs, input_count, name, &value, &layout, 1,
                           &node, err);
    if (!status)
        *out = ln_onnx_operand_of(import, import->graph->nodes[node].outputs[0]);
    return status;
}

ln_status ln_onnx_finish_constant(ln_onnx_import *import, size_t output, ln_tensor *tensor,
                                  ln_error *err)
{
    if (!ln_onnx_has_output(import, output))
        return LN_OK;
    ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, import->node.outputs.at[output]);
    (void)err;
    symbol->constant = ln_tensor_retain(tensor);
    return LN_OK;
}
