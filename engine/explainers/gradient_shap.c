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
 * residual shows what the draws leave. An item is a stream of rows: its draws, then the row itself for
 * its output. Cost: samples + 1 forward and backward passes a row, and one forward pass a row of the
 * background for all. Source: Lundberg and Lee 2017 (shap's GradientExplainer); as in Captum. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/passes.h"
#include "explainers/explainer.h"

typedef struct gradient_shap_params {
    int64_t samples;  /* draws a row */
    double stdev;     /* of the noise on the row */
    double tolerance; /* of the residual, read by the driver */
} gradient_shap_params;

/* A worker's scratch. */
typedef struct buffers {
    float *x;           /* (rows_per_pass, width) points */
    float *change;      /* (rows_per_pass, width) x' - b */
    float *gradient;    /* (rows_per_pass, width) */
    double *value;      /* (rows_per_pass) explained numbers */
    ln_target *targets; /* (rows_per_pass) */
    double *mean;       /* (width) of the present item */
    double *spread;     /* (width) its sum of squared distances from the mean */
    float *y;           /* (rows_per_pass, outputs) of the background, where the row holds inputs */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    const int64_t rows = job->rows_per_pass, width = job->width;
    ln_carver carver = {.base = scratch};
    buffers made;
    made.x = ln_carve(&carver, rows * width, sizeof *made.x);
    made.change = ln_carve(&carver, rows * width, sizeof *made.change);
    made.gradient = ln_carve(&carver, rows * width, sizeof *made.gradient);
    made.value = ln_carve(&carver, rows, sizeof *made.value);
    made.targets = ln_carve(&carver, rows, sizeof *made.targets);
    made.mean = ln_carve(&carver, width, sizeof *made.mean);
    made.spread = ln_carve(&carver, width, sizeof *made.spread);
    const int64_t outputs = job->request->model->holds ? ln_request_outputs(job->request) : 0;
    made.y = ln_carve(&carver, rows * outputs, sizeof *made.y);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const gradient_shap_params *params = job->request->params;
    (void)err;
    ln_passes_set(job, params->samples + 1);
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
        status = ln_runner_forward(runner, ln_f32(background), rows, out, err);
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
    for (int64_t i = 0; i < job->width; i++) {
        double noisy = (double)x[i];
        if (params->stdev > 0)
            noisy += params->stdev * ln_rng_normal(rng);
        change[i] = (float)(noisy - (double)b[i]);
        point[i] = (float)((double)b[i] + u * (noisy - (double)b[i]));
    }
    ln_model_hold(job->request->model, x, point);
}

/* Draw number `number` of the item, into its mean and spread (Welford). */
static void add(const buffers *at, int64_t row, int64_t number, int64_t width)
{
    const float *change = at->change + row * width, *gradient = at->gradient + row * width;
    for (int64_t i = 0; i < width; i++) {
        const double value = (double)change[i] * (double)gradient[i];
        const double mean = number > 0 ? at->mean[i] : 0, away = value - mean;
        at->mean[i] = mean + away / (double)(number + 1);
        at->spread[i] = (number > 0 ? at->spread[i] : 0) + away * (value - at->mean[i]);
    }
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
        ln_status status = ln_runner_forward(chunk->runner, at->x, count, at->y, err);
        if (status)
            return status;
        for (int64_t r = 0; r < count; r++)
            *mean += (double)at->y[r * outputs + job->targets[item].index] / (double)rows;
        chunk->evaluations += count;
    }
    return LN_OK;
}

static ln_status finish(const ln_job *job, ln_job_chunk *chunk, int64_t entry, const buffers *at,
                        double output, ln_error *err)
{
    const ln_request *request = job->request;
    const gradient_shap_params *params = request->params;
    const ln_target *target = &job->targets[chunk->first + entry];
    const double *background = job->shared, n = (double)params->samples;
    for (int64_t i = 0; i < job->width; i++) {
        chunk->out->values[entry * job->width + i] = (float)at->mean[i];
        chunk->out->errors[entry * job->width + i] =
            params->samples > 1 ? (float)sqrt(at->spread[i] / (n - 1) / n) : NAN;
    }
    chunk->out->output[entry] = output;
    double mean = background[target->index];
    ln_status status = request->model->holds
                           ? mean_of_row(job, chunk, at, chunk->first + entry, &mean, err)
                           : LN_OK;
    chunk->out->baseline_output[entry] = target->offset + target->scale * mean;
    return status;
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const gradient_shap_params *params = job->request->params;
    const ln_request *request = job->request;
    const int64_t width = job->width, each = params->samples + 1, rows = chunk->count * each;
    const buffers at = carve(job, chunk->scratch, NULL);
    ln_rng rng = {0}; /* of the item whose rows are being filled */
    for (int64_t done = 0, count; done < rows; done += count) {
        count = rows - done < job->rows_per_pass ? rows - done : job->rows_per_pass;
        for (int64_t r = 0; r < count; r++) {
            const int64_t item = chunk->first + (done + r) / each, row = request->items[item].row;
            const float *x = ln_f32(request->x) + row * width;
            if ((done + r) % each == 0)
                rng = ln_rng_make(request->seed, "gradient_shap", request->stream,
                                  (uint64_t)request->row_ids[row]);
            if ((done + r) % each < params->samples)
                draw(job, &rng, x, at.change + r * width, at.x + r * width);
            else
                memcpy(at.x + r * width, x, (size_t)width * sizeof *x);
            at.targets[r] = job->targets[item];
        }
        ln_status status =
            ln_runner_gradient(chunk->runner, at.x, at.targets, count, at.value, at.gradient, err);
        if (status)
            return status;
        chunk->evaluations += 2 * count;
        for (int64_t r = 0; r < count && !status; r++)
            if ((done + r) % each < params->samples)
                add(&at, r, (done + r) % each, width);
            else
                status = finish(job, chunk, (done + r) / each, &at, at.value[r], err);
        if (status)
            return status;
    }
    return LN_OK;
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
    .cost = "samples + 1 forward and backward passes a row, and one forward pass a row of the "
            "background",
    .prepare = prepare,
    .start = start,
    .release = release,
    .run = run,
};
