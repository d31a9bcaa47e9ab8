/* Nodes and weights for the integral over [0, 1]: what integrated gradients and its kin sum along
 * their path. Weights of every rule sum to one. With n nodes, the error on a smooth integrand:
 *
 *   gausslegendre      exact for polynomials of degree 2n - 1        nodes ascending
 *   riemann_left       a_i = i/n            weights 1/n              O(1/n)
 *   riemann_right      a_i = (i + 1)/n      weights 1/n              O(1/n)
 *   riemann_middle     a_i = (i + 1/2)/n    weights 1/n              O(1/n^2)
 *   riemann_trapezoid  a_i = i/(n - 1)      1/(n - 1), ends halved   O(1/n^2)
 *
 * The nodes are Captum's. Its trapezoid weights sum to (n - 1)/n, which loses a share of every
 * attribution; these sum to one. */
#ifndef LN_EXPLAINERS_QUADRATURE_H
#define LN_EXPLAINERS_QUADRATURE_H

#include "lunette.h"

typedef enum ln_quadrature {
    LN_QUADRATURE_GAUSS_LEGENDRE,
    LN_QUADRATURE_RIEMANN_LEFT,
    LN_QUADRATURE_RIEMANN_RIGHT,
    LN_QUADRATURE_RIEMANN_MIDDLE,
    LN_QUADRATURE_RIEMANN_TRAPEZOID,
} ln_quadrature;

/* In the order of ln_quadrature, for parameter descriptors. */
#define LN_QUADRATURE_CHOICES                                                                      \
    "gausslegendre|riemann_left|riemann_right|riemann_middle|riemann_trapezoid"
#define LN_QUADRATURE_STEPS_MAX 10000 /* the Gauss-Legendre nodes cost O(n^2) */

/* Fills `nodes` and `weights`, `count` entries each. LN_EINVALID: count < 1, or 1 for the
 * trapezoid, which needs both ends. */
ln_status ln_quadrature_make(ln_quadrature rule, int64_t count, double *nodes, double *weights,
                             ln_error *err);

#endif
