/* Deconvnet: the gradient, but a relu passes on what is positive on the way back, whether it was open
 * or not.
 *
 *   at a relu:  grad_in = grad_out * (grad_out > 0)        elsewhere: the gradient
 *
 * x (N, width) -> a (N, width). Cost: one forward and one backward pass a row. Not complete. The paper
 * turns a convolutional network round: transposed convolutions, a relu at each step, and max pooling
 * undone at the places of its maxima, which is what backward passes of these layers do. Other
 * activations keep their gradient: the paper has none. It is the gradient itself where the model has
 * no relu. Source: Zeiler and Fergus 2014, section 2. */
#include "explainers/common/gradient.h"
#include "explainers/common/rectified.h"

static ln_status composite(const ln_job *job, ln_composite **out, ln_error *err)
{
    (void)job;
    return ln_rectified_composite("deconvnet", &ln_rectified_deconvnet, out, err);
}

static const ln_param params[] = {LN_PARAM_END};

const ln_explainer ln_explainer_deconvnet = {
    .word =
        {
            .name = "deconvnet",
            .summary = "gradient that lets only positive signals back through relu, open or closed",
            .formula =
                "a = d f_t(x) / d x with, at every relu, g * (g > 0) in place of its gradient",
            .source =
                "Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, "
                "arXiv:1311.2901; for any network as in Captum",
            .params = params,
        },
    .flags = LN_NEEDS_GRADIENT,
    .version = 1,
    .cost = "one forward and one backward pass a row",
    .composite = composite,
    .prepare = ln_gradient_prepare,
    .run = ln_gradient_run,
};
