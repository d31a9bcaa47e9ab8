/* What deletion, insertion and pixel_flipping share: the curve of the target's score while the units
 * of a row are replaced, those of the greatest attribution first. */
#ifndef LN_JUDGES_CURVE_H
#define LN_JUDGES_CURVE_H

#include "judges/judge.h"

typedef enum ln_curve {
    LN_CURVE_DELETION,  /* from the row to its baseline; the trapezoid area */
    LN_CURVE_INSERTION, /* from the baseline to the row; the trapezoid area */
    LN_CURVE_FLIPPING,  /* as deletion; the mean of the points after the first */
} ln_curve;

typedef enum ln_score { LN_SCORE_PROBABILITY, LN_SCORE_OUTPUT } ln_score;
#define LN_SCORE_CHOICES "probability|output" /* in the order of ln_score */

typedef struct ln_curve_params {
    int64_t step; /* units replaced at a time */
    int score;    /* ln_score */
} ln_curve_params;

/* A judge's `run` whose parameters are ln_curve_params. Cost: ceil(units / step) + 1 forward passes
 * an item. Undefined where an attribution or a score is NaN. */
ln_status ln_curve_judge(ln_curve curve, const ln_judged *judged, ln_pool *pool, double *values,
                         const char **reasons, ln_error *err);

#endif
