/* GradientSHAP: integrated gradients towards the rows of a background, estimated from random points of
 * their paths.
 *
 *   a_i = 1/samples * sum over draws of  (x'_i - b_i) * d f_t(b + u (x' - b)) / d x_i
 *
 * Each draw takes a row b of the background, u ~ U(0, 1) and, with stdev > 0, x' = x + N(0, stdev^2)
 * (else x' = x), by (seed, word, stream, row of the data set), in this order: row, u, noise. x (N,
 * width), background (K, width) -> a (N, width), summed in float64 in the order of the draws, with the
 * standard error of each mean.
 *
 * Complete in expectation: sum a = f_t(x) - mean over the background of f_t(b), where stdev is 0; the
 * residual shows what the draws leave. A chunk is a stream of rows, each item's draws; with `stop` LOOK draws of
 * each item that has not ended, again and again. Cost: `samples` forward and backward passes a row and one
 * forward pass, for its output, and one forward pass a row of the background for all rows, of what the
 * model does not know from before (model/known.h). Source: Lundberg and Lee 2017 (shap's GradientExplainer); as
 * in Captum. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/passes.h"
#include "explainers/common/stop.h"
#include "explainers/explainer.h"
#include "kernels/paths.h"

#define LOOK 10 /* draws between two looks at the errors: fewer say little of them */

typedef struct gradient_shap_params {
    int64_t samples;  /* draws a row, at most */
    double stdev;     /* of the noise on the row */
    double stop;      /* the greatest standard error that ends a row; NaN: none */
    double tolerance; /* of the residual, read by the driver */
} gradient_shap_params;

/* A worker's scratch. */
typedef struct buffers {
    float *x;           /* (rows_per_pass, width) points */
    float *change;      /* (rows_per_pass, width) x' - b */
    float *gradient;    /* (rows_per_pass, width) */
    double *value;      /* (rows_per_pass) explained numbers */
    ln_target *targets; /* (rows_per_pass) */
    double *mean;       /* (items_per_chunk, width) */
    double *spread;     /* (items_per_chunk, width) sums of squared distances from the mean */
    double *error;      /* (width) at the last look */
    ln_rng *rng;        /* (items_per_chunk) */
    int64_t *draws;     /* (items_per_chunk) that an item has */
    int64_t *open;      /* (items_per_chunk) the entries that have not ended */
    float *y; /* (rows_per_pass, outputs) of rows, and of the background where they hold inputs */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    const int64_t rows = job->rows_per_pass, width = job->width, items = job->items_per_chunk;
    ln_carver carver = {.base = scratch};
    buffers made;
    made.x = ln_carve(&carver, rows * width, sizeof *made.x);
    made.change = ln_carve(&carver, rows * width, sizeof *made.change);
    made.gradient = ln_carve(&carver, rows * width, sizeof *made.gradient);
    made.value = ln_carve(&carver, rows, sizeof *made.value);
    made.targets = ln_carve(&carver, rows, sizeof *made.targets);
    made.mean = ln_carve(&carver, items * width, sizeof *made.mean);
    made.spread = ln_carve(&carver, items * width, sizeof *made.spread);
    made.error = ln_carve(&carver, width, sizeof *made.error);
    made.rng = ln_carve(&carver, items, sizeof *made.rng);
    made.draws = ln_carve(&carver, items, sizeof *made.draws);
    made.open = ln_carve(&carver, items, sizeof *made.open);
    made.y = ln_carve(&carver, rows * ln_request_outputs(job->request), sizeof *made.y);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const gradient_shap_params *params = job->request->params;
    const ln_status status =
        ln_stop_check(job->request, params->stop, params->samples, LOOK, "samples", err);
    if (status)
        return status;
    ln_passes_set(job, ln_stop_before_look(params->stop, 0, params->samples, LOOK));
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* shared: the mean of every output over the background, where all rows share it. */
static ln_status start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    const ln_tensor *background = job->request->background;
    const int64_t rows = background->shape.dims[0], outputs = ln_function_outputs(job->function);
    double *mean = job->shared = ln_calloc((size_t)outputs, sizeof *mean);
    float *out = ln_calloc((size_t)(rows * outputs), sizeof *out);
    ln_status status = LN_OK;
    if (!mean || !out)
        status = ln_fail_memory(err, (size_t)(rows * outputs) * sizeof *out);
    const bool shared = !job->request->model->holds; /* else each row has its own: mean_of_row */
    if (!status && shared)
        status = ln_passes_over_pool(job, runner, ln_f32(background), rows, out, err);
    for (int64_t i = 0; i < rows * outputs && !status && shared; i++)
        mean[i % outputs] += (double)out[i] / (double)rows;
    *evaluations += shared ? rows : 0;
    ln_free(out);
    return status;
}

static void release(ln_job *job)
{
    ln_free(job->shared);
}

/* One draw: x' - b to `change`, b + u (x' - b) to `point`. */
static void draw(const ln_job *job, ln_rng *rng, const float *x, float *change, float *point)
{
    const gradient_shap_params *params = job->request->params;
    const ln_tensor *background = job->request->background;
    const uint64_t row = ln_rng_below(rng, (uint64_t)background->shape.dims[0]);
    const float *b = ln_f32(background) + (int64_t)row * job->width;
    const double u = ln_rng_uniform(rng);
    if (!(params->stdev > 0))
        ln_path_kernels_choose()->point(u, job->width, x, b, change, point);
    for (int64_t i = 0; i < job->width && params->stdev > 0; i++) {
        const double noisy = (double)x[i] + params->stdev * ln_rng_normal(rng);
        change[i] = (float)(noisy - (double)b[i]);
        point[i] = (float)((double)b[i] + u * (noisy - (double)b[i]));
    }
    ln_model_hold(job->request->model, x, point);
}

/* Rows [row, row + count) of a pass are draws of an entry, which has `done` before them: into its mean and spread. */
static void add(const buffers *at, int64_t row, int64_t count, int64_t entry, int64_t done,
                int64_t width)
{
    ln_path_kernels_choose()->take(done, count, width, at->change + row * width,
                                   at->gradient + row * width, at->mean + entry * width,
                                   at->spread + entry * width);
}

/* The mean output over the background, the row's own numbers in the inputs that are held. */
static ln_status mean_of_row(const ln_job *job, ln_job_chunk *chunk, const buffers *at,
                             int64_t item, double *mean, ln_error *err)
{
    const ln_request *request = job->request;
    const int64_t width = job->width, outputs = ln_function_outputs(job->function);
    const int64_t rows = request->background->shape.dims[0];
    const float *x = ln_f32(request->x) + request->items[item].row * width;
    *mean = 0;
    for (int64_t first = 0, count; first < rows; first += count) {
        count = rows - first < job->rows_per_pass ? rows - first : job->rows_per_pass;
        memcpy(at->x, ln_f32(request->background) + first * width,
               (size_t)(count * width) * sizeof *x);
        for (int64_t r = 0; r < count; r++)
            ln_model_hold(request->model, x, at->x + r * width);
        ln_status status = ln_runner_outputs(chunk->runner, at->x, count, at->y, err);
        if (status)
            return status;
        for (int64_t r = 0; r < count; r++)
            *mean += (double)at->y[r * outputs + job->targets[item].index] / (double)rows;
        chunk->evaluations += count;
    }
    return LN_OK;
}

static ln_status finish(const ln_job *job, ln_job_chunk *chunk, int64_t entry, const buffers *at,
                        ln_error *err)
{
    const ln_request *request = job->request;
    const ln_target *target = &job->targets[chunk->first + entry];
    const double *background = job->shared;
    for (int64_t i = entry * job->width; i < (entry + 1) * job->width; i++) {
        chunk->out->values[i] = (float)at->mean[i];
        chunk->out->errors[i] = (float)ln_stop_error(at->spread[i], at->draws[entry]);
    }
    double mean = background[target->index];
    ln_status status = request->model->holds
                           ? mean_of_row(job, chunk, at, chunk->first + entry, &mean, err)
                           : LN_OK;
    chunk->out->baseline_output[entry] = target->offset + target->scale * mean;
    return status;
}

/* `count` draws more of each of the first `items` open entries, which have `done`. */
static ln_status add_draws(const ln_job *job, ln_job_chunk *chunk, const buffers *at, int64_t items,
                           int64_t done, int64_t count, ln_error *err)
{
    const ln_request *request = job->request;
    const int64_t width = job->width, rows = items * count;
    for (int64_t first = 0, pass; first < rows; first += pass) {
        pass = rows - first < job->rows_per_pass ? rows - first : job->rows_per_pass;
        for (int64_t r = 0; r < pass; r++) {
            const int64_t entry = at->open[(first + r) / count], item = chunk->first + entry;
            draw(job, &at->rng[entry], ln_f32(request->x) + request->items[item].row * width,
                 at->change + r * width, at->x + r * width);
            at->targets[r] = job->targets[item];
        }
        ln_status status = ln_check_interrupt(err);
        if (!status)
            status = ln_runner_gradient(chunk->runner, at->x, at->targets, pass, at->value,
                                        at->gradient, err);
        if (status)
            return status;
        chunk->evaluations += 2 * pass;
        for (int64_t r = 0, some; r < pass; r += some) {
            const int64_t number = (first + r) % count;
            some = count - number < pass - r ? count - number : pass - r;
            add(at, r, some, at->open[(first + r) / count], done + number, width);
        }
    }
    return LN_OK;
}

/* Whether an entry is as sure as asked for. */
static bool may_stop(const ln_job *job, const buffers *at, int64_t entry)
{
    const gradient_shap_params *params = job->request->params;
    for (int64_t i = 0; i < job->width && params->stop > 0; i++)
        at->error[i] = ln_stop_error(at->spread[entry * job->width + i], at->draws[entry]);
    return ln_stop_holds(params->stop, at->error, NULL, job->width);
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const gradient_shap_params *params = job->request->params;
    const ln_request *request = job->request;
    const buffers at = carve(job, chunk->scratch, NULL);
    ln_status status = ln_passes_outputs(job, chunk, at.x, at.y, err);
    int64_t open = chunk->count;
    for (int64_t e = 0; e < open; e++) {
        const int64_t row = request->items[chunk->first + e].row;
        at.rng[e] = ln_rng_make(request->seed, "gradient_shap", request->stream,
                                (uint64_t)request->row_ids[row]);
        at.open[e] = e;
    }
    for (int64_t done = 0, count; done < params->samples && open > 0 && !status; done += count) {
        count = ln_stop_before_look(params->stop, done, params->samples - done, LOOK);
        status = add_draws(job, chunk, &at, open, done, count, err);
        int64_t left = 0;
        for (int64_t k = 0; k < open && !status; k++) {
            at.draws[at.open[k]] = done + count;
            if (!may_stop(job, &at, at.open[k]))
                at.open[left++] = at.open[k];
        }
        open = left;
    }
    for (int64_t e = 0; e < chunk->count && !status; e++)
        status = finish(job, chunk, e, &at, err);
    return status;
}

static const ln_param params[] = {
    {.name = "samples",
     .type = LN_PARAM_INT,
     .offset = offsetof(gradient_shap_params, samples),
     .fallback = "5",
     .min = 1,
     .max = 1e9,
     .help = "draws a row: each a row of the background and a point on the way from it"},
    {.name = "stdev",
     .type = LN_PARAM_REAL,
     .offset = offsetof(gradient_shap_params, stdev),
     .fallback = "0",
     .min = 0,
     .max = HUGE_VAL,
     .help = "standard deviation of normal noise on the row, in encoded space; 0: none"},
    LN_STOP(gradient_shap_params),
    {.name = "background",
     .type = LN_PARAM_BACKGROUND,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "rows that paths start from; without it 100 training rows, drawn"},
    {.name = "tolerance",
     .type = LN_PARAM_REAL,
     .offset = offsetof(gradient_shap_params, tolerance),
     .fallback = "0.05",
     .min = 0,
     .max = HUGE_VAL,
     .help = "relative residual that verify lets pass"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_gradient_shap = {
    .word =
        {
            .name = "gradient_shap",
            .summary = "integrated gradients from a background, by random points of the paths",
            .formula = "a_i = mean over draws of (x_i - b_i) * d f_t(b + u (x - b)) / d x_i, b a "
                       "row of the background, u uniform in 0 .. 1",
            .source = "Lundberg and Lee 2017, A Unified Approach to Interpreting Model "
                      "Predictions, arXiv:1705.07874, as shap's GradientExplainer; defaults as in "
                      "Captum; known as expected gradients: Erion et al. 2021, arXiv:1906.10670",
            .params = params,
            .params_size = sizeof(gradient_shap_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_BACKGROUND | LN_COMPLETE | LN_RANDOM | LN_HAS_ERRORS,
    .version = 1,
    .tolerance = 0.05,
    .cost =
        "samples forward and backward passes a row and one forward pass, and one forward pass a "
        "row of the background",
    .prepare = prepare,
    .start = start,
    .release = release,
    .run = run,
};
