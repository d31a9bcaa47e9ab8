/* What guided backpropagation, deconvnet and their kin put in place of relu's gradient:
 *
 *   guided     g * (g > 0) * (x > 0)
 *   deconvnet  g * (g > 0)
 *
 * Other layers, other activations too, keep their gradient: the papers define rules for relu alone. */
#ifndef LN_EXPLAINERS_RECTIFIED_H
#define LN_EXPLAINERS_RECTIFIED_H

#include "graph/rule.h"

/* One of them: the rule of a relu, and that of a convolution which has taken one up (layers/last.h). */
typedef struct ln_rectified {
    ln_rule relu, chain;
    unsigned exchanges; /* of graph/simplify.h's passes, what leaves the rule as it is */
} ln_rectified;

extern const ln_rectified ln_rectified_guided;
extern const ln_rectified ln_rectified_deconvnet;

/* The composite that has this rule at every relu; the caller frees it with ln_free. */
ln_status ln_rectified_composite(const char *name, const ln_rectified *rules, ln_composite **out,
                                 ln_error *err);

#endif
