/* From a file's bytes to a graph: inputs, then the nodes in the file's order, each through the
 * table of operators, then the outputs.
 *
 * The first axis of every input is the batch, open or not: a model exported with a batch of 1 is
 * one that explains each row on its own, and what cannot be (an operator that mixes rows) is
 * refused where it stands. All other axes must have a size. Value names stay those of the file,
 * so that `layer = "..."` finds what a viewer of the file shows.
 *
 * Nothing here recurses, and memory is in proportion to the file. Operator sets 7 (broadcasting as
 * NumPy has it) to 28 are read: between them the operators of the table differ only in ways that
 * they handle themselves. Source: onnx.ai, "Open Neural Network Exchange Intermediate
 * Representation Specification" and "Operators". */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "onnx/import.h"
#include "onnx/onnx.h"

#define OLDEST_OPSET 7
#define NEWEST_OPSET 28
#define LARGEST_ROW ((int64_t)1 << 40)

/* ---------------------------------------------------------------- inputs and outputs */

static ln_status input_shape(const ln_onnx_value *input, ln_shape *shape, ln_error *err)
{
    if (!input->is_tensor)
        return ln_fail(err, LN_EUNSUPPORTED, "the input '%s' is no tensor",
                       ln_bytes_text(input->name).at);
    if (input->type != LN_ONNX_FLOAT && input->type != LN_ONNX_DOUBLE &&
        input->type != LN_ONNX_FLOAT16 && input->type != LN_ONNX_BFLOAT16)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the input '%s' is of type %s; networks on floating-point numbers are "
                       "read",
                       ln_bytes_text(input->name).at, ln_onnx_type_name(input->type));
    if (!input->has_shape || input->rank == 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the input '%s' has no %s; the first axis must be the rows",
                       ln_bytes_text(input->name).at, input->has_shape ? "axes" : "shape");
    if (input->rank > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "the input '%s' has %zu axes; up to %d are read",
                       ln_bytes_text(input->name).at, input->rank, LN_MAX_RANK);
    if (input->rank == 1 && input->dims[0] > 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the input '%s' has the one axis of size %lld: there is none for the rows",
                       ln_bytes_text(input->name).at, (long long)input->dims[0]);
    for (size_t axis = 1; axis < input->rank; axis++)
        if (input->dims[axis] < 0)
            return ln_fail(
                err, LN_EUNSUPPORTED,
                "axis %zu of the input '%s' has no fixed size%s%s%s; only the first, "
                "the rows, may be open",
                axis, ln_bytes_text(input->name).at, input->symbols[axis].size ? " ('" : "",
                ln_bytes_text(input->symbols[axis]).at, input->symbols[axis].size ? "')" : "");
    int64_t row = 1;
    for (size_t axis = 1; axis < input->rank; axis++)
        if (__builtin_mul_overflow(row, input->dims[axis], &row) || row > LARGEST_ROW)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "a row of the input '%s' has more than %lld numbers",
                           ln_bytes_text(input->name).at, (long long)LARGEST_ROW);
    *shape = ln_shape_of((int)input->rank, input->dims);
    shape->dims[0] = -1;
    return LN_OK;
}

static ln_status add_inputs(ln_onnx_import *import, ln_error *err)
{
    ln_status status = LN_OK;
    for (size_t i = 0; i < import->messages.inputs.count && !status; i++) {
        ln_onnx_value input;
        status = ln_onnx_decode_value(import->messages.inputs.at[i], import->origin, &input, err);
        if (status)
            break;
        ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, input.name);
        if (symbol->initializer.data)
            continue; /* a constant that old files list among the inputs */
        const char *name;
        ln_shape shape;
        status = input_shape(&input, &shape, err);
        if (!status)
            status = ln_onnx_name_copy(&import->scratch, input.name, &name, err);
        if (!status)
            status = ln_graph_add_input(import->graph, name, LN_F32, &shape, &symbol->value, err);
        ln_arena_free(&import->scratch);
    }
    if (!status && import->graph->input_count == 0)
        return ln_fail(err, LN_EUNSUPPORTED, "the graph has no input");
    return status;
}

static ln_status add_outputs(ln_onnx_import *import, ln_error *err)
{
    ln_status status = LN_OK;
    for (size_t i = 0; i < import->messages.outputs.count && !status; i++) {
        ln_onnx_value output;
        status = ln_onnx_decode_value(import->messages.outputs.at[i], import->origin, &output, err);
        if (status)
            break;
        const ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, output.name);
        if (!symbol)
            return ln_fail(err, LN_EINVALID, "the output '%s' is made by nothing in the file",
                           ln_bytes_text(output.name).at);
        if (symbol->value < 0 && symbol->node != SIZE_MAX && !symbol->constant)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "the output '%s' is an additional output of node %zu; only the first "
                           "output of an operator is made",
                           ln_bytes_text(output.name).at, symbol->node);
        if (symbol->constant || symbol->initializer.data)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "the output '%s' does not depend on the network's input",
                           ln_bytes_text(output.name).at);
        status = ln_graph_add_output(import->graph, symbol->value, err);
    }
    if (!status && import->graph->output_count == 0)
        return ln_fail(err, LN_EINVALID, "the graph has no output");
    return status;
}

/* ---------------------------------------------------------------- nodes */

/* A node's name in the graph: the file's, "<operator>_<number>" for a nameless one; where the file
 * uses a name twice, the second gets its number. */
static ln_status name_node(ln_onnx_import *import, ln_error *err)
{
    char made[96];
    const char *stem = made, *name;
    snprintf(made, sizeof made, "%s_%zu", import->operator_name, import->number);
    ln_status status = LN_OK;
    if (import->node.name.size > 0)
        status = ln_onnx_name_copy(&import->scratch, import->node.name, &stem, err);
    if (!status)
        status = ln_onnx_fresh_node(import, stem, "", &name, err);
    if (!status)
        import->name = name;
    return status;
}

/* Every input that is given has been made before. */
static ln_status check_inputs(const ln_onnx_import *import, ln_error *err)
{
    for (size_t i = 0; i < import->node.inputs.count; i++) {
        ln_bytes name = import->node.inputs.at[i];
        if (name.size == 0)
            continue;
        const ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, name);
        if (!symbol)
            return ln_onnx_malformed(import, err, "reads '%s', which nothing in the file makes",
                                     ln_bytes_text(name).at);
        if (symbol->constant || symbol->initializer.data || symbol->value >= 0)
            continue;
        if (symbol->node < import->number)
            return ln_onnx_refuse(import, err,
                                  "reads '%s', an additional output of node %zu; only the first "
                                  "output of an operator is made",
                                  ln_bytes_text(name).at, symbol->node);
        return ln_onnx_malformed(import, err,
                                 "reads '%s' before node %zu makes it; nodes must stand in an "
                                 "order in which everything is made before it is used",
                                 ln_bytes_text(name).at, symbol->node);
    }
    return LN_OK;
}

static ln_status check_node(const ln_onnx_import *import, const ln_onnx_operator *entry,
                            ln_error *err)
{
    const ln_onnx_node *node = &import->node;
    if (node->outputs.count == 0 || node->outputs.at[0].size == 0)
        return ln_onnx_malformed(import, err, "has no output");
    size_t given = node->inputs.count;
    if (given < (size_t)entry->min_inputs)
        return ln_onnx_malformed(import, err, "has %zu inputs; it takes %d or more", given,
                                 entry->min_inputs);
    if (entry->max_inputs >= 0 && given > (size_t)entry->max_inputs)
        return ln_onnx_malformed(import, err, "has %zu inputs; it takes %d at most", given,
                                 entry->max_inputs);
    for (int i = 0; i < entry->min_inputs; i++)
        if (node->inputs.at[i].size == 0)
            return ln_onnx_malformed(import, err, "has no input %d", i);
    for (size_t i = 0; i < node->attribute_count; i++) {
        ln_bytes name = node->attributes[i].name;
        if (node->attributes[i].referenced)
            return ln_onnx_malformed(import, err, "refers to the attribute of a function");
        if (name.size == 0 ||
            ln_choice_index(entry->attributes, (const char *)name.data, name.size) < 0)
            return ln_onnx_refuse(import, err, "has the attribute '%s', which is not known",
                                  ln_bytes_text(name).at);
    }
    return check_inputs(import, err);
}

static ln_status unknown_operator(const ln_onnx_import *import, ln_error *err)
{
    const ln_onnx_node *node = &import->node;
    if (node->op_type.size == 0)
        return ln_fail(err, LN_EINVALID, "node %zu ('%s') has no operator", import->number,
                       ln_bytes_text(node->name).at);
    char number[32];
    snprintf(number, sizeof number, "%zu", import->number);
    bool foreign = node->domain.size > 0;
    return ln_fail(
        err, LN_EUNSUPPORTED, "operator '%s' (node %s%s%s, %s%s%sopset %lld) is not supported",
        ln_bytes_text(node->op_type).at, node->name.size ? "'" : number,
        ln_bytes_text(node->name).at, node->name.size ? "'" : "", foreign ? "domain '" : "",
        ln_bytes_text(node->domain).at, foreign ? "', " : "", (long long)import->opset);
}

static ln_status add_node(ln_onnx_import *import, ln_error *err)
{
    ln_status status = ln_onnx_decode_node(import->messages.nodes.at[import->number],
                                           import->origin, &import->scratch, &import->node, err);
    if (status)
        return status;
    ln_bytes domain = import->node.domain;
    const ln_onnx_operator *entry = NULL;
    if (domain.size == 0 || ln_bytes_equal(domain, "ai.onnx"))
        entry = ln_onnx_operator_find(import->node.op_type);
    if (!entry)
        return unknown_operator(import, err);
    import->operator_name = entry->name;
    status = name_node(import, err);
    if (!status)
        status = check_node(import, entry, err);
    if (!status)
        status = entry->build(import, err);
    return status;
}

/* ---------------------------------------------------------------- model */

static ln_status check_model(const ln_onnx_model *model, ln_error *err)
{
    if (model->opset == 0)
        return ln_fail(err, LN_EINVALID, "it states no operator set (opset)");
    if (model->opset < OLDEST_OPSET || model->opset > NEWEST_OPSET)
        return ln_fail(err, LN_EUNSUPPORTED, "its operator set is %lld; %d to %d are read",
                       (long long)model->opset, OLDEST_OPSET, NEWEST_OPSET);
    if (model->has_functions)
        return ln_fail(err, LN_EUNSUPPORTED, "it defines functions of its own");
    return LN_OK;
}

static ln_status import_graph(ln_onnx_import *import, const ln_onnx_model *model, ln_error *err)
{
    ln_status status =
        ln_onnx_decode_graph(model->graph, import->origin, &import->names, &import->messages, err);
    if (!status && import->messages.sparse.count > 0)
        status = ln_fail(err, LN_EUNSUPPORTED, "it holds sparse constants");
    if (!status)
        status = ln_onnx_symbols_make(import, err);
    if (!status)
        status = ln_graph_new(&import->graph, err);
    if (!status)
        status = add_inputs(import, err);
    for (; !status && import->number < import->messages.nodes.count; import->number++) {
        status = add_node(import, err);
        ln_arena_free(&import->scratch);
    }
    return status ? status : add_outputs(import, err);
}

ln_status ln_onnx_parse(const char *name, const void *data, size_t bytes, ln_graph **out,
                        ln_onnx_info *info, ln_error *err)
{
    *out = NULL;
    ln_bytes file = {data, bytes};
    ln_onnx_model model;
    ln_onnx_import import = {.origin = data};
    ln_arena_init(&import.names, 4096);
    ln_arena_init(&import.scratch, 4096);

    ln_status status = ln_onnx_decode_model(file, &model, err);
    if (!status)
        status = check_model(&model, err);
    if (status)
        goto out;
    import.opset = model.opset;
    status = import_graph(&import, &model, err);
    if (status)
        goto out;
    if (info) {
        *info = (ln_onnx_info){.opset = model.opset};
        snprintf(info->producer, sizeof info->producer, "%s", ln_bytes_text(model.producer).at);
        ln_sha256(data, bytes, info->sha256);
    }
    *out = ln_graph_retain(import.graph);
out:
    if (status == LN_EINVALID)
        ln_error_prefix(err, "'%s' is no valid ONNX model", name);
    else if (status == LN_EUNSUPPORTED)
        ln_error_prefix(err, "'%s' cannot be imported", name);
    ln_onnx_symbols_free(&import);
    ln_graph_release(import.graph);
    ln_arena_free(&import.scratch);
    ln_arena_free(&import.names);
    return status;
}

ln_status ln_onnx_read(const char *path, ln_graph **out, ln_onnx_info *info, ln_error *err)
{
    *out = NULL;
    ln_file file;
    ln_status status = ln_file_read(path, &file, err);
    if (status)
        return status;
    status = ln_onnx_parse(path, file.data, file.bytes, out, info, err);
    ln_file_free(&file);
    return status;
}
