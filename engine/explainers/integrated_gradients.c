/* Integrated gradients: the gradient averaged along the straight path from a baseline to the row.
 *
 *   a_i = (x_i - b_i) * integral over [0, 1] of d f_t(b + s (x - b)) / d x_i ds
 *
 * x (N, width), baseline b (1 or N, width) -> a (N, width). The integral is a quadrature of `steps`
 * nodes (common/quadrature.h), summed in float64 in the order of the steps. Complete in the limit:
 * sum a = f_t(x) - f_t(b), and the residual shows how near `steps` came. With multiply_by_inputs =
 * false the factor x - b is left off; what remains is an average gradient, which promises no sum, so
 * that no baseline output is recorded and no residual exists.
 *
 * method = "exact" needs a network that is linear piece by piece (relus, max pooling ...) and no steps: it
 * sums over the pieces of the path (common/pieces.h), and the residual is rounding.
 *
 * Cost: `steps` forward and backward passes a row, and a forward one for the row itself; the baseline's
 * output takes one forward pass for all, or one a row where baselines differ (common/path.h). Source:
 * Sundararajan, Taly, Yan 2017. */
#include <math.h>

#include "explainers/common/integral.h"
#include "explainers/common/path.h"
#include "explainers/common/pieces.h"

static bool is_exact(const ln_job *job)
{
    const ln_integral_params *params = job->request->params;
    return params->method == LN_INTEGRAL_EXACT;
}

static void add(const ln_job *job, const ln_path_node *node, double *sum)
{
    if (node->number == 0)
        for (int64_t i = 0; i < job->width; i++)
            sum[i] = node->weight * (double)node->gradient[i];
    else
        for (int64_t i = 0; i < job->width; i++)
            sum[i] += node->weight * (double)node->gradient[i];
}

static void finish(const ln_job *job, int64_t item, const double *sum, float *values)
{
    const ln_integral_params *params = job->request->params;
    int64_t width = job->width, row = job->request->items[item].row;
    const float *x = ln_f32(job->request->x) + row * width, *base = ln_job_baseline(job, row);
    if (params->multiply_by_inputs)
        for (int64_t i = 0; i < width; i++)
            values[i] = (float)(((double)x[i] - (double)base[i]) * sum[i]);
    else
        for (int64_t i = 0; i < width; i++)
            values[i] = (float)sum[i];
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const ln_integral_params *params = job->request->params;
    if (is_exact(job))
        return ln_pieces_prepare(job, scratch_bytes, err);
    const ln_path_options options = {.rule = (ln_quadrature)params->method,
                                     .nodes = params->steps,
                                     .baseline_output = params->multiply_by_inputs,
                                     .state_width = job->width};
    return ln_path_prepare(job, &options, scratch_bytes, err);
}

static ln_status start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err)
{
    return is_exact(job) ? LN_OK : ln_path_start(job, runner, evaluations, err);
}

static void release(ln_job *job)
{
    if (is_exact(job))
        ln_pieces_release(job);
    else
        ln_path_release(job);
}

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    static const ln_path_method method = {.add = add, .finish = finish};
    const ln_integral_params *params = job->request->params;
    return is_exact(job) ? ln_pieces_run(job, chunk, params->multiply_by_inputs, err)
                         : ln_path_run(job, chunk, &method, err);
}

static const ln_param params[] = {LN_INTEGRAL_PARAMS, LN_PARAM_END};

const ln_explainer ln_explainer_integrated_gradients = {
    .word =
        {
            .name = "integrated_gradients",
            .summary = "gradient averaged along the path from a baseline to the row",
            .formula = "a_i = (x_i - b_i) * integral from 0 to 1 of "
                       "d f_t(b + s (x - b)) / d x_i ds",
            .source = "Sundararajan, Taly and Yan 2017, Axiomatic Attribution for Deep Networks, "
                      "arXiv:1703.01365; quadratures as in Captum",
            .params = params,
            .params_size = sizeof(ln_integral_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_BASELINE | LN_COMPLETE,
    .version = 1,
    .tolerance = 0.05,
    .cost =
        "steps forward and backward passes a row and one forward (one more where baselines differ "
        "by row)",
    .prepare = prepare,
    .start = start,
    .release = release,
    .run = run,
};
