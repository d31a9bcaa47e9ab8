/* Inside layers/: what scalar.c's functions of one number share with their parameters. */
#ifndef LN_LAYERS_SCALAR_H
#define LN_LAYERS_SCALAR_H

#include <math.h>

#include "layers/common.h"

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
