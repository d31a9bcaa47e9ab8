/* The rules of DeepLIFT: multipliers between a row and its baseline, in place of gradients.
 *
 * A pass holds pairs: rows 0 .. n - 1 are the inputs, row n + r is the baseline of row r. Backward a
 * row's multipliers m = (change of the explained number) / (change of the value) stand in its own place, and
 * nothing in its baseline's. With D for "at the input less at the baseline":
 *
 *   linear layers, sums, moves   the gradient (they are what they are everywhere)
 *   y = f(x) of one value        m_x = m_y Dy / Dx, and f'(x) where Dx is noise: |Dx| <= 1e-6 max(|x|, |b|);
 *                                (f'(x) + f'(b)) / 2 up to 1/16 of them, where it makes Dy but for its rounding
 *   products                     half and half: m_a = m_y (b at the input + b at the baseline) / 2; of more values
 *                                the mean of the gradient on the straight way from the baseline to the input
 *   quotients                    a times the reciprocal of b
 *   softmax                      exp, sum, reciprocal, product, by the rules above
 *   maxima                       of a window with maxima mx at the input (at p) and mr at the baseline (at q),
 *                                c = max(mx, mr): p contributes c - mr, q contributes mx - c
 *   conditions                   truth values change by 0, 1 or -1: contrast_truths.h
 *
 * All of them are complete: contributions m_x Dx sum to m_y Dy. Each row's bits depend on its own pair.
 * Sources: Shrikumar, Greenside and Kundaje 2017 (rescale); products: Lundberg and Lee 2017's halving;
 * maxima as in shap's DeepExplainer, without the fault of Captum's where a relu stands before. */
#ifndef LN_EXPLAINERS_CONTRAST_H
#define LN_EXPLAINERS_CONTRAST_H

#include "graph/rule.h"

#define LN_CONTRAST_RULES "rescale|reveal_cancel" /* values of the explainers' parameter `rule` */
enum { LN_CONTRAST_RESCALE, LN_CONTRAST_REVEAL_CANCEL };

/* The composite of rescale rules, or of those of common/reveal_cancel.h; LN_EUNSUPPORTED in `assign` for
 * layers without one. */
ln_status ln_contrast_composite(const char *word, int rule, ln_composite **out, ln_error *err);

/* The rescale rule for a node, NULL for the plain gradient; `word` is for the error. */
ln_status ln_contrast_rule(const char *word, const ln_graph *graph, const ln_node *node,
                           const ln_rule **out, ln_error *err);

/* Whether a change is noise beside the two values that it lies between. */
bool ln_contrast_is_noise(double x, double b);

#endif
