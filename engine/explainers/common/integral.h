/* The parameters of integrated gradients, which the same word at a layer hands on to it. */
#ifndef LN_EXPLAINERS_INTEGRAL_H
#define LN_EXPLAINERS_INTEGRAL_H

#include <math.h>

#include "base/param.h"
#include "explainers/common/quadrature.h"

#define LN_INTEGRAL_METHODS LN_QUADRATURE_CHOICES "|exact"
#define LN_INTEGRAL_EXACT (LN_QUADRATURE_RIEMANN_TRAPEZOID + 1) /* its place among them */

typedef struct ln_integral_params {
    int64_t steps;           /* nodes of the quadrature */
    int method;              /* ln_quadrature, or LN_INTEGRAL_EXACT */
    bool multiply_by_inputs; /* times x - baseline */
    double tolerance;        /* of the residual, read by the driver */
} ln_integral_params;

#define LN_INTEGRAL_PARAMS                                                                         \
    {.name = "steps",                                                                              \
     .type = LN_PARAM_INT,                                                                         \
     .offset = offsetof(ln_integral_params, steps),                                                \
     .fallback = "50",                                                                             \
     .min = 1,                                                                                     \
     .max = LN_QUADRATURE_STEPS_MAX,                                                               \
     .help = "points of the path at which the gradient is taken"},                                 \
        {.name = "method",                                                                         \
         .type = LN_PARAM_CHOICE,                                                                  \
         .offset = offsetof(ln_integral_params, method),                                           \
         .fallback = "\"gausslegendre\"",                                                          \
         .choices = LN_INTEGRAL_METHODS,                                                           \
         .help = "where those points are and how they are weighted; exact: between the bends of "  \
                 "a network that is linear piece by piece, without steps"},                        \
        {.name = "baseline",                                                                       \
         .type = LN_PARAM_BASELINE,                                                                \
         .offset = LN_NO_OFFSET,                                                                   \
         .fallback = "0",                                                                          \
         .help = "where the path starts, in encoded space: one for all rows or one a row"},        \
        {.name = "multiply_by_inputs",                                                             \
         .type = LN_PARAM_BOOL,                                                                    \
         .offset = offsetof(ln_integral_params, multiply_by_inputs),                               \
         .fallback = "true",                                                                       \
         .help = "multiply the mean gradient by x - baseline; without it there is no residual"},   \
    {                                                                                              \
        .name = "tolerance", .type = LN_PARAM_REAL,                                                \
        .offset = offsetof(ln_integral_params, tolerance), .fallback = "0.05", .min = 0,           \
        .max = HUGE_VAL, .help = "relative residual that verify lets pass"                         \
    }

#endif
