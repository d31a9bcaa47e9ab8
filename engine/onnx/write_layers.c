/* From layers to operators: most are one operator of the same meaning; some are a few. What a file
 * stores is what the graph stores, rows first, so that reading it back gives the same layers. */
#include <float.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "layers/attributes.h"
#include "onnx/write_layers.h"

#define NAME LN_ONNX_NAME
typedef ln_onnx_writing writing;

static const ln_onnx_written END = {.name = NULL};

void ln_onnx_put(ln_onnx_writing *w, const char *operator_name, const char *a, const char *b,
                 const char *out, const ln_onnx_written *attributes)
{
    char name[NAME];
    const bool last = out == w->out;
    if (last)
        snprintf(name, sizeof name, "%s", w->node->name);
    else
        ln_onnx_write_name(w->writer, w->node->name, name, sizeof name);
    ln_onnx_write_node(w->writer, operator_name, "", name, (const char *const[]){a, b, NULL},
                       (const char *const[]){out, NULL}, attributes);
}

void ln_onnx_put_own(ln_onnx_writing *w, const char *operator_name,
                     const ln_onnx_written *attributes)
{
    ln_onnx_write_node(w->writer, operator_name, "", w->node->name, w->in,
                       (const char *const[]){w->out, NULL}, attributes);
}

ln_status ln_onnx_put_list(ln_onnx_writing *w, const int64_t *numbers, int count, char *name,
                           ln_error *err)
{
    ln_tensor *list;
    ln_status status = ln_tensor_copy_of(LN_I64, &(ln_shape){1, {count}}, numbers, &list, err);
    if (status)
        return status;
    ln_onnx_write_name(w->writer, w->out, name, NAME);
    ln_onnx_write_constant(w->writer, name, list);
    ln_tensor_release(list);
    return LN_OK;
}

ln_status ln_onnx_put_number(ln_onnx_writing *w, double number, char *name, ln_error *err)
{
    const float narrow = (float)number;
    ln_tensor *scalar;
    ln_status status = ln_tensor_copy_of(LN_F32, &(ln_shape){0}, &narrow, &scalar, err);
    if (status)
        return status;
    ln_onnx_write_name(w->writer, w->out, name, NAME);
    ln_onnx_write_constant(w->writer, name, scalar);
    ln_tensor_release(scalar);
    return LN_OK;
}

/* ---------------------------------------------------------------- one operator each */

static const struct {
    const char *word, *operator_name;
} same[] = {
    {"abs", "Abs"},
    {"acos", "Acos"},
    {"acosh", "Acosh"},
    {"asin", "Asin"},
    {"asinh", "Asinh"},
    {"atan", "Atan"},
    {"atanh", "Atanh"},
    {"ceil", "Ceil"},
    {"cos", "Cos"},
    {"cosh", "Cosh"},
    {"div", "Div"},
    {"dropout", "Identity"},
    {"equal", "Equal"},
    {"erf", "Erf"},
    {"exp", "Exp"},
    {"floor", "Floor"},
    {"greater", "Greater"},
    {"hardswish", "HardSwish"},
    {"identity", "Identity"},
    {"less", "Less"},
    {"log", "Log"},
    {"logical_and", "And"},
    {"logical_or", "Or"},
    {"matmul", "MatMul"},
    {"neg", "Neg"},
    {"not", "Not"},
    {"pow", "Pow"},
    {"prelu", "PRelu"},
    {"reciprocal", "Reciprocal"},
    {"relu", "Relu"},
    {"round", "Round"},
    {"selu", "Selu"},
    {"sigmoid", "Sigmoid"},
    {"sign", "Sign"},
    {"sin", "Sin"},
    {"sinh", "Sinh"},
    {"softsign", "Softsign"},
    {"sqrt", "Sqrt"},
    {"sub", "Sub"},
    {"tan", "Tan"},
    {"tanh", "Tanh"},
    {"where", "Where"},
};

static bool write_same(writing *w)
{
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (strcmp(same[i].word, w->node->layer->word.name) != 0)
            continue;
        ln_onnx_write_node(w->writer, same[i].operator_name, "", w->node->name, w->in,
                           (const char *const[]){w->out, NULL}, NULL);
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------- several operands */

static ln_status chain(writing *w, const char *operator_name)
{
    char sums[2][NAME];
    const char *sum = w->in[0];
    for (int i = 1; i < w->node->input_count; i++) {
        const bool last = i + 1 == w->node->input_count;
        const char *to = last ? w->out : ln_onnx_write_name(w->writer, w->out, sums[i % 2], NAME);
        ln_onnx_put(w, operator_name, sum, w->in[i], to, NULL);
        sum = to;
    }
    return LN_OK;
}

static ln_status write_add(writing *w, ln_error *err)
{
    (void)err;
    return chain(w, "Add");
}

static ln_status write_mul(writing *w, ln_error *err)
{
    (void)err;
    return chain(w, "Mul");
}

static ln_status write_maximum(writing *w, ln_error *err)
{
    (void)err;
    return chain(w, "Max");
}

static ln_status write_minimum(writing *w, ln_error *err)
{
    (void)err;
    return chain(w, "Min");
}

static ln_status write_concat(writing *w, ln_error *err)
{
    const ln_axis_attributes *own = w->node->attributes;
    const ln_onnx_written attributes[] = {
        {.name = "axis", .kind = LN_ONNX_WRITTEN_INT, .number = (double)own->axis}, END};
    for (int i = 0; i < w->node->input_count; i++)
        if (w->graph->values[w->node->inputs[i]].fixed)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "it puts a constant beside rows, which cannot be "
                           "written as ONNX yet");
    ln_onnx_write_node(w->writer, "Concat", "", w->node->name, w->in,
                       (const char *const[]){w->out, NULL}, attributes);
    return LN_OK;
}

/* ---------------------------------------------------------------- dense */

/* Gemm; values of more axes than (N, inputs) become that before and what they were afterwards, so that
 * the bias is added in the same place as here. */
static ln_status write_dense(writing *w, ln_error *err)
{
    const ln_dense_attributes *own = w->node->attributes;
    const ln_shape *in = &w->graph->values[w->node->inputs[0]].shape;
    ln_shape out = w->graph->values[w->node->outputs[0]].shape;
    const ln_onnx_written gemm[] = {
        {.name = "transB", .kind = LN_ONNX_WRITTEN_INT, .number = !own->in_out}, END};
    char list[NAME], flat[NAME], made[NAME], back[NAME];
    const char *to = w->out;
    ln_status status = LN_OK;
    if (in->rank > 2) {
        status = ln_onnx_put_list(w, (const int64_t[]){-1, in->dims[in->rank - 1]}, 2, list, err);
        ln_onnx_put(w, "Reshape", w->in[0], list, ln_onnx_write_name(w->writer, w->out, flat, NAME),
                    NULL);
        w->in[0] = flat;
        to = ln_onnx_write_name(w->writer, w->out, made, NAME);
    }
    ln_onnx_write_node(w->writer, "Gemm", "", w->node->name, w->in, (const char *const[]){to, NULL},
                       gemm);
    if (in->rank == 2 || status)
        return status;
    out.dims[0] = -1;
    status = ln_onnx_put_list(w, out.dims, out.rank, list, err);
    ln_onnx_write_node(
        w->writer, "Reshape", "", ln_onnx_write_name(w->writer, w->node->name, back, NAME),
        (const char *const[]){made, list, NULL}, (const char *const[]){w->out, NULL}, NULL);
    return status;
}

/* ---------------------------------------------------------------- shapes */

static ln_status reshape_to(writing *w, const int64_t *shape, int rank, ln_error *err)
{
    char list[NAME];
    ln_status status = ln_onnx_put_list(w, shape, rank, list, err);
    if (!status)
        ln_onnx_put(w, "Reshape", w->in[0], list, w->out, NULL);
    return status;
}

/* The result's own shape; the first 0 copies the rows. */
static ln_status write_reshape(writing *w, ln_error *err)
{
    ln_shape shape = w->graph->values[w->node->outputs[0]].shape;
    shape.dims[0] = 0;
    return reshape_to(w, shape.dims, shape.rank, err);
}

static ln_status write_flatten(writing *w, ln_error *err)
{
    const ln_flatten_attributes *own = w->node->attributes;
    if (own->start != 1)
        return write_reshape(w, err);
    ln_onnx_put(w, "Flatten", w->in[0], NULL, w->out, NULL);
    return LN_OK;
}

static ln_status write_transpose(writing *w, ln_error *err)
{
    const ln_transpose_attributes *own = w->node->attributes;
    const ln_onnx_written attributes[] = {{.name = "perm",
                                           .kind = LN_ONNX_WRITTEN_INTS,
                                           .count = own->order.count,
                                           .ints = own->order.at},
                                          END};
    (void)err;
    ln_onnx_put(w, "Transpose", w->in[0], NULL, w->out, attributes);
    return LN_OK;
}

static ln_status write_expand(writing *w, ln_error *err)
{
    ln_shape shape = w->graph->values[w->node->outputs[0]].shape;
    char list[NAME];
    shape.dims[0] = 1;
    ln_status status = ln_onnx_put_list(w, shape.dims, shape.rank, list, err);
    if (!status)
        ln_onnx_put(w, "Expand", w->in[0], list, w->out, NULL);
    return status;
}

/* ---------------------------------------------------------------- softmax */

static ln_status along(writing *w, const char *operator_name)
{
    const ln_axis_attributes *own = w->node->attributes;
    const ln_onnx_written attributes[] = {
        {.name = "axis", .kind = LN_ONNX_WRITTEN_INT, .number = (double)own->axis}, END};
    ln_onnx_put(w, operator_name, w->in[0], NULL, w->out, attributes);
    return LN_OK;
}

static ln_status write_softmax(writing *w, ln_error *err)
{
    (void)err;
    return along(w, "Softmax");
}

static ln_status write_log_softmax(writing *w, ln_error *err)
{
    (void)err;
    return along(w, "LogSoftmax");
}

/* ---------------------------------------------------------------- the table */

static const ln_onnx_layer_writer writers[] = {
    {"add", write_add},         {"concat", write_concat},   {"dense", write_dense},
    {"expand", write_expand},   {"flatten", write_flatten}, {"log_softmax", write_log_softmax},
    {"maximum", write_maximum}, {"minimum", write_minimum}, {"mul", write_mul},
    {"reshape", write_reshape}, {"softmax", write_softmax}, {"transpose", write_transpose},
};

static ln_status write_node(ln_onnx_writer *writer, const ln_graph *graph, const ln_node *node,
                            ln_error *err)
{
    writing w = {.writer = writer,
                 .graph = graph,
                 .node = node,
                 .out = graph->values[node->outputs[0]].name};
    if (node->input_count >= LN_ONNX_MOST_OPERANDS)
        return ln_fail(err, LN_EUNSUPPORTED, "it has %d inputs; up to %d can be written as ONNX",
                       node->input_count, LN_ONNX_MOST_OPERANDS - 1);
    for (int i = 0; i < node->input_count; i++)
        w.in[i] = node->inputs[i] < 0 ? "" : graph->values[node->inputs[i]].name;
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        if (strcmp(writers[i].word, node->layer->word.name) == 0)
            return writers[i].write(&w, err);
    const ln_onnx_layer_writer *const families[] = {
        ln_onnx_activation_writers, ln_onnx_sequence_writers, ln_onnx_spatial_writers};
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const ln_onnx_layer_writer *at = families[f]; at->word; at++)
            if (strcmp(at->word, node->layer->word.name) == 0)
                return at->write(&w, err);
    if (write_same(&w))
        return LN_OK;
    return ln_fail(err, LN_EUNSUPPORTED, "the layer '%s' cannot be written as ONNX yet",
                   node->layer->word.name);
}

/* Values that `output` needs. */
static void mark_needed(const ln_graph *graph, int output, bool *needed)
{
    needed[output] = true;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const ln_node *node = &graph->nodes[i];
        bool runs = false;
        for (int j = 0; j < node->output_count; j++)
            runs = runs || needed[node->outputs[j]];
        for (int j = 0; j < node->input_count && runs; j++)
            if (node->inputs[j] >= 0)
                needed[node->inputs[j]] = true;
    }
}

ln_status ln_onnx_write_graph(ln_onnx_writer *writer, const ln_graph *graph, int output,
                              ln_error *err)
{
    bool *needed = ln_calloc((size_t)graph->value_count, sizeof *needed);
    ln_status status = needed ? LN_OK : ln_fail_memory(err, (size_t)graph->value_count);
    if (!status)
        status = ln_graph_wake(graph, err);
    if (!status)
        mark_needed(graph, output, needed);
    for (int i = 0; i < graph->value_count && !status; i++)
        if (needed[i] && graph->values[i].constant)
            ln_onnx_write_constant(writer, graph->values[i].name, graph->values[i].constant);
    for (int i = 0; i < graph->node_count && !status; i++) {
        const ln_node *node = &graph->nodes[i];
        if (!needed[node->outputs[0]])
            continue;
        status = write_node(writer, graph, node, err);
        if (status)
            ln_error_prefix(err, "%s '%s'", node->operator_name, node->name);
    }
    ln_free(needed);
    return status;
}
