/* Rules: what LRP, DeepLIFT, guided backpropagation and their kin change of the backward pass. The
 * walker asks the composite for each node; where it answers a rule, the rule's backward runs in
 * place of the layer's, with the same pass. A rule calls the layer's own VJP (pass->step->node->
 * layer->backward) with inputs, weights or gradients of its making. */
#ifndef LN_RULE_H
#define LN_RULE_H

#include "graph/graph.h"

typedef struct ln_rule {
    const char *name;
    double parameters[4]; /* epsilon, gamma, alpha, beta, low, high ...: as the rule says */
    /* Writes pass->in_grad from pass->in, ->out, ->out_grad. */
    ln_status (*backward)(const struct ln_rule *rule, const ln_pass *pass, ln_error *err);
} ln_rule;

/* Assigns rules to nodes by layer, place or name. */
typedef struct ln_composite {
    const char *name;
    const void *context;
    /* The rule for this node, NULL for the plain gradient. `position` counts nodes with
     * LN_LAYER_LINEAR from 0; -1 for others. A layer for which the method is not defined is an
     * error (LN_EUNSUPPORTED); the plan puts operator and node before its words. */
    ln_status (*assign)(const struct ln_composite *composite, const ln_graph *graph,
                        const ln_node *node, int position, const ln_rule **out, ln_error *err);
} ln_composite;

#endif
