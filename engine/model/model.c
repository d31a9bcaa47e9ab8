/* A model around a graph: how wide a row is, which output is meant, and what its classes are.
 *
 * Rows are laid out input after input, each flattened, in the graph's order of its inputs: of a graph
 * with inputs (N, 2) and (N, 3, 4), numbers 0 and 1 of a row are the first's, 2 to 13 the second's.
 *
 * Whole numbers have no neighbours to move to: token 17 is not between 16 and 18. So where a model has inputs
 * of real numbers too, explanations are of those, and the others are held at the row's own values. A model of
 * whole numbers alone holds none: methods that need no gradient replace them. */
#include "model/model.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "model/head.h"
#include "model/kept.h"

/* Numbers a row of an input or output (`role`), all of whose axes but the rows' must be known. */
static ln_status count_row(const ln_value *value, const char *role, int64_t *out, ln_error *err)
{
    char text[64];
    *out = 1;
    for (int i = 1; i < value->shape.rank; i++) {
        const int64_t size = value->shape.dims[i];
        if (size < 0)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "the model's %s '%s' does not say how long axis %d is: only the rows "
                           "(axis 0) may be of any number",
                           role, value->name, i);
        if (__builtin_mul_overflow(*out, size, out) || *out > INT32_MAX)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "the model's %s '%s' has shape %s: too many numbers a row", role,
                           value->name, ln_shape_text(&value->shape, text, sizeof text));
    }
    return LN_OK;
}

/* Which inputs are held. */
static void find_held(ln_model *model)
{
    const ln_graph *graph = model->graph;
    bool real = false;
    for (int i = 0; i < graph->input_count; i++)
        real = real || graph->values[graph->inputs[i]].dtype == LN_F32;
    for (int i = 0; i < graph->input_count && real; i++) {
        model->held[i] = graph->values[graph->inputs[i]].dtype != LN_F32;
        model->holds = model->holds || model->held[i];
    }
}

ln_status ln_model_check_real(const ln_model *model, const char *hint, ln_error *err)
{
    const ln_graph *graph = model->graph;
    for (int i = 0; i < graph->input_count; i++)
        if (graph->values[graph->inputs[i]].dtype == LN_F32)
            return LN_OK;
    if (graph->input_count == 0)
        return LN_OK;
    ln_fail(err, LN_EUNSUPPORTED,
            "the model's input '%s' takes whole numbers, and there is nothing between two of them",
            graph->values[graph->inputs[0]].name);
    ln_error_hint(err, "%s", hint);
    return LN_EUNSUPPORTED;
}

void ln_model_hold(const ln_model *model, const float *x, float *row)
{
    for (int i = 0; i < model->input_count && model->holds; i++) {
        const int64_t at = model->input_offset[i], width = model->input_offset[i + 1] - at;
        if (model->held[i])
            memcpy(row + at, x + at, (size_t)width * sizeof *row);
    }
}

ln_status ln_model_references(const ln_model *model, const ln_tensor *x, ln_tensor *references,
                              ln_tensor **out, ln_error *err)
{
    const int64_t rows = x->shape.dims[0], width = model->width;
    if (references && !model->holds) {
        *out = ln_tensor_retain(references);
        return LN_OK;
    }
    const ln_shape shape = {2, {model->holds ? rows : 1, width}};
    ln_status status = ln_tensor_new(LN_F32, &shape, out, err); /* zeros */
    for (int64_t r = 0; r < shape.dims[0] && !status; r++) {
        float *to = ln_f32(*out) + r * width;
        if (references)
            memcpy(to, ln_f32(references) + (references->shape.dims[0] > 1 ? r * width : 0),
                   (size_t)width * sizeof *to);
        ln_model_hold(model, ln_f32(x) + r * width, to);
    }
    return status;
}

static ln_status find_inputs(ln_model *model, ln_error *err)
{
    const ln_graph *graph = model->graph;
    model->input_count = graph->input_count;
    model->input_offset = ln_calloc((size_t)graph->input_count + 1, sizeof *model->input_offset);
    model->held = ln_calloc((size_t)graph->input_count + 1, sizeof *model->held);
    if (!model->input_offset || !model->held)
        return ln_fail_memory(err, ((size_t)graph->input_count + 1) * sizeof(int64_t));
    if (graph->input_count == 0)
        return ln_fail(err, LN_EINVALID, "the model has no input");
    for (int i = 0; i < graph->input_count; i++) {
        const ln_value *value = &graph->values[graph->inputs[i]];
        int64_t count;
        ln_status status = count_row(value, "input", &count, err);
        if (status)
            return status;
        model->width += count;
        model->input_offset[i + 1] = model->width;
    }
    find_held(model);
    return LN_OK;
}

/* "a, b and c": the graph's outputs, for messages. */
static ln_status output_names(const ln_graph *graph, char *buffer, size_t size)
{
    ln_text text = {0};
    for (int i = 0; i < graph->output_count; i++) {
        const char *between = i == 0 ? "" : i + 1 < graph->output_count ? ", " : " and ";
        ln_text_format(&text, "%s'%s'", between, graph->values[graph->outputs[i]].name);
    }
    const bool failed = text.failed;
    if (!failed && text.data) {
        strncpy(buffer, text.data, size - 1);
        buffer[size - 1] = '\0';
    }
    ln_text_free(&text);
    return failed ? LN_ENOMEM : LN_OK;
}

/* Of several outputs the one that is numbers: labels beside probabilities are whole numbers. -1: none,
 * or several. */
static int only_real_output(const ln_graph *graph)
{
    int found = -1;
    for (int i = 0; i < graph->output_count; i++) {
        const ln_value *value = &graph->values[graph->outputs[i]];
        if (value->dtype != LN_F32 || value->fixed)
            continue;
        if (found >= 0)
            return -1;
        found = graph->outputs[i];
    }
    return found;
}

static ln_status find_output(ln_model *model, const char *output, ln_error *err)
{
    const ln_graph *graph = model->graph;
    char names[512] = "";
    model->output_value = -1;
    if (graph->output_count == 0)
        return ln_fail(err, LN_EINVALID, "the model has no output");
    if (output_names(graph, names, sizeof names))
        return ln_fail_memory(err, sizeof names);
    const int only = only_real_output(graph);
    if (!output && graph->output_count > 1 && only < 0)
        return ln_fail(err, LN_EINVALID,
                       "the model has %d outputs, %s: say which with head = \"...\"",
                       graph->output_count, names);
    for (int i = 0; i < graph->output_count; i++)
        if ((!output && (only < 0 || graph->outputs[i] == only)) ||
            (output && strcmp(graph->values[graph->outputs[i]].name, output) == 0))
            model->output_value = graph->outputs[i];
    if (model->output_value < 0)
        return ln_fail(err, LN_EINVALID, "the model has no output '%s': it has %s", output, names);
    const ln_value *value = &graph->values[model->output_value];
    if (value->dtype != LN_F32 || value->fixed)
        return ln_fail(err, LN_EUNSUPPORTED, "the model's output '%s' %s", value->name,
                       value->fixed ? "does not depend on its input" : "is not f32");
    ln_status status = count_row(value, "output", &model->output_count, err);
    if (!status && model->output_count < 1)
        status =
            ln_fail(err, LN_EUNSUPPORTED, "the model's output '%s' has no numbers", value->name);
    model->class_count = model->task == LN_TASK_REGRESSION ? 0
                         : model->output_count == 1        ? 2
                                                           : model->output_count;
    return status;
}

ln_status ln_model_new(const char *format, ln_graph *graph, const char *output,
                       ln_encoding *encoding, ln_task task, ln_model **out, ln_error *err)
{
    ln_model *model = ln_calloc(1, sizeof *model);
    if (!model) {
        ln_encoding_free(encoding);
        return ln_fail_memory(err, sizeof *model);
    }
    model->references = 1;
    model->graph = ln_graph_retain(graph);
    model->encoding = encoding;
    model->task = task;
    model->format = ln_strdup(format);
    ln_status status = model->format ? LN_OK : ln_fail_memory(err, strlen(format) + 1);
    if (!status)
        status = ln_kept_new(&model->kept, err);
    if (!status)
        status = find_inputs(model, err);
    if (!status)
        status = find_output(model, output, err);
    if (!status && encoding && encoding->width != model->width)
        status = ln_fail(err, LN_EINVALID,
                         "the model takes %lld numbers a row, but the encoded data have %d",
                         (long long)model->width, encoding->width);
    if (!status)
        status = ln_model_rehash(model, err);
    if (status)
        ln_model_release(model);
    else
        *out = model;
    return status;
}

ln_model *ln_model_retain(ln_model *model)
{
    __atomic_add_fetch(&model->references, 1, __ATOMIC_RELAXED);
    return model;
}

void ln_model_release(ln_model *model)
{
    if (!model || __atomic_sub_fetch(&model->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    ln_kept_free(model->kept);
    ln_graph_release(model->graph);
    ln_encoding_free(model->encoding);
    ln_free(model->format);
    ln_free(model->input_offset);
    ln_free(model->held);
    ln_free(model->callback_identity);
    if (model->callback.release)
        model->callback.release(model->callback.context);
    ln_free(model);
}

ln_status ln_model_rehash(ln_model *model, ln_error *err)
{
    uint8_t graph[LN_SHA256_BYTES];
    ln_model_forget(model);
    ln_status status = ln_graph_sha256(model->graph, graph, err);
    if (status)
        return status;
    ln_hash *hash = ln_hash_new();
    if (!hash)
        return ln_fail_memory(err, 0);
    ln_hash_text(hash, "model");
    ln_hash_update(hash, graph, sizeof graph);
    ln_hash_i64(hash, model->output_value); /* not its name: names are no part of the identity */
    ln_hash_i64(hash, model->task);
    if (model->callback.run) {
        ln_hash_text(hash, model->callback_identity);
        ln_hash_i64(hash, model->callback.inputs);
        ln_hash_i64(hash, model->callback.outputs);
        ln_hash_i64(hash, model->callback.probabilities);
    }
    if (model->encoding)
        ln_encoding_hash(model->encoding, hash);
    ln_hash_finish(hash, model->sha256);
    ln_hash_free(hash);
    return LN_OK;
}

ln_status ln_model_target(const ln_model *model, ln_link link, int64_t target, ln_target *out,
                          ln_error *err)
{
    const bool one = model->output_count == 1 && model->task == LN_TASK_CLASSIFICATION;
    const int64_t count = one ? 2 : model->output_count;
    if (target < 0 || target >= count) {
        const char *what = model->task == LN_TASK_CLASSIFICATION ? "classes" : "outputs";
        if (count == 1)
            return ln_fail(err, LN_EINVALID,
                           "target %lld is out of range: the model has one output, 0",
                           (long long)target);
        return ln_fail(err, LN_EINVALID,
                       "target %lld is out of range: the model's %s are 0 to %lld",
                       (long long)target, what, (long long)count - 1);
    }
    *out = (ln_target){.index = target, .scale = 1};
    if (one && link != LN_LINK_LOSS) {
        const bool probability =
            link == LN_LINK_PROBABILITY || (link == LN_LINK_RAW && ln_model_head(model).kind);
        out->index = 0;
        out->scale = target == 1 ? 1 : -1;
        out->offset = target == 0 && probability ? 1 : 0;
    }
    return LN_OK;
}

enum { NEAR = 1 << 18 }; /* numbers of values that stay in the second cache */

/* Of all values of a row. */
static int64_t count_numbers(const ln_model *model)
{
    int64_t numbers = 1;
    for (int i = 0; i < model->graph->value_count; i++)
        if (!model->graph->values[i].fixed)
            numbers += ln_shape_row(&model->graph->values[i].shape);
    return numbers;
}

/* Images, that convolutions with many weights are fastest with; more gain nothing. ResNet-18 forward and back on
 * tiles: 41 ms an image alone, 37 with another, 36 of four. */
static int64_t group_rows(void)
{
    return ln_cpu_has("amx") ? 2 : 4;
}

int64_t ln_model_chunk_rows(const ln_model *model)
{
    const int64_t most = group_rows() << 23;
    const int64_t numbers = count_numbers(model);
    int64_t rows = NEAR / numbers;
    rows = rows < LN_LEAST_CHUNK_ROWS ? LN_LEAST_CHUNK_ROWS : rows;
    rows = rows > most / numbers ? most / numbers : rows;
    return rows < 1 ? 1 : rows > LN_CHUNK_ROWS ? LN_CHUNK_ROWS : rows;
}

int64_t ln_model_chunk(const ln_model *model, int64_t count, int64_t rows, int threads)
{
    /* Numbers of values whose computation takes longer than a thread takes to wake. */
    const int64_t worth = (int64_t)1 << 14;
    const int64_t most = ln_model_chunk_rows(model) / rows;
    const int64_t fewest = (count + most - 1) / most;
    const int64_t even = (fewest + threads - 1) / threads * threads;
    const int64_t numbers = count_numbers(model), useful = count * rows * numbers / worth;
    int64_t chunks = even < useful ? even : useful;
    chunks = chunks < fewest ? fewest : chunks > count ? count : chunks;
    const int64_t chunk = chunks < 1 ? 1 : (count + chunks - 1) / chunks;
    return chunk < group_rows() && numbers > NEAR ? 1 : chunk;
}
