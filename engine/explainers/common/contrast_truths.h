/* Rules of common/contrast.h for truth values and whole numbers: what stands between a comparison and what it
 * decides, and between an id and its row of an embedding. A truth value is 0 or 1, and changes by 0, 1 or -1
 * between baseline and input; multipliers go back through it as through any value, so that where a condition
 * turns over, what decides it gets its share:
 *
 *   a < b and its kin   a function of a - b: m_a = m_c Dc / D(a - b), m_b = -m_a; 0 where c stays
 *   not, and, or, xor   1 - a, a b, a + b - a b, a + b - 2 a b: products half and half
 *   casts               Dy / Dx, and 0 (1 between real numbers) where x stays
 *   c ? a : b           c a + (1 - c) b, products half and half: m_a = m_y (mean of c), m_b = m_y (1 - mean of c),
 *                       m_c = m_y (mean of a - mean of b), 0 where c stays
 *
 *   embedding           m_id = (sum over its row of m_y Dy) / D id, 0 where the id stays
 *
 * where the mean is that of the input and the baseline. All are complete: c a + (1 - c) b is what `where` gives,
 * at both ends. */
#ifndef LN_EXPLAINERS_CONTRAST_TRUTHS_H
#define LN_EXPLAINERS_CONTRAST_TRUTHS_H

#include "graph/rule.h"

/* The node's rule, NULL where it is none of these (a `where` by a constant condition is none). */
const ln_rule *ln_contrast_truth(const ln_graph *graph, const ln_node *node);

/* An error where multipliers would have to pass whole numbers or truth values that have no rule: indices that depend
 * on the inputs ... `passed` as ln_composite.assign has it; `word` is for the error. */
ln_status ln_contrast_check_types(const char *word, const ln_graph *graph, const ln_node *node,
                                  const bool *passed, ln_error *err);

#endif
