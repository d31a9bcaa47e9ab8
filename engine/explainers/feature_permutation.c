/* Feature permutation: what the explained number loses, on average, when a feature takes its values from
 * other rows.
 *
 *   a_g = f_t(x) - mean over drawn background rows b of f_t(x with the inputs of group g from b)
 *
 * x (N, width), groups (width) -> a (N, groups). Every group draws `samples` different rows of the background,
 * or takes all where there are no more; then the values are exact, else they have standard errors, those of
 * a mean over a sample without replacement. Cost: groups * samples + 1 forward passes a row. No gradient.
 * Not complete: effects that features have only together count once for each, or for none. A group that
 * changes nothing gets exactly 0. Draws are keyed by the row's number in the data set, so that a row does
 * not depend on the batch, as it does in Captum's FeaturePermutation, which shuffles the batch. Sources:
 * Breiman 2001 and Fisher, Rudin and Dominici 2019, for one row. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "explainers/common/groups.h"
#include "explainers/common/manifold.h"
#include "explainers/common/passes.h"
#include "explainers/explainer.h"

typedef struct feature_permutation_params {
    int64_t samples; /* background rows a feature */
} feature_permutation_params;

typedef struct feature_permutation {
    ln_groups groups;
    int64_t samples; /* at most the background's rows */
} feature_permutation;

/* A worker's scratch. */
typedef struct buffers {
    float *x;       /* (rows_per_pass, width of the model) */
    float *out;     /* (rows_per_pass, outputs) */
    int64_t *drawn; /* (background's rows) the first `samples` are the present group's */
    double *value;  /* (samples) explained numbers of the present group */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_request_outputs(job->request);
    buffers made = {0};
    made.x = ln_carve(&carver, job->rows_per_pass * model->width, sizeof *made.x);
    made.out = ln_carve(&carver, job->rows_per_pass * outputs, sizeof *made.out);
    made.drawn = ln_carve(&carver, job->request->background->shape.dims[0], sizeof *made.drawn);
    made.value =
        ln_carve(&carver, ((const feature_permutation *)job->shared)->samples, sizeof *made.value);
    if (bytes)
        *bytes = carver.used;
    return made;
}

static void release(ln_job *job)
{
    feature_permutation *shared = job->shared;
    ln_groups_free(&shared->groups);
    ln_free(shared);
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_request *request = job->request;
    const feature_permutation_params *params = request->params;
    feature_permutation *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    int64_t rows = request->background->shape.dims[0];
    shared->samples = params->samples < rows ? params->samples : rows;
    ln_status status =
        ln_groups_make(request->groups, request->model->width, job->width, &shared->groups, err);
    if (status)
        return status;
    job->rows_per_pass = ln_passes_of(request->model, job->width * shared->samples + 1, 1, 1).rows;
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* The rows of the next group: the first `samples` of a shuffle, or all in their order. */
static void draw(const feature_permutation *shared, int64_t rows, ln_rng *rng, int64_t *drawn)
{
    for (int64_t r = 0; r < rows; r++)
        drawn[r] = r;
    for (int64_t s = 0; s < shared->samples && shared->samples < rows; s++) {
        int64_t other = s + (int64_t)ln_rng_below(rng, (uint64_t)(rows - s)), kept = drawn[s];
        drawn[s] = drawn[other];
        drawn[other] = kept;
    }
}

/* The value of a group and its error, from what its samples are worth. */
static void settle(const feature_permutation *shared, int64_t rows, double output,
                   const double *value, float *mean, float *error)
{
    double count = (double)shared->samples, sum = 0, squares = 0;
    for (int64_t s = 0; s < shared->samples; s++)
        sum += output - value[s];
    for (int64_t s = 0; s < shared->samples; s++) {
        double off = output - value[s] - sum / count;
        squares += off * off;
    }
    *mean = (float)(sum / count);
    if (shared->samples == rows)
        *error = 0;
    else
        *error =
            (float)sqrt(squares / (count - 1) / count * (1 - count / (double)rows)); /* NaN for 1 */
}

/* An item is the row itself, then `samples` copies a group, as one stream of rows. */
static ln_status explain(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err)
{
    const buffers made = carve(job, chunk->scratch, NULL), *at = &made;
    const ln_request *request = job->request;
    const feature_permutation *shared = job->shared;
    int64_t width = request->model->width, outputs = ln_function_outputs(job->function);
    int64_t row = request->items[chunk->first + entry].row, samples = shared->samples;
    int64_t rows = job->width * samples + 1, background = request->background->shape.dims[0];
    const ln_target *target = &job->targets[chunk->first + entry];
    ln_rng rng = ln_rng_make(request->seed, "feature_permutation", request->stream,
                             (uint64_t)request->row_ids[row]);
    for (int64_t done = 0, count; done < rows; done += count) {
        count = rows - done < job->rows_per_pass ? rows - done : job->rows_per_pass;
        for (int64_t i = 0; i < count; i++) {
            int64_t copy = done + i - 1;
            float *to = at->x + i * width;
            memcpy(to, ln_f32(request->x) + row * width, (size_t)width * sizeof *to);
            if (copy < 0)
                continue;
            if (copy % samples == 0)
                draw(shared, background, &rng, at->drawn);
            ln_groups_fill(&shared->groups, copy / samples,
                           ln_f32(request->background) + at->drawn[copy % samples] * width, to);
            ln_manifold_row(chunk, entry, to);
        }
        ln_status status = ln_check_interrupt(err);
        if (!status)
            status = ln_runner_forward(chunk->runner, at->x, count, at->out, err);
        if (status)
            return status;
        for (int64_t i = 0; i < count; i++) {
            int64_t copy = done + i - 1, place = entry * job->width + copy / samples;
            double value = ln_target_value(target, at->out + i * outputs);
            if (copy < 0)
                chunk->out->output[entry] = value;
            else
                at->value[copy % samples] = value;
            if (copy >= 0 && copy % samples == samples - 1)
                settle(shared, background, chunk->out->output[entry], at->value,
                       &chunk->out->values[place], &chunk->out->errors[place]);
        }
        chunk->evaluations += count;
    }
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "samples",
     .type = LN_PARAM_INT,
     .offset = offsetof(feature_permutation_params, samples),
     .fallback = "10",
     .min = 1,
     .max = 1e9,
     .help =
         "background rows a feature takes its values from, one after the other; all where there "
         "are no more"},
    {.name = "groups",
     .type = LN_PARAM_GROUPS,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "inputs that are replaced together; default: every input alone, a table's by column"},
    {.name = "background",
     .type = LN_PARAM_BACKGROUND,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "the rows that values come from; default: 100 training rows, drawn"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_feature_permutation = {
    .word =
        {
            .name = "feature_permutation",
            .summary =
                "change of the explained number when a feature takes its values from other rows",
            .formula = "a_g = f_t(x) - mean over drawn rows b of f_t(x with group g from b)",
            .source =
                "Breiman 2001, Random Forests; Fisher, Rudin and Dominici 2019, All Models are "
                "Wrong, but Many are Useful, arXiv:1801.01489; for one row: FeaturePermutation "
                "of Captum",
            .params = params,
            .params_size = sizeof(feature_permutation_params),
        },
    .flags = LN_TAKES_BACKGROUND | LN_TAKES_GROUPS | LN_RANDOM | LN_HAS_ERRORS | LN_WATCHED,
    .version = 1,
    .cost = "samples forward passes a group and one more, a row",
    .prepare = prepare,
    .release = release,
    .explain = explain,
};
