/* Saliency: how much the explained number changes with each input, to first order.
 *
 *   a_i = |d f_t(x) / d x_i|, or the signed derivative with absolute = false
 *
 * x (N, width) -> a (N, width). Cost: one forward and one backward pass a row. Not complete. The sign
 * is dropped by default since the paper ranks pixels by it; a table's column gets the sum of its
 * inputs' absolute values. Source: Simonyan, Vedaldi, Zisserman 2014. */
#include <math.h>

#include "explainers/common/gradient.h"

typedef struct saliency_params {
    bool absolute; /* drop the sign */
} saliency_params;

static ln_status run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const saliency_params *params = job->request->params;
    ln_status status = ln_gradient_run(job, chunk, err);
    if (status || !params->absolute)
        return status;
    int64_t numbers = chunk->count * job->width;
    float *values = chunk->out->values;
    for (int64_t i = 0; i < numbers; i++)
        values[i] = fabsf(values[i]);
    return LN_OK;
}

static const ln_param params[] = {
    {.name = "absolute",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(saliency_params, absolute),
     .fallback = "true",
     .help = "the size of the derivative without its sign"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_saliency = {
    .word =
        {
            .name = "saliency",
            .summary = "derivative of the explained number by each input",
            .formula = "a_i = |d f_t(x) / d x_i|  (signed with absolute = false)",
            .source = "Simonyan, Vedaldi and Zisserman 2014, Deep Inside Convolutional Networks: "
                      "Visualising Image Classification Models and Saliency Maps, "
                      "arXiv:1312.6034; defaults as in Captum",
            .params = params,
            .params_size = sizeof(saliency_params),
        },
    .flags = LN_NEEDS_GRADIENT,
    .version = 1,
    .cost = "one forward and one backward pass a row",
    .prepare = ln_gradient_prepare,
    .run = run,
};
