/* A rule of conditions in words, in the user's own units and with the names of columns:
 *
 *   26 < age <= 33 AND housing = own      AND stands between columns, in the order in which they came in
 *   input 3 > 0.5                         where the model has no encoding; inputs count from 0
 *   group 2 kept AND group 5 kept         pieces of masks
 *   any row                               a rule without conditions */
#ifndef LN_EXPLAINERS_RULE_TEXT_H
#define LN_EXPLAINERS_RULE_TEXT_H

#include "explainers/common/conditions.h"

/* `encoding` may be NULL. x: the row that the conditions are of. NULL where there is no memory; caller frees. */
char *ln_rule_text(const ln_conditions *conditions, const ln_encoding *encoding,
                   const int32_t *rule, int64_t size, const float *x);

#endif
