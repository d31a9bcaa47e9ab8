/* LIME: the coefficients of a linear model fitted to what the model says around the row.
 *
 *   a = coefficients of the weighted ridge of f_t(sample) on z(sample),  weight = exp(-d^2 / width^2 / 2)
 *
 * On tables, and on rows of numbers, samples come from the training rows, column by column
 * (common/neighbourhood.h), z says which columns are still in the row's bin or category, and d is the
 * Euclidean distance of z from the row's. On images, or with a baseline, a sample keeps each group of
 * inputs with probability 1/2; the others are covered, by the baseline, or by the mean of the group a
 * channel (rows of two axes are images, unless the model reads them as channels along a length); z says which
 * are kept, and d is the cosine distance. The row itself is the first sample. Which features the model has, and
 * the fit, are common/local_model.h. x (N, width) -> a (N, groups), 0 for features that were not chosen.
 *
 * Cost: samples forward passes a row, and the fit; with `stop` a fit at each look. No gradient. Not complete.
 * Draws are keyed by the row's number in the data set. Source: Ribeiro, Singh and Guestrin 2016; the defaults,
 * and what is left open there, as their package has it. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/cover.h"
#include "explainers/common/groups.h"
#include "explainers/common/local_model.h"
#include "explainers/common/manifold.h"
#include "explainers/common/neighbourhood.h"
#include "explainers/common/passes.h"
#include "explainers/common/stop.h"

#define TABLE_SAMPLES 5000
#define TABLE_FEATURES 10
#define TABLE_WIDTH 0.75 /* times the root of the number of features */
#define MASK_SAMPLES 1000
#define MASK_WIDTH 0.25
#define FIRST_LOOK 500 /* samples: weights leave fewer of them to tell errors by */

#define POINT_BINS "value|zero"
#define POINT_ZERO 1 /* its place in POINT_BINS */

typedef struct lime_params {
    int64_t samples;     /* 0: by the kind of input */
    int64_t features;    /* in the local model; 0: by the kind of input, -1: all */
    double kernel_width; /* 0 or NaN: by the kind of input */
    int discretize;      /* ln_discretize */
    int selection;       /* ln_selection */
    int point_bins;      /* POINT_BINS */
    double stop;         /* the greatest standard error that ends a row; NaN: none */
} lime_params;

typedef struct lime {
    bool masks;            /* groups are covered; else samples come from the training rows */
    ln_neighbourhood near; /* unless masks */
    ln_groups groups;      /* masks */
    ln_cover cover;        /* masks without a baseline */
    int64_t samples, features;
    double kernel_width;
    double
        *weight_at; /* (groups + 1) of a sample at distance d^2 = 0, 1, ...; unless z are numbers */
} lime;

/* A worker's scratch. */
typedef struct buffers {
    float *x;       /* (rows_per_pass, width) */
    float *out;     /* (rows_per_pass, outputs) */
    double *z;      /* (samples, groups) */
    double *y;      /* (samples) */
    double *weight; /* (samples) */
    uint8_t *bins;  /* (width) of the row's columns */
    ln_near_buffers near;
    ln_cover_buffers average;
    float *cover; /* (width) what stands for the inputs of a covered group */
    ln_local_model model;
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const lime *shared = job->shared;
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_request_outputs(job->request);
    buffers made = {0};
    made.x = ln_carve(&carver, job->rows_per_pass * model->width, sizeof *made.x);
    made.out = ln_carve(&carver, job->rows_per_pass * outputs, sizeof *made.out);
    made.z = ln_carve(&carver, shared->samples * job->width, sizeof *made.z);
    made.y = ln_carve(&carver, shared->samples, sizeof *made.y);
    made.weight = ln_carve(&carver, shared->samples, sizeof *made.weight);
    made.bins = ln_carve(&carver, model->width, sizeof *made.bins);
    if (!shared->masks)
        made.near = ln_near_carve(&shared->near, &carver);
    made.average = ln_cover_carve(&shared->cover, &carver);
    made.cover = ln_carve(&carver, model->width, sizeof *made.cover);
    made.model = ln_local_model_carve(job->width, &carver);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    lime *shared = job->shared;
    ln_neighbourhood_free(&shared->near);
    ln_groups_free(&shared->groups);
    ln_free(shared->weight_at);
    ln_free(shared);
}

/* What a sample at a distance counts. */
static double weight_of(const lime *shared, double squared)
{
    return sqrt(exp(-squared / (shared->kernel_width * shared->kernel_width)));
}

/* Where z are 0 or 1 there are as many distances as features. */
static ln_status list_weights(lime *shared, int64_t groups, ln_error *err)
{
    if (shared->masks || !shared->near.binned)
        return LN_OK;
    shared->weight_at = ln_calloc((size_t)groups + 1, sizeof *shared->weight_at);
    if (!shared->weight_at)
        return ln_fail_memory(err, ((size_t)groups + 1) * sizeof *shared->weight_at);
    for (int64_t k = 0; k <= groups; k++)
        shared->weight_at[k] = weight_of(shared, (double)k);
    return LN_OK;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_request *request = job->request;
    const lime_params *params = request->params;
    lime *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    shared->cover = ln_cover_of(request);
    ln_status status = ln_cover_choose(job, &shared->cover, "lime", &shared->masks, err);
    if (!status && shared->masks)
        status = ln_groups_make(request->groups, request->model->width, job->width, &shared->groups,
                                err);
    else if (!status)
        status = ln_neighbourhood_make(job, (ln_discretize)params->discretize,
                                       params->point_bins == POINT_ZERO, &shared->near, err);
    if (status)
        return status;
    shared->samples = params->samples ? params->samples
                      : shared->masks ? MASK_SAMPLES
                                      : TABLE_SAMPLES;
    shared->features = params->features > 0                ? params->features
                       : params->features || shared->masks ? job->width
                                                           : TABLE_FEATURES;
    status = ln_stop_check(request, params->stop, shared->samples, FIRST_LOOK, "samples", err);
    if (status)
        return status;
    shared->kernel_width = params->kernel_width > 0 ? params->kernel_width
                           : shared->masks          ? MASK_WIDTH
                                                    : TABLE_WIDTH * sqrt((double)job->width);
    job->rows_per_pass = ln_passes_rows_of(job, shared->samples);
    carve(job, NULL, scratch_bytes);
    return list_weights(shared, job->width, err);
}

/* ---------------------------------------------------------------- masks */

/* Returns the cosine distance of z from a row of ones, which is 1 where nothing is kept. */
static double draw_mask(const lime *shared, const float *cover, ln_rng *rng, float *row, double *z)
{
    int64_t kept = 0;
    for (int64_t g = 0; g < shared->groups.count; g++) {
        z[g] = ln_rng_u32(rng) >> 31;
        if (z[g] != 0)
            kept++;
        else
            ln_groups_fill(&shared->groups, g, cover, row);
    }
    return 1 - sqrt((double)kept / (double)shared->groups.count);
}

/* ---------------------------------------------------------------- samples */

/* Sample `s`: its row, z and weight. */
static void draw(const ln_job *job, const float *x, int64_t s, ln_rng *rng, const buffers *at,
                 float *row)
{
    const lime *shared = job->shared;
    double *z = at->z + s * job->width, distance = 0;
    memcpy(row, x, (size_t)job->request->model->width * sizeof *row);
    if (s > 0 && shared->masks) {
        distance = draw_mask(shared, at->cover, rng, row, z);
        distance *= distance;
    } else if (s > 0) {
        distance =
            ln_neighbourhood_draw(&shared->near, &at->near, s - 1, x, at->bins, at->z, rng, row, z);
    } else if (shared->masks) {
        for (int64_t g = 0; g < job->width; g++)
            z[g] = 1;
    } else {
        ln_neighbourhood_of(&shared->near, x, at->bins, z);
    }
    at->weight[s] =
        shared->weight_at ? shared->weight_at[(int64_t)distance] : weight_of(shared, distance);
}

/* Samples `done` to `end`. */
static ln_status sample(const ln_job *job, ln_job_chunk *chunk, const buffers *at, int64_t entry,
                        ln_rng *rng, int64_t done, int64_t end, ln_error *err)
{
    const ln_request *request = job->request;
    int64_t width = request->model->width, outputs = ln_function_outputs(job->function);
    int64_t row = request->items[chunk->first + entry].row;
    const float *x = ln_f32(request->x) + row * width;
    const ln_target *target = &job->targets[chunk->first + entry];
    while (done < end) {
        int64_t left = end - done;
        int64_t count = left < job->rows_per_pass ? left : job->rows_per_pass;
        for (int64_t i = 0; i < count; i++)
            draw(job, x, done + i, rng, at, at->x + i * width);
        for (int64_t i = done == 0; i < count; i++) /* the first is the row itself */
            ln_manifold_row(chunk, entry, at->x + i * width);
        ln_status status = ln_check_interrupt(err);
        if (!status)
            status = ln_runner_forward(chunk->runner, at->x, count, at->out, err);
        if (status)
            return status;
        for (int64_t i = 0; i < count; i++)
            at->y[done + i] = ln_target_value(target, at->out + i * outputs);
        chunk->evaluations += count;
        done += count;
    }
    return LN_OK;
}

/* Samples and fits, until there are enough of them. */
static ln_status approximate(const ln_job *job, ln_job_chunk *chunk, buffers *at, int64_t entry,
                             ln_error *err)
{
    const lime *shared = job->shared;
    const ln_request *request = job->request;
    const lime_params *params = request->params;
    const int64_t row = request->items[chunk->first + entry].row, width = request->model->width;
    ln_local_samples samples = {.z = at->z,
                                .y = at->y,
                                .weight = at->weight,
                                .features = job->width,
                                .ones = shared->masks || shared->near.binned};
    ln_rng rng =
        ln_rng_make(request->seed, "lime", request->stream, (uint64_t)request->row_ids[row]);
    if (shared->masks && request->baseline)
        memcpy(at->cover, ln_job_baseline(job, row), (size_t)width * sizeof *at->cover);
    else if (shared->masks)
        ln_cover_average(&shared->cover, &shared->groups, ln_f32(request->x) + row * width,
                         &at->average, at->cover);
    do {
        const int64_t done = samples.count;
        samples.count = ln_stop_next(params->stop, done, FIRST_LOOK, shared->samples);
        ln_status status = sample(job, chunk, at, entry, &rng, done, samples.count, err);
        if (status)
            return status;
        ln_local_model_fit(&at->model, &samples, (ln_selection)params->selection, shared->features);
        /* Of the features chosen: the others have no error. */
    } while (samples.count < shared->samples &&
             !ln_stop_holds(params->stop, at->model.error, at->model.chosen, at->model.count));
    chunk->out->output[entry] = at->y[0];
    return LN_OK;
}

static ln_status explain(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err)
{
    buffers at = carve(job, chunk->scratch, NULL);
    ln_status status = approximate(job, chunk, &at, entry, err);
    if (status)
        return status;
    for (int64_t g = 0; g < job->width; g++) {
        chunk->out->values[entry * job->width + g] = (float)at.model.value[g];
        chunk->out->errors[entry * job->width + g] = (float)at.model.error[g];
    }
    chunk->out->fit[entry] = at.model.r2;
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "samples",
     .type = LN_PARAM_INT,
     .offset = offsetof(lime_params, samples),
     .fallback = "nil",
     .min = 2,
     .max = 1e7,
     .help = "rows that the local model is fitted to, with the row itself; default: 5000, where "
             "groups are covered 1000"},
    {.name = "features",
     .type = LN_PARAM_INT,
     .offset = offsetof(lime_params, features),
     .fallback = "nil",
     .min = 1,
     .max = 1e9,
     .choices = "all",
     .help = "features in the local model, the others get 0; default: 10, where groups are covered "
             "all"},
    {.name = "selection",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(lime_params, selection),
     .fallback = "\"auto\"",
     .choices = LN_SELECTION_CHOICES,
     .help = "how they are chosen: one after the other, by the greatest coefficients of a ridge of "
             "all, all, or along the lasso's path; \"auto\": forward up to 6, else highest"},
    {.name = "kernel_width",
     .type = LN_PARAM_REAL,
     .offset = offsetof(lime_params, kernel_width),
     .fallback = "nil",
     .min = 0,
     .above_min = true,
     .max = HUGE_VAL,
     .help =
         "how far samples count: a sample at distance d weighs exp(-d^2 / width^2 / 2); default: "
         "0.75 times the root of the number of features, where groups are covered 0.25"},
    {.name = "discretize",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(lime_params, discretize),
     .fallback = "\"quartile\"",
     .choices = LN_DISCRETIZE_CHOICES,
     .help = "the bins of a column of numbers: the local model reads whether the row's is kept; "
             "\"none\": it reads the number, in deviations"},
    {.name = "point_bins",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(lime_params, point_bins),
     .fallback = "\"zero\"",
     .choices = POINT_BINS,
     .help =
         "what a bin whose ends are one number draws: 0, as the lime package does, or that number"},
    LN_STOP(lime_params),
    LN_COVER_GROUPS,
    {.name = "background",
     .type = LN_PARAM_BACKGROUND,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "rows that samples are drawn from; default: the training rows"},
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "what covers features, in place of samples from the training rows; default on images: "
             "the mean of each group a channel"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_lime = {
    .word =
        {
            .name = "lime",
            .summary = "coefficients of a linear model fitted around the row",
            .formula =
                "a = coefficients of the ridge of f_t(s) on z(s) over samples s, weighted by "
                "exp(-d(z)^2 / width^2 / 2)",
            .source = "Ribeiro, Singh and Guestrin 2016, \"Why Should I Trust You?\", "
                      "arXiv:1602.04938; the lime package",
            .params = params,
            .params_size = sizeof(lime_params),
        },
    .flags = LN_TAKES_BASELINE | LN_TAKES_BACKGROUND | LN_TAKES_GROUPS | LN_RANDOM | LN_HAS_ERRORS |
             LN_HAS_FIT | LN_OF_TRAINING | LN_OF_PROBABILITY | LN_OF_PIECES | LN_WATCHED,
    .version = 2,
    .cost = "samples forward passes a row",
    .prepare = prepare,
    .release = release,
    .explain = explain,
};
