/* RISE: how much of the explained number a pixel has, averaged over random soft masks that keep it.
 *
 *   a_i = 1 / (keep * masks) * sum over masks m of f_t(m x + (1 - m) baseline) * m_i
 *
 * A mask is a coarse grid, `cell` cells along each spatial axis, each of them 1 with probability `keep`, else
 * 0. With s = ceil(dim / cell), an axis is enlarged to (cell + 1) s inputs, linearly between the centres of
 * the cells and constant beyond the outer ones, and cut to dim of them from a random place 0 .. s - 1, so that
 * cells' borders fall anywhere. Channels, the first of two axes or more, share mask and value. x (N, width) ->
 * a (N, width). Cost: masks + 1 forward passes a row. No gradient. Not complete: where f does not depend on the
 * mask, every pixel gets f. Standard errors are those of a mean over the masks; with `stop` they are looked at every
 * LOOK masks. Draws are keyed by the row's
 * number in the data set. Source: Petsiuk, Das and Saenko 2018. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/manifold.h"
#include "explainers/common/passes.h"
#include "explainers/common/stop.h"
#include "explainers/explainer.h"

#define LOOK 200 /* masks between two looks at the errors */

typedef struct rise_params {
    int64_t masks; /* a row, at most */
    int64_t cell;  /* cells along each spatial axis */
    double keep;   /* probability that one is kept */
    double stop;   /* the greatest standard error that ends a row; NaN: none */
} rise_params;

typedef struct rise {
    int axes;                  /* spatial ones */
    int64_t dims[LN_MAX_RANK]; /* inputs along them */
    int64_t pixels, channels;  /* width = channels * pixels */
    int64_t places;            /* sum of dims */
    int64_t cells;             /* of the coarse grid */
} rise;

/* A worker's scratch. */
typedef struct buffers {
    float *x;        /* (rows_per_pass, width) masked rows */
    float *out;      /* (rows_per_pass, outputs) */
    float *mask;     /* (rows_per_pass, pixels) */
    float *grid;     /* (cells) 0 or 1 */
    int64_t *before; /* (places) the cell whose centre is before a place, an axis after the other */
    float *share;    /* (places) of the cell after it */
    double *sum;     /* (pixels) of f m so far */
    double *squares; /* (pixels) of their squares */
    double *error;   /* (pixels) at the last look */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const rise *shared = job->shared;
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_request_outputs(job->request);
    buffers made = {0};
    made.x = ln_carve(&carver, job->rows_per_pass * model->width, sizeof *made.x);
    made.out = ln_carve(&carver, job->rows_per_pass * outputs, sizeof *made.out);
    made.mask = ln_carve(&carver, job->rows_per_pass * shared->pixels, sizeof *made.mask);
    made.grid = ln_carve(&carver, shared->cells, sizeof *made.grid);
    made.before = ln_carve(&carver, shared->places, sizeof *made.before);
    made.share = ln_carve(&carver, shared->places, sizeof *made.share);
    made.sum = ln_carve(&carver, shared->pixels, sizeof *made.sum);
    made.squares = ln_carve(&carver, shared->pixels, sizeof *made.squares);
    made.error = ln_carve(&carver, shared->pixels, sizeof *made.error);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    ln_free(job->shared);
}

static ln_status check(const ln_request *request, ln_error *err)
{
    if (request->model->input_count > 1)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "rise lays masks over one array, and the model has %d inputs: "
                       "feature_ablation replaces their numbers one by one",
                       request->model->input_count);
    if (request->input_shape.rank == 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "rise lays masks over arrays, and the columns of a table have no order: "
                       "feature_permutation and the Shapley values replace them one by one");
    if (ln_shape_count(&request->input_shape) != request->model->width)
        return ln_fail(err, LN_EINVALID, "the input's shape does not fit the model's inputs");
    return LN_OK;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_request *request = job->request;
    const rise_params *params = request->params;
    const ln_shape *shape = &request->input_shape;
    ln_status status = check(request, err);
    if (!status)
        status = ln_stop_check(request, params->stop, params->masks, LOOK, "masks", err);
    if (status)
        return status;
    rise *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    int first = shape->rank > 1 ? 1 : 0;
    shared->axes = shape->rank - first;
    shared->pixels = shared->cells = 1;
    for (int axis = 0; axis < shared->axes; axis++) {
        int64_t dim = shared->dims[axis] = shape->dims[first + axis];
        if (params->cell > dim) {
            ln_fail(err, LN_EINVALID,
                    "%lld cells do not fit along an axis of %lld inputs: expected at most as many",
                    (long long)params->cell, (long long)dim);
            ln_error_field(err, "cell");
            return LN_EINVALID;
        }
        shared->pixels *= dim;
        shared->places += dim;
        shared->cells *= params->cell;
    }
    shared->channels = request->model->width / shared->pixels;
    job->rows_per_pass = ln_passes_rows_of(job, params->masks);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* ---------------------------------------------------------------- masks */

/* Between which cells each place of each axis lies, the mask being cut at random places. */
static void lay(const rise *shared, int64_t cell, ln_rng *rng, const buffers *at)
{
    int64_t *before = at->before;
    float *share = at->share;
    for (int axis = 0; axis < shared->axes; axis++) {
        int64_t dim = shared->dims[axis], size = (dim + cell - 1) / cell;
        int64_t offset = (int64_t)ln_rng_below(rng, (uint64_t)size);
        for (int64_t p = 0; p < dim; p++) {
            double place =
                ((double)(p + offset) + 0.5) * (double)cell / (double)((cell + 1) * size);
            place = fmin(fmax(place - 0.5, 0), (double)(cell - 1));
            before[p] = place < (double)(cell - 1) ? (int64_t)place : cell > 1 ? cell - 2 : 0;
            share[p] = (float)(place - (double)before[p]);
        }
        before += dim;
        share += dim;
    }
}

/* The mask at a pixel whose place along axis k stands in place[k]: from the cells around it. */
static float interpolate(const rise *shared, int64_t cell, const int64_t *place, const buffers *at)
{
    float value = 0;
    for (int corner = 0; corner < 1 << shared->axes; corner++) {
        float weight = 1;
        int64_t index = 0, start = 0;
        for (int axis = 0; axis < shared->axes; axis++) {
            int64_t p = start + place[axis], after = corner >> axis & 1;
            weight *= after ? at->share[p] : 1 - at->share[p];
            index = index * cell + at->before[p] + (cell > 1 ? after : 0);
            start += shared->dims[axis];
        }
        if (weight != 0)
            value += weight * at->grid[index];
    }
    return value;
}

static void draw_mask(const rise *shared, const rise_params *params, ln_rng *rng, const buffers *at,
                      float *mask)
{
    int64_t place[LN_MAX_RANK] = {0};
    for (int64_t c = 0; c < shared->cells; c++)
        at->grid[c] = ln_rng_uniform(rng) < params->keep;
    lay(shared, params->cell, rng, at);
    for (int64_t p = 0; p < shared->pixels; p++) {
        mask[p] = interpolate(shared, params->cell, place, at);
        for (int axis = shared->axes - 1; axis >= 0 && ++place[axis] == shared->dims[axis]; axis--)
            place[axis] = 0;
    }
}

static void cover(const rise *shared, const float *x, const float *baseline, const float *mask,
                  float *to)
{
    for (int64_t c = 0; c < shared->channels; c++)
        for (int64_t p = 0; p < shared->pixels; p++) {
            int64_t i = c * shared->pixels + p;
            to[i] = mask[p] * x[i] + (1 - mask[p]) * baseline[i];
        }
}

/* ---------------------------------------------------------------- rows */

/* The standard error of a pixel's value after so many masks. */
static double error_of(const rise_params *params, const buffers *at, int64_t pixel, int64_t masks)
{
    double mean = at->sum[pixel] / (double)masks;
    double spread = at->squares[pixel] / (double)masks - mean * mean;
    spread = spread > 0 || isnan(spread) ? spread : 0;
    return sqrt(spread / (double)(masks - 1)) / params->keep;
}

static void settle(const rise *shared, const rise_params *params, const buffers *at, int64_t masks,
                   float *values, float *errors)
{
    for (int64_t p = 0; p < shared->pixels; p++) {
        const double value = at->sum[p] / (double)masks / params->keep;
        const double error = error_of(params, at, p, masks);
        for (int64_t c = 0; c < shared->channels; c++) {
            values[c * shared->pixels + p] = (float)value;
            errors[c * shared->pixels + p] = (float)error;
        }
    }
}

/* Whether so many masks are enough. */
static bool may_stop(const rise *shared, const rise_params *params, const buffers *at,
                     int64_t masks)
{
    if (!ln_stop_looks(params->stop, masks, LOOK))
        return false;
    for (int64_t p = 0; p < shared->pixels; p++)
        at->error[p] = error_of(params, at, p, masks);
    return ln_stop_holds(params->stop, at->error, NULL, shared->pixels);
}

/* Masks of the next pass. */
static int64_t next_masks(const ln_job *job, const rise_params *params, int64_t done)
{
    const int64_t left = params->masks - done;
    const int64_t count = left < job->rows_per_pass ? left : job->rows_per_pass;
    return ln_stop_before_look(params->stop, done, count, LOOK);
}

/* `count` masks more: into the sums over them. */
static ln_status add_masks(const ln_job *job, ln_job_chunk *chunk, const buffers *at, int64_t entry,
                           ln_rng *rng, int64_t count, ln_error *err)
{
    const ln_request *request = job->request;
    const rise *shared = job->shared;
    int64_t width = request->model->width, outputs = ln_function_outputs(job->function);
    int64_t row = request->items[chunk->first + entry].row, pixels = shared->pixels;
    const ln_target *target = &job->targets[chunk->first + entry];
    for (int64_t i = 0; i < count; i++) {
        draw_mask(shared, request->params, rng, at, at->mask + i * pixels);
        cover(shared, ln_f32(request->x) + row * width, ln_job_baseline(job, row),
              at->mask + i * pixels, at->x + i * width);
        ln_manifold_row(chunk, entry, at->x + i * width);
    }
    ln_status status = ln_check_interrupt(err);
    if (!status)
        status = ln_runner_forward(chunk->runner, at->x, count, at->out, err);
    if (status)
        return status;
    for (int64_t i = 0; i < count; i++) {
        double value = ln_target_value(target, at->out + i * outputs);
        for (int64_t p = 0; p < pixels; p++) {
            double part = value * (double)at->mask[i * pixels + p];
            at->sum[p] += part;
            at->squares[p] += part * part;
        }
    }
    chunk->evaluations += count;
    return LN_OK;
}

static ln_status explain(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err)
{
    const buffers made = carve(job, chunk->scratch, NULL), *at = &made;
    const ln_request *request = job->request;
    const rise *shared = job->shared;
    const rise_params *params = request->params;
    int64_t width = request->model->width, pixels = shared->pixels, masks = 0;
    int64_t row = request->items[chunk->first + entry].row;
    const float *x = ln_f32(request->x) + row * width;
    const ln_target *target = &job->targets[chunk->first + entry];
    ln_rng rng =
        ln_rng_make(request->seed, "rise", request->stream, (uint64_t)request->row_ids[row]);
    memset(at->sum, 0, (size_t)pixels * sizeof *at->sum);
    memset(at->squares, 0, (size_t)pixels * sizeof *at->squares);
    memcpy(at->x, x, (size_t)width * sizeof *x);
    ln_status status = ln_runner_outputs(chunk->runner, at->x, 1, at->out, err);
    if (status)
        return status;
    chunk->out->output[entry] = ln_target_value(target, at->out);
    chunk->evaluations++;
    do {
        int64_t count = next_masks(job, params, masks);
        status = add_masks(job, chunk, at, entry, &rng, count, err);
        if (status)
            return status;
        masks += count;
    } while (masks < params->masks && !may_stop(shared, params, at, masks));
    settle(shared, params, at, masks, chunk->out->values + entry * width,
           chunk->out->errors + entry * width);
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "masks",
     .type = LN_PARAM_INT,
     .offset = offsetof(rise_params, masks),
     .fallback = "4000",
     .min = 2,
     .max = 1e9,
     .help = "random masks a row"},
    {.name = "cell",
     .type = LN_PARAM_INT,
     .offset = offsetof(rise_params, cell),
     .fallback = "7",
     .min = 1,
     .max = 1e6,
     .help = "cells of the coarse grid along each spatial axis: the fewer, the larger"},
    {.name = "keep",
     .type = LN_PARAM_REAL,
     .offset = offsetof(rise_params, keep),
     .fallback = "0.5",
     .min = 0,
     .above_min = true,
     .max = 1,
     .help = "probability that a cell is kept"},
    LN_STOP(rise_params),
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "0",
     .help = "what shows where a mask hides: one for all rows or one a row"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_rise = {
    .word =
        {
            .name = "rise",
            .summary = "mean of the explained number over random soft masks that keep a pixel",
            .formula = "a_i = sum over masks m of f_t(m x + (1 - m) baseline) m_i / (keep masks)",
            .source =
                "Petsiuk, Das and Saenko 2018, RISE: Randomized Input Sampling for Explanation "
                "of Black-box Models, arXiv:1806.07421",
            .params = params,
            .params_size = sizeof(rise_params),
        },
    .flags = LN_TAKES_BASELINE | LN_RANDOM | LN_HAS_ERRORS | LN_WATCHED,
    .version = 1,
    .cost = "masks forward passes and one more, a row",
    .prepare = prepare,
    .release = release,
    .explain = explain,
};
