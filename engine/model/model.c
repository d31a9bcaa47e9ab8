/* A model around a graph: how wide a row is, which output is meant, what its classes are, and whole
 * tensors through it. */
#include "model/model.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "model/head.h"

static ln_status find_inputs(ln_model *model, ln_error *err)
{
    const ln_graph *graph = model->graph;
    model->input_count = graph->input_count;
    model->input_offset = ln_calloc((size_t)graph->input_count + 1, sizeof *model->input_offset);
    if (!model->input_offset)
        return ln_fail_memory(err, ((size_t)graph->input_count + 1) * sizeof(int64_t));
    if (graph->input_count == 0)
        return ln_fail(err, LN_EINVALID, "the model has no input");
    for (int i = 0; i < graph->input_count; i++) {
        const ln_value *value = &graph->values[graph->inputs[i]];
        if (value->dtype != LN_F32)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "the model's input '%s' takes %s numbers: only f32 can be explained",
                           value->name, ln_dtype_name(value->dtype));
        model->width += ln_shape_row(&value->shape);
        model->input_offset[i + 1] = model->width;
    }
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

static ln_status find_output(ln_model *model, const char *output, ln_error *err)
{
    const ln_graph *graph = model->graph;
    char names[512] = "";
    model->output_value = -1;
    if (graph->output_count == 0)
        return ln_fail(err, LN_EINVALID, "the model has no output");
    if (output_names(graph, names, sizeof names))
        return ln_fail_memory(err, sizeof names);
    if (!output && graph->output_count > 1)
        return ln_fail(err, LN_EINVALID,
                       "the model has %d outputs, %s: say which with head = \"...\"",
                       graph->output_count, names);
    for (int i = 0; i < graph->output_count; i++)
        if (!output || strcmp(graph->values[graph->outputs[i]].name, output) == 0)
            model->output_value = graph->outputs[i];
    if (model->output_value < 0)
        return ln_fail(err, LN_EINVALID, "the model has no output '%s': it has %s", output, names);
    const ln_value *value = &graph->values[model->output_value];
    if (value->dtype != LN_F32 || value->fixed)
        return ln_fail(err, LN_EUNSUPPORTED, "the model's output '%s' %s", value->name,
                       value->fixed ? "does not depend on its input" : "is not f32");
    model->output_count = ln_shape_row(&value->shape);
    model->class_count = model->task == LN_TASK_REGRESSION ? 0
                         : model->output_count == 1        ? 2
                                                           : model->output_count;
    return LN_OK;
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
    ln_graph_release(model->graph);
    ln_encoding_free(model->encoding);
    ln_free(model->format);
    ln_free(model->input_offset);
    ln_free(model);
}

ln_status ln_model_rehash(ln_model *model, ln_error *err)
{
    uint8_t graph[LN_SHA256_BYTES];
    ln_status status = ln_graph_sha256(model->graph, graph, err);
    if (status)
        return status;
    ln_hash *hash = ln_hash_new();
    if (!hash)
        return ln_fail_memory(err, 0);
    ln_hash_text(hash, "model");
    ln_hash_update(hash, graph, sizeof graph);
    ln_hash_i64(hash, model->output_value);
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
            link == LN_LINK_PROBABILITY ||
            (link == LN_LINK_RAW && ln_head_find(model->graph, model->output_value).node >= 0);
        out->index = 0;
        out->scale = target == 1 ? 1 : -1;
        out->offset = target == 0 && probability ? 1 : 0;
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- whole tensors */

/* One forward pass over many rows, cut into chunks. */
typedef struct forward_job {
    const float *x;
    float *out;
    int64_t count, width, outputs; /* rows, numbers a row */
    ln_runner **runners;           /* one a worker */
} forward_job;

static ln_status forward_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    const forward_job *job = context;
    const int64_t first = chunk * LN_CHUNK_ROWS;
    const int64_t left = job->count - first;
    return ln_runner_forward(job->runners[worker], job->x + first * job->width,
                             left < LN_CHUNK_ROWS ? left : LN_CHUNK_ROWS,
                             job->out + first * job->outputs, err);
}

static ln_status check_rows(const ln_model *model, const ln_tensor *x, ln_error *err)
{
    char text[64];
    if (x->dtype != LN_F32)
        return ln_fail(err, LN_EINVALID, "the rows are %s numbers: the model takes f32",
                       ln_dtype_name(x->dtype));
    if (x->shape.rank < 1 || ln_shape_row(&x->shape) != model->width)
        return ln_fail(err, LN_EINVALID,
                       "the rows have shape %s: the model takes %lld numbers a row",
                       ln_shape_text(&x->shape, text, sizeof text), (long long)model->width);
    return LN_OK;
}

static ln_status run_forward(const ln_function *function, forward_job *job, ln_pool *pool,
                             ln_error *err)
{
    const int workers = pool ? ln_pool_threads(pool) : 1;
    job->runners = ln_calloc((size_t)workers, sizeof *job->runners);
    if (!job->runners)
        return ln_fail_memory(err, (size_t)workers * sizeof *job->runners);
    ln_status status = LN_OK;
    for (int i = 0; i < workers && !status; i++)
        status = ln_runner_new(function, &job->runners[i], err);
    if (!status)
        status = ln_parallel(pool, (job->count + LN_CHUNK_ROWS - 1) / LN_CHUNK_ROWS, forward_chunk,
                             job, NULL, NULL, err);
    for (int i = 0; i < workers; i++)
        ln_runner_free(job->runners[i]);
    ln_free(job->runners);
    return status;
}

ln_status ln_model_forward(ln_model *model, ln_link link, const ln_tensor *x, ln_pool *pool,
                           ln_tensor **out, ln_error *err)
{
    ln_function *function = NULL;
    ln_tensor *result = NULL;
    ln_status status = check_rows(model, x, err);
    if (status)
        return status;
    const int64_t count = x->shape.dims[0];
    ln_function_options options = {.link = link,
                                   .rows = count < LN_CHUNK_ROWS ? count : LN_CHUNK_ROWS};
    if (options.rows < 1)
        options.rows = 1;
    status = ln_function_new(model, &options, &function, err);
    if (!status) {
        const ln_shape shape = {2, {count, ln_function_outputs(function)}};
        status = ln_tensor_new(LN_F32, &shape, &result, err);
    }
    if (!status) {
        forward_job job = {.x = ln_f32(x),
                           .out = ln_f32(result),
                           .count = count,
                           .width = model->width,
                           .outputs = ln_function_outputs(function)};
        status = run_forward(function, &job, pool, err);
    }
    ln_function_free(function);
    if (status)
        ln_tensor_release(result);
    else
        *out = result;
    return status;
}

ln_status ln_model_scores(ln_model *model, const ln_tensor *x, ln_pool *pool, ln_tensor **out,
                          ln_error *err)
{
    const ln_link link = model->task == LN_TASK_REGRESSION ? LN_LINK_RAW : LN_LINK_PROBABILITY;
    ln_tensor *numbers = NULL, *scores = NULL;
    ln_status status = ln_model_forward(model, link, x, pool, &numbers, err);
    if (status)
        return status;
    const int64_t count = numbers->shape.dims[0], outputs = numbers->shape.dims[1];
    const bool pair = model->task == LN_TASK_CLASSIFICATION && outputs == 1;
    const ln_shape shape = {2, {count, pair ? 2 : outputs}};
    status = ln_tensor_new(LN_F64, &shape, &scores, err);
    for (int64_t i = 0; i < count * outputs && !status; i++) {
        const double number = (double)ln_f32(numbers)[i];
        if (pair)
            ln_f64(scores)[2 * i] = 1 - number;
        ln_f64(scores)[pair ? 2 * i + 1 : i] = number;
    }
    ln_tensor_release(numbers);
    if (!status)
        *out = scores;
    return status;
}
