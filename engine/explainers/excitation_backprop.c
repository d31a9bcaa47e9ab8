/* Excitation backpropagation: a probability handed back from the target, at each layer to the inputs that excite
 * it.
 *
 *   P = 1 at the target's output, 0 at the others
 *   P_i = sum over j of  x_i w+_ij / (sum over i of x_i w+_ij)  P_j        at a linear layer
 *
 * x (N, width) -> a (N, width), not below 0 where the target's scale is 1. Weights are the positive ones, biases
 * are left out; where inputs are negative (the network's own may be) they go with the negative weights: x+ w+ +
 * x- w-. Activations hand on, sums and averages share by the inputs' part, a maximum takes all (as lrp has it);
 * batch normalisation is folded first. A unit that nothing excites hands on nothing. Cost: one forward pass a
 * row, and backward two products a linear layer with two forward ones. Source: Zhang et al. 2016; as in Zennit. */
#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/bilinear.h"
#include "explainers/common/gradient.h"
#include "explainers/common/kinds.h"
#include "explainers/common/relevance.h"
#include "graph/simplify.h"

#define STABILISER 1e-6

typedef struct excitation {
    ln_composite composite;
    ln_rule linear, norm;
} excitation;

static ln_status assign(const ln_composite *composite, const ln_graph *graph, const ln_node *node,
                        const bool *passed, const ln_rule **out, ln_error *err)
{
    const excitation *own = composite->context;
    (void)passed;
    *out = ln_kind_looks_up(graph, node) >= 0 ? &ln_relevance_lookup : NULL;
    if (*out)
        return LN_OK;
    switch (ln_kind_of(graph, node)) {
    case LN_KIND_LINEAR:
        *out = &own->linear;
        return LN_OK;
    case LN_KIND_FUNCTION:
        *out = &ln_relevance_pass;
        return LN_OK;
    case LN_KIND_SCALE:
        *out = ln_kind_scales_elements(graph, node) ? &ln_relevance_scale : &own->norm;
        return LN_OK;
    case LN_KIND_SUM:
        *out = &own->norm;
        return LN_OK;
    case LN_KIND_CHOICE:
    case LN_KIND_BRANCH:
    case LN_KIND_ROUTE:
        return LN_OK;
    default:
        ln_fail(err, LN_EUNSUPPORTED, "excitation_backprop has no rule for this layer (%s)",
                node->layer->word.name);
        ln_kind_hint_end(ln_kind_of(graph, node), err);
        return LN_EUNSUPPORTED;
    }
}

static ln_status composite(const ln_job *job, ln_composite **out, ln_error *err)
{
    excitation *made = ln_calloc(1, sizeof *made);
    (void)job;
    if (!made)
        return ln_fail_memory(err, sizeof *made);
    made->linear = ln_relevance_bare(ln_relevance_alpha_beta(1, 0, STABILISER));
    made->norm = ln_relevance_norm(STABILISER);
    made->composite = (ln_composite){.name = "excitation_backprop",
                                     .context = made,
                                     .simplify = LN_SIMPLIFY_BATCH_NORM | LN_SIMPLIFY_UNCHECKED,
                                     .merges = true,
                                     .ids = true,
                                     .assign = assign};
    *out = &made->composite;
    return LN_OK;
}

static const ln_param params[] = {LN_PARAM_END};

const ln_explainer ln_explainer_excitation_backprop = {
    .word =
        {
            .name = "excitation_backprop",
            .summary = "a probability handed back from the target to what excites it",
            .formula = "P_i = sum_j x_i w+_ij / (sum_i x_i w+_ij) P_j, from P = 1 at the target; "
                       "w+ the positive weights, no biases",
            .source = "Zhang, Lin, Brandt, Shen and Sclaroff 2016, Top-down Neural Attention by "
                      "Excitation Backprop, arXiv:1608.00507; as in Zennit",
            .params = params,
        },
    .flags = LN_NEEDS_GRADIENT,
    .version = 3,
    .cost = "one forward pass a row; backward two products a linear layer, and two forward ones",
    .composite = composite,
    .prepare = ln_gradient_prepare,
    .run = ln_gradient_run,
};
