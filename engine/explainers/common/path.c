#include "explainers/common/path.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/passes.h"
#include "kernels/paths.h"

typedef struct path {
    ln_path_options options;
    double *nodes;          /* places on the path, 0 the baseline and 1 the row */
    double *weights;        /* as many */
    float *baseline_output; /* all outputs at the one baseline; NULL: none, or row by row */
} path;

/* A worker's scratch. */
typedef struct buffers {
    float *x;           /* (rows_per_pass, inputs) rows of the pass */
    float *layer;       /* (rows_per_pass, width) at a layer */
    float *gradient;    /* (rows_per_pass, width) */
    float *y;           /* (rows_per_pass, outputs) of the ends */
    double *value;      /* (rows_per_pass) explained numbers */
    ln_target *targets; /* (rows_per_pass) */
    double *state;      /* of the present item */
} buffers;

static bool at_layer(const ln_job *job)
{
    return (job->explainer->flags & LN_AT_LAYER) != 0;
}

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const path *shared = job->shared;
    int64_t rows = job->rows_per_pass, width = job->width;
    buffers made = {0};
    made.x = ln_carve(&carver, rows * job->request->model->width, sizeof *made.x);
    if (at_layer(job))
        made.layer = ln_carve(&carver, rows * width, sizeof *made.layer);
    made.gradient = ln_carve(&carver, rows * width, sizeof *made.gradient);
    made.y = ln_carve(&carver, rows * ln_request_outputs(job->request), sizeof *made.y);
    made.value = ln_carve(&carver, rows, sizeof *made.value);
    made.targets = ln_carve(&carver, rows, sizeof *made.targets);
    made.state = ln_carve(&carver, shared->options.state_width, sizeof *made.state);
    if (bytes)
        *bytes = carver.used;
    return made;
}

void ln_path_release(ln_job *job)
{
    path *shared = job->shared;
    ln_free(shared->nodes);
    ln_free(shared->weights);
    ln_free(shared->baseline_output);
    ln_free(shared);
}

ln_status ln_path_prepare(ln_job *job, const ln_path_options *options, size_t *scratch_bytes,
                          ln_error *err)
{
    ln_status real = ln_model_check_real(
        job->request->model, "layer_integrated_gradients goes between a layer's own numbers", err);
    if (real)
        return real;
    path *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared; /* from here on the job releases it, also after an error */
    shared->options = *options;
    shared->nodes = ln_calloc((size_t)options->nodes, sizeof *shared->nodes);
    shared->weights = ln_calloc((size_t)options->nodes, sizeof *shared->weights);
    if (!shared->nodes || !shared->weights)
        return ln_fail_memory(err, (size_t)options->nodes * sizeof *shared->nodes);
    ln_status status =
        ln_quadrature_make(options->rule, options->nodes, shared->nodes, shared->weights, err);
    if (status) {
        if (err)
            snprintf(err->field, sizeof err->field, "steps");
        return status;
    }
    ln_passes_set(job, options->nodes);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

void ln_path_leave_baseline(ln_job *job)
{
    path *shared = job->shared;
    shared->options.baseline_output = false;
}

/* One baseline for all rows: its outputs, once. */
ln_status ln_path_start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    path *shared = job->shared;
    if (!shared->options.baseline_output || job->baseline_stride > 0)
        return LN_OK;
    int64_t outputs = ln_function_outputs(job->function);
    shared->baseline_output = ln_calloc((size_t)outputs, sizeof *shared->baseline_output);
    if (!shared->baseline_output)
        return ln_fail_memory(err, (size_t)outputs * sizeof *shared->baseline_output);
    *evaluations += 1;
    return ln_runner_outputs(runner, job->baseline, 1, shared->baseline_output, err);
}

/* A point of the path. */
static void fill(double at, const float *x, const float *base, int64_t width, float *to)
{
    ln_path_kernels_choose()->point(at, width, x, base, NULL, to);
}

/* Rows [done, done + count) of the chunk's stream, with their targets. */
static void fill_pass(const ln_job *job, const ln_job_chunk *chunk, int64_t done, int64_t count,
                      buffers *at)
{
    const path *shared = job->shared;
    const ln_request *request = job->request;
    const int64_t inputs = request->model->width, nodes = shared->options.nodes;
    for (int64_t r = 0; r < count; r++) {
        const int64_t item = chunk->first + (done + r) / nodes, row = request->items[item].row;
        fill(shared->nodes[(done + r) % nodes], ln_f32(request->x) + row * inputs,
             ln_job_baseline(job, row), inputs, at->x + r * inputs);
        at->targets[r] = job->targets[item];
    }
}

/* The outputs at both ends of each path. The ends are copied, not computed, so that outputs belong to the very
 * row. */
static ln_status pass_ends(const ln_job *job, ln_job_chunk *chunk, const buffers *at, ln_error *err)
{
    const path *shared = job->shared;
    const int64_t inputs = job->request->model->width, outputs = ln_function_outputs(job->function);
    const bool own = shared->options.baseline_output && !shared->baseline_output;
    ln_status status = ln_passes_outputs(job, chunk, at->x, at->y, err);
    for (int64_t i = 0; i < chunk->count && own; i++)
        memcpy(at->x + i * inputs, ln_job_baseline(job, job->request->items[chunk->first + i].row),
               (size_t)inputs * sizeof *at->x);
    if (!status && own) {
        status = ln_runner_outputs(chunk->runner, at->x, chunk->count, at->y, err);
        chunk->evaluations += chunk->count;
    }
    for (int64_t i = 0; i < chunk->count && !status && shared->options.baseline_output; i++)
        chunk->out->baseline_output[i] = ln_target_value(
            &job->targets[chunk->first + i], own ? at->y + i * outputs : shared->baseline_output);
    return status;
}

/* What a row of the pass says to its item. */
static void take(const ln_job *job, ln_job_chunk *chunk, int64_t number, int64_t row,
                 const ln_path_method *method, const buffers *at)
{
    const path *shared = job->shared;
    const int64_t nodes = shared->options.nodes, entry = number / nodes, part = number % nodes;
    if (part == 0)
        memset(at->state, 0, (size_t)shared->options.state_width * sizeof *at->state);
    method->add(job,
                &(ln_path_node){.number = part,
                                .weight = shared->weights[part],
                                .layer = at->layer ? at->layer + row * job->width : NULL,
                                .gradient = at->gradient + row * job->width},
                at->state);
    if (part == nodes - 1)
        method->finish(job, chunk->first + entry, at->state,
                       chunk->out->values + entry * job->width);
}

ln_status ln_path_run(const ln_job *job, ln_job_chunk *chunk, const ln_path_method *method,
                      ln_error *err)
{
    const path *shared = job->shared;
    const int64_t rows = chunk->count * shared->options.nodes;
    buffers at = carve(job, chunk->scratch, NULL);
    ln_status status = pass_ends(job, chunk, &at, err);
    for (int64_t done = 0, count; done < rows && !status; done += count) {
        count = rows - done < job->rows_per_pass ? rows - done : job->rows_per_pass;
        fill_pass(job, chunk, done, count, &at);
        status = at.layer ? ln_runner_layer(chunk->runner, at.x, at.targets, count, at.value,
                                            at.layer, at.gradient, err)
                          : ln_runner_gradient(chunk->runner, at.x, at.targets, count, at.value,
                                               at.gradient, err);
        for (int64_t r = 0; r < count && !status; r++)
            take(job, chunk, done + r, r, method, &at);
        chunk->evaluations += 2 * count;
    }
    return status;
}
