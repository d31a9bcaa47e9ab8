/* The linear model that LIME fits around a row: weighted least squares with an intercept, for a few of
 * the features, from their Gram matrix, so that a choice of features costs no pass over the samples.
 *
 *   G = sum w (z - m)(z - m)',  r = sum w (z - m)(y - n)      m, n: weighted means of z and y
 *   coefficients of the features S: (G_SS + penalty I)^-1 r_S
 *
 * Features are chosen as the LIME package does:
 *   highest   the greatest |coefficient * z_0| of a ridge of all features, penalty 0.01, z_0 the row
 *   forward   one after the other, the one that lowers the weighted squared error most (no penalty):
 *             of the features left, the greatest r_j^2 / G_jj once those chosen are swept out of G and r
 *   lasso     those whose coefficients are not 0 at the last point of the lasso's path (lars.h) that has
 *             no more of them
 *   none      all of them
 * Ties go to the lower index. The fit has a penalty of 1. Its weighted R^2 is 1 - sum w e^2 / sum w
 * (y - n)^2. Standard errors are White's, which hold whatever the noise: with c the centred features of
 * S and A the matrix above, the roots of the diagonal of A^-1 (sum w^2 e^2 c c') A^-1 N / (N - |S| - 1).
 * They take the choice of features as given. Cost: O(samples features^2), and O(chosen features^2) a
 * selection. All sums are float64 in the order of the samples. */
#ifndef LN_EXPLAINERS_LOCAL_MODEL_H
#define LN_EXPLAINERS_LOCAL_MODEL_H

#include "explainers/common/lars.h"
#include "explainers/common/passes.h"
#include "kernels/gram.h"

typedef enum ln_selection {
    LN_SELECTION_AUTO, /* forward for 6 features or fewer, else highest */
    LN_SELECTION_FORWARD,
    LN_SELECTION_HIGHEST,
    LN_SELECTION_NONE,
    LN_SELECTION_LASSO,
} ln_selection;
#define LN_SELECTION_CHOICES                                                                       \
    "auto|forward|highest|none|lasso_path" /* in the order of ln_selection */

/* What is fitted; row 0 is the row explained. */
typedef struct ln_local_samples {
    const double *z;      /* (count, features) */
    const double *y;      /* (count) */
    const double *weight; /* (count), positive */
    int64_t count, features;
    bool ones; /* z are 0 or 1 */
} ln_local_samples;

/* Scratch for `features`, and what a fit leaves in it. */
typedef struct ln_local_model {
    double *gram;   /* (features, features) G */
    double *work;   /* (features, features) */
    double *sums;   /* (features, 2 and features up to a line of kernels/gram.h) */
    double *rows;   /* (LN_GRAM_ROWS, such a line) */
    double *scale;  /* (LN_GRAM_ROWS, features) */
    int32_t *place; /* (features and LN_GRAM_LINE more) */
    const ln_gram_kernels *kernels;
    double *right;      /* (features) r */
    double *mean;       /* (features) m */
    double *part;       /* (features) */
    int64_t *chosen;    /* (features) S, ascending */
    int64_t count;      /* entries of S */
    bool *taken;        /* (features) */
    ln_lars path;       /* of LN_SELECTION_LASSO */
    double *value;      /* (features) coefficients, 0 for what was not chosen */
    double *error;      /* (features) their standard errors, NaN for what was not chosen */
    double mean_output; /* n */
    double variation;   /* sum w (y - n)^2 */
    double intercept;
    double r2; /* NaN where y does not vary */
} ln_local_model;

ln_local_model ln_local_model_carve(int64_t features, ln_carver *carver);

/* At most `most` features are chosen, unless by LN_SELECTION_NONE. */
void ln_local_model_fit(ln_local_model *model, const ln_local_samples *samples,
                        ln_selection selection, int64_t most);

#endif
