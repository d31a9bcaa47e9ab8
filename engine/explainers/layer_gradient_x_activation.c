/* Gradient times activation at a layer: what each unit brings to the output, to first order.
 *
 *   a = h(x) * d f_t / d h          with multiply_by_activation = false the gradient alone
 *
 * x (N, width) -> a (N, *shape of the layer). Cost: one forward pass a row, and backward as far as the
 * layer. Not complete. At the input it is input_x_gradient. Source: as in Captum. */
#include <stddef.h>

#include "explainers/common/gradient.h"
#include "explainers/common/layer.h"

typedef struct params {
    bool multiply_by_activation; /* else the gradient alone */
} params;

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const params *own = job->request->params;
    const float *h;
    float *values = chunk->out->values;
    ln_status status = ln_layer_gradient(job, chunk, chunk->runner, &h, values, err);
    const int64_t numbers = chunk->count * job->width;
    for (int64_t i = 0; i < numbers && own->multiply_by_activation && !status; i++)
        values[i] *= h[i];
    return status;
}

static const ln_param list[] = {
    LN_LAYER_PARAM,
    {.name = "multiply_by_activation",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(params, multiply_by_activation),
     .fallback = "true",
     .help = "times the layer's numbers; without it the gradient alone"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_layer_gradient_x_activation = {
    .word =
        {
            .name = "layer_gradient_x_activation",
            .summary = "a layer's numbers, each times the gradient at it",
            .formula = "a = h(x) * d f_t / d h",
            .source = "as in Captum (LayerGradientXActivation)",
            .params = list,
            .params_size = sizeof(params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_TAKES_LAYER | LN_AT_LAYER,
    .version = 2,
    .cost = "one forward pass a row, and backward as far as the layer",
    .prepare = ln_layer_prepare,
    .run = run,
};
