/* Integrated gradients: the gradient averaged along the straight path from a baseline to the row.
 *
 *   a_i = (x_i - b_i) * integral over [0, 1] of d f_t(b + s (x - b)) / d x_i ds
 *
 * x (N, width), baseline b (1 or N, width) -> a (N, width). The integral is a quadrature of `steps`
 * nodes (common/quadrature.h), summed in float64 in the order of the steps. Complete in the limit:
 * sum a = f_t(x) - f_t(b), and the residual shows how near `steps` came. With multiply_by_inputs =
 * false the factor x - b is left off; what remains is an average gradient, which promises no sum, so
 * that no baseline output is recorded and no residual exists.
 *
 * Cost: `steps` forward and backward passes a row, and one for the row itself; the baseline's output
 * takes one forward row for all, or one more pass a row where baselines differ. An item is steps + 1
 * (+ 1) rows of a stream that fills whole passes, so that the row's own output costs no pass of its
 * own. Source: Sundararajan, Taly, Yan 2017. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/passes.h"
#include "explainers/common/quadrature.h"
#include "explainers/explainer.h"

typedef struct integrated_gradients_params {
    int64_t steps;           /* nodes of the quadrature */
    int method;              /* ln_quadrature */
    bool multiply_by_inputs; /* times x - baseline */
    double tolerance;        /* of the residual, read by the driver */
} integrated_gradients_params;

typedef struct path {
    int64_t rows_per_item;  /* steps, the row, and the baseline where it has its own */
    double *nodes;          /* steps: places on the path, 0 the baseline and 1 the row */
    double *weights;        /* steps */
    float *baseline_output; /* all outputs at the one baseline; NULL: none, or row by row */
} path;

/* A worker's scratch. */
typedef struct buffers {
    float *x;           /* (rows_per_pass, width) rows of the pass */
    float *gradient;    /* (rows_per_pass, width) */
    double *value;      /* (rows_per_pass) explained numbers */
    ln_target *targets; /* (rows_per_pass) */
    double *sum;        /* (width) gradients of the present item, weighted */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    int64_t rows = job->rows_per_pass, width = job->width;
    buffers made = {0};
    made.x = ln_carve(&carver, rows * width, sizeof *made.x);
    made.gradient = ln_carve(&carver, rows * width, sizeof *made.gradient);
    made.value = ln_carve(&carver, rows, sizeof *made.value);
    made.targets = ln_carve(&carver, rows, sizeof *made.targets);
    made.sum = ln_carve(&carver, width, sizeof *made.sum);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    path *shared = job->shared;
    ln_free(shared->nodes);
    ln_free(shared->weights);
    ln_free(shared->baseline_output);
    ln_free(shared);
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const integrated_gradients_params *params = job->request->params;
    path *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared; /* from here on the job releases it, also after an error */
    shared->nodes = ln_calloc((size_t)params->steps, sizeof *shared->nodes);
    shared->weights = ln_calloc((size_t)params->steps, sizeof *shared->weights);
    if (!shared->nodes || !shared->weights)
        return ln_fail_memory(err, (size_t)params->steps * sizeof *shared->nodes);
    ln_status status = ln_quadrature_make((ln_quadrature)params->method, params->steps,
                                          shared->nodes, shared->weights, err);
    if (status) {
        if (err)
            snprintf(err->field, sizeof err->field, "steps");
        return status;
    }
    bool own_baselines = params->multiply_by_inputs && job->baseline_stride > 0;
    shared->rows_per_item = params->steps + 1 + own_baselines;
    ln_passes passes =
        ln_passes_of(job->request->model, shared->rows_per_item, job->request->item_count);
    job->rows_per_pass = passes.rows;
    job->items_per_chunk = passes.items;
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* One baseline for all rows: its outputs, once. */
static ln_status start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    const integrated_gradients_params *params = job->request->params;
    path *shared = job->shared;
    if (!params->multiply_by_inputs || job->baseline_stride > 0)
        return LN_OK;
    int64_t outputs = ln_function_outputs(job->function);
    shared->baseline_output = ln_calloc((size_t)outputs, sizeof *shared->baseline_output);
    if (!shared->baseline_output)
        return ln_fail_memory(err, (size_t)outputs * sizeof *shared->baseline_output);
    *evaluations += 1;
    return ln_runner_forward(runner, job->baseline, 1, shared->baseline_output, err);
}

/* Row `part` of an item: a point of the path, then the row itself, then its baseline. The ends are
 * copied, not computed, so that outputs belong to the very row. */
static void fill(const path *shared, int64_t steps, int64_t part, const float *x, const float *base,
                 int64_t width, float *to)
{
    if (part >= steps) {
        memcpy(to, part == steps ? x : base, (size_t)width * sizeof *to);
        return;
    }
    double at = shared->nodes[part];
    for (int64_t i = 0; i < width; i++)
        to[i] = (float)((double)base[i] + at * ((double)x[i] - (double)base[i]));
}

static void add(double *sum, const float *gradient, double weight, bool first, int64_t width)
{
    if (first)
        for (int64_t i = 0; i < width; i++)
            sum[i] = weight * (double)gradient[i];
    else
        for (int64_t i = 0; i < width; i++)
            sum[i] += weight * (double)gradient[i];
}

/* After the last step of entry `entry` of the chunk: its attribution and outputs. */
static void finish(const ln_job *job, ln_job_chunk *chunk, int64_t entry, const double *sum,
                   double output)
{
    const integrated_gradients_params *params = job->request->params;
    const path *shared = job->shared;
    int64_t width = job->width, item = chunk->first + entry;
    int64_t row = job->request->items[item].row;
    const float *x = ln_f32(job->request->x) + row * width, *base = ln_job_baseline(job, row);
    float *values = chunk->out->values + entry * width;
    chunk->out->output[entry] = output;
    if (shared->baseline_output) {
        const ln_target *target = &job->targets[item];
        chunk->out->baseline_output[entry] =
            target->offset + target->scale * (double)shared->baseline_output[target->index];
    }
    if (params->multiply_by_inputs)
        for (int64_t i = 0; i < width; i++)
            values[i] = (float)(((double)x[i] - (double)base[i]) * sum[i]);
    else
        for (int64_t i = 0; i < width; i++)
            values[i] = (float)sum[i];
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const path *shared = job->shared;
    int64_t steps = ((const integrated_gradients_params *)job->request->params)->steps;
    int64_t width = job->width, per_item = shared->rows_per_item;
    int64_t rows = chunk->count * per_item;
    buffers at = carve(job, chunk->scratch, NULL);
    for (int64_t done = 0; done < rows;) {
        int64_t count = rows - done < job->rows_per_pass ? rows - done : job->rows_per_pass;
        for (int64_t r = 0; r < count; r++) {
            int64_t item = chunk->first + (done + r) / per_item;
            int64_t row = job->request->items[item].row;
            fill(shared, steps, (done + r) % per_item, ln_f32(job->request->x) + row * width,
                 ln_job_baseline(job, row), width, at.x + r * width);
            at.targets[r] = job->targets[item];
        }
        ln_status status =
            ln_runner_gradient(chunk->runner, at.x, at.targets, count, at.value, at.gradient, err);
        if (status)
            return status;
        for (int64_t r = 0; r < count; r++) {
            int64_t entry = (done + r) / per_item, part = (done + r) % per_item;
            if (part < steps)
                add(at.sum, at.gradient + r * width, shared->weights[part], part == 0, width);
            else if (part == steps)
                finish(job, chunk, entry, at.sum, at.value[r]);
            else
                chunk->out->baseline_output[entry] = at.value[r];
        }
        chunk->evaluations += 2 * count;
        done += count;
    }
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "steps",
     .type = LN_PARAM_INT,
     .offset = offsetof(integrated_gradients_params, steps),
     .fallback = "50",
     .min = 1,
     .max = LN_QUADRATURE_STEPS_MAX,
     .help = "points of the path at which the gradient is taken"},
    {.name = "method",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(integrated_gradients_params, method),
     .fallback = "\"gausslegendre\"",
     .choices = LN_QUADRATURE_CHOICES,
     .help = "where those points are and how they are weighted"},
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "0",
     .help = "where the path starts, in encoded space: one for all rows or one a row"},
    {.name = "multiply_by_inputs",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(integrated_gradients_params, multiply_by_inputs),
     .fallback = "true",
     .help = "multiply the mean gradient by x - baseline; without it there is no residual"},
    {.name = "tolerance",
     .type = LN_PARAM_REAL,
     .offset = offsetof(integrated_gradients_params, tolerance),
     .fallback = "0.05",
     .min = 0,
     .max = HUGE_VAL,
     .help = "relative residual that verify lets pass"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_integrated_gradients = {
    .word =
        {
            .name = "integrated_gradients",
            .summary = "gradient averaged along the path from a baseline to the row",
            .formula = "a_i = (x_i - b_i) * integral from 0 to 1 of "
                       "d f_t(b + s (x - b)) / d x_i ds",
            .source = "Sundararajan, Taly and Yan 2017, Axiomatic Attribution for Deep Networks, "
                      "arXiv:1703.01365; quadratures as in Captum",
            .params = params,
            .params_size = sizeof(integrated_gradients_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_BASELINE | LN_COMPLETE,
    .version = 1,
    .tolerance = 0.05,
    .cost = "steps + 1 forward and backward passes a row (one more where baselines differ by row)",
    .prepare = prepare,
    .start = start,
    .release = release,
    .run = run,
};
