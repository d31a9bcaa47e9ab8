/* lunette show MODEL.onnx: the graph as Lunette reads it, a line a layer with its number and name. A
 * weight that two layers share is counted with the first. */
#include "show_model.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/graph.h"
#include "onnx/onnx.h"

enum { NUMBER, NAME, OPERATOR, INPUTS, SHAPE, PARAMETERS, COLUMNS };

static ln_cell text_cell(const ln_text *text)
{
    return (ln_cell){
        .type = LN_CELL_TEXT, .data = text->data ? text->data : "", .bytes = text->length};
}

/* The numbers of a node's constants that no earlier node has. */
static int64_t count_parameters(const ln_graph *graph, const ln_node *node, bool *seen)
{
    int64_t count = 0;
    for (int i = 0; i < node->input_count; i++) {
        int id = node->inputs[i];
        if (id < 0 || seen[id] || !graph->values[id].constant)
            continue;
        seen[id] = true;
        count += ln_shape_count(&graph->values[id].constant->shape);
    }
    return count;
}

static ln_status print_node(const ln_graph *graph, int number, bool *seen, int64_t *parameters,
                            ln_table *table, ln_error *err)
{
    const ln_node *node = &graph->nodes[number];
    char shape[128];
    ln_text inputs = {0}, shape_text = {0};
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] >= 0 && !graph->values[node->inputs[i]].constant)
            ln_text_format(&inputs, "%s%s", inputs.length ? ", " : "",
                           graph->values[node->inputs[i]].name);
    ln_text_add(&shape_text,
                ln_shape_text(&graph->values[node->outputs[0]].shape, shape, sizeof shape));
    int64_t own = count_parameters(graph, node, seen);
    *parameters += own;
    const ln_cell cells[COLUMNS] = {
        [NUMBER] = {.type = LN_CELL_INT, .integer = number},
        [NAME] = {.type = LN_CELL_TEXT, .data = node->name, .bytes = strlen(node->name)},
        [OPERATOR] = {.type = LN_CELL_TEXT,
                      .data = node->operator_name,
                      .bytes = strlen(node->operator_name)},
        [INPUTS] = text_cell(&inputs),
        [SHAPE] = text_cell(&shape_text),
        [PARAMETERS] = {.type = own ? LN_CELL_INT : LN_CELL_NULL, .integer = own},
    };
    ln_status status = inputs.failed || shape_text.failed ? ln_fail_memory(err, 0)
                                                          : ln_table_row(table, cells, err);
    ln_text_free(&inputs);
    ln_text_free(&shape_text);
    return status;
}

static void print_values(const char *title, const ln_graph *graph, const int *ids, int count)
{
    char shape[128];
    for (int i = 0; i < count; i++)
        printf("%-12s %s %s\n", title, graph->values[ids[i]].name,
               ln_shape_text(&graph->values[ids[i]].shape, shape, sizeof shape));
}

static ln_status print_nodes(const ln_graph *graph, ln_format format, int64_t *parameters,
                             ln_error *err)
{
    static const ln_table_column columns[COLUMNS] = {
        {"layer", NULL}, {"name", NULL},  {"operator", NULL},
        {"of", NULL},    {"shape", NULL}, {"parameters", NULL},
    };
    ln_table *table = NULL;
    bool *seen = ln_calloc((size_t)graph->value_count + 1, sizeof *seen);
    ln_status status = seen ? ln_table_new(stdout, format, columns, COLUMNS, &table, err)
                            : ln_fail_memory(err, (size_t)graph->value_count);
    if (table)
        ln_table_terse(table);
    for (int i = 0; i < graph->node_count && status == LN_OK; i++)
        status = print_node(graph, i, seen, parameters, table, err);
    if (status == LN_OK)
        status = ln_table_end(table, err);
    ln_table_free(table);
    ln_free(seen);
    return status;
}

/* The model, axes that it leaves open at the first size that it takes: names and layers are the same for any. */
static ln_status read_model(const char *path, ln_graph **graph, ln_onnx_info *info, ln_error *err)
{
    static const int64_t sizes[] = {1, 32, 224};
    ln_error other;
    ln_status status = ln_onnx_read(path, NULL, graph, info, err);
    for (size_t i = 0; status == LN_EUNSUPPORTED && i < sizeof sizes / sizeof *sizes; i++) {
        const ln_onnx_options options = {.open_size = sizes[i]};
        if (ln_onnx_read(path, &options, graph, info, &other) == LN_OK)
            return LN_OK;
    }
    return status;
}

ln_status ln_show_model(const char *path, ln_format format, ln_error *err)
{
    ln_graph *graph;
    ln_onnx_info info;
    char hex[LN_SHA256_HEX];
    int64_t parameters = 0;
    ln_status status = read_model(path, &graph, &info, err);
    if (status != LN_OK)
        return status;
    ln_sha256_hex(info.sha256, hex);
    printf("%-12s %s\n", "model", path);
    printf("%-12s %s\n", "sha256", hex);
    printf("%-12s %s, opset %" PRId64 "\n", "made by", info.producer[0] ? info.producer : "unknown",
           info.opset);
    if (info.note[0])
        printf("%-12s %s\n", "note", info.note);
    print_values("input", graph, graph->inputs, graph->input_count);
    print_values("output", graph, graph->outputs, graph->output_count);
    fputc('\n', stdout);
    status = print_nodes(graph, format, &parameters, err);
    if (status == LN_OK)
        printf("\n%" PRId64 " parameters\n", parameters);
    if (status == LN_OK && fflush(stdout) != 0)
        status = ln_fail(err, LN_EIO, "the output cannot be written");
    ln_graph_release(graph);
    return status;
}
