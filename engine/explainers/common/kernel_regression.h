/* The weighted least squares of kernel SHAP: phi with sum(phi) = change that minimises
 *
 *   sum over the coalitions S of weight(S) * (v(S) - v(none) - sum of phi over S)^2
 *
 * Eliminating the last player leaves n - 1 unknowns; of a pair (S, its complement) with S without the
 * last player, both rows are the same up to their sign, so a pair is one row of zeros and ones:
 *
 *   A = 2 sum weight z z',  b = sum weight z d,  d = v(S) - v(complement) + change,  phi = A^-1 b
 *
 * Standard errors are those of a regression estimator from a stratified sample without replacement
 * (Sarndal, Swensson and Wretman 1992, chapter 6): a drawn pair moves phi by A^-1 times its weighted
 * residual, and what pairs of one layer differ in that, times the share of the layer that was not
 * seen, is the variance. Layers of few pairs are taken together. Enumerated layers add nothing. Cost:
 * O(pairs n^2 + n^3). All sums are float64 in the order of the pairs. */
#ifndef LN_EXPLAINERS_KERNEL_REGRESSION_H
#define LN_EXPLAINERS_KERNEL_REGRESSION_H

#include "explainers/common/coalitions.h"

/* Scratch for `count` players at most. */
typedef struct ln_kernel_regression {
    double *inverse;  /* (count, count) A, its factor, then its inverse */
    double *right;    /* (count) b, then other vectors */
    double *moved;    /* (count) */
    double *sum;      /* (count) over a stratum */
    double *squares;  /* (count) over a stratum */
    int64_t *members; /* (count + 1) players of a coalition */
    int64_t *place;   /* (64 a word of a mask) which unknown each player is, or -1 */
} ln_kernel_regression;

ln_kernel_regression ln_kernel_regression_carve(int64_t count, ln_carver *carver);
/* values: (2 pairs) in the order of the masks. `player` ascends. phi and error: `count` entries, for `player`: those the
 * coalitions were chosen for, or some of them (the others are then 0). False where the coalitions do not
 * determine phi. */
bool ln_kernel_regression_solve(const ln_kernel_regression *at, const ln_coalitions *coalitions,
                                const int64_t *player, int64_t count, const double *values,
                                double change, double *phi, double *error);

#endif
