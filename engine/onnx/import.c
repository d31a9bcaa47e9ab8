/* From a file's bytes to a graph: inputs, then the nodes in the file's order, each through the
 * table of operators, then the outputs. A node of constants is folded. Value names stay those of the
 * file, so that `layer = "..."` finds what a viewer of the file shows.
 *
 * Nothing here recurses, and memory is in proportion to the file. Operator sets 7 (broadcasting as
 * NumPy has it) to 28 are read, and older ones as far as they differ in how they broadcast only: between them the operators of the table differ only in ways that
 * they handle themselves. Source: onnx.ai, "Open Neural Network Exchange Intermediate
 * Representation Specification" and "Operators". */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "onnx/functions.h"
#include "onnx/inputs.h"
#include "onnx/onnx.h"

#define OLDEST_OPSET 1
#define NEWEST_OPSET 28
#define FOLD_BYTES ((size_t)16 << 20)
#define FOLD_FACTOR 8 /* times the file's size */

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
                                  "reads '%s', an additional output of node %zu that is not made",
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
    size_t named = 0;
    while (named < node->outputs.count && node->outputs.at[named].size == 0)
        named++;
    if (named == node->outputs.count)
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
        if (import->opset < 7 && ln_choice_index("axis|broadcast|consumed_inputs|is_test",
                                                 (const char *)name.data, name.size) >= 0)
            continue; /* how operators broadcast, and what they reuse, before set 7 */
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

/* Whether the node has inputs, all of them constants. */
static bool is_foldable(const ln_onnx_import *import)
{
    bool any = false;
    for (size_t i = 0; i < import->node.inputs.count; i++) {
        if (!ln_onnx_has_input(import, i))
            continue;
        any = true;
        if (!ln_onnx_is_constant(import, i))
            return false;
    }
    return any;
}

/* Marks what the node makes as not there; true where the node reads such a value. */
static bool drop_outputs(ln_onnx_import *import, bool only_where_dropped)
{
    bool drop = !only_where_dropped;
    for (size_t i = 0; i < import->node.inputs.count && !drop; i++) {
        const ln_onnx_symbol *symbol = ln_onnx_has_input(import, i)
                                           ? ln_onnx_symbol_find(import, import->node.inputs.at[i])
                                           : NULL;
        drop = symbol && symbol->dropped;
    }
    for (size_t i = 0; i < import->node.outputs.count && drop; i++)
        if (ln_onnx_has_output(import, i))
            ln_onnx_symbol_find(import, import->node.outputs.at[i])->dropped = true;
    return drop;
}

static ln_status build_node(ln_onnx_import *import, ln_error *err)
{
    const ln_onnx_operator *entry =
        ln_onnx_operator_find(import->node.domain, import->node.op_type);
    if (!entry)
        return unknown_operator(import, err);
    import->operator_name = entry->name;
    ln_status status = name_node(import, err);
    if (!status)
        status = check_node(import, entry, err);
    if (status)
        return status;
    return !entry->constant && is_foldable(import) ? ln_onnx_fold(import, entry, err)
                                                   : entry->build(import, err);
}

/* An operator that is not supported is no loss where only other outputs need it (a classifier's labels
 * as text beside its probabilities): what it makes is dropped, and refused only where nothing is left. */
static ln_status add_node(ln_onnx_import *import, ln_error *err)
{
    ln_error found = {0};
    ln_status status = ln_onnx_decode_node(import->messages.nodes.at[import->number],
                                           import->origin, &import->scratch, &import->node, err);
    if (status || drop_outputs(import, true))
        return status;
    status = build_node(import, &found);
    if (status == LN_EUNSUPPORTED && !import->options->whole) {
        if (!import->refusal.status)
            import->refusal = found;
        drop_outputs(import, false);
        return LN_OK;
    }
    if (status && err)
        *err = found;
    return status;
}

/* ---------------------------------------------------------------- model */

static ln_status check_model(ln_onnx_model *model, ln_error *err)
{
    if (model->opset == 0 && model->has_foreign)
        model->opset = NEWEST_OPSET; /* operators of other domains: each is refused by name */
    if (model->opset == 0)
        return ln_fail(err, LN_EINVALID, "it states no operator set (opset)");
    if (model->opset < OLDEST_OPSET || model->opset > NEWEST_OPSET)
        return ln_fail(err, LN_EUNSUPPORTED, "its operator set is %lld; %d to %d are read",
                       (long long)model->opset, OLDEST_OPSET, NEWEST_OPSET);
    return LN_OK;
}

static ln_status import_graph(ln_onnx_import *import, ln_bytes file, const ln_onnx_model *model,
                              ln_error *err)
{
    ln_bytes_list functions = {0};
    ln_status status =
        ln_onnx_decode_graph(model->graph, import->origin, &import->names, &import->messages, err);
    if (!status && import->messages.sparse.count > 0)
        status = ln_fail(err, LN_EUNSUPPORTED, "it holds sparse constants");
    if (!status && model->function_count > 0)
        status = ln_onnx_list_functions(file, model, &import->names, &functions, err);
    if (!status)
        status = ln_onnx_inline_functions(import, &functions, err);
    if (!status)
        status = ln_onnx_symbols_make(import, err);
    if (!status)
        status = ln_graph_new(&import->graph, err);
    if (!status)
        status = ln_onnx_add_inputs(import, err);
    for (; !status && import->number < import->messages.nodes.count; import->number++) {
        status = add_node(import, err);
        ln_arena_free(&import->scratch);
    }
    return status ? status : ln_onnx_add_outputs(import, err);
}

/* What was converted, as a sentence. */
static void write_note(ln_onnx_info *info)
{
    const struct {
        int64_t count;
        const char *what;
    } parts[] = {{info->from_f16, "float16"},
                 {info->from_bf16, "bfloat16"},
                 {info->from_f64, "float64"},
                 {info->from_quantised, "quantised"}};
    size_t length = 0;
    const size_t room = sizeof info->note;
    char dropped[sizeof info->note];
    snprintf(dropped, room, "%s", info->note); /* outputs left out, axes closed */
    info->note[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].count > 0 && length < sizeof info->note)
            length += (size_t)snprintf(info->note + length, sizeof info->note - length,
                                       "%s%lld %s constant%s", length ? ", " : "",
                                       (long long)parts[i].count, parts[i].what,
                                       parts[i].count > 1 ? "s" : "");
    if (length > 0 && length < sizeof info->note)
        length += (size_t)snprintf(info->note + length, room - length, " became float32");
    if (*dropped && length < room)
        snprintf(info->note + length, room - length, "%s%s", length ? "; " : "", dropped);
}

static ln_status import_file(ln_onnx_import *import, ln_bytes file, ln_onnx_info *info,
                             ln_error *err)
{
    ln_onnx_model model;
    ln_status status = ln_onnx_decode_model(file, &model, err);
    if (!status)
        status = check_model(&model, err);
    if (status)
        return status;
    import->opset = model.opset;
    import->foldable = import->options->fold_bytes ? import->options->fold_bytes : FOLD_BYTES;
    import->foldable += FOLD_FACTOR * file.size;
    status = import_graph(import, file, &model, err);
    info->opset = model.opset;
    snprintf(info->producer, sizeof info->producer, "%s", ln_bytes_text(model.producer).at);
    write_note(info);
    return status;
}

ln_status ln_onnx_parse(const char *name, const void *data, size_t bytes,
                        const ln_onnx_options *options, ln_graph **out, ln_onnx_info *info,
                        ln_error *err)
{
    static const ln_onnx_options defaults;
    ln_onnx_info own = {0};
    ln_onnx_import import = {
        .origin = data, .options = options ? options : &defaults, .info = &own, .batch = 1};
    *out = NULL;
    ln_arena_init(&import.names, 4096);
    ln_arena_init(&import.scratch, 4096);
    ln_status status = import_file(&import, (ln_bytes){data, bytes}, &own, err);
    if (status == LN_EINVALID)
        ln_error_prefix(err, "'%s' is no valid ONNX model", name);
    else if (status == LN_EUNSUPPORTED)
        ln_error_prefix(err, "'%s' cannot be imported", name);
    else if (status == LN_EFILE)
        ln_error_prefix(err, "'%s'", name);
    if (!status) {
        *out = ln_graph_retain(import.graph);
        ln_sha256(data, bytes, own.sha256);
        if (info)
            *info = own;
    }
    ln_onnx_symbols_free(&import);
    ln_graph_release(import.graph);
    ln_free(import.layouts);
    ln_arena_free(&import.scratch);
    ln_arena_free(&import.names);
    return status;
}

/* The folder of a path, caller frees. */
static char *folder_of(const char *path)
{
    char *folder = ln_strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        slash[slash == folder] = '\0';
    else if (folder)
        folder[0] = '\0';
    return folder;
}

ln_status ln_onnx_read(const char *path, const ln_onnx_options *options, ln_graph **out,
                       ln_onnx_info *info, ln_error *err)
{
    ln_onnx_options own = options ? *options : (ln_onnx_options){0};
    ln_file file;
    *out = NULL;
    ln_status status = ln_file_read(path, &file, err);
    if (status)
        return status;
    char *folder = own.folder ? NULL : folder_of(path);
    if (folder)
        own.folder = folder;
    status = own.folder ? ln_onnx_parse(path, file.data, file.bytes, &own, out, info, err)
                        : ln_fail_memory(err, strlen(path));
    ln_free(folder);
    ln_file_free(&file);
    return status;
}
