/* Feature ablation: what the explained number loses when a feature is replaced by its baseline.
 *
 *   a_g = f_t(x) - f_t(x with the inputs of group g set to the baseline)
 *
 * x (N, width), groups (width) -> a (N, groups); without groups every input is one. Cost: groups + 1
 * forward passes a row, streamed in full passes. No gradient is needed, so it also explains what has
 * none. Not complete: effects that features have only together are counted once for each of them,
 * or for none. A group without inputs gets exactly 0. Differences are taken in float64 of float32
 * outputs. Source: Captum's FeatureAblation; leave-one-out of Zeiler and Fergus 2014. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/groups.h"
#include "explainers/common/manifold.h"
#include "explainers/common/passes.h"
#include "explainers/explainer.h"

/* A worker's scratch. */
typedef struct buffers {
    float *x;   /* (rows_per_pass, width of the model) masked rows */
    float *out; /* (rows_per_pass, outputs) */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_request_outputs(job->request);
    buffers made = {0};
    made.x = ln_carve(&carver, job->rows_per_pass * model->width, sizeof *made.x);
    made.out = ln_carve(&carver, job->rows_per_pass * outputs, sizeof *made.out);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    ln_groups_free(job->shared);
    ln_free(job->shared);
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_request *request = job->request;
    ln_groups *groups = ln_calloc(1, sizeof *groups);
    if (!groups)
        return ln_fail_memory(err, sizeof *groups);
    job->shared = groups;
    ln_status status =
        ln_groups_make(request->groups, request->model->width, job->width, groups, err);
    if (status)
        return status;
    ln_passes_set(job, groups->count + 1);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* An item is the row itself, then one masked copy a group. */
static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const ln_request *request = job->request;
    const ln_groups *groups = job->shared;
    int64_t width = request->model->width, outputs = ln_function_outputs(job->function);
    int64_t per_item = groups->count + 1, rows = chunk->count * per_item;
    buffers at = carve(job, chunk->scratch, NULL);
    for (int64_t done = 0; done < rows;) {
        int64_t count = rows - done < job->rows_per_pass ? rows - done : job->rows_per_pass;
        for (int64_t r = 0; r < count; r++) {
            int64_t row = request->items[chunk->first + (done + r) / per_item].row;
            int64_t part = (done + r) % per_item;
            float *to = at.x + r * width;
            memcpy(to, ln_f32(request->x) + row * width, (size_t)width * sizeof *to);
            if (part > 0) {
                ln_groups_fill(groups, part - 1, ln_job_baseline(job, row), to);
                ln_manifold_row(chunk, (done + r) / per_item, to);
            }
        }
        ln_status status = ln_runner_forward(chunk->runner, at.x, count, at.out, err);
        if (status)
            return status;
        for (int64_t r = 0; r < count; r++) {
            int64_t entry = (done + r) / per_item, part = (done + r) % per_item;
            const ln_target *target = &job->targets[chunk->first + entry];
            double value = ln_target_value(target, at.out + r * outputs);
            if (part == 0)
                chunk->out->output[entry] = value;
            else
                chunk->out->values[entry * job->width + part - 1] =
                    (float)(chunk->out->output[entry] - value);
        }
        chunk->evaluations += count;
        done += count;
    }
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "groups",
     .type = LN_PARAM_GROUPS,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "inputs that are replaced together; default: every input alone, a table's by column"},
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "0",
     .help = "what replaces them, in encoded space: one for all rows or one a row"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_feature_ablation = {
    .word =
        {
            .name = "feature_ablation",
            .summary = "change of the explained number when a feature is set to its baseline",
            .formula = "a_g = f_t(x) - f_t(x with group g at the baseline)",
            .source = "FeatureAblation of Captum; Zeiler and Fergus 2014, Visualizing and "
                      "Understanding Convolutional Networks, arXiv:1311.2901",
            .params = params,
        },
    .flags = LN_TAKES_BASELINE | LN_TAKES_GROUPS | LN_WATCHED,
    .version = 1,
    .cost = "one forward pass a group and one more, a row",
    .prepare = prepare,
    .release = release,
    .run = run,
};
