/* What a graph is, apart from its names: the identity hashes structure, attributes and weights, so
 * that two files with other value names are the same model. Attributes are read through the layer's
 * descriptors (params and stored), never as raw bytes: padding has no meaning. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "graph/graph.h"

static void hash_shape(ln_hash *hash, const ln_shape *shape)
{
    ln_hash_i64(hash, shape->rank);
    for (int i = 0; i < shape->rank; i++)
        ln_hash_i64(hash, shape->dims[i]);
}

static void hash_attributes(ln_hash *hash, const ln_param *params, const char *attributes)
{
    for (const ln_param *param = params; param && param->name; param++) {
        if (param->offset == LN_NO_OFFSET)
            continue;
        const void *at = attributes + param->offset;
        ln_hash_text(hash, param->name);
        if (param->type == LN_PARAM_INT) {
            ln_hash_i64(hash, *(const int64_t *)at);
        } else if (param->type == LN_PARAM_REAL) {
            int64_t bits;
            memcpy(&bits, at, sizeof bits);
            ln_hash_i64(hash, bits);
        } else if (param->type == LN_PARAM_BOOL) {
            ln_hash_i64(hash, *(const bool *)at);
        } else if (param->type == LN_PARAM_CHOICE) {
            ln_hash_i64(hash, *(const int *)at);
        } else if (param->type == LN_PARAM_INTS) {
            const ln_ints *ints = at;
            ln_hash_i64(hash, ints->count);
            for (int i = 0; i < ints->count; i++)
                ln_hash_i64(hash, ints->at[i]);
        }
    }
}

ln_status ln_graph_sha256(const ln_graph *graph, uint8_t digest[LN_SHA256_BYTES], ln_error *err)
{
    ln_hash *hash = ln_hash_new();
    uint8_t weights[LN_SHA256_BYTES];
    if (!hash)
        return ln_fail_memory(err, 0);
    ln_hash_text(hash, "graph");
    for (int i = 0; i < graph->value_count; i++) {
        const ln_value *value = &graph->values[i];
        ln_hash_i64(hash, value->kind);
        ln_hash_i64(hash, value->dtype);
        hash_shape(hash, &value->shape);
        if (value->kind == LN_VALUE_CONSTANT) {
            ln_tensor_sha256(value->constant, weights);
            ln_hash_update(hash, weights, sizeof weights);
        }
    }
    for (int i = 0; i < graph->node_count; i++) {
        const ln_node *node = &graph->nodes[i];
        ln_hash_text(hash, node->layer->word.name);
        ln_hash_i64(hash, node->input_count);
        for (int j = 0; j < node->input_count; j++)
            ln_hash_i64(hash, node->inputs[j]);
        ln_hash_i64(hash, node->output_count);
        for (int j = 0; j < node->output_count; j++)
            ln_hash_i64(hash, node->outputs[j]);
        hash_attributes(hash, node->layer->word.params, node->attributes);
        hash_attributes(hash, node->layer->stored, node->attributes);
    }
    ln_hash_text(hash, "outputs");
    for (int i = 0; i < graph->output_count; i++)
        ln_hash_i64(hash, graph->outputs[i]);
    ln_hash_finish(hash, digest);
    ln_hash_free(hash);
    return LN_OK;
}

static void add_string(ln_text *text, const char *part)
{
    ln_text_json_string(text, part, strlen(part));
}

static void add_shape(ln_text *text, const ln_shape *shape)
{
    ln_text_add(text, "[");
    for (int i = 0; i < shape->rank; i++) {
        ln_text_add(text, i ? "," : "");
        if (shape->dims[i] < 0)
            ln_text_add(text, "null");
        else
            ln_text_json_number(text, (double)shape->dims[i]);
    }
    ln_text_add(text, "]");
}

static void add_names(ln_text *text, const ln_graph *graph, const int *values, int count)
{
    ln_text_add(text, "[");
    for (int i = 0; i < count; i++) {
        ln_text_add(text, i ? "," : "");
        if (values[i] < 0)
            ln_text_add(text, "null");
        else
            add_string(text, graph->values[values[i]].name);
    }
    ln_text_add(text, "]");
}

static void add_attribute(ln_text *text, const ln_param *param, const void *at)
{
    if (param->type == LN_PARAM_INT) {
        ln_text_json_number(text, (double)*(const int64_t *)at);
    } else if (param->type == LN_PARAM_REAL) {
        ln_text_json_number(text, *(const double *)at);
    } else if (param->type == LN_PARAM_BOOL) {
        ln_text_add(text, *(const bool *)at ? "true" : "false");
    } else if (param->type == LN_PARAM_CHOICE) {
        const char *choice = param->choices;
        for (int i = 0; i < *(const int *)at; i++)
            choice = strchr(choice, '|') + 1;
        ln_text_json_string(text, choice, strcspn(choice, "|"));
    } else {
        const ln_ints *ints = at;
        ln_text_add(text, "[");
        for (int i = 0; i < ints->count; i++) {
            ln_text_add(text, i ? "," : "");
            ln_text_json_number(text, (double)ints->at[i]);
        }
        ln_text_add(text, "]");
    }
}

static int add_attributes(ln_text *text, const ln_param *params, const char *attributes, int count)
{
    for (const ln_param *param = params; param && param->name; param++) {
        if (param->offset == LN_NO_OFFSET)
            continue;
        ln_text_add(text, count++ ? "," : "");
        add_string(text, param->name);
        ln_text_add(text, ":");
        add_attribute(text, param, attributes + param->offset);
    }
    return count;
}

/* Elements of the constants among `values`, each once. */
static int64_t parameter_count(const ln_graph *graph, const int *values, int count)
{
    int64_t sum = 0;
    for (int i = 0; i < count; i++) {
        bool seen = values[i] < 0 || !graph->values[values[i]].constant;
        for (int j = 0; j < i && !seen; j++)
            seen = values[j] == values[i];
        if (!seen)
            sum += ln_shape_count(&graph->values[values[i]].shape);
    }
    return sum;
}

static void add_node(ln_text *text, const ln_graph *graph, const ln_node *node)
{
    ln_text_add(text, "{\"attributes\":{");
    int count = add_attributes(text, node->layer->word.params, node->attributes, 0);
    add_attributes(text, node->layer->stored, node->attributes, count);
    ln_text_add(text, "},\"inputs\":");
    add_names(text, graph, node->inputs, node->input_count);
    ln_text_add(text, ",\"layer\":");
    add_string(text, node->layer->word.name);
    ln_text_add(text, ",\"name\":");
    add_string(text, node->name);
    ln_text_add(text, ",\"operator\":");
    add_string(text, node->operator);
    ln_text_add(text, ",\"outputs\":");
    add_names(text, graph, node->outputs, node->output_count);
    ln_text_add(text, ",\"parameters\":");
    ln_text_json_number(text, (double)parameter_count(graph, node->inputs, node->input_count));
    ln_text_add(text, ",\"shape\":");
    add_shape(text, &graph->values[node->outputs[0]].shape);
    ln_text_add(text, "}");
}

ln_status ln_graph_json(const ln_graph *graph, char **out, ln_error *err)
{
    ln_text text = {0};
    int64_t parameters = 0;
    ln_text_add(&text, "{\"inputs\":[");
    for (int i = 0; i < graph->input_count; i++) {
        const ln_value *value = &graph->values[graph->inputs[i]];
        ln_text_add(&text, i ? ",{\"name\":" : "{\"name\":");
        add_string(&text, value->name);
        ln_text_add(&text, ",\"shape\":");
        add_shape(&text, &value->shape);
        ln_text_add(&text, "}");
    }
    ln_text_add(&text, "],\"nodes\":[");
    for (int i = 0; i < graph->node_count; i++) {
        ln_text_add(&text, i ? "," : "");
        add_node(&text, graph, &graph->nodes[i]);
    }
    ln_text_add(&text, "],\"outputs\":");
    add_names(&text, graph, graph->outputs, graph->output_count);
    for (int i = 0; i < graph->value_count; i++)
        if (graph->values[i].constant)
            parameters += ln_shape_count(&graph->values[i].shape);
    ln_text_add(&text, ",\"parameters\":");
    ln_text_json_number(&text, (double)parameters);
    ln_text_add(&text, "}");
    if (text.failed) {
        ln_text_free(&text);
        return ln_fail_memory(err, 0);
    }
    *out = text.data;
    return LN_OK;
}
