/* Input times gradient: what each input contributes where the model is linear.
 *
 *   a_i = x_i * d f_t(x) / d x_i
 *
 * x (N, width) -> a (N, width). Cost: one forward and one backward pass a row. Complete, with a
 * baseline of zero, only where f is linear in x; for networks of relu without biases it is, so no
 * residual is promised. Source: Shrikumar et al. 2016. */
#include "explainers/common/gradient.h"

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    ln_status status = ln_gradient_run(job, chunk, err);
    if (status)
        return status;
    const float *x = ln_gradient_rows(job, chunk);
    int64_t numbers = chunk->count * job->width;
    float *values = chunk->out->values;
    for (int64_t i = 0; i < numbers; i++)
        values[i] *= x[i];
    return LN_OK;
}

static const ln_param params[] = {LN_PARAM_END};

const ln_explainer ln_explainer_input_x_gradient = {
    .word =
        {
            .name = "input_x_gradient",
            .summary = "each input times its derivative",
            .formula = "a_i = x_i * d f_t(x) / d x_i",
            .source = "Shrikumar, Greenside, Shcherbina and Kundaje 2016, Not Just a Black Box: "
                      "Learning Important Features Through Propagating Activation Differences, "
                      "arXiv:1605.01713",
            .params = params,
        },
    .flags = LN_NEEDS_GRADIENT,
    .version = 1,
    .cost = "one forward and one backward pass a row",
    .prepare = ln_gradient_prepare,
    .run = run,
};
