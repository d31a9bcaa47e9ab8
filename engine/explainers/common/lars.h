/* Which features a linear model with an L1 penalty keeps: the path of least angle regression, from no
 * feature on, each step to where the next one is as correlated with what is left as those that are in.
 * As a path of the lasso a feature whose coefficient comes back to 0 leaves. It needs sums of products
 * alone:
 *
 *   gram = X'X,  right = X'y
 *
 * so a step costs O(active^3 + active features), whatever the rows are. Source: Efron, Hastie, Johnstone
 * and Tibshirani 2004, Least Angle Regression. */
#ifndef LN_EXPLAINERS_LARS_H
#define LN_EXPLAINERS_LARS_H

#include "explainers/common/passes.h"

/* A worker's scratch, and where a path stands. */
typedef struct ln_lars {
    int64_t features;
    const double *gram, *right; /* (features, features), (features) */
    bool lasso;                 /* features leave where their coefficient comes to 0 */
    double *coefficient;        /* (features) */
    double *left;               /* (features) right - gram coefficient */
    double *step;               /* (features) direction of the active ones, in their order */
    double *factor;             /* (features, features) */
    int64_t *active;            /* (features) those that are in, as they came */
    bool *in;                   /* (features) */
    int64_t active_count;
    double penalty; /* the greatest |left|: for the lasso, what this point is the solution of */
    bool dropped;   /* the last step ended where a feature left */
} ln_lars;

ln_lars ln_lars_carve(int64_t features, ln_carver *carver);
/* Starts at no feature. `features` is at most what it was carved for. */
void ln_lars_start(ln_lars *path, int64_t features, const double *gram, const double *right,
                   bool lasso);
/* To the next point, or to where the penalty is `least`. False where nothing is left to do. */
bool ln_lars_step(ln_lars *path, double least);

#endif
