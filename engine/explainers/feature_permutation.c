/* Feature permutation: what the explained number loses, on average, when a feature takes its values from
 * other rows.
 *
 *   a_g = f_t(x) - mean over drawn background rows b of f_t(x with the inputs of group g from b)
 *
 * x (N, width), groups (width) -> a (N, groups). Every group draws `samples` different rows of the background,
 * or takes all where there are no more; then the values are exact, else they have standard errors, those of
 * a mean over a sample without replacement; with `stop` they are looked at every LOOK samples. Cost: groups *
 * samples + 1 forward passes a row. No gradient. Not complete: effects that features have only together count
 * once for each, or for none. A group that changes nothing gets exactly 0. Draws are keyed by the row's number
 * in the data set and the group, so that a row does not depend on the batch, as it does in Captum's
 * FeaturePermutation, which shuffles the batch, nor on how many samples there are to be. Sources:
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
#include "explainers/common/stop.h"
#include "explainers/explainer.h"

#define LOOK 10 /* samples a group between two looks at the errors: fewer say little of them */

typedef struct feature_permutation_params {
    int64_t samples; /* background rows a feature, at most */
    double stop;     /* the greatest standard error that ends a row; NaN: none */
} feature_permutation_params;

typedef struct feature_permutation {
    ln_groups groups;
    int64_t samples; /* at most the background's rows */
    bool all;        /* they are all of them */
} feature_permutation;

/* A worker's scratch. */
typedef struct buffers {
    float *x;       /* (rows_per_pass, width of the model) */
    float *out;     /* (rows_per_pass, outputs) */
    int64_t *slot;  /* (rows_per_pass) of value[], where the row's goes; -1: it is the row itself */
    int64_t *drawn; /* (background's rows) the first are the present group's */
    double *
        value; /* (groups, samples) explained numbers, in the order of the draws; where they are of all rows
                       in the order of these, so that the mean over them depends on no draw */
    double *mean;  /* (groups) what is lost */
    double *error; /* (groups) its standard error */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const feature_permutation *shared = job->shared;
    const ln_model *model = job->request->model;
    const int64_t outputs = ln_request_outputs(job->request);
    buffers made = {0};
    made.x = ln_carve(&carver, job->rows_per_pass * model->width, sizeof *made.x);
    made.out = ln_carve(&carver, job->rows_per_pass * outputs, sizeof *made.out);
    made.slot = ln_carve(&carver, job->rows_per_pass, sizeof *made.slot);
    made.drawn = ln_carve(&carver, job->request->background->shape.dims[0], sizeof *made.drawn);
    made.value = ln_carve(&carver, job->width * shared->samples, sizeof *made.value);
    made.mean = ln_carve(&carver, job->width, sizeof *made.mean);
    made.error = ln_carve(&carver, job->width, sizeof *made.error);
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
    ln_status status = ln_stop_check(request, params->stop, params->samples, LOOK, "samples", err);
    if (status)
        return status;
    feature_permutation *shared = ln_calloc(1, sizeof *shared);
    if (!shared)
        return ln_fail_memory(err, sizeof *shared);
    job->shared = shared;
    int64_t rows = request->background->shape.dims[0];
    shared->samples = params->samples < rows ? params->samples : rows;
    shared->all = shared->samples == rows;
    status =
        ln_groups_make(request->groups, request->model->width, job->width, &shared->groups, err);
    if (status)
        return status;
    const int64_t at_once = ln_stop_before_look(params->stop, 0, shared->samples, LOOK);
    job->rows_per_pass = ln_passes_rows_of(job, job->width * at_once + 1);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

/* The first `count` rows of a group: of a shuffle that begins alike however many they are. */
static void draw(const ln_rng *rng, int64_t group, int64_t rows, int64_t count, int64_t *drawn)
{
    ln_rng own = ln_rng_part(rng, (uint32_t)group + 1);
    for (int64_t r = 0; r < rows; r++)
        drawn[r] = r;
    for (int64_t s = 0; s < count; s++) {
        const int64_t other = s + (int64_t)ln_rng_below(&own, (uint64_t)(rows - s));
        const int64_t kept = drawn[s];
        drawn[s] = drawn[other];
        drawn[other] = kept;
    }
}

/* The value of a group and its error, from what `count` samples are worth. */
static void settle(const ln_job *job, const buffers *at, const ln_rng *rng, int64_t group,
                   double output, int64_t count)
{
    const feature_permutation *shared = job->shared;
    const int64_t rows = job->request->background->shape.dims[0];
    const bool listed = shared->all && count < rows; /* some of the values that stand row by row */
    const double *value = at->value + group * shared->samples, n = (double)count;
    double sum = 0, squares = 0;
    if (listed)
        draw(rng, group, rows, count, at->drawn);
    for (int64_t s = 0; s < count; s++)
        sum += output - value[listed ? at->drawn[s] : s];
    for (int64_t s = 0; s < count; s++) {
        const double off = output - value[listed ? at->drawn[s] : s] - sum / n;
        squares += off * off;
    }
    at->mean[group] = sum / n;
    at->error[group] =
        count == rows ? 0 : sqrt(squares / (n - 1) / n * (1 - n / (double)rows)); /* NaN for 1 */
}

/* Samples `done` to `done + count` of every group, group after group, as one stream of rows; the row itself is
 * before the first. */
static ln_status add_samples(const ln_job *job, ln_job_chunk *chunk, const buffers *at,
                             int64_t entry, const ln_rng *rng, int64_t done, int64_t count,
                             ln_error *err)
{
    const ln_request *request = job->request;
    const feature_permutation *shared = job->shared;
    const int64_t width = request->model->width, outputs = ln_function_outputs(job->function);
    const int64_t row = request->items[chunk->first + entry].row, before = done == 0;
    const int64_t rows = request->background->shape.dims[0], copies = job->width * count + before;
    const ln_target *target = &job->targets[chunk->first + entry];
    for (int64_t first = 0, pass; first < copies; first += pass) {
        pass = copies - first < job->rows_per_pass ? copies - first : job->rows_per_pass;
        for (int64_t i = 0; i < pass; i++) {
            const int64_t copy = first + i - before, group = copy / count, s = done + copy % count;
            float *to = at->x + i * width;
            memcpy(to, ln_f32(request->x) + row * width, (size_t)width * sizeof *to);
            at->slot[i] = -1;
            if (copy < 0)
                continue;
            if (copy % count == 0)
                draw(rng, group, rows, done + count, at->drawn);
            at->slot[i] = group * shared->samples + (shared->all ? at->drawn[s] : s);
            ln_groups_fill(&shared->groups, group,
                           ln_f32(request->background) + at->drawn[s] * width, to);
            ln_manifold_row(chunk, entry, to);
        }
        ln_status status = ln_check_interrupt(err);
        if (!status)
            status = ln_runner_forward(chunk->runner, at->x, pass, at->out, err);
        if (status)
            return status;
        for (int64_t i = 0; i < pass; i++)
            *(at->slot[i] < 0 ? &chunk->out->output[entry] : &at->value[at->slot[i]]) =
                ln_target_value(target, at->out + i * outputs);
        chunk->evaluations += pass;
    }
    return LN_OK;
}

static ln_status explain(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err)
{
    const buffers made = carve(job, chunk->scratch, NULL), *at = &made;
    const ln_request *request = job->request;
    const feature_permutation_params *params = request->params;
    const int64_t row = request->items[chunk->first + entry].row;
    const int64_t samples = ((const feature_permutation *)job->shared)->samples;
    const ln_rng rng = ln_rng_make(request->seed, "feature_permutation", request->stream,
                                   (uint64_t)request->row_ids[row]);
    int64_t done = 0;
    do {
        const int64_t count = ln_stop_before_look(params->stop, done, samples - done, LOOK);
        ln_status status = add_samples(job, chunk, at, entry, &rng, done, count, err);
        if (status)
            return status;
        done += count;
        for (int64_t g = 0; g < job->width; g++)
            settle(job, at, &rng, g, chunk->out->output[entry], done);
    } while (done < samples && !ln_stop_holds(params->stop, at->error, NULL, job->width));
    for (int64_t g = 0; g < job->width; g++) {
        chunk->out->values[entry * job->width + g] = (float)at->mean[g];
        chunk->out->errors[entry * job->width + g] = (float)at->error[g];
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
    LN_STOP(feature_permutation_params),
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
    .version = 2,
    .cost = "samples forward passes a group and one more, a row",
    .prepare = prepare,
    .release = release,
    .explain = explain,
};
