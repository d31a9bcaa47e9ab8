/* Judging attributions whose rows have groups of their own: each is judged by itself, with its own units, so
 * that judges need not know of it. Items go through the pool. */
#ifndef LN_JUDGES_BY_ROW_H
#define LN_JUDGES_BY_ROW_H

#include "judges/judge.h"

/* As judge->run; units, unit_of and mask of `judged` are not read but are each item's own: explained->units and
 * groups, and mask, u8 (1 or N, the model's width) or NULL. A group that lies partly in the mask: NaN,
 * and the reason. */
ln_status ln_judge_by_row(const ln_judge *judge, const ln_judged *judged,
                          const ln_explanation *explained, const ln_tensor *mask, ln_pool *pool,
                          double *values, const char **reasons, ln_error *err);

#endif
