/* Deep Taylor decomposition of a network of relus: the output handed back layer by layer, at each to the inputs
 * in shares of a first-order expansion around a root that lies in the layer's own domain.
 *
 *   R = f_t(x) at the target's output, 0 at the others
 *   behind a relu (inputs not below 0)   R_i = sum over j of  x_i w+_ij / (sum_i x_i w+_ij)  R_j      z+
 *   the network's inputs, any number     R_i = sum over j of  w_ij^2 / (sum_i w_ij^2)  R_j            w^2
 *   the same between low and high        R_i = sum over j of  (x_i w_ij - low w+_ij - high w-_ij) / sum  R_j   z_box
 *
 * Biases are left out of all sums: none takes relevance. x (N, width) -> a (N, width). Elsewhere as lrp: sums and
 * averages by the norm rule, a maximum takes all, batch normalisation is folded first. The theory is for relus:
 * another activation is an error that names it. Conservation: sum a + absorbed = f_t(x), where only stabilisers
 * and units without positive input absorb. Cost: one forward pass a row; backward two products a linear layer,
 * and two forward ones. Source: Montavon et al. 2017. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/bilinear.h"
#include "explainers/common/gradient.h"
#include "explainers/common/kinds.h"
#include "explainers/common/relevance.h"
#include "graph/simplify.h"

#define STABILISER 1e-6

typedef struct deep_taylor_params {
    double low, high; /* NaN: not given */
    double tolerance; /* of conservation, read by the driver */
} deep_taylor_params;

typedef struct deep_taylor {
    ln_composite composite;
    ln_rule first, hidden, norm;
} deep_taylor;

/* Whether what goes into the node is the network's own input, moved at most. */
static bool reads_input(const ln_graph *graph, const ln_node *node)
{
    const ln_value *value = &graph->values[node->inputs[0]];
    while (value->producer >= 0) {
        const ln_node *before = &graph->nodes[value->producer];
        const int ids = ln_kind_looks_up(graph, before);
        if (ids < 0 && ln_kind_of(graph, before) != LN_KIND_ROUTE)
            return false;
        value = &graph->values[before->inputs[ids < 0 ? 0 : ids]];
    }
    return value->kind == LN_VALUE_INPUT;
}

static ln_status assign(const ln_composite *composite, const ln_graph *graph, const ln_node *node,
                        const bool *passed, const ln_rule **out, ln_error *err)
{
    const deep_taylor *own = composite->context;
    const ln_kind kind = ln_kind_of(graph, node);
    const char *word = node->layer->word.name;
    *out = NULL;
    if (kind == LN_KIND_LINEAR)
        *out = reads_input(graph, node) ? &own->first : &own->hidden;
    else if (kind == LN_KIND_FUNCTION && strcmp(word, "relu") == 0)
        *out = &ln_relevance_pass;
    else if (kind == LN_KIND_SCALE && ln_kind_scales_elements(graph, node))
        *out = &ln_relevance_scale;
    else if (kind == LN_KIND_SUM || kind == LN_KIND_SCALE)
        *out = &own->norm;
    else if (ln_kind_looks_up(graph, node) >= 0)
        *out = &ln_relevance_lookup;
    else if (kind == LN_KIND_CHOICE || kind == LN_KIND_BRANCH || kind == LN_KIND_ROUTE)
        *out = ln_relevance_ends_beside(graph, node, passed) ? &ln_relevance_beside : NULL;
    else {
        ln_fail(err, LN_EUNSUPPORTED, "deep_taylor has no rule for this layer (%s)", word);
        if (kind == LN_KIND_FUNCTION)
            ln_error_hint(err,
                          "its theory is for relus; lrp hands relevance through any activation");
        ln_kind_hint_end(kind, err);
        return LN_EUNSUPPORTED;
    }
    return LN_OK;
}

static ln_status composite(const ln_job *job, ln_composite **out, ln_error *err)
{
    const deep_taylor_params *params = job->request->params;
    deep_taylor *made = ln_calloc(1, sizeof *made);
    if (!made)
        return ln_fail_memory(err, sizeof *made);
    made->first = isnan(params->low) || isnan(params->high)
                      ? ln_relevance_bare(ln_relevance_w_square(STABILISER))
                      : ln_relevance_z_box(params->low, params->high, STABILISER);
    made->hidden = ln_relevance_bare(ln_relevance_alpha_beta(1, 0, STABILISER));
    made->norm = ln_relevance_norm(STABILISER);
    made->composite = (ln_composite){.name = "deep_taylor",
                                     .context = made,
                                     .relevance = true,
                                     .simplify = LN_SIMPLIFY_BATCH_NORM | LN_SIMPLIFY_UNCHECKED,
                                     .merges = true,
                                     .ids = true,
                                     .rests = true,
                                     .assign = assign};
    *out = &made->composite;
    return LN_OK;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const deep_taylor_params *params = job->request->params;
    ln_status status = LN_OK;
    if (isnan(params->low) != isnan(params->high))
        status = ln_fail(err, LN_EINVALID,
                         "low and high go together: they are the least and the greatest value that "
                         "an input can have");
    else if (params->low > params->high)
        status = ln_fail(err, LN_EINVALID, "low is %g and high %g: low is the least value",
                         params->low, params->high);
    if (status && err)
        snprintf(err->field, sizeof err->field, "low");
    return status ? status : ln_gradient_prepare(job, scratch_bytes, err);
}

static const ln_param params[] = {
    {.name = "low",
     .type = LN_PARAM_REAL,
     .offset = offsetof(deep_taylor_params, low),
     .fallback = "nil",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "least value of an input; without low and high inputs may be any number"},
    {.name = "high",
     .type = LN_PARAM_REAL,
     .offset = offsetof(deep_taylor_params, high),
     .fallback = "nil",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "greatest value of an input"},
    {.name = "tolerance",
     .type = LN_PARAM_REAL,
     .offset = offsetof(deep_taylor_params, tolerance),
     .fallback = "1e-4",
     .min = 0,
     .max = HUGE_VAL,
     .help = "relative residual that verify lets pass"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_deep_taylor = {
    .word =
        {
            .name = "deep_taylor",
            .summary = "the output handed back by first-order expansions, one a layer of relus",
            .formula = "R_i = sum_j x_i w+_ij / (sum_i x_i w+_ij) R_j, at the inputs w_ij^2 / "
                       "sum_i w_ij^2, or z_box between low and high",
            .source = "Montavon, Lapuschkin, Binder, Samek and Mueller 2017, Explaining nonlinear "
                      "classification decisions with deep Taylor decomposition, arXiv:1512.02479",
            .params = params,
            .params_size = sizeof(deep_taylor_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_CONSERVES,
    .version = 3,
    .tolerance = 1e-4,
    .cost = "one forward pass a row; backward two products a linear layer, and two forward ones",
    .composite = composite,
    .prepare = prepare,
    .run = ln_gradient_run,
};
