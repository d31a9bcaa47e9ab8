/* DeepLIFT's RevealCancel rule: a value's change from the baseline in two parts, what pulls it up and what
 * pulls it down, each with a multiplier of its own.
 *
 * A pass holds quarters: rows 0 .. n - 1 are the inputs x, then come their baselines b, then b + D+ and
 * b + D-, with D+ + D- = x - b for every value. Backward the multipliers of D+ stand in the first quarter,
 * those of D- in the second, 0 in the others.
 *
 *   linear layers, sums   D+ = sum of the w_i Dx_i > 0, D- of the others; back, m_i is the sum of w_i m+ where
 *                         w_i Dx_i > 0, of w_i m- where it is < 0, the mean of both where Dx_i = 0
 *   y = f(z) of one value Dy+ = (f(b + D+) - f(b) + f(x) - f(b + D-)) / 2, Dy- alike; m+ = m_y+ Dy+ / D+,
 *                         and the mean of f' at x and b where D+ is noise
 *   moves, scales, batch  both parts by the layer
 *   normalisation
 *   all others            the change is one part, as its sign says; the rule of common/contrast.h
 *
 * Where f is not defined at b + D+ or b + D- (the root of a negative number), both parts get the slope from b
 * to x. Complete as those rules are. Source: Shrikumar, Greenside and Kundaje 2017, section 3.5.3. */
#ifndef LN_EXPLAINERS_REVEAL_CANCEL_H
#define LN_EXPLAINERS_REVEAL_CANCEL_H

#include "graph/rule.h"

/* For a composite: the rule of a node; LN_EUNSUPPORTED for layers without one. */
ln_status ln_reveal_cancel_assign(const ln_composite *composite, const ln_graph *graph,
                                  const ln_node *node, const bool *passed, const ln_rule **out,
                                  ln_error *err);

/* b + D+ and b + D- of a value that nothing is known of but its change: `count` numbers each. */
void ln_reveal_cancel_part(const float *x, const float *b, int64_t count, float *up, float *down);

#endif
