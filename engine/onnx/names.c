/* The value names of a graph: initializers, inputs and what nodes make, sorted, each name once
 * (ONNX is in single-assignment form). With the table known beforehand, a name that is read can be
 * told apart: made earlier, made only later (the nodes are not in topological order) or by nobody.
 *
 * An initializer that is also listed as an input (files of IR version 3 had to) is a constant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "onnx/import.h"

static int compare_bytes(ln_bytes a, ln_bytes b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* By name; initializers before inputs of the same name. */
static int compare_symbols(const void *a, const void *b)
{
    const ln_onnx_symbol *x = a, *y = b;
    int order = compare_bytes(x->name, y->name);
    return order ? order : (y->initializer.data != NULL) - (x->initializer.data != NULL);
}

static ln_status check_name(ln_bytes name, ln_error *err)
{
    if (name.size && memchr(name.data, 0, name.size))
        return ln_fail(err, LN_EINVALID, "a name holds a zero byte");
    return LN_OK;
}

ln_status ln_onnx_name_copy(ln_arena *arena, ln_bytes name, const char **out, ln_error *err)
{
    ln_status status = check_name(name, err);
    if (status)
        return status;
    char *copy = ln_arena_alloc(arena, name.size + 1);
    if (!copy)
        return ln_fail_memory(err, name.size + 1);
    if (name.size)
        memcpy(copy, name.data, name.size);
    copy[name.size] = '\0';
    *out = copy;
    return LN_OK;
}

static ln_status add_symbol(ln_onnx_import *import, ln_onnx_symbol symbol, ln_error *err)
{
    symbol.value = -1;
    import->symbols[import->symbol_count++] = symbol;
    return check_name(symbol.name, err);
}

static ln_status add_sources(ln_onnx_import *import, ln_error *err)
{
    const ln_onnx_graph *graph = &import->messages;
    ln_status status = LN_OK;
    for (size_t i = 0; i < graph->initializers.count && !status; i++) {
        ln_onnx_symbol symbol = {.initializer = graph->initializers.at[i], .node = SIZE_MAX};
        status = ln_onnx_tensor_label(symbol.initializer, import->origin, &symbol.name, err);
        if (!status && symbol.name.size == 0)
            status = ln_fail(err, LN_EINVALID, "an initializer has no name");
        if (!status)
            status = add_symbol(import, symbol, err);
    }
    for (size_t i = 0; i < graph->inputs.count && !status; i++) {
        ln_onnx_value input;
        status = ln_onnx_decode_value(graph->inputs.at[i], import->origin, &input, err);
        if (!status && input.name.size == 0)
            status = ln_fail(err, LN_EINVALID, "an input has no name");
        if (!status)
            status =
                add_symbol(import, (ln_onnx_symbol){.name = input.name, .node = SIZE_MAX}, err);
    }
    return status;
}

/* The outputs of all nodes, counted first (room false). */
static ln_status add_results(ln_onnx_import *import, bool room, size_t *count, ln_error *err)
{
    const ln_onnx_graph *graph = &import->messages;
    ln_status status = LN_OK;
    for (size_t n = 0; n < graph->nodes.count && !status; n++) {
        ln_onnx_node node;
        status =
            ln_onnx_decode_node(graph->nodes.at[n], import->origin, &import->scratch, &node, err);
        for (size_t i = 0; !status && i < node.outputs.count; i++) {
            ln_onnx_symbol symbol = {.name = node.outputs.at[i], .node = n};
            if (symbol.name.size == 0)
                continue; /* an optional output that is left out */
            *count += 1;
            if (room)
                status = add_symbol(import, symbol, err);
        }
        ln_arena_free(&import->scratch);
    }
    return status;
}

/* Sorts, leaves out inputs that are initializers, and refuses names that are made twice. */
static ln_status settle(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_symbol *symbols = import->symbols;
    size_t kept = 0;
    if (import->symbol_count > 0)
        qsort(symbols, import->symbol_count, sizeof *symbols, compare_symbols);
    for (size_t i = 0; i < import->symbol_count; i++) {
        const ln_onnx_symbol *before = kept ? &symbols[kept - 1] : NULL;
        if (!before || compare_bytes(before->name, symbols[i].name) != 0) {
            symbols[kept++] = symbols[i];
            continue;
        }
        bool listed =
            before->initializer.data && !symbols[i].initializer.data && symbols[i].node == SIZE_MAX;
        if (!listed)
            return ln_fail(err, LN_EINVALID, "the value '%s' is made twice",
                           ln_bytes_text(symbols[i].name).at);
    }
    import->symbol_count = kept;
    return LN_OK;
}

ln_status ln_onnx_symbols_make(ln_onnx_import *import, ln_error *err)
{
    const ln_onnx_graph *graph = &import->messages;
    size_t count = graph->initializers.count + graph->inputs.count;
    ln_status status = add_results(import, false, &count, err);
    if (status)
        return status;
    import->symbols = ln_arena_calloc(&import->names, count, sizeof *import->symbols);
    if (!import->symbols)
        return ln_fail_memory(err, count * sizeof *import->symbols);
    size_t again = 0;
    status = add_sources(import, err);
    if (!status)
        status = add_results(import, true, &again, err);
    return status ? status : settle(import, err);
}

void ln_onnx_symbols_free(ln_onnx_import *import)
{
    for (size_t i = 0; i < import->symbol_count; i++)
        ln_tensor_release(import->symbols[i].constant);
    import->symbol_count = 0;
}

/* Counts what became float32, for the note. */
static void count_conversion(ln_onnx_info *info, int64_t type)
{
    info->from_f16 += type == LN_ONNX_FLOAT16;
    info->from_bf16 += type == LN_ONNX_BFLOAT16;
    info->from_f64 += type == LN_ONNX_DOUBLE;
}

ln_status ln_onnx_symbol_constant(ln_onnx_import *import, ln_onnx_symbol *symbol, ln_error *err)
{
    if (symbol->constant)
        return LN_OK;
    ln_onnx_source source = {.origin = import->origin,
                             .folder = import->options->folder,
                             .external = import->options->external,
                             .context = import->options->context};
    ln_status status = ln_onnx_decode_tensor(symbol->initializer, &source, &symbol->constant, err);
    if (status) {
        ln_error_prefix(err, "the constant '%s'", ln_bytes_text(symbol->name).at);
        return status;
    }
    count_conversion(import->info, source.type);
    symbol->type = source.type;
    if (__builtin_add_overflow(import->foldable, 8 * source.external_bytes, &import->foldable))
        import->foldable = SIZE_MAX;
    return LN_OK;
}

ln_onnx_symbol *ln_onnx_symbol_find(const ln_onnx_import *import, ln_bytes name)
{
    size_t low = 0, high = import->symbol_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_bytes(import->symbols[middle].name, name);
        if (order == 0)
            return &import->symbols[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---------------------------------------------------------------- fresh names */

static bool value_taken(const ln_onnx_import *import, const char *name)
{
    ln_bytes bytes = {(const uint8_t *)name, strlen(name)};
    return ln_onnx_symbol_find(import, bytes) || ln_graph_find_value(import->graph, name) >= 0;
}

static bool node_taken(const ln_onnx_import *import, const char *name)
{
    return ln_graph_find_node(import->graph, name) >= 0;
}

static ln_status fresh(ln_onnx_import *import, const char *stem, const char *suffix,
                       bool (*taken)(const ln_onnx_import *, const char *), const char **out,
                       ln_error *err)
{
    /* A name that is taken gets the node's number, then underscores. */
    size_t room = strlen(stem) + strlen(suffix) + 24;
    for (size_t extra = 0;; extra++) {
        char *name = ln_arena_alloc(&import->scratch, room + extra);
        if (!name)
            return ln_fail_memory(err, room + extra);
        if (extra == 0)
            snprintf(name, room, "%s%s", stem, suffix);
        else
            snprintf(name, room + extra, "%s%s_%zu%.*s", stem, suffix, import->number,
                     (int)extra - 1, "________________");
        *out = name;
        if (!taken(import, name))
            return LN_OK;
        if (extra > 16)
            return ln_onnx_refuse(import, err, "finds no free name: '%s' is taken", name);
    }
}

ln_status ln_onnx_fresh_value(ln_onnx_import *import, const char *stem, const char *suffix,
                              const char **out, ln_error *err)
{
    return fresh(import, stem, suffix, value_taken, out, err);
}

ln_status ln_onnx_fresh_node(ln_onnx_import *import, const char *stem, const char *suffix,
                             const char **out, ln_error *err)
{
    return fresh(import, stem, suffix, node_taken, out, err);
}
