/* Layer-wise relevance propagation: the explained output is handed back through the network, each
 * layer sharing out what it got among its inputs by their part in its own sum.
 *
 *   R (output) = f_t(x) at the target, 0 elsewhere; R (inputs) = what the rules make of it
 *
 * x (N, width) -> a (N, width): the relevance itself, nothing multiplied in. Rules: common/relevance.h.
 * One rule for all linear layers, or a composite, which chooses by the layer's type, place or name. It is a
 * list of entries (common/layer_rules.h), the script's own or one of
 *
 *   epsilon_plus               convolutions alpha 1 beta 0, dense epsilon
 *   epsilon_alpha2_beta1       convolutions alpha 2 beta 1, dense epsilon
 *   epsilon_gamma_box          the first convolution z_box, others gamma, dense epsilon
 *   epsilon_plus_flat          the first linear layer flat, then as epsilon_plus
 *   epsilon_alpha2_beta1_flat  the first linear layer flat, then as epsilon_alpha2_beta1
 *
 * What no entry of a script's composite holds for has the explainer's own rule.
 * Elsewhere: activations and factors hand relevance on, sums and averages share by the norm rule, max pooling
 * gives all to the maximum, a condition all to its choice, layers that move numbers route it. Batch
 * normalisation is folded into the linear layer before it, or behind it, first. Products, quotients, softmax
 * within the network and normalisation within a row: common/bilinear.h; recurrent layers:
 * common/recurrent_rules.h. What has no published rule (a softmax that the model ends in ...) is an error that
 * names the layer.
 *
 * Conservation: sum a + absorbed = f_t(x), where `absorbed` is what biases and stabilisers took, summed
 * by the rules on their way. Cost: one forward pass a row, and backward one product a linear layer for
 * epsilon, up to eight for gamma and alpha-beta. Sources: Bach et al. 2015; composites as in Zennit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/bilinear.h"
#include "explainers/common/gradient.h"
#include "explainers/common/kinds.h"
#include "explainers/common/layer_rules.h"
#include "explainers/common/recurrent_rules.h"
#include "explainers/common/relevance.h"
#include "graph/simplify.h"

#define COMPOSITES                                                                                 \
    "epsilon_plus|epsilon_alpha2_beta1|epsilon_gamma_box|epsilon_plus_flat|"                       \
    "epsilon_alpha2_beta1_flat|none"
enum { PLUS, ALPHA2_BETA1, GAMMA_BOX, PLUS_FLAT, ALPHA2_BETA1_FLAT, NONE };

#define STABILISER 1e-6       /* of sums and averages */
#define EPSILON_ALONE 1e-9    /* of the rule epsilon, where nothing else is said */
#define EPSILON_COMPOSED 1e-6 /* of the same within a composite */

typedef struct lrp_params {
    int rule;
    ln_entries composite; /* a choice, or entries of ln_layer_rule */
    double epsilon;       /* 0: not given */
    double gamma, alpha, beta;
    double low, high;
    double tolerance; /* of conservation, read by the driver */
} lrp_params;

/* An entry of the composite in use. */
typedef struct chosen_rule {
    ln_layer_rule entry;
    const char *node; /* the name of the one that `entry.layer` says; NULL: none is said */
    ln_rule rule;     /* made of it */
} chosen_rule;

/* The composite and its rules, in one block. */
typedef struct lrp_composite {
    ln_composite composite;
    ln_rule norm;    /* of sums and averages */
    ln_rule product; /* of products of values */
    ln_rule factors; /* of products along axes */
    ln_rule steps;   /* of recurrent layers */
    int count;
    chosen_rule chosen[]; /* `count` of them; the last one holds for all layers */
} lrp_composite;

/* ---------------------------------------------------------------- which rule where */

/* Of the model's graph or of one made from it: nodes keep their names. */
static const ln_rule *chosen_for(const lrp_composite *own, const ln_graph *graph,
                                 const bool *passed, const ln_node *node)
{
    int at = 0;
    while (at < own->count - 1 &&
           !(own->chosen[at].node
                 ? strcmp(own->chosen[at].node, node->name) == 0
                 : ln_layer_rule_holds(&own->chosen[at].entry, graph, passed, node)))
        at++;
    return &own->chosen[at].rule;
}

/* Whether the model ends in the node: what its softmax makes is no part of a sum that relevance could be of. */
static bool is_last(const ln_graph *graph, const ln_node *node)
{
    for (int i = 0; i < graph->output_count; i++)
        if (graph->outputs[i] == node->outputs[0])
            return true;
    return false;
}

static ln_status assign(const ln_composite *composite, const ln_graph *graph, const ln_node *node,
                        const bool *passed, const ln_rule **out, ln_error *err)
{
    const lrp_composite *own = composite->context;
    const ln_kind kind = ln_kind_of(graph, node);
    *out = NULL;
    if (kind == LN_KIND_LINEAR)
        *out = chosen_for(own, graph, passed, node);
    else if (kind == LN_KIND_FUNCTION || kind == LN_KIND_NORM)
        *out = &ln_relevance_pass;
    else if (kind == LN_KIND_SCALE && ln_kind_scales_elements(graph, node))
        *out = &ln_relevance_scale;
    else if (kind == LN_KIND_SUM || kind == LN_KIND_SCALE)
        *out = &own->norm;
    else if (kind == LN_KIND_PRODUCT)
        *out = &own->product;
    else if (kind == LN_KIND_FACTORS)
        *out = &own->factors;
    else if (kind == LN_KIND_RECURRENT)
        *out = &own->steps;
    else if (kind == LN_KIND_QUOTIENT)
        *out = &ln_relevance_quotient;
    else if (kind == LN_KIND_SOFTMAX && !is_last(graph, node))
        *out = &ln_relevance_softmax;
    else if (ln_kind_looks_up(graph, node) >= 0)
        *out = &ln_relevance_lookup;
    else if (kind == LN_KIND_CHOICE || kind == LN_KIND_BRANCH || kind == LN_KIND_ROUTE)
        *out = ln_relevance_ends_beside(graph, node, passed) ? &ln_relevance_beside : NULL;
    else if (ln_kind_only_divides(graph, passed, node)) /* quotients hand all to what is divided */
        *out = &ln_relevance_nothing;
    else {
        ln_fail(err, LN_EUNSUPPORTED, "lrp has no rule for this layer (%s)",
                node->layer->word.name);
        if (kind == LN_KIND_AFFINE)
            ln_error_hint(err,
                          "batch normalisation has one where it stands right behind a dense layer "
                          "or convolution, into which it is folded, or right before one that pads "
                          "nothing");
        ln_kind_hint_end(kind, err);
        return LN_EUNSUPPORTED;
    }
    return LN_OK;
}

/* The explainer's own rule, for all layers that nothing else is said of. */
static ln_layer_rule own_rule(const lrp_params *params, double epsilon)
{
    return (ln_layer_rule){.place = LN_LAYER_ANYWHERE,
                           .rule = params->rule,
                           .epsilon = params->epsilon > 0 ? params->epsilon : epsilon,
                           .gamma = params->gamma,
                           .alpha = params->alpha,
                           .beta = params->beta,
                           .low = params->low,
                           .high = params->high};
}

/* The entries of a composite of the literature, at most three; how many. */
static int preset(const lrp_params *params, ln_layer_rule *out)
{
    const int kind = params->composite.choice;
    const bool flat = kind == PLUS_FLAT || kind == ALPHA2_BETA1_FLAT;
    ln_layer_rule first = own_rule(params, EPSILON_COMPOSED), convolution = first, rest = first;
    int count = 0;
    first.place = LN_LAYER_FIRST;
    first.rule = flat ? LN_LAYER_RULE_FLAT : LN_LAYER_RULE_Z_BOX;
    first.type = flat ? NULL : LN_LAYER_CONVOLUTION;
    convolution.type = LN_LAYER_CONVOLUTION;
    convolution.rule = kind == GAMMA_BOX                   ? LN_LAYER_RULE_GAMMA
                       : kind == PLUS || kind == PLUS_FLAT ? LN_LAYER_RULE_Z_PLUS
                                                           : LN_LAYER_RULE_ALPHA_BETA;
    convolution.alpha = 2;
    convolution.beta = 1;
    rest.rule = LN_LAYER_RULE_EPSILON;
    if (flat || kind == GAMMA_BOX)
        out[count++] = first;
    out[count++] = convolution;
    out[count++] = rest;
    return count;
}

#define MOST_PRESET 3

/* All entries: the composite's, and the one for all layers. */
static int list_entries(const lrp_params *params, ln_layer_rule preset_room[MOST_PRESET],
                        const ln_layer_rule **entries)
{
    *entries = preset_room;
    if (params->composite.choice >= 0 && params->composite.choice != NONE)
        return preset(params, preset_room);
    const bool own = params->composite.choice < 0;
    preset_room[0] = own_rule(params, own ? EPSILON_COMPOSED : EPSILON_ALONE);
    *entries = own ? params->composite.at : preset_room;
    return own ? params->composite.count : 1;
}

/* Of the weighted sums within recurrent layers, whatever rule others have. */
static double steps_epsilon(const lrp_params *params)
{
    const bool composed = params->composite.choice != NONE;
    return own_rule(params, composed ? EPSILON_COMPOSED : EPSILON_ALONE).epsilon;
}

static ln_status composite(const ln_job *job, ln_composite **out, ln_error *err)
{
    const lrp_params *params = job->request->params;
    ln_layer_rule room[MOST_PRESET];
    const ln_layer_rule *entries;
    const int listed = list_entries(params, room, &entries);
    const int count = entries == room ? listed : listed + 1;
    lrp_composite *made = ln_calloc(1, sizeof *made + (size_t)count * sizeof *made->chosen);
    if (!made)
        return ln_fail_memory(err, sizeof *made + (size_t)count * sizeof *made->chosen);
    made->count = count;
    made->norm = ln_relevance_norm(STABILISER);
    made->product = ln_relevance_product(STABILISER);
    made->factors = ln_relevance_factors(STABILISER);
    made->steps = ln_relevance_recurrent(steps_epsilon(params), STABILISER);
    for (int i = 0; i < count; i++) {
        chosen_rule *chosen = &made->chosen[i];
        const ln_node *node = NULL;
        chosen->entry = i < listed ? entries[i] : room[0];
        chosen->rule = ln_layer_rule_make(&chosen->entry);
        if (chosen->entry.layer) /* prepare found it */
            ln_layer_rule_find(&chosen->entry, job->request->model->graph, &node, NULL);
        chosen->node = node ? node->name : NULL;
    }
    made->composite = (ln_composite){.name = "lrp",
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

/* ---------------------------------------------------------------- the run */

/* "composite[2].layer" of a field of the second entry. */
static void place_error(ln_error *err, int entry)
{
    char field[sizeof err->field];
    snprintf(field, sizeof field, "composite[%d].%.64s", entry + 1, err->field);
    memcpy(err->field, field, sizeof field);
}

/* Whether some layer reads the explainer's own epsilon: by the rule of that name, or within recurrent layers. */
static bool reads_epsilon(const ln_job *job, const lrp_params *params, const ln_layer_rule *entries,
                          int count)
{
    const ln_graph *graph = job->request->model->graph;
    const ln_layer_rule *last = &entries[count - 1];
    const bool closed = last->place == LN_LAYER_ANYWHERE && !last->type && !last->layer;
    if (params->composite.choice >= 0
            ? params->composite.choice != NONE || params->rule == LN_LAYER_RULE_EPSILON
            : !closed && params->rule == LN_LAYER_RULE_EPSILON)
        return true;
    for (int i = 0; i < graph->node_count; i++)
        if (ln_kind_of(graph, &graph->nodes[i]) == LN_KIND_RECURRENT)
            return true;
    return false;
}

static ln_status prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    ln_layer_rule room[MOST_PRESET];
    const ln_layer_rule *entries;
    const lrp_params *params = job->request->params;
    const int count = list_entries(params, room, &entries);
    const ln_node *node;
    ln_status status = LN_OK;
    if (params->epsilon > 0 && !job->request->allows_idle &&
        !reads_epsilon(job, params, entries, count)) {
        ln_fail(err, LN_EINVALID,
                "no layer has the rule epsilon, nor are there recurrent ones: epsilon says nothing "
                "here");
        ln_error_field(err, "epsilon");
        return LN_EINVALID;
    }
    for (int i = 0; i < count && !status; i++) {
        status = ln_layer_rule_check(&entries[i], err);
        if (!status && entries[i].layer)
            status = ln_layer_rule_find(&entries[i], job->request->model->graph, &node, err);
        if (status && err && entries != room)
            place_error(err, i);
    }
    if (!status && entries != room)
        status = ln_layer_rule_check(&room[0], err);
    return status ? status : ln_gradient_prepare(job, scratch_bytes, err);
}

static const ln_param params[] = {
    {.name = "rule",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(lrp_params, rule),
     .fallback = "\"epsilon\"",
     .choices = LN_LAYER_RULES,
     .help = "how linear layers share relevance out, where no composite says otherwise"},
    {.name = "composite",
     .type = LN_PARAM_COMPOSITE,
     .offset = offsetof(lrp_params, composite),
     .fallback = "\"none\"",
     .choices = COMPOSITES,
     .fields = ln_layer_rule_fields,
     .fields_size = sizeof(ln_layer_rule),
     .help = "rules by the layer's type, place or name, in place of one rule for all"},
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
    .version = 3,
    .tolerance = 1e-4,
    .cost = "one forward pass a row; backward one (epsilon) to eight (gamma, alpha_beta) products "
            "a linear layer",
    .composite = composite,
    .prepare = prepare,
    .run = ln_gradient_run,
};
