/* Rules of common/contrast.h for layers whose results along a line, or in a group, depend on all of its values.
 * Each is the chain of rules for what the layer consists of, put together:
 *
 *   softmax        exp, sum, reciprocal, product
 *   log_softmax    exp, sum, logarithm, difference
 *   class_loss     the same the other way round; of one output log(1 + exp(x)) and log(1 + exp(-x))
 *   normalisation  mean, difference, square, mean, 1 / sqrt(v + eps), product, weight: layer_norm, rms_norm
 *                  (without the first two), group_norm, instance_norm */
#ifndef LN_EXPLAINERS_CONTRAST_LINES_H
#define LN_EXPLAINERS_CONTRAST_LINES_H

#include "graph/rule.h"

extern const ln_rule ln_contrast_softmax;
extern const ln_rule ln_contrast_log_softmax;
extern const ln_rule ln_contrast_class_loss;
extern const ln_rule ln_contrast_norm;

#endif
