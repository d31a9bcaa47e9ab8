#include "explainers/common/rectified.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* Whether the relu was open is read from its output, which is positive exactly where its input is;
 * so the rule needs no value that the layer's own backward pass does not. A NaN is passed on. */
static ln_status guided(const ln_rule *rule, const ln_pass *pass, ln_error *err)
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

static ln_status deconvnet(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    (void)rule;
    (void)err;
    const float *above = pass->out_grad[0];
    float *below = pass->in_grad[0];
    if (!below)
        return LN_OK;
    int64_t count = pass->rows * ln_shape_row(&pass->step->out_shape[0]);
    for (int64_t i = 0; i < count; i++)
        below[i] = above[i] <= 0 ? 0 : above[i];
    return LN_OK;
}

const ln_rule ln_rectified_guided = {.name = "guided_relu", .backward = guided};
const ln_rule ln_rectified_deconvnet = {.name = "deconvnet_relu", .backward = deconvnet};

static ln_status assign(const ln_composite *composite, const ln_graph *graph, const ln_node *node,
                        int position, const ln_rule **out, ln_error *err)
{
    (void)graph;
    (void)position;
    (void)err;
    *out = strcmp(node->layer->word.name, "relu") == 0 ? composite->context : NULL;
    return LN_OK;
}

ln_status ln_rectified_composite(const char *name, const ln_rule *rule, ln_composite **out,
                                 ln_error *err)
{
    *out = ln_calloc(1, sizeof **out);
    if (!*out)
        return ln_fail_memory(err, sizeof **out);
    **out = (ln_composite){.name = name, .context = rule, .assign = assign};
    return LN_OK;
}
