/* Guided backpropagation: the gradient, but a relu passes on only what is positive on the way
 * forward and on the way back.
 *
 *   at a relu:  grad_in = grad_out * (grad_out > 0) * (x > 0)        elsewhere: the gradient
 *
 * x (N, width) -> a (N, width). Cost: one forward and one backward pass a row. Not complete. Other
 * activations (leaky_relu, elu, sigmoid ...) keep their gradient: the paper defines the rule for
 * relu alone. It is the gradient itself where the model has no relu.
 * Source: Springenberg et al. 2015, section 3.4. */
#include "explainers/common/gradient.h"
#include "explainers/common/rectified.h"

static ln_status composite(const ln_job *job, ln_composite **out, ln_error *err)
{
    (void)job;
    return ln_rectified_composite("guided_backprop", &ln_rectified_guided, out, err);
}

static const ln_param params[] = {LN_PARAM_END};

const ln_explainer ln_explainer_guided_backprop = {
    .word =
        {
            .name = "guided_backprop",
            .summary = "gradient that lets only positive signals back through relu",
            .formula = "a = d f_t(x) / d x with, at every relu, g * (g > 0) * (x > 0) in place of "
                       "its gradient",
            .source = "Springenberg, Dosovitskiy, Brox and Riedmiller 2015, Striving for "
                      "Simplicity: The All Convolutional Net, arXiv:1412.6806",
            .params = params,
        },
    .flags = LN_NEEDS_GRADIENT,
    .version = 1,
    .cost = "one forward and one backward pass a row",
    .composite = composite,
    .prepare = ln_gradient_prepare,
    .run = ln_gradient_run,
};
