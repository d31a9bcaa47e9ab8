/* Gauss-Legendre nodes are the roots x_i of the Legendre polynomial P_n, the weights
 * 2 / ((1 - x_i^2) P_n'(x_i)^2), both mapped from [-1, 1] to [0, 1]. Roots are found by Newton's
 * method in the angle (x = cos t), where they are nearly equidistant, from Tricomi's estimate
 * (1 - 1/(8 n^2) + 1/(8 n^3)) cos(pi (i - 1/4)/(n + 1/2)), near enough for a few iterations. In the
 * angle, 1 - x^2 = sin^2 t and (1 - x)/2 = sin^2(t/2) have no cancellation at the ends of the
 * interval. P_n comes from its recurrence j P_j = (2j - 1) x P_{j-1} - (j - 1) P_{j-2}, in long
 * double: nodes and weights are within 1e-16, and since nothing is vectorised, the same bits on all
 * instruction sets of a machine. Cost: O(n^2), half a second for 10000.
 * Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 22.7.10, 22.16.6, 25.4.29. */
#include "explainers/common/quadrature.h"

#include <inttypes.h>
#include <math.h>

#include "base/error.h"

#define PI 3.14159265358979323846264338327950288L
#define NEWTON_ITERATIONS 6  /* at most: two to four are needed */
#define NEWTON_ENOUGH 1e-17L /* a step, relative to the angle, that no longer moves a double */

/* P_n(x) and P_{n-1}(x) for n >= 1. */
static void legendre(int64_t n, long double x, long double *last, long double *before)
{
    long double p0 = 1, p1 = x;
    for (int64_t j = 2; j <= n; j++) {
        long double p2 = ((long double)(2 * j - 1) * x * p1 - (long double)(j - 1) * p0) / j;
        p0 = p1;
        p1 = p2;
    }
    *last = p1;
    *before = p0;
}

static void gauss_legendre(int64_t n, double *nodes, double *weights)
{
    for (int64_t i = 0; i < (n + 1) / 2; i++) { /* the i-th root from the right: x > 0 */
        long double count = n;
        long double estimate = (1 - 1 / (8 * count * count) + 1 / (8 * count * count * count)) *
                               cosl(PI * (i + 0.75L) / (count + 0.5L));
        long double angle = acosl(estimate), slope = 1, last, before;
        if (2 * i + 1 == n)
            angle = PI / 2;
        for (int k = 0; k < NEWTON_ITERATIONS; k++) {
            legendre(n, cosl(angle), &last, &before);
            /* sin t dP_n/dx = n (P_{n-1} - x P_n) / sin t, and dP_n/dt = -sin t dP_n/dx. */
            slope = count * (before - cosl(angle) * last) / sinl(angle);
            angle += last / slope;
            if (fabsl(last / slope) <= NEWTON_ENOUGH * angle)
                break;
        }
        if (2 * i + 1 == n)
            angle = PI / 2;
        long double near = sinl(angle / 2) * sinl(angle / 2);
        nodes[i] = (double)near;
        nodes[n - 1 - i] = (double)(1 - near);
        weights[i] = weights[n - 1 - i] = (double)(1 / (slope * slope));
    }
}

ln_status ln_quadrature_make(ln_quadrature rule, int64_t count, double *nodes, double *weights,
                             ln_error *err)
{
    int64_t least = rule == LN_QUADRATURE_RIEMANN_TRAPEZOID ? 2 : 1;
    if (count < least)
        return ln_fail(
            err, LN_EINVALID, "found %" PRId64 " steps: %s needs at least %" PRId64, count,
            least == 2 ? "method = \"riemann_trapezoid\", which counts both ends," : "a quadrature",
            least);
    if (rule == LN_QUADRATURE_GAUSS_LEGENDRE) {
        gauss_legendre(count, nodes, weights);
        return LN_OK;
    }
    double n = (double)count;
    for (int64_t i = 0; i < count; i++) {
        double at = (double)i;
        weights[i] = 1 / n;
        switch (rule) {
        case LN_QUADRATURE_RIEMANN_LEFT:
            nodes[i] = at / n;
            break;
        case LN_QUADRATURE_RIEMANN_RIGHT:
            nodes[i] = (at + 1) / n;
            break;
        case LN_QUADRATURE_RIEMANN_MIDDLE:
            nodes[i] = (at + 0.5) / n;
            break;
        default:
            nodes[i] = at / (n - 1);
            weights[i] = (i == 0 || i == count - 1 ? 0.5 : 1) / (n - 1);
        }
    }
    return LN_OK;
}
