/* Passes of pairs, a row and what it is compared with, for the rules of common/contrast.h: the first half
 * of a pass are rows, the second their baselines. */
#ifndef LN_EXPLAINERS_PAIRS_H
#define LN_EXPLAINERS_PAIRS_H

#include "explainers/explainer.h"

/* A worker's scratch: 2 n rows where the pass has n pairs. */
typedef struct ln_pairs {
    float *x;           /* (2 n, width) */
    float *m;           /* (2 n, width) multipliers */
    double *value;      /* (2 n) explained numbers */
    ln_target *targets; /* (2 n) */
} ln_pairs;

/* Chooses rows a pass and items a chunk for items of so many pairs, and asks for scratch. */
void ln_pairs_prepare(ln_job *job, int64_t pairs_per_item, size_t *scratch_bytes);
void ln_pairs_bytes(const ln_job *job, size_t *bytes); /* of that scratch, once more */
int64_t ln_pairs_most(const ln_job *job);              /* pairs of one pass */
ln_pairs ln_pairs_carve(const ln_job *job, void *scratch);
/* Pair `pair` of a pass of `count`. */
void ln_pairs_set(const ln_job *job, const ln_pairs *at, int64_t pair, int64_t row,
                  const float *baseline, const ln_target *target, int64_t count);
/* Multipliers of pair r in m[r]; explained numbers at the row in value[r], at the baseline in value[r +
 * count]. */
ln_status ln_pairs_run(ln_job_chunk *chunk, const ln_pairs *at, int64_t count, ln_error *err);

#endif
