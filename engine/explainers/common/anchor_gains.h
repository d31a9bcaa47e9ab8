/* What each condition of a rule adds to its precision: the rule with it has more, or less, than the rule before it.
 * A feature gets what its conditions add, so that all sum up to the rule's precision less the empty rule's.
 *
 * Standard errors are those of the means that differ, each of its own draws, with (h + 1) / (n + 2) in place of the
 * share h / n of n draws, so that a share of 1 is not taken for certain. They take the rule as given. */
#ifndef LN_EXPLAINERS_ANCHOR_GAINS_H
#define LN_EXPLAINERS_ANCHOR_GAINS_H

#include "explainers/common/anchor_search.h"

typedef struct ln_anchor_gains {
    int64_t size;   /* conditions of the rule */
    int32_t *rule;  /* (size) in the order in which they came in */
    double *share;  /* (size + 1) precision of the first 0, 1 ... size of them */
    double *spread; /* (size + 1) variance of each */
    double *step;   /* (size + 1) scratch */
} ln_anchor_gains;

ln_anchor_gains ln_anchor_gains_carve(int64_t longest, ln_carver *carver);
/* Of the best rule of a search. */
void ln_anchor_gains_measure(ln_anchor_gains *gains, const ln_anchor_search *search);
/* What the conditions about a group add; *error is NaN where there are none. */
double ln_anchor_gains_of(const ln_anchor_gains *gains, const ln_conditions *conditions,
                          int64_t group, double *error);

#endif
