/* Rules for lstm, gru and rnn: the steps are gone back through as by gradients (layers/recurrent.h), with other
 * numbers.
 *
 * Multipliers (DeepLIFT) are those of the layer written out step by step: sums and products of weights as they
 * are, functions of a sum by D f / D z, products of gate and value half and half. Complete.
 *
 * Relevance, as Arras et al. 2017 have it ("signal takes all"): a product of a gate and a value hands all to
 * the value, and the sums that gates are made of get nothing; f c + i g and (1 - z) n + z h share by their terms
 * (norm rule); tanh and relu hand on; W x + b + U h + d, of the candidates alone, shares by the rule epsilon among
 * x and h. What biases and stabilisers take is absorbed. */
#ifndef LN_EXPLAINERS_RECURRENT_RULES_H
#define LN_EXPLAINERS_RECURRENT_RULES_H

#include "graph/rule.h"

extern const ln_rule ln_contrast_recurrent;
/* `epsilon` stabilises weighted sums, `stabiliser` those of two terms of a state. */
ln_rule ln_relevance_recurrent(double epsilon, double stabiliser);

#endif
