/* SmoothGrad and its kin: another explainer, asked of noisy copies of the row.
 *
 *   x_k = x + N(0, s^2),  s_i = stdev * range_i        k = 1 .. samples, e_k the explanation of x_k
 *   mode mean: mean of e_k      squared: mean of e_k^2      variance: mean of (e_k - mean)^2
 *
 * range_i: how far the row's numbers reach (images), or input i over the training rows (tables).
 *
 * x (N, width) -> a (N, width of the other explainer). Copies of a chunk's items are the rows of a job
 * of that explainer, which spreads over the pool; noise is drawn by (seed, word, stream, row of the data
 * set), copy after copy, and what the other one draws by the number of the copy. Sums are float64 in the
 * order of the copies; means have standard errors. The output is the row's own. Cost: samples times that
 * of the other, and one forward pass a row. Not complete: the copies' sums are their own outputs.
 * Sources: Smilkov et al. 2017; squared: Hooker et al. 2019; variance: Adebayo et al. 2018. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/inside.h"
#include "explainers/common/passes.h"
#include "kernels/draws.h"

#define MODES "mean|squared|variance"
enum { MEAN, SQUARED, VARIANCE };
enum { DRAWS = 256 }; /* at once */

typedef struct smooth_grad_params {
    int64_t samples; /* copies a row */
    double stdev;    /* of the noise, of the range */
    int mode;
} smooth_grad_params;

/* ---------------------------------------------------------------- the job inside */

static void release(ln_job *job)
{
    ln_inside_release(job->shared);
    ln_free(job->shared);
}

/* What is wrong with the other explainer's parameters is said of `of`. */
static ln_status name_field(ln_status status, ln_error *err)
{
    if (status && err && err->field[0]) {
        char field[sizeof err->field];
        snprintf(field, sizeof field, "of.%.*s", (int)sizeof field - 4, err->field);
        memcpy(err->field, field, sizeof field);
    }
    return status;
}

/* The job's scratch: its one worker runs a chunk, in which items go over the pool. */
typedef struct buffers {
    float *x;          /* (items_per_chunk, width) the rows themselves */
    float *y;          /* (items_per_chunk, outputs) */
    double *deviation; /* (threads, width) of the noise on each input */
    double *mean;      /* (threads, width of the explanation) */
    double *spread;    /* as many */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_request_outputs(job->request);
    const int64_t threads = ln_pool_threads(job->pool);
    ln_carver carver = {.base = scratch};
    buffers made;
    made.x = ln_carve(&carver, job->items_per_chunk * model->width, sizeof *made.x);
    made.y = ln_carve(&carver, job->items_per_chunk * outputs, sizeof *made.y);
    made.deviation = ln_carve(&carver, threads * model->width, sizeof *made.deviation);
    made.mean = ln_carve(&carver, threads * job->width, sizeof *made.mean);
    made.spread = ln_carve(&carver, threads * job->width, sizeof *made.spread);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const smooth_grad_params *params = job->request->params;
    const ln_request *request = job->request;
    const bool own_baselines =
        request->model->holds || (request->baseline && request->baseline->shape.dims[0] > 1);
    ln_inside *own = job->shared = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    ln_request asked = *request;
    asked.params = request->of_params;
    asked.of = NULL;
    job->items_per_chunk =
        ln_inside_items(request->model->width, params->samples, request->item_count);
    ln_status status =
        ln_inside_make(own, request->of, &asked, job->items_per_chunk * params->samples,
                       own_baselines, job->pool, err);
    if (status)
        return name_field(status, err);
    job->rows_per_pass = ln_passes_of(request->model, 1, job->items_per_chunk, 1).rows;
    job->width = own->job->width;
    job->shape = own->job->shape;
    job->of_pixels = own->job->of_pixels;
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* ---------------------------------------------------------------- the run */

static double range_of(const float *x, int64_t width)
{
    float low = x[0], high = x[0];
    for (int64_t i = 1; i < width; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    return (double)high - (double)low;
}

/* The baseline of a copy: the row's. */
static void fill_baseline(const ln_job *job, int64_t row, float *to)
{
    const ln_request *request = job->request;
    const int64_t width = request->model->width;
    const ln_tensor *given = request->baseline;
    if (given)
        memcpy(to, ln_f32(given) + (given->shape.dims[0] > 1 ? row * width : 0),
               (size_t)width * sizeof *to);
    ln_model_hold(request->model, ln_f32(request->x) + row * width, to);
}

/* How far the noise on each input of the row reaches; each input of the model has a range of its own. */
static void find_deviation(const ln_job *job, const float *x, double *deviation)
{
    const smooth_grad_params *params = job->request->params;
    const ln_tensor *given = job->request->range;
    const ln_model *model = job->request->model;
    for (int part = 0; part < model->input_count; part++) {
        const int64_t from = model->input_offset[part], end = model->input_offset[part + 1];
        const double reach = given ? 0 : range_of(x + from, end - from);
        for (int64_t i = from; i < end; i++)
            deviation[i] = params->stdev * (given ? (double)ln_f32(given)[i] : reach);
    }
}

/* Draws of all copies one after another, so that few inputs a row do not make short calls. */
typedef struct draws {
    ln_rng rng;
    int64_t left; /* that are not drawn yet */
    int64_t at;   /* the next of ready[] */
    int64_t count;
    double ready[DRAWS];
} draws;

/* The row with noise on the inputs [0, width). */
static void add_noise(draws *from, const float *x, const double *deviation, int64_t width,
                      float *to)
{
    for (int64_t i = 0, count; i < width; i += count) {
        if (from->at == from->count) {
            from->count = from->left < DRAWS ? from->left : DRAWS;
            from->left -= from->count;
            from->at = 0;
            ln_draw_normals(&from->rng, from->count, from->ready);
        }
        const int64_t ready = from->count - from->at;
        count = width - i < ready ? width - i : ready;
        const double *noise = from->ready + from->at;
        for (int64_t k = 0; k < count; k++)
            to[i + k] = (float)((double)x[i + k] + deviation[i + k] * noise[k]);
        from->at += count;
    }
}

/* The copies of one item of the request, from copy `first` of the job inside on. */
static void fill(const ln_job *job, const ln_item *item, int64_t first, double *deviation)
{
    const smooth_grad_params *params = job->request->params;
    const ln_request *request = job->request;
    const ln_inside *own = job->shared;
    const int64_t width = request->model->width;
    const float *x = ln_f32(request->x) + item->row * width;
    draws noise = {.rng = ln_rng_make(request->seed, "smooth_grad", request->stream,
                                      (uint64_t)request->row_ids[item->row]),
                   .left = params->samples * width};
    find_deviation(job, x, deviation);
    for (int64_t k = 0; k < params->samples; k++) {
        float *to = ln_f32(own->x) + (first + k) * width;
        add_noise(&noise, x, deviation, width, to);
        ln_model_hold(request->model, x, to);
        if (own->baseline)
            fill_baseline(job, item->row, ln_f32(own->baseline) + (first + k) * width);
        own->items[first + k] = (ln_item){.row = first + k, .target = item->target};
        own->row_ids[first + k] = request->row_ids[item->row] * params->samples + k;
    }
}

/* values and errors of one item from those of its copies (Welford's mean and spread). */
static void reduce(const ln_job *job, const float *from, double *mean, double *spread,
                   float *values, float *errors)
{
    const smooth_grad_params *params = job->request->params;
    const double n = (double)params->samples;
    memset(mean, 0, (size_t)job->width * sizeof *mean);
    memset(spread, 0, (size_t)job->width * sizeof *spread);
    for (int64_t k = 0; k < params->samples; k++)
        for (int64_t i = 0; i < job->width; i++) {
            const double one = (double)from[k * job->width + i];
            const double value = params->mode == SQUARED ? one * one : one;
            const double away = value - mean[i];
            mean[i] += away / (double)(k + 1);
            spread[i] += away * (value - mean[i]);
        }
    for (int64_t i = 0; i < job->width; i++) {
        const bool variance = params->mode == VARIANCE;
        values[i] = (float)(variance ? spread[i] / n : mean[i]);
        errors[i] = variance || n < 2 ? NAN : (float)sqrt(spread[i] / (n - 1) / n);
    }
}

/* A chunk's items over the pool: before and behind the job inside. */
typedef struct item_task {
    const ln_job *job;
    ln_job_chunk *chunk;
    buffers at;
    ln_explanation inside;
} item_task;

static ln_status fill_item(void *context, int64_t item, int worker, ln_error *err)
{
    const item_task *task = context;
    const ln_request *request = task->job->request;
    const smooth_grad_params *params = request->params;
    (void)err;
    fill(task->job, &request->items[task->chunk->first + item], item * params->samples,
         task->at.deviation + worker * request->model->width);
    return LN_OK;
}

static ln_status reduce_item(void *context, int64_t item, int worker, ln_error *err)
{
    const item_task *task = context;
    const smooth_grad_params *params = task->job->request->params;
    const ln_explanation *out = task->chunk->out;
    const int64_t width = task->job->width;
    (void)err;
    reduce(task->job, task->inside.values + item * params->samples * width,
           task->at.mean + worker * width, task->at.spread + worker * width,
           out->values + item * width, out->errors + item * width);
    return LN_OK;
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const smooth_grad_params *params = job->request->params;
    item_task task = {.job = job, .chunk = chunk, .at = carve(job, chunk->scratch, NULL)};
    ln_status status = ln_parallel(job->pool, chunk->count, fill_item, &task, NULL, NULL, err);
    if (!status)
        status = ln_passes_outputs(job, chunk, task.at.x, task.at.y, err);
    if (!status)
        status = ln_inside_run(job->shared, chunk->count * params->samples, &task.inside, err);
    chunk->evaluations += task.inside.evaluations;
    if (!status)
        status = ln_parallel(job->pool, chunk->count, reduce_item, &task, NULL, NULL, err);
    ln_explanation_free(&task.inside);
    return status;
}

static const ln_param params[] = {
    {.name = "of",
     .type = LN_PARAM_WORD,
     .offset = LN_NO_OFFSET,
     .fallback = "saliency { absolute = false }",
     .choices = "explainer",
     .position = 1,
     .help = "the explainer that is asked of every noisy copy"},
    {.name = "samples",
     .type = LN_PARAM_INT,
     .offset = offsetof(smooth_grad_params, samples),
     .fallback = "50",
     .min = 1,
     .max = 100000,
     .help = "noisy copies a row"},
    {.name = "stdev",
     .type = LN_PARAM_REAL,
     .offset = offsetof(smooth_grad_params, stdev),
     .fallback = "0.15",
     .min = 0,
     .max = HUGE_VAL,
     .help =
         "standard deviation of the noise, as a share of the range: of the row's own numbers, of "
         "a table's input over the training rows"},
    {.name = "mode",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(smooth_grad_params, mode),
     .fallback = "\"mean\"",
     .choices = MODES,
     .help = "what is made of the copies' explanations: their mean, the mean of their squares, or "
             "their variance"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_smooth_grad = {
    .word =
        {
            .name = "smooth_grad",
            .summary = "another explainer, averaged over noisy copies of the row",
            .formula = "a = mean over k of e(x + noise_k), of its square, or its variance; noise_k "
                       "normal with deviation stdev * range",
            .source = "Smilkov, Thorat, Kim, Viegas and Wattenberg 2017, SmoothGrad: removing "
                      "noise by adding noise, arXiv:1706.03825; squared: Hooker et al. 2019, "
                      "arXiv:1806.10758; variance: Adebayo et al. 2018, arXiv:1810.03307",
            .params = params,
            .params_size = sizeof(smooth_grad_params),
        },
    .flags = LN_INSIDE | LN_WRAPS | LN_RANDOM | LN_HAS_ERRORS,
    .version = 2,
    .cost = "samples times that of the other explainer, and one forward pass a row",
    .prepare = prepare,
    .release = release,
    .run = run,
};
