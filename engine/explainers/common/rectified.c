/* Both cut with the kernel of relu's own gradient, dz = dy where y > 0: what is not positive on the way back
 * with dy in y's place, and what was not on the way forward with y, which is positive exactly where the
 * relu's input is; so no rule needs a value that the layer's own pass does not. A NaN is passed on. */
#include "explainers/common/rectified.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/simplify.h"
#include "layers/last.h"

static const ln_finish relu = {.kind = LN_FINISH_RELU};

/* to = what is positive of `above`, over the rows of the pass. */
static void keep_positive(const ln_pass *pass, const float *above, float *to)
{
    const int64_t count = pass->rows * ln_shape_row(&pass->step->out_shape[0]);
    ln_last_kernels_choose()->keep(&relu, count, above, above, to);
}

static ln_status deconvnet(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    (void)err;
    if (pass->in_grad[0])
        keep_positive(pass, pass->out_grad[0], pass->in_grad[0]);
    return LN_OK;
}

static ln_status guided(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    float *below = pass->in_grad[0];
    const int64_t count = pass->rows * ln_shape_row(&pass->step->out_shape[0]);
    ln_status status = deconvnet(rule, pass, err);
    if (below)
        ln_last_kernels_choose()->keep(&relu, count, pass->out[0], below, below);
    return status;
}

static size_t chain_scratch(const ln_rule *rule, const ln_step *step)
{
    (void)rule;
    return (size_t)ln_shape_count(&step->out_shape[0]) * sizeof(float);
}

/* The layer's own gradient cuts by its results. */
static ln_status guided_chain(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const float *out_grad[1] = {pass->rule_scratch};
    ln_pass own = *pass;
    (void)rule;
    keep_positive(pass, pass->out_grad[0], pass->rule_scratch);
    own.out_grad = out_grad;
    return pass->step->node->layer->backward(&own, err);
}

/* What comes back stands for the results, and cuts itself. */
static ln_status deconvnet_chain(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    void *out[1] = {(void *)pass->out_grad[0]};
    ln_pass own = *pass;
    (void)rule;
    own.out = out;
    return pass->step->node->layer->backward(&own, err);
}

const ln_rectified ln_rectified_guided = {
    .relu = {.name = "guided_relu", .backward = guided},
    .chain = {.name = "guided_relu", .scratch = chain_scratch, .backward = guided_chain},
    .exchanges = LN_SIMPLIFY_POOL_APART};
const ln_rectified ln_rectified_deconvnet = {
    .relu = {.name = "deconvnet_relu", .backward = deconvnet},
    .chain = {.name = "deconvnet_relu", .backward = deconvnet_chain}};

static ln_status assign(const ln_composite *composite, const ln_graph *graph, const ln_node *node,
                        const bool *passed, const ln_rule **out, ln_error *err)
{
    const ln_rectified *rules = composite->context;
    const ln_conv2d_last_attributes *own = node->attributes;
    (void)graph;
    (void)passed;
    (void)err;
    *out = NULL;
    if (strcmp(node->layer->word.name, "relu") == 0)
        *out = &rules->relu;
    else if ((node->layer == &ln_layer_conv2d_last || node->layer == &ln_layer_conv2d_first) &&
             own->finish.kind == LN_FINISH_RELU)
        *out = &rules->chain;
    return LN_OK;
}

ln_status ln_rectified_composite(const char *name, const ln_rectified *rules, ln_composite **out,
                                 ln_error *err)
{
    *out = ln_calloc(1, sizeof **out);
    if (!*out)
        return ln_fail_memory(err, sizeof **out);
    **out = (ln_composite){.name = name,
                           .context = rules,
                           .simplify = LN_SIMPLIFY_ALL | LN_SIMPLIFY_UNCHECKED | rules->exchanges,
                           .chains = true,
                           .assign = assign};
    return LN_OK;
}
