/* Guided backpropagation: the gradient, but a relu passes on only what is positive on the way
 * forward and on the way back.
 *
 *   at a relu:  grad_in = grad_out * (grad_out > 0) * (x > 0)        elsewhere: the gradient
 *
 * x (N, width) -> a (N, width). Cost: one forward and one backward pass a row. Not complete. Other
 * activations (leaky_relu, elu, sigmoid ...) keep their gradient: the paper defines the rule for
 * relu alone. It is the gradient itself where the model has no relu.
 * Source: Springenberg et al. 2015, section 3.4. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/gradient.h"

/* Whether the relu was open is read from its output, which is positive exactly where its input is;
 * so the rule needs no value that the layer's own backward pass does not. A NaN is passed on. */
static ln_status guided_relu(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    (void)err;
    const float *y = pass->out[0], *above = pass->out_grad[0];
    float *below = pass->in_grad[0];
    if (!below)
        return LN_OK;
    int64_t count = pass->rows * ln_shape_row(&pass->step->out_shape[0]);
    for (int64_t i = 0; i < count; i++)
        below[i] = y[i] <= 0 || above[i] <= 0 ? 0 : above[i];
    return LN_OK;
}

static const ln_rule guided_relu_rule = {.name = "guided_relu", .backward = guided_relu};

static ln_status assign(const ln_composite *composite, const ln_graph *graph, const ln_node *node,
                        int position, const ln_rule **out, ln_error *err)
{
    (void)composite;
    (void)graph;
    (void)position;
    (void)err;
    *out = strcmp(node->layer->word.name, "relu") == 0 ? &guided_relu_rule : NULL;
    return LN_OK;
}

static ln_status composite(const void *params, ln_composite **out, ln_error *err)
{
    (void)params;
    *out = ln_calloc(1, sizeof **out);
    if (!*out)
        return ln_fail_memory(err, sizeof **out);
    **out = (ln_composite){.name = "guided_backprop", .assign = assign};
    return LN_OK;
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
