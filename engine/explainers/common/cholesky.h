/* Solving A x = b for a symmetric positive definite A (n, n), in place: the normal equations of least
 * squares. O(n^3) for a factor or an inverse, O(n^2) for a solution; sums in one fixed order. */
#ifndef LN_EXPLAINERS_CHOLESKY_H
#define LN_EXPLAINERS_CHOLESKY_H

#include "lunette.h"

/* A = L L', both in the lower triangle; false where A is not positive definite to rounding. */
bool ln_cholesky_factor(double *a, int64_t n);
/* x becomes A^-1 x, by the factor. */
void ln_cholesky_solve(const double *l, int64_t n, double *x);
/* The factor becomes the inverse of A, whole. */
void ln_cholesky_invert(double *l, int64_t n);

#endif
