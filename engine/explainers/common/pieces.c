#include "explainers/common/pieces.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/bends.h"
#include "explainers/common/passes.h"
#include "model/head.h"

typedef struct pieces {
    ln_bend *bends;
    int count;
    int64_t widest; /* numbers of what goes into a bend */
} pieces;

/* A worker's scratch. */
typedef struct buffers {
    float *x;           /* (rows_per_pass, inputs) */
    float *layer;       /* (rows_per_pass + 1, widest): row 0 is the last of the pass before */
    float *gradient;    /* (rows_per_pass, inputs) */
    double *value;      /* (rows_per_pass) explained numbers */
    ln_target *targets; /* (rows_per_pass) all the item's */
    double *sum;        /* (inputs) */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    const pieces *own = job->shared;
    const int64_t rows = job->rows_per_pass, width = job->width;
    ln_carver carver = {.base = scratch};
    buffers made;
    made.x = ln_carve(&carver, rows * width, sizeof *made.x);
    made.layer = ln_carve(&carver, (rows + 1) * own->widest, sizeof *made.layer);
    made.gradient = ln_carve(&carver, rows * width, sizeof *made.gradient);
    made.value = ln_carve(&carver, rows, sizeof *made.value);
    made.targets = ln_carve(&carver, rows, sizeof *made.targets);
    made.sum = ln_carve(&carver, width, sizeof *made.sum);
    if (bytes)
        *bytes = carver.used;
    return made;
}

void ln_pieces_release(ln_job *job)
{
    pieces *own = job->shared;
    ln_bends_free(own->bends, own->count);
    ln_free(own);
}

/* The bends of the graph that the link explains; their values are in the model's own graph, too. */
static ln_status find(const ln_request *request, pieces *own, ln_error *err)
{
    ln_graph *graph = NULL;
    int output;
    ln_status status = LN_OK;
    if (request->neuron) {
        graph = ln_graph_retain(request->model->graph);
        output = request->neuron->value;
    } else
        status = ln_link_apply(request->model, request->link, &graph, &output, err);
    if (!status)
        status = ln_bends_find(graph, output, &own->bends, &own->count, err);
    if (status == LN_EUNSUPPORTED) {
        ln_error_prefix(err, "exact");
        ln_error_hint(err, "the quadratures (gausslegendre ...) are for every network");
        if (err)
            snprintf(err->field, sizeof err->field, "method");
    }
    ln_graph_release(graph);
    return status;
}

ln_status ln_pieces_prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_model *model = job->request->model;
    ln_function_options *options;
    pieces *own = job->shared = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    ln_status status = find(job->request, own, err);
    if (!status)
        status = ln_job_beside(job, own->count, &options, err);
    if (status)
        return status;
    for (int i = 0; i < own->count; i++) {
        options[i].layer = &own->bends[i].value;
        if (own->bends[i].width > own->widest)
            own->widest = own->bends[i].width;
    }
    job->rows_per_pass = ln_model_chunk_rows(model);
    job->items_per_chunk = 1;
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* ---------------------------------------------------------------- the path */

/* The point at `s`; the ends are the row and the baseline themselves. */
static void fill(const float *x, const float *base, double s, int64_t width, float *to)
{
    if (s == 0 || s == 1)
        memcpy(to, s == 0 ? base : x, (size_t)width * sizeof *to);
    else
        for (int64_t i = 0; i < width; i++)
            to[i] = (float)((double)base[i] + s * ((double)x[i] - (double)base[i]));
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Adds the crossings of one stretch from `low` to `high`, in order, then `high`. */
static ln_status add_stretch(ln_reals *found, double low, double high, ln_reals *points,
                             ln_error *err)
{
    ln_status status = LN_OK;
    if (found->count > 1)
        qsort(found->at, (size_t)found->count, sizeof *found->at, ascending);
    for (int64_t i = 0; i < found->count && !status; i++) {
        const double s = low + found->at[i] * (high - low);
        if (s > points->at[points->count - 1] && s < high)
            status = ln_reals_add(points, s, err);
    }
    found->count = 0;
    if (!status && points->count > LN_MOST_PIECES)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the path crosses more than %d linear pieces of the network: use a "
                       "quadrature (method = \"gausslegendre\")",
                       LN_MOST_PIECES);
    return status ? status : ln_reals_add(points, high, err);
}

/* The points of the path, with those where one more node bends. */
static ln_status refine(const ln_job *job, ln_job_chunk *chunk, int number, const buffers *at,
                        const float *x, const float *base, ln_reals *points, ln_reals *found,
                        ln_error *err)
{
    const pieces *own = job->shared;
    const ln_bend *bend = &own->bends[number];
    const int64_t width = job->width, wide = bend->width;
    ln_reals finer = {0};
    ln_status status = ln_reals_add(&finer, 0, err);
    for (int64_t first = 0, count; first < points->count && !status; first += count) {
        count = points->count - first;
        count = count < job->rows_per_pass ? count : job->rows_per_pass;
        for (int64_t r = 0; r < count; r++)
            fill(x, base, points->at[first + r], width, at->x + r * width);
        status = ln_check_interrupt(err);
        if (!status)
            status = ln_runner_layer(chunk->beside[number], at->x, NULL, count, NULL,
                                     at->layer + wide, NULL, err);
        chunk->evaluations += count;
        for (int64_t r = first == 0; r < count && !status; r++) {
            status = ln_bend_crossings(bend, at->layer + r * wide, at->layer + (r + 1) * wide,
                                       found, err);
            if (!status)
                status = add_stretch(found, points->at[first + r - 1], points->at[first + r],
                                     &finer, err);
        }
        memcpy(at->layer, at->layer + count * wide, (size_t)wide * sizeof *at->layer);
    }
    ln_free(points->at);
    *points = finer;
    return status;
}

/* ---------------------------------------------------------------- the integral */

/* Row `k` of the pieces' stream: the middles, then the row, then the baseline. */
static double place_of(const ln_reals *points, int64_t k)
{
    const int64_t count = points->count - 1;
    return k < count ? (points->at[k] + points->at[k + 1]) / 2 : k == count;
}

static ln_status integrate(const ln_job *job, ln_job_chunk *chunk, const buffers *at,
                           const float *x, const float *base, const ln_reals *points,
                           bool with_baseline, ln_error *err)
{
    const int64_t width = job->width, count = points->count - 1, rows = count + 1 + with_baseline;
    memset(at->sum, 0, (size_t)width * sizeof *at->sum);
    for (int64_t r = 0; r < job->rows_per_pass; r++)
        at->targets[r] = job->targets[chunk->first];
    for (int64_t first = 0, n; first < rows; first += n) {
        n = rows - first < job->rows_per_pass ? rows - first : job->rows_per_pass;
        for (int64_t r = 0; r < n; r++)
            fill(x, base, place_of(points, first + r), width, at->x + r * width);
        ln_status status = ln_check_interrupt(err);
        if (!status)
            status = ln_runner_gradient(chunk->runner, at->x, at->targets, n, at->value,
                                        at->gradient, err);
        if (status)
            return status;
        chunk->evaluations += 2 * n;
        for (int64_t r = 0; r < n; r++) {
            const int64_t k = first + r;
            if (k == count)
                chunk->out->output[0] = at->value[r];
            else if (k > count)
                chunk->out->baseline_output[0] = at->value[r];
            for (int64_t i = 0; i < width && k < count; i++)
                at->sum[i] +=
                    (points->at[k + 1] - points->at[k]) * (double)at->gradient[r * width + i];
        }
    }
    return LN_OK;
}

ln_status ln_pieces_run(const ln_job *job, ln_job_chunk *chunk, bool multiply, ln_error *err)
{
    const pieces *own = job->shared;
    const int64_t width = job->width, row = job->request->items[chunk->first].row;
    const float *x = ln_f32(job->request->x) + row * width, *base = ln_job_baseline(job, row);
    const buffers at = carve(job, chunk->scratch, NULL);
    ln_reals points = {0}, found = {0};
    ln_status status = ln_reals_add(&points, 0, err);
    if (!status)
        status = ln_reals_add(&points, 1, err);
    for (int i = 0; i < own->count && !status; i++)
        status = refine(job, chunk, i, &at, x, base, &points, &found, err);
    if (!status)
        status = integrate(job, chunk, &at, x, base, &points, multiply, err);
    for (int64_t i = 0; i < width && !status; i++) {
        const double change = multiply ? (double)x[i] - (double)base[i] : 1;
        chunk->out->values[i] = (float)(change * at.sum[i]);
    }
    ln_free(points.at);
    ln_free(found.at);
    return status;
}
