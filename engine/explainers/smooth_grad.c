/* SmoothGrad and its kin: another explainer, asked of noisy copies of the row.
 *
 *   x_k = x + N(0, s^2),  s_i = stdev * range_i        k = 1 .. samples, e_k the explanation of x_k
 *   mode mean: mean of e_k      squared: mean of e_k^2      variance: mean of (e_k - mean)^2
 *
 * range_i: how far the row's numbers reach (images), or input i over the training rows (tables).
 *
 * x (N, width) -> a (N, width of the other explainer). Copies of a chunk's items are the rows of a job
 * of that explainer, which spreads over the pool; noise is drawn by (seed, word, stream, row of the data
 * set), copy after copy, and what the other one draws by the number of the copy: nothing depends on how many
 * there are to be. Sums are float64 in the order of the copies; means have standard errors, with `stop` looked at
 * every LOOK copies. The output is the row's own. Cost: samples times that of the other, and one forward pass a
 * row. Not complete: the copies' sums are their own outputs.
 * Sources: Smilkov et al. 2017; squared: Hooker et al. 2019; variance: Adebayo et al. 2018. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/inside.h"
#include "explainers/common/passes.h"
#include "explainers/common/request.h"
#include "explainers/common/stop.h"
#include "kernels/draws.h"
#include "kernels/paths.h"

#define MODES "mean|squared|variance"
enum { MEAN, SQUARED, VARIANCE };
enum { DRAWS = 256 }; /* at once */
enum { LOOK = 10 };   /* copies between two looks at the errors: fewer say little of them */

typedef struct smooth_grad_params {
    int64_t samples; /* copies a row, at most */
    double stdev;    /* of the noise, of the range */
    int mode;
    double stop; /* the greatest standard error that ends a row; NaN: none */
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

/* Draws of all copies one after another, so that few inputs a row do not make short calls. */
typedef struct draws {
    ln_rng rng;
    int64_t left; /* that are not drawn yet */
    int64_t at;   /* the next of ready[] */
    int64_t count;
    double ready[DRAWS];
} draws;

/* The job's scratch: its one worker runs a chunk, in which items go over the pool. */
typedef struct buffers {
    float *x;             /* (items_per_chunk, width) the rows themselves */
    float *y;             /* (items_per_chunk, outputs) */
    double *deviation;    /* (threads, width) of the noise on each input */
    draws *noise;         /* (items_per_chunk) */
    double *mean;         /* (items_per_chunk, width of the explanation) */
    double *spread;       /* as many: squared distances from the mean (Welford) */
    double *error;        /* (threads, width of the explanation) at the last look */
    int64_t *copies;      /* (items_per_chunk) that an item has */
    int64_t *open;        /* (items_per_chunk) the entries that have not ended */
    bool *ended;          /* (items_per_chunk) */
    int64_t *nanoseconds; /* (threads) with a profile: of copies made and taken in */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_request_outputs(job->request), items = job->items_per_chunk;
    const int64_t threads = ln_pool_threads(job->pool);
    ln_carver carver = {.base = scratch};
    buffers made;
    made.x = ln_carve(&carver, items * model->width, sizeof *made.x);
    made.y = ln_carve(&carver, items * outputs, sizeof *made.y);
    made.deviation = ln_carve(&carver, threads * model->width, sizeof *made.deviation);
    made.noise = ln_carve(&carver, items, sizeof *made.noise);
    made.mean = ln_carve(&carver, items * job->width, sizeof *made.mean);
    made.spread = ln_carve(&carver, items * job->width, sizeof *made.spread);
    made.error = ln_carve(&carver, threads * job->width, sizeof *made.error);
    made.copies = ln_carve(&carver, items, sizeof *made.copies);
    made.open = ln_carve(&carver, items, sizeof *made.open);
    made.ended = ln_carve(&carver, items, sizeof *made.ended);
    made.nanoseconds = ln_carve(&carver, threads, sizeof *made.nanoseconds);
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
    if (params->stop > 0 && params->mode == VARIANCE) {
        ln_fail(err, LN_EINVALID,
                "the variance of the copies' explanations has no standard error: expected mode = "
                "\"mean\" or \"squared\" beside it");
        ln_error_field(err, "stop");
        return LN_EINVALID;
    }
    ln_status status = ln_model_check_real(
        request->model, "noise needs real numbers: ask the explainer itself", err);
    if (!status)
        status = ln_stop_check(request, params->stop, params->samples, LOOK, "samples", err);
    if (status)
        return status;
    ln_inside *own = job->shared = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    ln_request asked = *request;
    asked.params = request->of_params;
    asked.of = NULL;
    const int64_t at_once = ln_stop_before_look(params->stop, 0, params->samples, LOOK);
    job->items_per_chunk = ln_inside_items(request->model->width, at_once, request->item_count);
    status = ln_inside_make(own, request->of, &asked, job->items_per_chunk * at_once, own_baselines,
                            job->pool, err);
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

/* `count` copies of one item of the request, which has `done`, from copy `first` of the job inside on. */
static void fill(const ln_job *job, const ln_item *item, int64_t first, int64_t done, int64_t count,
                 double *deviation, draws *noise)
{
    const smooth_grad_params *params = job->request->params;
    const ln_request *request = job->request;
    const ln_inside *own = job->shared;
    const int64_t width = request->model->width;
    const float *x = ln_f32(request->x) + item->row * width;
    if (done == 0)
        *noise = (draws){.rng = ln_rng_make(request->seed, "smooth_grad", request->stream,
                                            (uint64_t)request->row_ids[item->row]),
                         .left = params->samples * width};
    find_deviation(job, x, deviation);
    for (int64_t k = 0; k < count; k++) {
        float *to = ln_f32(own->x) + (first + k) * width;
        add_noise(noise, x, deviation, width, to);
        ln_model_hold(request->model, x, to);
        if (own->baseline)
            fill_baseline(job, item->row, ln_f32(own->baseline) + (first + k) * width);
        own->items[first + k] = (ln_item){.row = first + k, .target = item->target};
        own->row_ids[first + k] = request->row_ids[item->row] + (done + k) * LN_COPIES_APART;
    }
}

/* Takes `count` copies of an item, which has `done`, into its mean and spread (Welford). */
static void take(const ln_job *job, const float *from, int64_t done, int64_t count, double *mean,
                 double *spread)
{
    const smooth_grad_params *params = job->request->params;
    ln_path_kernels_choose()->take(done, count, job->width, from,
                                   params->mode == SQUARED ? from : NULL, mean, spread);
}

/* values and errors of one item. */
static void settle(const ln_job *job, const double *mean, const double *spread, int64_t copies,
                   float *values, float *errors)
{
    const smooth_grad_params *params = job->request->params;
    const bool variance = params->mode == VARIANCE;
    for (int64_t i = 0; i < job->width; i++) {
        values[i] = (float)(variance ? spread[i] / (double)copies : mean[i]);
        errors[i] = variance ? NAN : (float)ln_stop_error(spread[i], copies);
    }
}

/* A round: so many more copies of each item of a chunk that has not ended, over the pool, before and behind the job
 * inside. */
typedef struct item_task {
    const ln_job *job;
    ln_job_chunk *chunk;
    buffers at;
    int64_t done, count; /* copies that an open item has, and that it gets */
    ln_explanation inside;
} item_task;

static ln_status fill_item(void *context, int64_t k, int worker, ln_error *err)
{
    const item_task *task = context;
    const ln_request *request = task->job->request;
    const int64_t entry = task->at.open[k], start = ln_profile_clock(request->model->profile);
    (void)err;
    fill(task->job, &request->items[task->chunk->first + entry], k * task->count, task->done,
         task->count, task->at.deviation + worker * request->model->width, &task->at.noise[entry]);
    task->at.nanoseconds[worker] += ln_profile_clock(request->model->profile) - start;
    return LN_OK;
}

static ln_status take_item(void *context, int64_t k, int worker, ln_error *err)
{
    const item_task *task = context;
    const ln_request *request = task->job->request;
    const smooth_grad_params *params = request->params;
    const buffers *at = &task->at;
    const int64_t width = task->job->width, entry = at->open[k];
    const int64_t start = ln_profile_clock(request->model->profile);
    double *spread = at->spread + entry * width, *error = at->error + worker * width;
    (void)err;
    take(task->job, task->inside.values + k * task->count * width, task->done, task->count,
         at->mean + entry * width, spread);
    at->copies[entry] = task->done + task->count;
    for (int64_t i = 0; i < width && params->stop > 0; i++)
        error[i] = ln_stop_error(spread[i], at->copies[entry]);
    at->ended[entry] = ln_stop_holds(params->stop, error, NULL, width);
    at->nanoseconds[worker] += ln_profile_clock(request->model->profile) - start;
    return LN_OK;
}

/* *open items get copies; then so many are open still. */
static ln_status run_round(item_task *task, int64_t *open, ln_error *err)
{
    const ln_job *job = task->job;
    ln_status status = ln_parallel(job->pool, *open, fill_item, task, NULL, NULL, err);
    if (!status)
        status =
            name_field(ln_inside_run(job->shared, *open * task->count, &task->inside, err), err);
    task->chunk->evaluations += task->inside.evaluations;
    if (!status)
        status = ln_parallel(job->pool, *open, take_item, task, NULL, NULL, err);
    int64_t left = 0;
    for (int64_t k = 0; k < *open && !status; k++)
        if (!task->at.ended[task->at.open[k]])
            task->at.open[left++] = task->at.open[k];
    *open = left;
    ln_explanation_free(&task->inside);
    task->inside = (ln_explanation){0};
    return status;
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const smooth_grad_params *params = job->request->params;
    const int64_t width = job->width;
    item_task task = {.job = job, .chunk = chunk, .at = carve(job, chunk->scratch, NULL)};
    const buffers *at = &task.at;
    int64_t open = chunk->count;
    const int threads = ln_pool_threads(job->pool);
    int64_t start = ln_inside_clock(job, chunk);
    for (int64_t e = 0; e < open; e++)
        at->open[e] = e;
    memset(at->nanoseconds, 0, (size_t)threads * sizeof *at->nanoseconds);
    ln_status status = ln_passes_outputs(job, chunk, at->x, at->y, err);
    chunk->nanoseconds += ln_inside_clock(job, chunk) - start;
    for (; task.done < params->samples && open > 0 && !status; task.done += task.count) {
        task.count =
            ln_stop_before_look(params->stop, task.done, params->samples - task.done, LOOK);
        status = run_round(&task, &open, err);
    }
    start = ln_inside_clock(job, chunk);
    for (int64_t e = 0; e < chunk->count && !status; e++)
        settle(job, at->mean + e * width, at->spread + e * width, at->copies[e],
               chunk->out->values + e * width, chunk->out->errors + e * width);
    chunk->nanoseconds += ln_inside_clock(job, chunk) - start;
    for (int worker = 0; worker < threads; worker++)
        chunk->nanoseconds += at->nanoseconds[worker];
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
    LN_STOP(smooth_grad_params),
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
    .version = 3,
    .cost = "samples times that of the other explainer, and one forward pass a row",
    .prepare = prepare,
    .release = release,
    .run = run,
};
