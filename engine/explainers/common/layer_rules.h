/* Rules of lrp by layer: a composite is a list of entries, and a layer with weights has the rule of the first
 * entry that holds for it. Those of the literature (explainers/lrp.c) and those that scripts write are the
 * same lists. */
#ifndef LN_EXPLAINERS_LAYER_RULES_H
#define LN_EXPLAINERS_LAYER_RULES_H

#include "base/param.h"
#include "graph/rule.h"

#define LN_LAYER_RULES "epsilon|gamma|alpha_beta|z_plus|z_box|w_square|flat"
enum {
    LN_LAYER_RULE_EPSILON,
    LN_LAYER_RULE_GAMMA,
    LN_LAYER_RULE_ALPHA_BETA,
    LN_LAYER_RULE_Z_PLUS,
    LN_LAYER_RULE_Z_BOX,
    LN_LAYER_RULE_W_SQUARE,
    LN_LAYER_RULE_FLAT
};

#define LN_LAYER_PLACES "first|last"
enum { LN_LAYER_ANYWHERE = -1, LN_LAYER_FIRST, LN_LAYER_LAST };

#define LN_LAYER_CONVOLUTION "convolution" /* as a type: of any number of axes, transposed or not */

/* One entry. What it says of a layer must hold together; an entry that says nothing holds for all. */
typedef struct ln_layer_rule {
    const char *layer; /* its name or number, or an ONNX node's or value's name; NULL: any */
    const char *type;  /* its word, or LN_LAYER_CONVOLUTION; NULL: any */
    int place;         /* among the layers with weights of that type that relevance passes */
    int rule;          /* one of LN_LAYER_RULES */
    double epsilon, gamma, alpha, beta, low, high; /* of the rules that have them */
} ln_layer_rule;

/* The fields of an entry, for ln_param.fields. */
extern const ln_param ln_layer_rule_fields[];

/* Whether type and place of the entry hold for such a layer. First and last are among those that
 * relevance passes: `passed` as ln_composite.assign has it. */
bool ln_layer_rule_holds(const ln_layer_rule *entry, const ln_graph *graph, const bool *passed,
                         const ln_node *node);
/* The node that `layer` of the entry names, or an error: it must be one that has rules. */
ln_status ln_layer_rule_find(const ln_layer_rule *entry, const ln_graph *graph, const ln_node **out,
                             ln_error *err);
/* Whether the rule's parameters fit together. The error's field is that of the entry. */
ln_status ln_layer_rule_check(const ln_layer_rule *entry, ln_error *err);
ln_rule ln_layer_rule_make(const ln_layer_rule *entry);

#endif
