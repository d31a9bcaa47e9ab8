/* Inside layers/: what scalar.c's functions of one number share with their parameters. */
#ifndef LN_LAYERS_SCALAR_H
#define LN_LAYERS_SCALAR_H

#include <math.h>

#include "layers/common.h"

/* The densities and distributions that gelu is made of, in the precision of float32. */
static inline float ln_normal_below(float x)
{
    return 0.5F * erfcf(-0.70710678F * x);
}

static inline float ln_normal_density(float x)
{
    return 0.39894228F * expf(-0.5F * x * x);
}

static inline float ln_logistic(float x)
{
    return 1 / (1 + expf(-x));
}

/* log(1 + exp(x)) without overflow. */
static inline float ln_soft_plus(float x)
{
    return x > 0 ? x + log1pf(expf(-x)) : log1pf(expf(x));
}

#endif
