/* Internal influence: the gradient at a layer, averaged along the path from a baseline to the row.
 *
 *   a = integral over [0, 1] of d f_t / d h at b + s (x - b)  ds
 *
 * x (N, width), baseline b (1 or N, width) -> a (N, *shape of the layer): h are the layer's numbers, and
 * nothing is multiplied in. The paper averages over a distribution of interest; this is the uniform one
 * on the path, as in Captum. Not complete, so no baseline output is recorded. Cost and quadrature as
 * integrated_gradients (common/path.h). Source: Leino et al. 2018. */
#include "explainers/common/layer.h"
#include "explainers/common/path.h"

typedef struct internal_influence_params {
    int64_t steps; /* nodes of the quadrature */
    int method;    /* ln_quadrature */
} internal_influence_params;

static void add(const ln_job *job, const ln_path_node *node, double *sum)
{
    for (int64_t i = 0; i < job->width; i++)
        sum[i] += node->weight * (double)node->gradient[i];
}

static void finish(const ln_job *job, int64_t item, const double *sum, float *values)
{
    (void)item;
    for (int64_t i = 0; i < job->width; i++)
        values[i] = (float)sum[i];
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const internal_influence_params *params = job->request->params;
    const ln_path_options options = {
        .rule = (ln_quadrature)params->method, .nodes = params->steps, .state_width = job->width};
    return ln_path_prepare(job, &options, scratch_bytes, err);
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    static const ln_path_method method = {.add = add, .finish = finish};
    return ln_path_run(job, chunk, &method, err);
}

static const ln_param params[] = {
    LN_LAYER_PARAM,
    {.name = "steps",
     .type = LN_PARAM_INT,
     .offset = offsetof(internal_influence_params, steps),
     .fallback = "50",
     .min = 1,
     .max = LN_QUADRATURE_STEPS_MAX,
     .help = "points of the path at which the gradient is taken"},
    {.name = "method",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(internal_influence_params, method),
     .fallback = "\"gausslegendre\"",
     .choices = LN_QUADRATURE_CHOICES,
     .help = "where those points are and how they are weighted"},
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "0",
     .help = "where the path starts, in encoded space: one for all rows or one a row"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_internal_influence = {
    .word =
        {
            .name = "internal_influence",
            .summary = "gradient at a layer, averaged along the path from a baseline to the row",
            .formula = "a = integral from 0 to 1 of d f_t / d h at b + s (x - b) ds",
            .source = "Leino, Sen, Datta, Fredrikson and Li 2018, Influence-Directed Explanations "
                      "for Deep Convolutional Networks, arXiv:1802.03788; path and quadratures as "
                      "in Captum",
            .params = params,
            .params_size = sizeof(internal_influence_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_BASELINE | LN_TAKES_LAYER | LN_AT_LAYER,
    .version = 1,
    .cost = "steps + 1 forward passes a row, and backward as far as the layer",
    .prepare = prepare,
    .start = ln_path_start,
    .release = ln_path_release,
    .run = run,
};
