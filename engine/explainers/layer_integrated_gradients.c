/* Integrated gradients at a layer: the gradient averaged along the straight path between the numbers that the
 * layer makes of the baseline and of the row.
 *
 *   a = (h(x) - h(b)) * integral over [0, 1] of  d f_t / d h at h(b) + s (h(x) - h(b))  ds
 *
 * x (N, width), baseline b (1 or N, width) -> a (N, *shape of the layer). The path lies in the layer's space,
 * other than that of layer_conductance and internal_influence, which follows the inputs. What leads round
 * the layer sees the row itself throughout (as in Captum).
 *
 * It is integrated_gradients of a model that reads the layer's numbers as one more input (ln_model_cut), from
 * a baseline that differs in these alone: all methods of that word hold here, `exact` too. Complete: sum a =
 * f_t(x) - f_t(x with h(b) in place of h(x)), which is f_t(b) where all goes through the layer.
 * Cost: that of integrated_gradients with a baseline a row, and one forward pass a row and baseline as far as
 * the layer. Source: Sundararajan et al. 2017, at a layer as in Captum. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/inside.h"
#include "explainers/common/integral.h"
#include "explainers/common/layer.h"
#include "explainers/common/passes.h"

typedef struct at_layer {
    ln_model *cut;    /* inputs: the row, the layer's numbers */
    ln_inside inside; /* integrated_gradients of that */
    float *base;      /* the layer's numbers at the one baseline, or NULL: row by row */
} at_layer;

/* A worker's scratch. */
typedef struct buffers {
    float *x;    /* (items_per_chunk, width of the model) */
    float *h;    /* (items_per_chunk, the layer's width) */
    float *base; /* the same at the baselines */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    const int64_t items = job->items_per_chunk;
    ln_carver carver = {.base = scratch};
    buffers made;
    made.x = ln_carve(&carver, items * job->request->model->width, sizeof *made.x);
    made.h = ln_carve(&carver, items * job->width, sizeof *made.h);
    made.base = ln_carve(&carver, items * job->width, sizeof *made.base);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    at_layer *own = job->shared;
    ln_inside_release(&own->inside);
    ln_model_release(own->cut);
    ln_free(own->base);
    ln_free(own);
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_request *request = job->request;
    if (request->layer == request->model->output_value) {
        ln_status status =
            ln_fail(err, LN_EINVALID,
                    "the layer makes the model's output: there is nothing between them to "
                    "explain");
        ln_error_field(err, "layer");
        ln_error_hint(err, "name a layer before it");
        return status;
    }
    at_layer *own = job->shared = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    ln_status status = ln_model_cut(request->model, request->layer, &own->cut, err);
    if (status)
        return status;
    ln_request asked = *request;
    asked.model = own->cut;
    asked.input_shape = (ln_shape){.rank = 1, .dims = {own->cut->width}};
    job->items_per_chunk = ln_inside_items(own->cut->width, 1, request->item_count);
    job->rows_per_pass = ln_passes_of(request->model, 1, job->items_per_chunk, 1).rows;
    status = ln_inside_make(&own->inside, ln_explainer_find("integrated_gradients"), &asked,
                            job->items_per_chunk, true, job->pool, err);
    carve(job, NULL, scratch_bytes);
    return status;
}

/* One baseline for all rows: the layer's numbers there, once. */
static ln_status start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    at_layer *own = job->shared;
    if (job->baseline_stride > 0)
        return LN_OK;
    own->base = ln_calloc((size_t)job->width, sizeof *own->base);
    if (!own->base)
        return ln_fail_memory(err, (size_t)job->width * sizeof *own->base);
    *evaluations += 1;
    return ln_runner_layer(runner, job->baseline, NULL, 1, NULL, own->base, NULL, err);
}

/* The layer's numbers at the chunk's rows and baselines. */
static ln_status look(const ln_job *job, ln_job_chunk *chunk, const buffers *at, ln_error *err)
{
    const at_layer *own = job->shared;
    const ln_item *items = job->request->items + chunk->first;
    const int64_t width = job->request->model->width;
    const size_t bytes = (size_t)width * sizeof *at->x;
    ln_status status = LN_OK;
    for (int64_t i = 0; i < chunk->count && !own->base; i++)
        memcpy(at->x + i * width, ln_job_baseline(job, items[i].row), bytes);
    if (!own->base)
        status =
            ln_runner_layer(chunk->runner, at->x, NULL, chunk->count, NULL, at->base, NULL, err);
    for (int64_t i = 0; i < chunk->count && own->base; i++)
        memcpy(at->base + i * job->width, own->base, (size_t)job->width * sizeof *at->base);
    for (int64_t i = 0; i < chunk->count; i++)
        memcpy(at->x + i * width, ln_f32(job->request->x) + items[i].row * width, bytes);
    if (!status)
        status = ln_runner_layer(chunk->runner, at->x, NULL, chunk->count, NULL, at->h, NULL, err);
    chunk->evaluations += chunk->count * (own->base ? 1 : 2);
    return status;
}

/* Row r of the job inside: the row and the layer's numbers there; its baseline: the row and those at the
 * baseline. */
static void fill(const ln_job *job, const ln_job_chunk *chunk, const buffers *at)
{
    const at_layer *own = job->shared;
    const int64_t width = job->request->model->width, whole = own->cut->width;
    for (int64_t r = 0; r < chunk->count; r++) {
        const ln_item *item = &job->request->items[chunk->first + r];
        float *x = ln_f32(own->inside.x) + r * whole, *b = ln_f32(own->inside.baseline) + r * whole;
        memcpy(x, at->x + r * width, (size_t)width * sizeof *x);
        memcpy(b, at->x + r * width, (size_t)width * sizeof *b);
        memcpy(x + width, at->h + r * job->width, (size_t)job->width * sizeof *x);
        memcpy(b + width, at->base + r * job->width, (size_t)job->width * sizeof *b);
        own->inside.items[r] = (ln_item){.row = r, .target = item->target};
        own->inside.row_ids[r] = job->request->row_ids[item->row];
    }
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const at_layer *own = job->shared;
    const int64_t width = job->request->model->width, whole = own->cut->width;
    const buffers at = carve(job, chunk->scratch, NULL);
    ln_explanation out = {0};
    int64_t start = ln_inside_clock(job, chunk);
    ln_status status = look(job, chunk, &at, err);
    if (status)
        return status;
    fill(job, chunk, &at);
    chunk->nanoseconds += ln_inside_clock(job, chunk) - start;
    status = ln_inside_run(&own->inside, chunk->count, &out, err);
    chunk->evaluations += out.evaluations;
    start = ln_inside_clock(job, chunk);
    for (int64_t r = 0; r < chunk->count && !status; r++) {
        memcpy(chunk->out->values + r * job->width, out.values + r * whole + width,
               (size_t)job->width * sizeof(float));
        chunk->out->output[r] = out.output[r];
        chunk->out->baseline_output[r] = out.baseline_output[r];
    }
    chunk->nanoseconds += ln_inside_clock(job, chunk) - start;
    ln_explanation_free(&out);
    return status;
}

static const ln_param params[] = {LN_LAYER_PARAM, LN_INTEGRAL_PARAMS, LN_PARAM_END};

const ln_explainer ln_explainer_layer_integrated_gradients = {
    .word =
        {
            .name = "layer_integrated_gradients",
            .summary =
                "integrated gradients between a layer's numbers at a baseline and at the row",
            .formula = "a = (h(x) - h(b)) * integral from 0 to 1 of d f_t / d h at h(b) + "
                       "s (h(x) - h(b)) ds",
            .source = "Sundararajan, Taly and Yan 2017, Axiomatic Attribution for Deep Networks, "
                      "arXiv:1703.01365; at a layer as in Captum",
            .params = params,
            .params_size = sizeof(ln_integral_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_BASELINE | LN_TAKES_LAYER | LN_AT_LAYER | LN_COMPLETE |
             LN_INSIDE,
    .version = 1,
    .tolerance = 0.05,
    .cost = "steps + 2 forward passes a row and backward as far as the layer, and one forward pass "
            "a row and baseline as far as the layer",
    .prepare = prepare,
    .start = start,
    .release = release,
    .run = run,
};
