#include "explainers/common/layer_rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "explainers/common/kinds.h"
#include "explainers/common/relevance.h"

#define STABILISER 1e-6 /* of every rule but epsilon */

/* To the layers that have such rules: with weights of their own, and not made from constants alone. */
static bool applies(const ln_graph *graph, const ln_node *node)
{
    return ln_kind_of(graph, node) == LN_KIND_LINEAR && !graph->values[node->outputs[0]].fixed;
}

static bool is_of_type(const ln_layer_rule *entry, const ln_node *node)
{
    if (!entry->type)
        return true;
    return strcmp(entry->type, LN_LAYER_CONVOLUTION) == 0
               ? ln_kind_is_convolution(node)
               : strcmp(entry->type, node->layer->word.name) == 0;
}

bool ln_layer_rule_holds(const ln_layer_rule *entry, const ln_graph *graph, const bool *passed,
                         const ln_node *node)
{
    const int way = entry->place == LN_LAYER_FIRST ? -1 : 1;
    bool holds = is_of_type(entry, node);
    const ln_node *end = way < 0 ? graph->nodes - 1 : graph->nodes + graph->node_count;
    for (const ln_node *other = node + way;
         entry->place != LN_LAYER_ANYWHERE && other != end && holds; other += way)
        holds =
            !passed[other - graph->nodes] || !applies(graph, other) || !is_of_type(entry, other);
    return holds;
}

static ln_status wrong(ln_error *err, ln_status status, const char *field)
{
    if (err)
        snprintf(err->field, sizeof err->field, "%s", field);
    return status;
}

ln_status ln_layer_rule_find(const ln_layer_rule *entry, const ln_graph *graph, const ln_node **out,
                             ln_error *err)
{
    int value;
    ln_status status = ln_graph_find_layer(graph, entry->layer, &value, err);
    if (status)
        return wrong(err, status, "layer");
    for (int i = 0; i < graph->node_count; i++)
        for (int j = 0; j < graph->nodes[i].output_count; j++)
            if (graph->nodes[i].outputs[j] == value && applies(graph, &graph->nodes[i])) {
                *out = &graph->nodes[i];
                return LN_OK;
            }
    const int producer = graph->values[value].producer;
    ln_fail(err, LN_EINVALID, "'%s' takes no rule for sharing relevance",
            producer < 0 ? graph->values[value].name : graph->nodes[producer].name);
    ln_error_hint(err, "rules are for dense layers and convolutions; all others hand relevance on "
                       "in one way");
    return wrong(err, LN_EINVALID, "layer");
}

ln_status ln_layer_rule_check(const ln_layer_rule *entry, ln_error *err)
{
    if (entry->rule == LN_LAYER_RULE_ALPHA_BETA &&
        !(fabs(entry->alpha - entry->beta - 1) <= 1e-9)) {
        ln_fail(err, LN_EINVALID,
                "alpha - beta must be 1, so that relevance is conserved: found alpha = %g, "
                "beta = %g",
                entry->alpha, entry->beta);
        return wrong(err, LN_EINVALID, "alpha");
    }
    if (entry->rule == LN_LAYER_RULE_Z_BOX && !(entry->low <= entry->high)) {
        ln_fail(err, LN_EINVALID,
                "low is %g and high %g: they are the least and the greatest value that an input "
                "can have",
                entry->low, entry->high);
        return wrong(err, LN_EINVALID, "low");
    }
    return LN_OK;
}

ln_rule ln_layer_rule_make(const ln_layer_rule *entry)
{
    switch (entry->rule) {
    case LN_LAYER_RULE_GAMMA:
        return ln_relevance_gamma(entry->gamma, STABILISER);
    case LN_LAYER_RULE_ALPHA_BETA:
        return ln_relevance_alpha_beta(entry->alpha, entry->beta, STABILISER);
    case LN_LAYER_RULE_Z_PLUS:
        return ln_relevance_alpha_beta(1, 0, STABILISER);
    case LN_LAYER_RULE_Z_BOX:
        return ln_relevance_z_box(entry->low, entry->high, STABILISER);
    case LN_LAYER_RULE_W_SQUARE:
        return ln_relevance_w_square(STABILISER);
    case LN_LAYER_RULE_FLAT:
        return ln_relevance_flat(STABILISER);
    default:
        return ln_relevance_epsilon(entry->epsilon);
    }
}

#define NUMBER(NAME)                                                                               \
    {                                                                                              \
        .name = #NAME, .type = LN_PARAM_REAL, .offset = offsetof(ln_layer_rule, NAME),             \
        .fallback = "nil", .min = -HUGE_VAL, .max = HUGE_VAL,                                      \
        .help = "as of lrp itself, in the rules that have it"                                      \
    }

const ln_param ln_layer_rule_fields[] = {
    {.name = "layer",
     .type = LN_PARAM_STRING,
     .offset = offsetof(ln_layer_rule, layer),
     .fallback = "nil",
     .help = "one layer: its name or number, or an ONNX node's or value's name"},
    {.name = "type",
     .type = LN_PARAM_STRING,
     .offset = offsetof(ln_layer_rule, type),
     .fallback = "nil",
     .help = "layers of a word (dense, conv2d ...), or \"convolution\": all of them"},
    {.name = "place",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_layer_rule, place),
     .fallback = "nil",
     .choices = LN_LAYER_PLACES,
     .help = "the first or the last layer with weights (of that type)"},
    {.name = "rule",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_layer_rule, rule),
     .fallback = LN_REQUIRED,
     .choices = LN_LAYER_RULES,
     .help = "how they share relevance out"},
    NUMBER(epsilon),
    NUMBER(gamma),
    NUMBER(alpha),
    NUMBER(beta),
    NUMBER(low),
    NUMBER(high),
    LN_PARAM_END,
};
