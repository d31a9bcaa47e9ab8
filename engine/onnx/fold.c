/* Folding: a node of constants is computed while the file is read, by the layers that would compute it
 * in the network. Its operator builds it in a graph of its own, whose inputs are the constants with one
 * row around each; that graph is run once, and what the node's outputs hold become constants.
 *
 * Memory is in proportion to the file: all folded constants together may take 8 times its size and what
 * the options allow beside it. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/plan.h"
#include "onnx/import.h"

ln_status ln_onnx_fold_room(ln_onnx_import *import, size_t bytes, ln_error *err)
{
    if (bytes > import->foldable)
        return ln_onnx_refuse(import, err,
                              "makes a constant of %zu bytes of constants; %zu bytes are left for "
                              "such in a file of this size",
                              bytes, import->foldable);
    import->foldable -= bytes;
    return LN_OK;
}

static ln_status fill_inputs(ln_onnx_import *import, ln_exec *exec, ln_error *err)
{
    const ln_graph *graph = import->graph;
    ln_status status = LN_OK;
    for (int i = 0; i < graph->input_count && !status; i++) {
        const char *name = graph->values[graph->inputs[i]].name;
        const ln_bytes bytes = {(const uint8_t *)name, strlen(name)};
        ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, bytes);
        status = ln_onnx_symbol_constant(import, symbol, err);
        if (!status)
            memcpy(ln_exec_input(exec, i), symbol->constant->data, symbol->constant->bytes);
    }
    return status;
}

/* What an output holds, without the row around it, as the symbol's constant. */
static ln_status take_output(ln_onnx_import *import, const ln_exec *exec, ln_onnx_symbol *symbol,
                             ln_error *err)
{
    const ln_onnx_operand made = ln_onnx_operand_of(import, symbol->value);
    ln_status status = ln_tensor_copy_of(made.dtype, &made.shape, ln_exec_value(exec, made.value),
                                         &symbol->constant, err);
    symbol->value = -1;
    return status;
}

/* The live results of the node, in its own graph. */
static int list_results(const ln_onnx_import *import, int *values)
{
    int count = 0;
    for (size_t i = 0; i < import->node.outputs.count && i < LN_MOST_OUTPUTS; i++)
        if (ln_onnx_has_output(import, i)) {
            const ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, import->node.outputs.at[i]);
            if (symbol->value >= 0)
                values[count++] = symbol->value;
        }
    return count;
}

static ln_status run(ln_onnx_import *import, const int *values, int count, ln_error *err)
{
    const ln_plan_options options = {.rows = 1, .values = values, .value_count = count};
    const ln_graph *graph = import->graph;
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    size_t bytes = 0;
    for (int i = 0; i < graph->value_count; i++)
        if (graph->values[i].kind == LN_VALUE_RESULT)
            bytes += (size_t)ln_shape_row(&graph->values[i].shape) *
                     ln_dtype_size(graph->values[i].dtype);
    ln_status status = ln_onnx_fold_room(import, bytes, err);
    if (!status)
        status = ln_plan_new(import->graph, &options, &plan, err);
    if (!status)
        status = ln_exec_new(plan, &exec, err);
    if (!status)
        status = fill_inputs(import, exec, err);
    if (!status)
        status = ln_exec_forward(exec, 1, err);
    for (size_t i = 0; i < import->node.outputs.count && !status; i++) {
        if (!ln_onnx_has_output(import, i))
            continue;
        ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, import->node.outputs.at[i]);
        if (symbol->value >= 0)
            status = take_output(import, exec, symbol, err);
    }
    ln_exec_free(exec);
    ln_plan_free(plan);
    return status;
}

ln_status ln_onnx_fold(ln_onnx_import *import, const ln_onnx_operator *entry, ln_error *err)
{
    int values[LN_MOST_OUTPUTS];
    bool done;
    ln_status status = ln_onnx_fold_empty(import, &done, err);
    if (status || done)
        return status;
    const ln_onnx_import outer = *import;
    import->graph = NULL;
    import->layouts = NULL;
    import->layout_room = 0;
    import->batch = 1;
    import->single = import->folding = true;
    status = ln_graph_new(&import->graph, err);
    if (!status)
        status = entry->build(import, err);
    if (!status) {
        const int count = list_results(import, values);
        if (count > 0)
            status = run(import, values, count, err);
    }
    ln_graph_release(import->graph);
    ln_free(import->layouts);
    import->graph = outer.graph;
    import->layouts = outer.layouts;
    import->layout_room = outer.layout_room;
    import->batch = outer.batch;
    import->single = outer.single;
    import->folding = outer.folding;
    return status;
}
