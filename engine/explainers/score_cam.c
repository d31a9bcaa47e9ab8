/* Score-CAM: a class activation map without gradients. Every channel is weighed by what the model says of
 * the row seen through that channel alone.
 *
 *   map = relu(sum over channels k of  w_k A_k),   w = softmax over k of  f_t(x * H_k),
 *   H_k = A_k enlarged to the input and scaled to 0 .. 1
 *
 * A channel that is the same everywhere masks nothing: it has no H_k and is left out (as in the authors'
 * code); where all are, the map is 0. The paper subtracts f_t of a blank input from every score, which the
 * softmax takes out again.
 *
 * x (N, width) -> a (N, 1, H, W) of the input (`upsample`), else of the layer. The channels of an item are
 * a stream of masked rows that fills whole passes. Cost: channels + 2 forward passes a row, one of them as
 * far as the layer. Not complete. Source: Wang et al. 2020. */
#include <math.h>
#include <string.h>

#include "explainers/common/cam.h"
#include "explainers/common/passes.h"

/* A worker's scratch. */
typedef struct buffers {
    float *layer;   /* (layer) of the present item */
    float *x;       /* (rows_per_pass, width) masked rows */
    float *y;       /* (rows_per_pass, outputs) */
    float *mask;    /* (pixels) */
    double *scores; /* (channels) -INFINITY: left out */
    double *map;    /* (places) */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    const ln_model *model = job->request->model;
    const ln_shape *whole = &model->graph->values[job->request->layer].shape;
    const int64_t channels = whole->dims[1], places = ln_shape_row(whole) / channels;
    ln_carver carver = {.base = scratch};
    buffers made;
    made.layer = ln_carve(&carver, channels * places, sizeof *made.layer);
    made.x = ln_carve(&carver, job->rows_per_pass * model->width, sizeof *made.x);
    made.y =
        ln_carve(&carver, job->rows_per_pass * ln_request_outputs(job->request), sizeof *made.y);
    made.mask = ln_carve(&carver, model->width, sizeof *made.mask);
    made.scores = ln_carve(&carver, channels, sizeof *made.scores);
    made.map = ln_carve(&carver, places, sizeof *made.map);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    ln_shape layer, input;
    ln_function_options *at_layer;
    size_t unused;
    ln_status status = ln_cam_prepare(job, &unused, err);
    if (!status)
        status = ln_cam_check(job, &layer, err);
    if (!status)
        status = ln_cam_input(job, &layer, "layer", &input, err);
    if (!status)
        status = ln_job_beside(job, 1, &at_layer, err);
    if (status)
        return status;
    job->looks = false;
    *at_layer = (ln_function_options){.rows = 1, .layer = &job->request->layer};
    job->rows_per_pass = ln_passes_rows_of(job, layer.dims[0] + 1);
    job->items_per_chunk = 1;
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* The row seen through one channel; false where that is the same everywhere. */
static bool look_through(const float *channel, const ln_shape *layer, const ln_shape *input,
                         const float *x, const buffers *at, float *to)
{
    const int64_t places = ln_shape_count(layer) / layer->dims[0];
    const int64_t pixels = ln_shape_count(input) / input->dims[0];
    for (int64_t p = 0; p < places; p++)
        at->map[p] = (double)channel[p];
    ln_cam_enlarge(at->map, layer, input, at->mask);
    float low = at->mask[0], high = at->mask[0];
    for (int64_t p = 1; p < pixels; p++) {
        low = fminf(low, at->mask[p]);
        high = fmaxf(high, at->mask[p]);
    }
    if (high == low)
        return false;
    for (int64_t i = 0; i < ln_shape_count(input); i++)
        to[i] = x[i] * ((at->mask[i % pixels] - low) / (high - low));
    return true;
}

/* f_t of the row itself to *output, then of the row through every channel to scores. */
static ln_status score(const ln_job *job, ln_job_chunk *chunk, const ln_shape *layer,
                       const ln_shape *input, const float *x, const buffers *at, double *output,
                       ln_error *err)
{
    const int64_t channels = layer->dims[0], places = ln_shape_count(layer) / channels;
    const int64_t width = ln_shape_count(input), outputs = ln_function_outputs(job->function);
    const ln_target *target = &job->targets[chunk->first];
    for (int64_t done = -1; done < channels; done += job->rows_per_pass) { /* -1: the row itself */
        const int64_t left = channels - done;
        const int64_t count = left < job->rows_per_pass ? left : job->rows_per_pass;
        for (int64_t r = 0; r < count; r++) {
            const int64_t k = done + r;
            const bool seen = k >= 0 && look_through(at->layer + k * places, layer, input, x, at,
                                                     at->x + r * width);
            if (!seen)
                memcpy(at->x + r * width, x, (size_t)width * sizeof *x);
            if (k >= 0)
                at->scores[k] = seen ? 0 : -INFINITY;
        }
        ln_status status = ln_runner_forward(chunk->runner, at->x, count, at->y, err);
        if (status)
            return status;
        chunk->evaluations += count;
        for (int64_t r = 0; r < count; r++) {
            const double value = ln_target_value(target, at->y + r * outputs);
            if (done + r < 0)
                *output = value;
            else if (at->scores[done + r] == 0)
                at->scores[done + r] = value;
        }
    }
    return LN_OK;
}

/* The sum of the channels by the softmax of their scores; 0 where all are left out, NaN where a score is. */
static void weigh(const ln_shape *layer, const buffers *at)
{
    const int64_t channels = layer->dims[0], places = ln_shape_count(layer) / channels;
    double most = -INFINITY, sum = 0;
    for (int64_t k = 0; k < channels && !isnan(most); k++)
        most = isnan(at->scores[k]) ? NAN : fmax(most, at->scores[k]);
    for (int64_t k = 0; k < channels; k++)
        sum += exp(at->scores[k] - most);
    for (int64_t p = 0; p < places; p++)
        at->map[p] = 0;
    for (int64_t k = 0; k < channels && !isinf(most); k++)
        for (int64_t p = 0; p < places; p++)
            at->map[p] += exp(at->scores[k] - most) / sum * (double)at->layer[k * places + p];
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    ln_shape layer, input;
    const int64_t width = job->request->model->width;
    const float *x = ln_f32(job->request->x) + job->request->items[chunk->first].row * width;
    const buffers at = carve(job, chunk->scratch, NULL);
    ln_status status = ln_cam_check(job, &layer, err);
    if (!status)
        status = ln_cam_input(job, &layer, "layer", &input, err);
    if (!status)
        status = ln_runner_layer(chunk->beside[0], x, NULL, 1, NULL, at.layer, NULL, err);
    if (!status)
        status = score(job, chunk, &layer, &input, x, &at, &chunk->out->output[0], err);
    if (status)
        return status;
    chunk->evaluations++;
    weigh(&layer, &at);
    ln_cam_finish(job, &layer, at.map, chunk->out->values);
    return LN_OK;
}

static const ln_param params[] = {LN_CAM_PARAMS, LN_PARAM_END};

const ln_explainer ln_explainer_score_cam = {
    .word =
        {
            .name = "score_cam",
            .summary = "a layer's channels weighed by the output of the row seen through each",
            .formula = "map = relu(sum over k of w_k A_k), w = softmax over k of f_t(x * H_k), H_k "
                       "= A_k enlarged to the input and scaled to 0 .. 1",
            .source = "Wang, Wang, Du, Yang, Zhang, Ding, Mardziel and Hu 2020, Score-CAM: "
                      "Score-Weighted Visual Explanations for Convolutional Neural Networks, "
                      "arXiv:1910.01279",
            .params = params,
            .params_size = sizeof(ln_cam_params),
        },
    .flags = LN_TAKES_LAYER | LN_AT_LAYER,
    .version = 1,
    .cost = "channels + 2 forward passes a row, one of them as far as the layer",
    .prepare = prepare,
    .run = run,
};
