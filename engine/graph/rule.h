/* Rules as data: what LRP, DeepLIFT, guided backpropagation and their kin change of the backward
 * pass. The walker (exec.c) is one and the same; a composite says which node has which rule, and a
 * rule says how what stands at a node's outputs becomes what stands at its inputs. It may call the
 * layer's own product with other values, and with other weights: a *variant* of the node has constants
 * of the rule's making (the positive weights, no bias ...), which the layer packs once a plan, as it
 * does its own. */
#ifndef LN_RULE_H
#define LN_RULE_H

#include "graph/graph.h"

/* The node with other constants: passes over it take `step` and, from input 1 on, `in`. */
typedef struct ln_variant {
    ln_step step;
    const void **in; /* one an input: the variant's constants; entry 0 is the rule's to set */
} ln_variant;

typedef struct ln_rule {
    const char *name;
    double parameters[4]; /* epsilon, gamma, alpha, beta, low, high ...: as the rule says */
    int variants;         /* how many it computes with */
    bool apart;           /* it goes back through these alone: not through the layer as it is */
    /* Constant input `input` (1: the weight, 2: the bias ...) of variant `variant`: `count` numbers
     * from those of the node. NULL: no variants. */
    void (*vary)(const struct ln_rule *rule, int variant, int input, const float *values,
                 int64_t count, float *out);
    /* Bytes of pass->rule_scratch for rows of the step; NULL: none. */
    size_t (*scratch)(const struct ln_rule *rule, const ln_step *step);
    /* Writes pass->out from pass->in, in place of the layer's own pass, where the rows of a pass are
     * not all inputs of the network (parts of changes ...). NULL: the layer's own. */
    ln_status (*forward)(const struct ln_rule *rule, const ln_pass *pass, ln_error *err);
    /* Writes pass->in_grad from pass->in, ->out, ->out_grad. */
    ln_status (*backward)(const struct ln_rule *rule, const ln_pass *pass, ln_error *err);
} ln_rule;

/* Assigns rules to nodes by layer, place or name. */
typedef struct ln_composite {
    const char *name;
    const void *context;
    /* What runs backward is relevance: it starts from the explained output's value, not from 1, and
     * rules note what they lose in pass->absorbed. */
    bool relevance;
    unsigned
        simplify; /* passes of graph/simplify.h that come first, so that rules meet no batch norm */
    bool merges;  /* then what files spell out as several nodes is merged (graph/merge.h) */
    /* Truth values and whole numbers that depend on the inputs carry what goes backward, too: its rules know
     * comparisons and casts. Else nothing passes these. */
    bool truths;
    /* Its rules know what looks rows of a constant up: inputs of whole numbers (token ids) are explained, where the network
     * has no others. */
    bool ids;
    /* What the readers of a value send to it may be great and cancel: sums of more than two are made with the rest
     * that rounding takes from each. */
    bool rests;
    /* Rows of a pass are pairs, inputs in its first half and what they are compared with in the second. What
     * goes backward stands in the first half alone: layers without a rule go back over that. */
    bool pairs;
    /* Its rules know convolutions with what follows them (layers/last.h); else they meet every layer
     * alone. */
    bool chains;
    /* The rule for this node, NULL for the plain gradient. `passed` says of every node of the
     * graph whether the gradient passes it on its way to the inputs. A layer for which the method is not defined is an
     * error (LN_EUNSUPPORTED); the plan puts operator and node before its words. */
    ln_status (*assign)(const struct ln_composite *composite, const ln_graph *graph,
                        const ln_node *node, const bool *passed, const ln_rule **out,
                        ln_error *err);
} ln_composite;

#endif
