/* Passes of pairs, a row and what it is compared with, for the rules of common/contrast.h: the first half
 * of a pass are rows, the second their baselines; for those of common/reveal_cancel.h two more rows a
 * pair, its change in parts. */
#ifndef LN_EXPLAINERS_PAIRS_H
#define LN_EXPLAINERS_PAIRS_H

#include "explainers/explainer.h"

/* A worker's scratch: k n rows where the pass has n pairs of k rows, 2 or 4. */
typedef struct ln_pairs {
    int rows;           /* k */
    float *x;           /* (k n, width) */
    float *m;           /* (k n, width) multipliers */
    double *value;      /* (k n) explained numbers */
    ln_target *targets; /* (k n) */
} ln_pairs;

/* Rows of a pair, by the rule (LN_CONTRAST_RULES) of the explainer. */
int ln_pairs_rows(int rule);
/* Chooses rows a pass and items a chunk for items of so many pairs of so many rows, and asks for
 * scratch. */
void ln_pairs_prepare(ln_job *job, int rows, int64_t pairs_per_item, size_t *scratch_bytes);
void ln_pairs_bytes(const ln_job *job, size_t *bytes); /* of that scratch, once more */
ln_pairs ln_pairs_carve(const ln_job *job, int rows, void *scratch);
/* Pair `pair` of a pass of `count`. */
void ln_pairs_set(const ln_job *job, const ln_pairs *at, int64_t pair, int64_t row,
                  const float *baseline, const ln_target *target, int64_t count);
/* Multipliers of pair r in m[r]; explained numbers at the row in value[r], at the baseline in value[r +
 * count]. */
ln_status ln_pairs_run(const ln_job *job, ln_job_chunk *chunk, const ln_pairs *at, int64_t count,
                       ln_error *err);
/* What input `i` of pair `pair` contributes, after a run of `count` pairs of `width` inputs. */
double ln_pairs_contribution(const ln_pairs *at, int64_t width, int64_t pair, int64_t count,
                             int64_t i);

#endif
