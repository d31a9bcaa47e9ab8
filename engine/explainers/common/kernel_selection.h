/* Which players a kernel regression keeps, as shap's l1_reg chooses them. The regression's sum condition is
 * turned into rows: a coalition S of weight w (they sum to 1) is two rows of a model without constant,
 *
 *   root(w (M - |S|)) z       against root(w (M - |S|)) (v(S) - v(none))
 *   root(w |S|) (z - 1)       against root(w |S|) (v(S) - v(none) - change),    z its zeros and ones
 *
 * N rows in all, of which sums of products are enough (common/lars.h):
 *
 *   COUNT     the first so many of least angle regression
 *   PENALTY   what the lasso keeps, min |y - X phi|^2 / (2 N) + penalty |phi|_1
 *   AIC, BIC  the point of the lasso's path of least N log(2 pi s) + RSS / s + 2 or log(N) times its
 *             features, s the mean square that least squares leave; every column in its deviation
 *
 * For all but COUNT rows and y are centred, as scikit-learn does for a model with a constant. Cost:
 * O(coalitions M^2) and O(M^3) a step. */
#ifndef LN_EXPLAINERS_KERNEL_SELECTION_H
#define LN_EXPLAINERS_KERNEL_SELECTION_H

#include "explainers/common/coalitions.h"
#include "explainers/common/lars.h"

typedef enum ln_selection_rule {
    LN_KEEP_ALL,
    LN_KEEP_COUNT,
    LN_KEEP_PENALTY,
    LN_KEEP_AIC,
    LN_KEEP_BIC
} ln_selection_rule;

/* A worker's scratch for `count` players at most. */
typedef struct ln_kernel_selection {
    double *gram;   /* (count, count) */
    double *right;  /* (count) X'y */
    double *sum;    /* (count) of each column */
    double *spread; /* (count) its deviation */
    double *best;   /* (count) coefficients */
    ln_lars path;
} ln_kernel_selection;

ln_kernel_selection ln_kernel_selection_carve(int64_t count, ln_carver *carver);
/* Which of the `count` players stay, ascending, into `kept`; how many. `values` in the order of the masks,
 * less v(none) each by `none`; `amount` is the count or the penalty. -1: AIC or BIC with no more rows than
 * features. */
int64_t ln_kernel_selection_choose(ln_kernel_selection *at, const ln_coalitions *coalitions,
                                   const int64_t *player, int64_t count, const double *values,
                                   double none, double change, ln_selection_rule rule,
                                   double amount, int64_t *kept);

#endif
