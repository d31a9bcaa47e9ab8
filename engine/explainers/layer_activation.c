/* Layer activation: the numbers that a layer makes of the row.
 *
 *   a = h(x)
 *
 * x (N, width) -> a (N, *shape of the layer). Cost: one forward pass a row, as far as the layer. It
 * explains no output, so it has no target, no output, no residual. Source: as in Captum. */
#include "explainers/common/gradient.h"
#include "explainers/common/layer.h"

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const float *x = ln_gradient_fill(job, chunk);
    chunk->evaluations += chunk->count;
    return ln_runner_layer(chunk->runner, x, NULL, chunk->count, NULL, chunk->out->values, NULL,
                           err);
}

static const ln_param params[] = {LN_LAYER_PARAM, LN_PARAM_END};

const ln_explainer ln_explainer_layer_activation = {
    .word =
        {
            .name = "layer_activation",
            .summary = "the numbers that a layer makes of the row",
            .formula = "a = h(x)",
            .source = "as in Captum (LayerActivation)",
            .params = params,
        },
    .flags = LN_TAKES_LAYER | LN_AT_LAYER | LN_NO_TARGET,
    .version = 1,
    .cost = "one forward pass a row, as far as the layer",
    .prepare = ln_gradient_prepare,
    .run = run,
};
