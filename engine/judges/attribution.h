/* What judges share that look at the attribution alone, without running the model. */
#ifndef LN_JUDGES_ATTRIBUTION_H
#define LN_JUDGES_ATTRIBUTION_H

#include "judges/judge.h"

/* One worker's scratch, `units` entries each. */
typedef struct ln_magnitudes {
    float *size;    /* |a_u| */
    int32_t *order; /* units by size, greatest first, ties by the lower index */
    int32_t *spare; /* for the sort */
} ln_magnitudes;

/* The verdict on one item, whose sizes are given, ordered and not all zero. NaN: undefined, *reason
 * says why. */
typedef double (*ln_verdict_fn)(const ln_judged *judged, int64_t item,
                                const ln_magnitudes *magnitudes, const char **reason);

/* A judge's `run`: `verdict` for every item whose numbers are finite and not all zero, the others
 * are undefined. Cost: a sort an item. */
ln_status ln_judge_by_magnitude(const ln_judged *judged, ln_pool *pool, ln_verdict_fn verdict,
                                double *values, const char **reasons, ln_error *err);

/* Why nothing can be said about these numbers (NaN, infinite), or NULL. */
const char *ln_not_finite(const float *values, int64_t count);

#endif
