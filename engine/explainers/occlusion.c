/* Occlusion: what the explained number loses when a window of the input is covered.
 *
 *   d_k = f_t(x) - f_t(x with the inputs of window k at the baseline)
 *   a_i = mean of d_k over the windows k that cover input i
 *
 * x (N, width), where a row is an array of shape (C, H, W) or any other -> a (N, width). The window
 * slides by `stride`; along an axis it takes ceil((dim - window) / stride) + 1 positions, the last
 * one cut at the border; a position then counts like any other. Cost: positions + 1 forward passes a
 * row, streamed in full passes. No gradient is needed. Not complete. Differences and their means are
 * float64 sums in the order of the positions. A table has no order of columns to slide over: that is
 * an error. Sources: Zeiler and Fergus 2014; windows as Captum's Occlusion has them. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/manifold.h"
#include "explainers/common/passes.h"
#include "explainers/common/windows.h"
#include "explainers/explainer.h"

typedef struct occlusion_params {
    ln_ints window; /* inputs covered, an axis */
    ln_ints stride; /* from one position to the next, an axis */
} occlusion_params;

typedef struct occlusion {
    ln_windows windows;
    int64_t *covering; /* (width) positions that cover each input */
} occlusion;

/* A worker's scratch. */
typedef struct buffers {
    float *x;    /* (rows_per_pass, width) covered rows */
    float *out;  /* (rows_per_pass, outputs) */
    double *sum; /* (width) differences of the present item so far */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_request_outputs(job->request);
    buffers made = {0};
    made.x = ln_carve(&carver, job->rows_per_pass * model->width, sizeof *made.x);
    made.out = ln_carve(&carver, job->rows_per_pass * outputs, sizeof *made.out);
    made.sum = ln_carve(&carver, model->width, sizeof *made.sum);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    occlusion *shared = job->shared;
    ln_free(shared->covering);
    ln_free(shared);
}

static void count_covering(occlusion *shared)
{
    int64_t start, length;
    for (int64_t k = 0; k < shared->windows.count; k++) {
        ln_runs runs = ln_runs_of(&shared->windows, k);
        while (ln_runs_next(&runs, &start, &length))
            for (int64_t i = start; i < start + length; i++)
                shared->covering[i]++;
    }
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_request *request = job->request;
    const occlusion_params *params = request->params;
    if (request->model->input_count > 1)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "occlusion slides a window over one array, and the model has %d inputs: "
                       "feature_ablation replaces their numbers one by one",
                       request->model->input_count);
    if (request->input_shape.rank == 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "occlusion slides a window over arrays, and the columns of a table have no "
                       "order: feature_ablation replaces them one by one, or in groups");
    if (ln_shape_count(&request->input_shape) != request->model->width)
        return ln_fail(err, LN_EINVALID, "the input's shape does not fit the model's inputs");
    occlusion *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    ln_status status = ln_windows_make(&request->input_shape, &params->window, &params->stride,
                                       &shared->windows, err);
    if (status)
        return status;
    shared->covering = ln_calloc((size_t)job->width, sizeof *shared->covering);
    if (!shared->covering)
        return ln_fail_memory(err, (size_t)job->width * sizeof *shared->covering);
    count_covering(shared);
    ln_passes_set(job, shared->windows.count + 1);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* Row `part` of an item: the row itself, then one with each position covered. */
static void make_row(const ln_job *job, int64_t row, int64_t part, float *to)
{
    const occlusion *shared = job->shared;
    const float *fill = ln_job_baseline(job, row);
    int64_t start, length;
    memcpy(to, ln_f32(job->request->x) + row * job->width, (size_t)job->width * sizeof *to);
    if (part == 0)
        return;
    ln_runs runs = ln_runs_of(&shared->windows, part - 1);
    while (ln_runs_next(&runs, &start, &length))
        memcpy(to + start, fill + start, (size_t)length * sizeof *to);
}

/* Takes the explained number of row `part`; the last one settles the item's values. */
static void take_row(const ln_job *job, double *sum, int64_t part, double value, double *output,
                     float *values)
{
    const occlusion *shared = job->shared;
    int64_t start, length;
    if (part == 0) {
        *output = value;
        memset(sum, 0, (size_t)job->width * sizeof *sum);
        return;
    }
    ln_runs runs = ln_runs_of(&shared->windows, part - 1);
    while (ln_runs_next(&runs, &start, &length))
        for (int64_t i = start; i < start + length; i++)
            sum[i] += *output - value;
    if (part == shared->windows.count)
        for (int64_t i = 0; i < job->width; i++)
            values[i] = (float)(sum[i] / (double)shared->covering[i]);
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const occlusion *shared = job->shared;
    int64_t outputs = ln_function_outputs(job->function);
    int64_t per_item = shared->windows.count + 1, rows = chunk->count * per_item;
    buffers at = carve(job, chunk->scratch, NULL);
    for (int64_t done = 0; done < rows;) {
        int64_t count = rows - done < job->rows_per_pass ? rows - done : job->rows_per_pass;
        for (int64_t r = 0; r < count; r++) {
            const int64_t entry = (done + r) / per_item, part = (done + r) % per_item;
            make_row(job, job->request->items[chunk->first + entry].row, part,
                     at.x + r * job->width);
            if (part > 0)
                ln_manifold_row(chunk, entry, at.x + r * job->width);
        }
        ln_status status = ln_runner_forward(chunk->runner, at.x, count, at.out, err);
        if (status)
            return status;
        for (int64_t r = 0; r < count; r++) {
            int64_t entry = (done + r) / per_item;
            const ln_target *target = &job->targets[chunk->first + entry];
            double value = ln_target_value(target, at.out + r * outputs);
            take_row(job, at.sum, (done + r) % per_item, value, &chunk->out->output[entry],
                     chunk->out->values + entry * job->width);
        }
        chunk->evaluations += count;
        done += count;
    }
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "window",
     .type = LN_PARAM_INTS,
     .offset = offsetof(occlusion_params, window),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = HUGE_VAL,
     .help = "inputs covered at once: one number an axis of the input without N, or one for all "
             "spatial axes and whole channels"},
    {.name = "stride",
     .type = LN_PARAM_INTS,
     .offset = offsetof(occlusion_params, stride),
     .fallback = "1",
     .min = 1,
     .max = HUGE_VAL,
     .help = "from one position to the next: one number an axis, or one for all spatial axes; at "
             "most the window"},
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "0",
     .help = "what covers them: one for all rows or one a row"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_occlusion = {
    .word =
        {
            .name = "occlusion",
            .summary = "change of the explained number when a sliding window is covered",
            .formula = "a_i = mean of f_t(x) - f_t(x with window k at the baseline) over the "
                       "windows k that cover i",
            .source = "Zeiler and Fergus 2014, Visualizing and Understanding Convolutional "
                      "Networks, arXiv:1311.2901; windows as in Captum",
            .params = params,
            .params_size = sizeof(occlusion_params),
        },
    .flags = LN_TAKES_BASELINE | LN_WATCHED,
    .version = 1,
    .cost = "one forward pass a position of the window and one more, a row",
    .prepare = prepare,
    .release = release,
    .run = run,
};
