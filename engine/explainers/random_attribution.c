/* Random attribution: no explanation, but what one has to beat.
 *
 *   a_u ~ N(0, 1), independent, drawn by (seed, word, stream, row of the data set), one a unit
 *
 * x (N, width), groups (width) -> a (N, groups); without groups every input is one. It has a value a
 * group and not a sum over its inputs, so that each column has the same chance whatever its encoding
 * is. The target does not matter. Cost: one forward pass a row, which records the explained number
 * (the draws need none). Not complete, and without standard errors: it estimates nothing. Source:
 * the random baseline of Samek et al. 2017 and Hooker et al. 2019. */
#include "base/rng.h"
#include "explainers/common/passes.h"
#include "explainers/explainer.h"

/* A worker's scratch. */
typedef struct buffers {
    float *x;   /* (rows_per_pass, width of the model) */
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

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    (void)err;
    ln_passes_set(job, 1);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const ln_request *request = job->request;
    buffers at = carve(job, chunk->scratch, NULL);
    for (int64_t i = 0; i < chunk->count; i++) {
        int64_t row = request->items[chunk->first + i].row;
        float *values = chunk->out->values + i * job->width;
        ln_rng rng = ln_rng_make(request->seed, "random_attribution", request->stream,
                                 (uint64_t)request->row_ids[row]);
        for (int64_t u = 0; u < job->width; u++)
            values[u] = (float)ln_rng_normal(&rng);
    }
    return ln_passes_outputs(job, chunk, at.x, at.out, err);
}

static const ln_param params[] = {
    {.name = "groups",
     .type = LN_PARAM_GROUPS,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "inputs that share one draw; default: every input alone, a table's by column"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_random_attribution = {
    .word =
        {
            .name = "random_attribution",
            .summary = "random numbers: the control that every explanation should beat",
            .formula = "a_u ~ N(0, 1), independent",
            .source = "the random baseline of Samek et al. 2017, Evaluating the Visualization of "
                      "What a Deep Neural Network Has Learned, arXiv:1509.06321",
            .params = params,
        },
    .flags = LN_TAKES_GROUPS | LN_RANDOM,
    .version = 1,
    .cost = "one forward pass a row",
    .prepare = prepare,
    .run = run,
};
