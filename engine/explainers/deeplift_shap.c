/* DeepLIFT against a set of rows: the mean of its attributions over every row of the background, which
 * estimates Shapley values of the expected output.
 *
 *   a_i = 1/K sum_k m_i(x, b_k) (x_i - b_ki),   sum a = f_t(x) - mean_k f_t(b_k)
 *
 * x (N, width), background (K, width) -> a (N, width), summed in float64 in the order of the background.
 * Rules as of deeplift. Cost: two forward and two backward passes a row and row of the background.
 * Source: Lundberg and Lee 2017; every row of the background is taken, where Captum's and shap's draw. */
#include <math.h>

#include "explainers/common/contrast.h"
#include "explainers/common/pairs.h"
#include "explainers/common/passes.h"

typedef struct deeplift_shap_params {
    int rule;         /* one of LN_CONTRAST_RULES */
    double tolerance; /* of the residual, read by the driver */
} deeplift_shap_params;

static int rule_of(const ln_job *job)
{
    return ((const deeplift_shap_params *)job->request->params)->rule;
}

static ln_status composite(const ln_job *job, ln_composite **out, ln_error *err)
{
    return ln_contrast_composite("deeplift_shap", rule_of(job), out, err);
}

/* Sums of one item: a number an input, and the baselines' outputs. */
static double *carve_sums(const ln_job *job, void *scratch, size_t pairs_bytes, size_t *bytes)
{
    ln_carver carver = {.base = scratch, .used = pairs_bytes};
    double *sums = ln_carve(&carver, job->width + 1, sizeof *sums);
    *bytes = carver.used;
    return sums;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    (void)err;
    ln_pairs_prepare(job, ln_pairs_rows(rule_of(job)), job->request->background->shape.dims[0],
                     scratch_bytes);
    job->items_per_chunk = 1;
    carve_sums(job, NULL, *scratch_bytes, scratch_bytes);
    return LN_OK;
}

/* The pairs [first, first + count) of the item's background, added to the sums. */
static ln_status add_pairs(const ln_job *job, ln_job_chunk *chunk, int64_t first, int64_t count,
                           double *sums, double *output, ln_error *err)
{
    const int64_t width = job->width, row = job->request->items[chunk->first].row;
    const float *background = ln_f32(job->request->background);
    const ln_pairs at = ln_pairs_carve(job, ln_pairs_rows(rule_of(job)), chunk->scratch);
    for (int64_t k = 0; k < count; k++)
        ln_pairs_set(job, &at, k, row, background + (first + k) * width,
                     &job->targets[chunk->first], count);
    ln_status status = ln_pairs_run(job, chunk, &at, count, err);
    for (int64_t k = 0; k < count && !status; k++) {
        for (int64_t i = 0; i < width; i++)
            sums[i] += ln_pairs_contribution(&at, width, k, count, i);
        sums[width] += at.value[k + count];
    }
    *output = at.value[0];
    return status;
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const int64_t rows = job->request->background->shape.dims[0],
                  most = job->rows_per_pass / ln_pairs_rows(rule_of(job));
    size_t pairs_bytes, bytes;
    ln_pairs_bytes(job, &pairs_bytes);
    double *sums = carve_sums(job, chunk->scratch, pairs_bytes, &bytes);
    for (int64_t i = 0; i <= job->width; i++)
        sums[i] = 0;
    for (int64_t first = 0; first < rows; first += most) {
        const int64_t count = rows - first < most ? rows - first : most;
        ln_status status = add_pairs(job, chunk, first, count, sums, &chunk->out->output[0], err);
        if (status)
            return status;
    }
    for (int64_t i = 0; i < job->width; i++)
        chunk->out->values[i] = (float)(sums[i] / (double)rows);
    chunk->out->baseline_output[0] = sums[job->width] / (double)rows;
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "background",
     .type = LN_PARAM_BACKGROUND,
     .offset = LN_NO_OFFSET,
     .fallback = "nil",
     .help = "rows to compare with; without it 100 training rows, drawn"},
    {.name = "rule",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(deeplift_shap_params, rule),
     .fallback = "\"rescale\"",
     .choices = LN_CONTRAST_RULES,
     .help = "multipliers of functions: of the whole change, or of what pulls up and down apart"},
    {.name = "tolerance",
     .type = LN_PARAM_REAL,
     .offset = offsetof(deeplift_shap_params, tolerance),
     .fallback = "1e-4",
     .min = 0,
     .max = HUGE_VAL,
     .help = "relative residual that verify lets pass"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_deeplift_shap = {
    .word =
        {
            .name = "deeplift_shap",
            .summary = "deeplift against every row of a background, on average",
            .formula = "a_i = mean over the background of m_i (x_i - b_i)",
            .source =
                "Lundberg and Lee 2017, A Unified Approach to Interpreting Model Predictions, "
                "arXiv:1705.07874, section 4.2 (Deep SHAP)",
            .params = params,
            .params_size = sizeof(deeplift_shap_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_BACKGROUND | LN_COMPLETE,
    .version = 3,
    .tolerance = 1e-4,
    .cost = "two forward and two backward passes a row and row of the background; reveal_cancel "
            "about five",
    .composite = composite,
    .prepare = prepare,
    .run = run,
};
