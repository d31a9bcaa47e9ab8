/* Relevance through what is not linear in one value: products of values, quotients, softmax and normalisation,
 * the parts of attention and of gates. As the rules of common/relevance.h, and with the same accounts.
 *
 *   product      z = sum of the products of k values: R_a = a (dz/da)^T R / s(z) / k: each value gets the same
 *   factors      z = the product of k values along axes: z / s(z) R / k to each
 *   quotient     a / b: all to a; b is a scale that follows the row
 *   scale        a c, a / c with a constant c: all to a, and nothing where c does not let it through
 *   softmax      R_i = x_i (R_i - y_i sum R): its Taylor expansion at x; the rest is absorbed
 *   normalising  within a row (layer_norm, rms_norm, group_norm, instance_norm): R_i = R_i
 *
 * Sources: Achtibat et al. 2024, AttnLRP, arXiv:2402.05602 (products, softmax, normalisation); Ali et al.
 * 2022, XAI for Transformers, arXiv:2202.07304 (the scale of a normalisation taken as a constant). */
#ifndef LN_EXPLAINERS_BILINEAR_H
#define LN_EXPLAINERS_BILINEAR_H

#include "graph/rule.h"

ln_rule ln_relevance_product(double stabiliser);
ln_rule ln_relevance_factors(double stabiliser);
extern const ln_rule ln_relevance_quotient;
extern const ln_rule ln_relevance_scale; /* for what ln_kind_scales_elements */
extern const ln_rule ln_relevance_softmax;

/* Nothing goes to the inputs: for layers whose results relevance never comes to. */
extern const ln_rule ln_relevance_nothing;

#endif
