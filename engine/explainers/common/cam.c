#include "explainers/common/cam.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "explainers/common/kinds.h"
#include "explainers/common/layer.h"
#include "explainers/common/passes.h"

static ln_status fail_layer(ln_error *err, const char *field, ln_status status)
{
    if (err)
        snprintf(err->field, sizeof err->field, "%s", field);
    return status;
}

ln_status ln_cam_last_convolution(const ln_model *model, int *value, ln_error *err)
{
    const ln_graph *graph = model->graph;
    for (int i = graph->node_count - 1; i >= 0; i--)
        if (ln_kind_is_convolution(&graph->nodes[i]) &&
            !graph->values[graph->nodes[i].outputs[0]].fixed) {
            *value = graph->nodes[i].outputs[0];
            return LN_OK;
        }
    return ln_fail(err, LN_EINVALID,
                   "the model has no convolution: name a layer of shape (C, H, W)");
}

ln_status ln_cam_check(const ln_job *job, ln_shape *layer, ln_error *err)
{
    const ln_value *value = &job->request->model->graph->values[job->request->layer];
    char text[128];
    *layer = ln_shape_of(value->shape.rank - 1, value->shape.dims + 1);
    if (layer->rank >= 2 && ln_shape_count(layer) > 0)
        return LN_OK;
    return fail_layer(err, "layer",
                      ln_fail(err, LN_EINVALID,
                              "%s needs a layer of shape (C, H, W), with places to map: '%s' has "
                              "%s",
                              job->explainer->word.name, value->name,
                              ln_shape_text(layer, text, sizeof text)));
}

ln_status ln_cam_input(const ln_job *job, const ln_shape *layer, const char *field, ln_shape *input,
                       ln_error *err)
{
    const ln_model *model = job->request->model;
    const ln_shape *whole = &model->graph->values[model->graph->inputs[0]].shape;
    char text[128];
    *input = ln_shape_of(whole->rank - 1, whole->dims + 1);
    if (model->input_count == 1 && input->rank == layer->rank && layer->rank <= 3)
        return LN_OK;
    return fail_layer(
        err, field,
        ln_fail(err, LN_EINVALID,
                "the map of a layer of shape %s has no place on the model's input: %s",
                ln_shape_text(layer, text, sizeof text),
                strcmp(field, "upsample") == 0 ? "use upsample = false"
                                               : "name a layer with its axes"));
}

/* ---------------------------------------------------------------- enlarging */

typedef struct size {
    int64_t rows, columns; /* one axis: one row */
} size;

static size size_of(const ln_shape *shape)
{
    return (size){shape->rank > 2 ? shape->dims[1] : 1, shape->dims[shape->rank - 1]};
}

/* Where target `at` of `to` lies among `from` places: between *low and the next, *share of the way. */
static void between(int64_t at, int64_t to, int64_t from, int64_t *low, double *share)
{
    const double place = fmax(((double)at + 0.5) * (double)from / (double)to - 0.5, 0);
    *low = (int64_t)place;
    *share = place - (double)*low;
    if (*low >= from - 1) {
        *low = from - 1;
        *share = 0;
    }
}

/* Where columns lie is found once for all rows, some columns at a time. */
void ln_cam_enlarge(const double *map, const ln_shape *layer, const ln_shape *input, float *out)
{
    enum { STRIP = 64 };
    const size from = size_of(layer), to = size_of(input);
    int64_t column[STRIP], next[STRIP];
    double right[STRIP];
    for (int64_t first = 0; first < to.columns; first += STRIP) {
        const int64_t count = to.columns - first < STRIP ? to.columns - first : STRIP;
        for (int64_t c = 0; c < count; c++) {
            between(first + c, to.columns, from.columns, &column[c], &right[c]);
            next[c] = column[c] + (right[c] > 0);
        }
        for (int64_t r = 0; r < to.rows; r++) {
            int64_t row;
            double down;
            between(r, to.rows, from.rows, &row, &down);
            const double *upper = map + row * from.columns;
            const double *lower = down > 0 ? upper + from.columns : upper;
            for (int64_t c = 0; c < count; c++) {
                const double above = (1 - right[c]) * upper[column[c]] + right[c] * upper[next[c]];
                const double below = (1 - right[c]) * lower[column[c]] + right[c] * lower[next[c]];
                out[r * to.columns + first + c] = (float)((1 - down) * above + down * below);
            }
        }
    }
}

/* ---------------------------------------------------------------- maps */

/* Of every eighth number, then over these sums: eight additions that do not wait for each other. */
static double sum_of(const float *x, int64_t count)
{
    enum { SUMS = 8 };
    double sums[SUMS] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + SUMS <= count; i += SUMS)
        for (int k = 0; k < SUMS; k++)
            sums[k] += (double)x[i + k];
    for (int k = 0; k < SUMS; k++)
        sum += sums[k];
    for (; i < count; i++)
        sum += (double)x[i];
    return sum;
}

void ln_cam_gradient_map(const float *activation, const float *gradient, int64_t channels,
                         int64_t places, double *map)
{
    for (int64_t p = 0; p < places; p++)
        map[p] = 0;
    for (int64_t c = 0; c < channels; c++) {
        const float *a = activation + c * places, *g = gradient + c * places;
        const double weight = sum_of(g, places) / (double)places;
        for (int64_t p = 0; p < places; p++)
            map[p] += weight * (double)a[p];
    }
}

ln_cam_buffers ln_cam_carve(const ln_job *job, void *scratch, size_t before, size_t *bytes)
{
    const ln_shape *whole = &job->request->model->graph->values[job->request->layer].shape;
    ln_carver carver = {.base = scratch, .used = before};
    ln_cam_buffers made;
    made.gradient = ln_carve(&carver, job->rows_per_pass * ln_shape_row(whole), sizeof(float));
    made.map = ln_carve(&carver, ln_shape_row(whole) / whole->dims[1], sizeof(double));
    if (bytes)
        *bytes = carver.used;
    return made;
}

ln_status ln_cam_prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_cam_params *params = job->request->params;
    ln_shape layer, input;
    ln_status status = ln_cam_check(job, &layer, err);
    if (!status && params->upsample == LN_CAM_BILINEAR)
        status = ln_cam_input(job, &layer, "upsample", &input, err);
    if (status)
        return status;
    job->shape = params->upsample == LN_CAM_BILINEAR ? input : layer;
    job->shape.dims[0] = 1;
    job->width = ln_shape_count(&job->shape);
    job->of_pixels = params->upsample == LN_CAM_BILINEAR;
    size_t before;
    status = ln_layer_prepare(job, &before, err);
    ln_cam_carve(job, NULL, before, scratch_bytes);
    return status;
}

void ln_cam_finish(const ln_job *job, const ln_shape *layer, double *map, float *to)
{
    const ln_cam_params *params = job->request->params;
    const int64_t places = ln_shape_count(layer) / layer->dims[0];
    for (int64_t p = 0; p < places; p++)
        if (params->relu && map[p] < 0)
            map[p] = 0;
    if (job->of_pixels)
        ln_cam_enlarge(map, layer, &job->shape, to);
    for (int64_t p = 0; p < places && !job->of_pixels; p++)
        to[p] = (float)map[p];
}

ln_status ln_cam_run(const ln_job *job, ln_job_chunk *chunk, ln_cam_map *make, ln_error *err)
{
    ln_shape layer;
    const float *activation;
    ln_status status = ln_cam_check(job, &layer, err);
    if (status)
        return status;
    const int64_t channels = layer.dims[0], places = ln_shape_count(&layer) / channels;
    const ln_cam_buffers at = ln_cam_carve(job, chunk->scratch, ln_layer_scratch(job), NULL);
    status = ln_layer_gradient(job, chunk, chunk->runner, &activation, at.gradient, err);
    for (int64_t i = 0; i < chunk->count && !status; i++) {
        const int64_t from = i * channels * places;
        make(activation + from, at.gradient + from, channels, places, at.map);
        ln_cam_finish(job, &layer, at.map, chunk->out->values + i * job->width);
    }
    return status;
}
