/* Inside common/: what the rules of relevance.h are made of. Passes over a node's layer with other inputs and
 * constants, and ratios R_j / s(z_j). */
#ifndef LN_EXPLAINERS_RELEVANCE_INSIDE_H
#define LN_EXPLAINERS_RELEVANCE_INSIDE_H

#include "graph/rule.h"
#include "layers/layer.h"

/* Places in ln_rule.parameters. Of rules without a gamma the second is not 0 where biases are left out. */
enum { LN_RELEVANCE_EPSILON, LN_RELEVANCE_GAMMA, LN_RELEVANCE_ALPHA, LN_RELEVANCE_BETA };
enum { LN_RELEVANCE_BARE = LN_RELEVANCE_GAMMA };

int64_t ln_relevance_inputs(const ln_pass *pass); /* numbers of the first input, all rows */

/* z = the layer (variant NULL: as it is, else with other constants) at `rows` rows x. `bias`: in place of the
 * variant's, or NULL. */
ln_status ln_relevance_forward(const ln_pass *pass, const ln_variant *variant, const float *bias,
                               int64_t rows, const float *x, float *z, ln_error *err);
/* c = W^T s, the layer's product with s back to its first input. */
ln_status ln_relevance_back(const ln_pass *pass, const ln_variant *variant, const float *s,
                            float *c, ln_error *err);

/* How a pass forms ratios. */
typedef struct ln_shares {
    double epsilon, factor;
    const void *const *in; /* the bias is its entry 2; NULL: z has none */
    const float *gate;     /* as large as the outputs: */
    int sign;              /* ratios are 0 where it has another sign; 0: nowhere */
    bool one_row;          /* z is one row, the same for all */
    float *tile;           /* room for ln_relevance_tile numbers; not asked for without `in` */
} ln_shares;

int64_t ln_relevance_tile(const ln_step *step);
int64_t ln_relevance_biases(const ln_step *step); /* numbers of the bias, 0: the node has none */
/* s_j = factor R_j / s(z_j); the share that stabiliser and bias take away is absorbed. z may be s but for
 * one row. */
void ln_relevance_ratios(const ln_pass *pass, const ln_shares *how, const float *z, float *s);

#endif
