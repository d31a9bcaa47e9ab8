/* What a graph is, apart from its names: the identity hashes structure, attributes and weights, so
 * that two files with other value names are the same model. Attributes are read through the layer's
 * descriptors (params and stored), never as raw bytes: padding has no meaning. */
#include <assert.h>
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
        } else {
            const ln_ints *ints = at;
            assert(param->type == LN_PARAM_INTS);
            ln_hash_i64(hash, ints->count);
            for (int i = 0; i < ints->count; i++)
                ln_hash_i64(hash, ints->at[i]);
        }
    }
}

ln_status ln_graph_sha256(const ln_graph *graph, uint8_t digest[LN_SHA256_BYTES], ln_error *err)
{
    ln_status status = ln_graph_wake(graph, err);
    if (status)
        return status;
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

static void add_choice(ln_text *text, const ln_param *param, int index)
{
    const char *choice = param->choices;
    for (int i = 0; i < index; i++)
        choice = strchr(choice, '|') + 1;
    ln_text_json_string(text, choice, strcspn(choice, "|"));
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
        add_choice(text, param, *(const int *)at);
    } else if (param->type == LN_PARAM_INTS && ((const ln_ints *)at)->count < 0) {
        add_choice(text, param, LN_INTS_CHOICE(((const ln_ints *)at)->count));
    } else {
        const ln_ints *ints = at;
        assert(param->type == LN_PARAM_INTS);
        ln_text_add(text, "[");
        for (int i = 0; i < ints->count; i++) {
            ln_text_add(text, i ? "," : "");
            ln_text_json_number(text, (double)ints->at[i]);
        }
        ln_text_add(text, "]");
    }
}

/* Of the parameters in `params`, the one that follows `last` in the alphabet before `next` does. */
static const ln_param *earlier(const ln_param *params, const char *last, const ln_param *next)
{
    for (const ln_param *param = params; param && param->name; param++)
        if (param->offset != LN_NO_OFFSET && strcmp(param->name, last) > 0 &&
            (!next || strcmp(param->name, next->name) < 0))
            next = param;
    return next;
}

static void add_attributes(ln_text *text, const ln_node *node)
{
    const ln_layer *layer = node->layer;
    const char *last = "";
    for (;;) {
        const ln_param *param =
            earlier(layer->stored, last, earlier(layer->word.params, last, NULL));
        if (!param)
            return;
        ln_text_add(text, *last ? "," : "");
        add_string(text, param->name);
        ln_text_add(text, ":");
        add_attribute(text, param, (const char *)node->attributes + param->offset);
        last = param->name;
    }
}

/* A constant that counts: not the running statistics of a declared layer. */
static bool counts(const ln_value *value)
{
    return value->constant && (value->trainable || !value->parameter);
}

/* Elements of the constants among a node's inputs, each once: `counted` has a value's last node. */
static int64_t parameter_count(const ln_graph *graph, int node, int *counted)
{
    const int *inputs = graph->nodes[node].inputs;
    int64_t sum = 0;
    for (int i = 0; i < graph->nodes[node].input_count; i++) {
        if (inputs[i] < 0 || !counts(&graph->values[inputs[i]]) || counted[inputs[i]] == node + 1)
            continue;
        counted[inputs[i]] = node + 1;
        sum += ln_shape_count(&graph->values[inputs[i]].shape);
    }
    return sum;
}

static void add_node(ln_text *text, const ln_graph *graph, int index, int *counted)
{
    const ln_node *node = &graph->nodes[index];
    ln_text_add(text, "{\"attributes\":{");
    add_attributes(text, node);
    ln_text_add(text, "},\"inputs\":");
    add_names(text, graph, node->inputs, node->input_count);
    ln_text_add(text, ",\"layer\":");
    add_string(text, node->layer->word.name);
    ln_text_add(text, ",\"name\":");
    add_string(text, node->name);
    ln_text_add(text, ",\"operator\":");
    add_string(text, node->operator_name);
    ln_text_add(text, ",\"outputs\":");
    add_names(text, graph, node->outputs, node->output_count);
    ln_text_add(text, ",\"parameters\":");
    ln_text_json_number(text, (double)parameter_count(graph, index, counted));
    ln_text_add(text, ",\"shape\":");
    add_shape(text, &graph->values[node->outputs[0]].shape);
    ln_text_add(text, "}");
}

static void add_inputs(ln_text *text, const ln_graph *graph)
{
    ln_text_add(text, "[");
    for (int i = 0; i < graph->input_count; i++) {
        const ln_value *value = &graph->values[graph->inputs[i]];
        ln_text_add(text, i ? ",{\"name\":" : "{\"name\":");
        add_string(text, value->name);
        ln_text_add(text, ",\"shape\":");
        add_shape(text, &value->shape);
        ln_text_add(text, "}");
    }
    ln_text_add(text, "]");
}

ln_status ln_graph_json(const ln_graph *graph, char **out, ln_error *err)
{
    ln_text text = {0};
    int64_t parameters = 0;
    int *counted = ln_calloc((size_t)graph->value_count, sizeof *counted);
    if (!counted)
        return ln_fail_memory(err, (size_t)graph->value_count * sizeof *counted);
    for (int i = 0; i < graph->value_count; i++)
        if (counts(&graph->values[i]))
            parameters += ln_shape_count(&graph->values[i].shape);
    ln_text_add(&text, "{\"inputs\":");
    add_inputs(&text, graph);
    ln_text_add(&text, ",\"nodes\":[");
    for (int i = 0; i < graph->node_count; i++) {
        ln_text_add(&text, i ? "," : "");
        add_node(&text, graph, i, counted);
    }
    ln_text_add(&text, "],\"outputs\":");
    add_names(&text, graph, graph->outputs, graph->output_count);
    ln_text_add(&text, ",\"parameters\":");
    ln_text_json_number(&text, (double)parameters);
    ln_text_add(&text, "}");
    ln_free(counted);
    if (text.failed) {
        ln_text_free(&text);
        return ln_fail_memory(err, 0);
    }
    *out = text.data;
    return LN_OK;
}
