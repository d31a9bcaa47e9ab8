/* Layer-wise relevance propagation: the explained output is handed back through the network, each
 * layer sharing out what it got among its inputs by their part in its own sum.
 *
 *   R (output) = f_t(x) at the target, 0 elsewhere; R (inputs) = what the rules make of it
 *
 * x (N, width) -> a (N, width): the relevance itself, nothing multiplied in. Rules: common/relevance.h.
 * One rule for all linear layers, or a composite, which chooses by the kind of layer and its place:
 *
 *   epsilon_plus               convolutions alpha 1 beta 0, dense epsilon
 *   epsilon_alpha2_beta1       convolutions alpha 2 beta 1, dense epsilon
 *   epsilon_gamma_box          the first convolution z_box, others gamma, dense epsilon
 *   epsilon_plus_flat          the first linear layer flat, then as epsilon_plus
 *   epsilon_alpha2_beta1_flat  the first linear layer flat, then as epsilon_alpha2_beta1
 *
 * Elsewhere: activations hand relevance on, sums and averages share by the norm rule, max pooling gives
 * all to the maximum, layers that move numbers route it. Batch normalisation is folded into the linear
 * layer before it first. What has no published rule (products of two
 * values, softmax ...) is an error that names the layer.
 *
 * Conservation: sum a + absorbed = f_t(x), where `absorbed` is what biases and stabilisers took, summed
 * by the rules on their way. Cost: one forward pass a row, and backward one product a linear layer for
 * epsilon, up to eight for gamma and alpha-beta. Sources: Bach et al. 2015; composites as in Zennit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/gradient.h"
#include "explainers/common/kinds.h"
#include "explainers/common/relevance.h"
#include "graph/simplify.h"

#define RULES "epsilon|gamma|alpha_beta|z_plus|z_box|w_square|flat"
enum { EPSILON, GAMMA, ALPHA_BETA, Z_PLUS, Z_BOX, W_SQUARE, FLAT };
#define COMPOSITES                                                                                 \
    "epsilon_plus|epsilon_alpha2_beta1|epsilon_gamma_box|epsilon_plus_flat|"                       \
    "epsilon_alpha2_beta1_flat|none"
enum { PLUS, ALPHA2_BETA1, GAMMA_BOX, PLUS_FLAT, ALPHA2_BETA1_FLAT, NONE };

#define STABILISER 1e-6       /* of every rule but epsilon */
#define EPSILON_ALONE 1e-9    /* of the rule epsilon, where nothing else is said */
#define EPSILON_COMPOSED 1e-6 /* of the same within a composite */

typedef struct lrp_params {
    int rule, composite;
    double epsilon; /* 0: not given */
    double gamma, alpha, beta;
    double low, high;
    double tolerance; /* of conservation, read by the driver */
} lrp_params;

/* The composite and its rules, in one block. */
typedef struct lrp_composite {
    ln_composite composite;
    ln_rule first;       /* of the first linear layer (or convolution), where `has_first` */
    ln_rule convolution; /* of the others that are convolutions */
    ln_rule dense;       /* of the rest */
    ln_rule norm;        /* of sums and averages */
    bool has_first;
    bool first_convolution; /* `first` is for the first convolution only */
} lrp_composite;

/* ---------------------------------------------------------------- which rule where */

static bool is_linear(const ln_graph *graph, const ln_node *node)
{
    return ln_kind_of(graph, node) == LN_KIND_LINEAR && !graph->values[node->outputs[0]].fixed;
}

/* Whether the linear node is the one that `first` is for. */
static bool is_first(const lrp_composite *own, const ln_graph *graph, const ln_node *node)
{
    bool first = own->has_first && (!own->first_convolution || ln_kind_is_convolution(node));
    for (int i = 0; &graph->nodes[i] != node && first; i++)
        first = !is_linear(graph, &graph->nodes[i]) ||
                (own->first_convolution && !ln_kind_is_convolution(&graph->nodes[i]));
    return first;
}

static ln_status assign(const ln_composite *composite, const ln_graph *graph, const ln_node *node,
                        int position, const ln_rule **out, ln_error *err)
{
    const lrp_composite *own = composite->context;
    const ln_kind kind = ln_kind_of(graph, node);
    (void)position;
    *out = NULL;
    if (kind == LN_KIND_LINEAR && is_first(own, graph, node))
        *out = &own->first;
    else if (kind == LN_KIND_LINEAR)
        *out = ln_kind_is_convolution(node) ? &own->convolution : &own->dense;
    else if (kind == LN_KIND_FUNCTION)
        *out = &ln_relevance_pass;
    else if (kind == LN_KIND_SUM || kind == LN_KIND_SCALE)
        *out = &own->norm;
    else if (kind != LN_KIND_CHOICE && kind != LN_KIND_ROUTE) {
        ln_fail(err, LN_EUNSUPPORTED, "lrp has no rule for this layer (%s)",
                node->layer->word.name);
        if (kind == LN_KIND_AFFINE)
            ln_error_hint(err,
                          "batch normalisation has one where it stands right behind a dense layer "
                          "or convolution, into which it is folded");
        if (kind == LN_KIND_SOFTMAX)
            ln_error_hint(err, "link = \"logit\" explains what stands before the last softmax");
        return LN_EUNSUPPORTED;
    }
    return LN_OK;
}

static ln_rule rule_of(const lrp_params *params)
{
    switch (params->rule) {
    case GAMMA:
        return ln_relevance_gamma(params->gamma, STABILISER);
    case ALPHA_BETA:
        return ln_relevance_alpha_beta(params->alpha, params->beta, STABILISER);
    case Z_PLUS:
        return ln_relevance_alpha_beta(1, 0, STABILISER);
    case Z_BOX:
        return ln_relevance_z_box(params->low, params->high, STABILISER);
    case W_SQUARE:
        return ln_relevance_w_square(STABILISER);
    case FLAT:
        return ln_relevance_flat(STABILISER);
    default:
        return ln_relevance_epsilon(params->epsilon > 0 ? params->epsilon : EPSILON_ALONE);
    }
}

static void compose(const lrp_params *params, lrp_composite *out)
{
    const int kind = params->composite;
    out->norm = ln_relevance_norm(STABILISER);
    if (kind == NONE) {
        out->convolution = out->dense = rule_of(params);
        return;
    }
    out->dense = ln_relevance_epsilon(params->epsilon > 0 ? params->epsilon : EPSILON_COMPOSED);
    if (kind == GAMMA_BOX)
        out->convolution = ln_relevance_gamma(params->gamma, STABILISER);
    else if (kind == PLUS || kind == PLUS_FLAT)
        out->convolution = ln_relevance_alpha_beta(1, 0, STABILISER);
    else
        out->convolution = ln_relevance_alpha_beta(2, 1, STABILISER);
    out->has_first = kind == GAMMA_BOX || kind == PLUS_FLAT || kind == ALPHA2_BETA1_FLAT;
    out->first_convolution = kind == GAMMA_BOX;
    out->first = kind == GAMMA_BOX ? ln_relevance_z_box(params->low, params->high, STABILISER)
                                   : ln_relevance_flat(STABILISER);
}

static ln_status composite(const void *params, ln_composite **out, ln_error *err)
{
    lrp_composite *made = ln_calloc(1, sizeof *made);
    if (!made)
        return ln_fail_memory(err, sizeof *made);
    compose(params, made);
    made->composite = (ln_composite){.name = "lrp",
                                     .context = made,
                                     .relevance = true,
                                     .simplify = LN_SIMPLIFY_BATCH_NORM | LN_SIMPLIFY_UNCHECKED,
                                     .assign = assign};
    *out = &made->composite;
    return LN_OK;
}

/* ---------------------------------------------------------------- the run */

static ln_status wrong(ln_error *err, const char *field, const char *format, double a, double b)
{
    ln_fail(err, LN_EINVALID, format, a, b);
    if (err)
        snprintf(err->field, sizeof err->field, "%s", field);
    return LN_EINVALID;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    const lrp_params *params = job->request->params;
    const bool box =
        params->composite == GAMMA_BOX || (params->composite == NONE && params->rule == Z_BOX);
    if (params->composite == NONE && params->rule == ALPHA_BETA &&
        !(fabs(params->alpha - params->beta - 1) <= 1e-9))
        return wrong(err, "alpha",
                     "alpha - beta must be 1, so that relevance is conserved: found "
                     "alpha = %g, beta = %g",
                     params->alpha, params->beta);
    if (box && !(params->low <= params->high))
        return wrong(err, "low",
                     "low is %g and high %g: they are the least and the greatest value "
                     "that an input can have",
                     params->low, params->high);
    return ln_gradient_prepare(job, scratch_bytes, err);
}

static const ln_param params[] = {
    {.name = "rule",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(lrp_params, rule),
     .fallback = "\"epsilon\"",
     .choices = RULES,
     .help = "how every linear layer shares relevance out, where no composite is chosen"},
    {.name = "composite",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(lrp_params, composite),
     .fallback = "\"none\"",
     .choices = COMPOSITES,
     .help = "rules by kind and place of the layer, in place of one rule for all"},
    {.name = "epsilon",
     .type = LN_PARAM_REAL,
     .offset = offsetof(lrp_params, epsilon),
     .fallback = "nil",
     .min = 0,
     .above_min = true,
     .max = HUGE_VAL,
     .help = "stabiliser of the rule epsilon; without it 1e-9, and 1e-6 within a composite"},
    {.name = "gamma",
     .type = LN_PARAM_REAL,
     .offset = offsetof(lrp_params, gamma),
     .fallback = "0.25",
     .min = 0,
     .max = HUGE_VAL,
     .help = "how much more positive weights count, in the rule gamma"},
    {.name = "alpha",
     .type = LN_PARAM_REAL,
     .offset = offsetof(lrp_params, alpha),
     .fallback = "2",
     .min = 1,
     .max = HUGE_VAL,
     .help = "weight of positive shares, in the rule alpha_beta"},
    {.name = "beta",
     .type = LN_PARAM_REAL,
     .offset = offsetof(lrp_params, beta),
     .fallback = "1",
     .min = 0,
     .max = HUGE_VAL,
     .help = "weight of negative shares, alpha - 1"},
    {.name = "low",
     .type = LN_PARAM_REAL,
     .offset = offsetof(lrp_params, low),
     .fallback = "0",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "least value of an input, in the rule z_box"},
    {.name = "high",
     .type = LN_PARAM_REAL,
     .offset = offsetof(lrp_params, high),
     .fallback = "1",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "greatest value of an input, in the rule z_box"},
    {.name = "tolerance",
     .type = LN_PARAM_REAL,
     .offset = offsetof(lrp_params, tolerance),
     .fallback = "1e-4",
     .min = 0,
     .max = HUGE_VAL,
     .help = "relative residual that verify lets pass"},
    LN_PARAM_END,
};

const ln_explainer ln_explainer_lrp = {
    .word =
        {
            .name = "lrp",
            .summary = "the output handed back layer by layer, in shares of each layer's sums",
            .formula = "R_i = sum_j x_i w_ij / (sum_i x_i w_ij + b_j) R_j, from R = f_t(x), "
                       "stabilised and weighted as the rule says",
            .source = "Bach, Binder, Montavon, Klauschen, Mueller and Samek 2015, On Pixel-Wise "
                      "Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance "
                      "Propagation; rules and composites as in Zennit",
            .params = params,
            .params_size = sizeof(lrp_params),
        },
    .flags = LN_NEEDS_GRADIENT | LN_CONSERVES,
    .version = 1,
    .tolerance = 1e-4,
    .cost = "one forward pass a row; backward one (epsilon) to eight (gamma, alpha_beta) products "
            "a linear layer",
    .composite = composite,
    .prepare = prepare,
    .run = ln_gradient_run,
};
