/* DeepLIFT with the rescale rule: the change of the output from a baseline's, shared out among the
 * changes of the inputs by multipliers that go back through the network like gradients.
 *
 *   a_i = m_i (x_i - b_i),   sum a = f_t(x) - f_t(b)
 *
 * x (N, width), baseline b (1 or N, width) -> a (N, width). The rule `rescale` (common/contrast.h) has one
 * multiplier a value; `reveal_cancel` (common/reveal_cancel.h) two, of what pulls the value up and of what
 * pulls it down, so that parts that cancel within a layer are seen. A layer without a rule is an error that
 * names it. Complete by construction, and row by row: nothing depends on the batch. Cost: two forward and two
 * backward passes a row (at the row and at its baseline), with reveal_cancel twice as many rows and, in linear
 * layers, two products more forward and one more back.
 * Source: Shrikumar, Greenside and Kundaje 2017. */
#include <math.h>

#include "explainers/common/contrast.h"
#include "explainers/common/pairs.h"

typedef struct deeplift_params {
    int rule;         /* one of LN_CONTRAST_RULES */
    double tolerance; /* of the residual, read by the driver */
} deeplift_params;

static int rule_of(const ln_job *job)
{
    return ((const deeplift_params *)job->request->params)->rule;
}

static ln_status composite(const ln_job *job, ln_composite **out, ln_error *err)
{
    return ln_contrast_composite("deeplift", rule_of(job), out, err);
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    (void)err;
    ln_pairs_prepare(job, ln_pairs_rows(rule_of(job)), 1, scratch_bytes);
    return LN_OK;
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const int64_t width = job->width;
    const ln_item *items = job->request->items + chunk->first;
    const ln_pairs at = ln_pairs_carve(job, ln_pairs_rows(rule_of(job)), chunk->scratch);
    for (int64_t i = 0; i < chunk->count; i++)
        ln_pairs_set(job, &at, i, items[i].row, ln_job_baseline(job, items[i].row),
                     &job->targets[chunk->first + i], chunk->count);
    ln_status status = ln_pairs_run(job, chunk, &at, chunk->count, err);
    for (int64_t i = 0; i < chunk->count && !status; i++) {
        float *values = chunk->out->values + i * width;
        for (int64_t k = 0; k < width; k++)
            values[k] = (float)ln_pairs_contribution(&at, width, i, chunk->count, k);
        chunk->out->output[i] = at.value[i];
        chunk->out->baseline_output[i] = at.value[i + chunk->count];
    }
    return status;
}

static const ln_param params[] = {
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "0",
     .help = "what the row is compared with"},
    {.name = "rule",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(deeplift_params, rule),
     .fallback = "\"rescale\"",
     .choices = LN_CONTRAST_RULES,
     .help = "multipliers of functions: of the whole change, or of what pulls up and down apart"},
    {.name = "tolerance",
     .type = LN_PARAM_REAL,
     .offset = offsetof(deeplift_params, tolerance),
     .fallback = "1e-4",
     .min = 0,
     .max = HUGE_VAL,
     .help = "relative residual that verify lets pass"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_deeplift = {
    .word =
        {
            .name = "deeplift",
            .summary = "change from a baseline, shared out layer by layer by differences",
            .formula =
                "a_i = m_i (x_i - b_i), where m goes back like a gradient, with (f(x) - "
                "f(b)) / (x - b) in place of f'(x) at every function (reveal_cancel: for what "
                "pulls up and what pulls down apart)",
            .source = "Shrikumar, Greenside and Kundaje 2017, Learning Important Features Through "
                      "Propagating Activation Differences, arXiv:1704.02685",
            .params = params,
            .params_size = sizeof(deeplift_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_BASELINE | LN_COMPLETE,
    .version = 3,
    .tolerance = 1e-4,
    .cost = "two forward and two backward passes a row; reveal_cancel about five",
    .composite = composite,
    .prepare = prepare,
    .run = run,
};
