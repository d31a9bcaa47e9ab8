/* Whole tensors through a model: its outputs on a link, and the scores that metrics read.
 *
 * Rows go through the pool in chunks of ln_model_chunk_rows. Probabilities that the model itself makes are
 * scores as they are; others are made in float64 from the float32 outputs, so that one near 0 or 1
 * keeps its digits:
 *
 *     softmax(z)[c] = e^(z_c - max z) / sum_k e^(z_k - max z)
 *     sigmoid(z)    = 1 / (1 + e^-z), and for class 0 sigmoid(-z) */
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "model/head.h"
#include "model/model.h"

/* One forward pass over many rows, cut into chunks. */
typedef struct forward_job {
    const ln_function *function;
    ln_runner **runners; /* one a worker, made when it takes its first chunk */
    const float *x;
    float *out;
    int64_t count, width, outputs; /* rows, numbers a row of x and of out */
    int64_t chunk;                 /* rows of one */
} forward_job;

static ln_status forward_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    forward_job *job = context;
    ln_runner **runner = &job->runners[worker];
    const int64_t first = chunk * job->chunk, left = job->count - first;
    ln_status status = *runner ? LN_OK : ln_runner_new(job->function, runner, err);
    if (status)
        return status;
    return ln_runner_forward(*runner, job->x + first * job->width,
                             left < job->chunk ? left : job->chunk, job->out + first * job->outputs,
                             err);
}

static ln_status run_forward(forward_job *job, ln_pool *pool, ln_error *err)
{
    const int workers = pool ? ln_pool_threads(pool) : 1;
    const int64_t chunks = (job->count + job->chunk - 1) / job->chunk;
    job->runners = ln_calloc((size_t)workers, sizeof *job->runners);
    if (!job->runners)
        return ln_fail_memory(err, (size_t)workers * sizeof *job->runners);
    ln_status status = ln_parallel(pool, chunks, forward_chunk, job, NULL, NULL, err);
    for (int i = 0; i < workers; i++)
        ln_runner_free(job->runners[i]);
    ln_free(job->runners);
    return status;
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

ln_status ln_model_forward(ln_model *model, ln_link link, const ln_tensor *x, ln_pool *pool,
                           ln_tensor **out, ln_error *err)
{
    ln_function *function = NULL;
    ln_tensor *result = NULL;
    ln_status status = check_rows(model, x, err);
    if (status)
        return status;
    const int64_t count = x->shape.dims[0];
    pool = ln_model_pool(model, pool);
    const int64_t chunk = ln_model_chunk(model, count, 1, ln_pool_threads(pool));
    const ln_function_options options = {.link = link, .rows = chunk};
    status = ln_function_new(model, &options, &function, err);
    if (status)
        return status;
    forward_job job = {.function = function,
                       .x = ln_f32(x),
                       .count = count,
                       .chunk = chunk,
                       .width = model->width,
                       .outputs = ln_function_outputs(function)};
    const ln_shape shape = {2, {count, job.outputs}};
    status = ln_tensor_new(LN_F32, &shape, &result, err);
    if (!status) {
        job.out = ln_f32(result);
        status = run_forward(&job, pool, err);
    }
    ln_function_free(function);
    if (status)
        ln_tensor_release(result);
    else
        *out = result;
    return status;
}

static double sigmoid(double z)
{
    const double small = exp(-fabs(z));
    return z >= 0 ? 1 / (1 + small) : small / (1 + small);
}

static void softmax_row(const float *z, int64_t count, double *out)
{
    double most = (double)z[0], sum = 0;
    for (int64_t c = 1; c < count; c++)
        most = fmax(most, (double)z[c]);
    for (int64_t c = 0; c < count; c++)
        sum += out[c] = exp((double)z[c] - most);
    for (int64_t c = 0; c < count; c++)
        out[c] /= sum;
}

/* One row of outputs to one row of scores; `plain`: they are no probabilities yet. */
static void score_row(const ln_model *model, bool plain, const float *output, double *score)
{
    const bool classes = model->task == LN_TASK_CLASSIFICATION;
    const int64_t count = model->output_count;
    const double first = (double)output[0];
    if (classes && count == 1) {
        score[0] = plain ? sigmoid(-first) : 1 - first;
        score[1] = plain ? sigmoid(first) : first;
    } else if (classes && plain) {
        softmax_row(output, count, score);
    } else {
        for (int64_t c = 0; c < count; c++)
            score[c] = (double)output[c];
    }
}

ln_status ln_model_scores(ln_model *model, const ln_tensor *x, ln_pool *pool, ln_tensor **out,
                          ln_error *err)
{
    ln_tensor *outputs = NULL, *scores = NULL;
    ln_status status = ln_model_forward(model, LN_LINK_RAW, x, pool, &outputs, err);
    if (status)
        return status;
    const int64_t rows = outputs->shape.dims[0], count = model->output_count;
    const int64_t columns = model->task == LN_TASK_CLASSIFICATION ? model->class_count : count;
    const bool plain = ln_model_head(model).kind == LN_HEAD_NONE;
    const ln_shape shape = {2, {rows, columns}};
    status = ln_tensor_new(LN_F64, &shape, &scores, err);
    for (int64_t r = 0; r < rows && !status; r++)
        score_row(model, plain, ln_f32(outputs) + r * count, ln_f64(scores) + r * columns);
    ln_tensor_release(outputs);
    if (!status)
        *out = scores;
    return status;
}
