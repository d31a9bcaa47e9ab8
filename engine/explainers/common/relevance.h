/* Rules of layer-wise relevance propagation, for explainers/lrp.c and its kin. What comes to a node's
 * outputs is relevance R, what it sends to its inputs too; what a rule loses (to biases and
 * stabilisers) goes to pass->absorbed, so that sum R over the inputs + absorbed = R at the output.
 *
 * For a linear layer z_j = sum_i x_i w_ij + b_j, with s(z) = z + e sign(z), sign(0) = 1:
 *
 *   epsilon     R_i = x_i sum_j w_ij R_j / s(z_j)
 *   gamma       z_j > 0: shares x+ (w + g w+) + x- (w + g w-), bias b + g b+, over their sum;
 *               z_j < 0: x+ (w + g w-) + x- (w + g w+), b + g b-; z_j = 0: nothing
 *   alpha_beta  alpha (x+ w+ + x- w-) over s(their sum + b+) - beta (x+ w- + x- w+) over s(their sum + b-)
 *   z_box       (x w - low w+ - high w-) over s(its sum)
 *   w_square    w^2 over s(sum w^2), flat: 1 over the number of inputs: neither looks at x
 *   norm        epsilon without weights: for sums and averages, by the inputs' share of the output
 *   pass        R_i = R_i: activations
 *
 * Sources: Bach et al. 2015 (epsilon, alpha-beta), Montavon et al. 2017 (z_box, w_square), Montavon et
 * al. 2019 (gamma), Andéol et al. 2021 (gamma for any sign), Lapuschkin et al. 2019 (flat). */
#ifndef LN_EXPLAINERS_RELEVANCE_H
#define LN_EXPLAINERS_RELEVANCE_H

#include "graph/rule.h"

/* Makes the rule in *out. Parameters are read as follows. */
ln_rule ln_relevance_epsilon(double epsilon);
ln_rule ln_relevance_gamma(double gamma, double stabiliser);
ln_rule ln_relevance_alpha_beta(double alpha, double beta, double stabiliser);
ln_rule ln_relevance_z_box(double low, double high, double stabiliser);
ln_rule ln_relevance_w_square(double stabiliser);
ln_rule ln_relevance_flat(double stabiliser);
ln_rule ln_relevance_norm(double stabiliser);
extern const ln_rule ln_relevance_pass;
extern const ln_rule ln_relevance_lookup; /* of an embedding: a row's to its id */
/* Relevance through a layer that moves or chooses elements, by its gradient; what goes to values that hand nothing on
 * (a class token, max(x, c), the row of an embedding) is noted as absorbed. */
extern const ln_rule ln_relevance_beside;
/* Whether such a value is there: a constant, or one that depends on the inputs through whole numbers or truth
 * values alone. `passed` as ln_composite.assign has it. */
bool ln_relevance_ends_beside(const ln_graph *graph, const ln_node *node, const bool *passed);
/* alpha_beta or w_square whose sums leave the biases out. */
ln_rule ln_relevance_bare(ln_rule rule);

#endif
