#include "explainers/common/bernoulli.h"

#include <float.h>
#include <math.h>

#define MOST_STEPS 100 /* of Newton's: some 6 are needed, fewer than 60 at the worst */

/* p log(p / q), also where p is 0. */
static double part(double p, double q)
{
    return p > 0 ? p * log(p / q) : 0;
}

double ln_bernoulli_divergence(double p, double q)
{
    const double sum = part(p, q) + part(1 - p, 1 - q);
    return sum > 0 ? sum : 0; /* rounding */
}

/* KL(p, q) - divergence is convex in q, so that Newton's steps from where it is not negative come down to the
 * end without passing it. Two places to begin with are beyond it: Pinsker's p + sqrt(divergence / 2), and where
 * already (1 - p) log((1 - p) / (1 - q)) + p log(p) is the divergence. `rest` is 1 - q, which may be far smaller
 * than q can tell. */
double ln_bernoulli_upper(double p, double divergence)
{
    if (p >= 1 || divergence <= 0)
        return p >= 1 ? 1 : p;
    if (p <= 0)
        return -expm1(-divergence);
    double rest = (1 - p) * exp(-(divergence - p * log(p)) / (1 - p));
    const double pinsker = 1 - p - sqrt(divergence / 2);
    if (pinsker > rest)
        rest = pinsker;
    for (int step = 0; step < MOST_STEPS && rest > 0; step++) {
        const double q = 1 - rest;
        const double above = p * log(p / q) + (1 - p) * log((1 - p) / rest) - divergence;
        const double move = above * q * rest / (q - p);
        if (!(move > rest * DBL_EPSILON))
            break;
        rest += move;
    }
    const double q = 1 - rest;
    return q > p ? q : p;
}

double ln_bernoulli_lower(double p, double divergence)
{
    if (p >= 1)
        return divergence > 0 ? exp(-divergence) : 1;
    return 1 - ln_bernoulli_upper(1 - p, divergence);
}
