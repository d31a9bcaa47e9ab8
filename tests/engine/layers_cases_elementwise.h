/* The cases of functions of one and of two numbers, each with the same function in float64. */
#ifndef LN_TESTS_LAYERS_CASES_ELEMENTWISE_H
#define LN_TESTS_LAYERS_CASES_ELEMENTWISE_H

#include "layers_support.h"

static double normal_below(double x)
{
    return 0.5 * (1 + erf(x / sqrt(2)));
}

/* word, function of x */
#define ONE(X)                                                                                     \
    X(abs, fabs(x))                                                                                \
    X(neg, -x)                                                                                     \
    X(sign, x > 0 ? 1 : -1)                                                                        \
    X(reciprocal, 1 / x)                                                                           \
    X(sqrt, sqrt(x))                                                                               \
    X(exp, exp(x))                                                                                 \
    X(log, log(x))                                                                                 \
    X(floor, floor(x))                                                                             \
    X(ceil, ceil(x))                                                                               \
    X(round, nearbyint(x))                                                                         \
    X(erf, erf(x))                                                                                 \
    X(sin, sin(x))                                                                                 \
    X(cos, cos(x))                                                                                 \
    X(tan, tan(x))                                                                                 \
    X(asin, asin(x))                                                                               \
    X(acos, acos(x))                                                                               \
    X(atan, atan(x))                                                                               \
    X(sinh, sinh(x))                                                                               \
    X(cosh, cosh(x))                                                                               \
    X(asinh, asinh(x))                                                                             \
    X(acosh, acosh(x))                                                                             \
    X(atanh, atanh(x))                                                                             \
    X(relu6, fmin(fmax(x, 0), 6))                                                                  \
    X(silu, x / (1 + exp(-x)))                                                                     \
    X(mish, x *tanh(log(1 + exp(x))))                                                              \
    X(hardswish, x *fmin(fmax(x + 3, 0), 6) / 6)                                                   \
    X(softsign, x / (1 + fabs(x)))                                                                 \
    X(tanhshrink, x - tanh(x))                                                                     \
    X(logsigmoid, -log(1 + exp(-x)))                                                               \
    X(selu, 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (exp(x) - 1)))                  \
    X(hardsigmoid, fmin(fmax(x / 6 + 0.5, 0), 1))

/* name, word, parameters, function of x */
#define ONE_WITH_PARAMETERS(X)                                                                     \
    X(hardtanh, hardtanh, (-0.5, 0.75, 0), fmin(fmax(x, -0.5), 0.75))                              \
    X(celu, celu, (1.5, 0, 0), x > 0 ? x : 1.5 * (exp(x / 1.5) - 1))                               \
    X(threshold, threshold, (0.1, 20, 0), x > 0.1 ? x : 20)                                        \
    X(hardshrink, hardshrink, (0.3, 0, 0), fabs(x) > 0.3 ? x : 0)                                  \
    X(softshrink, softshrink, (0.3, 0, 0), x > 0.3 ? x - 0.3 : x < -0.3 ? x + 0.3 : 0)             \
    X(gelu, gelu, (0, 0, 0), x *normal_below(x))                                                   \
    X(gelu_tanh, gelu, (0, 0, 1),                                                                  \
      0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x))))         \
    X(clip, clip, (-0.5, INFINITY, 0), fmax(x, -0.5))                                              \
    X(clipped_line, clipped_line, (0.5, 0.6, 0), fmin(fmax(0.5 * x + 0.6, 0), 1))                  \
    X(shrink, shrink, (0.4, 1.5, 0), x > 0.4 ? x - 1.5 : x < -0.4 ? x + 1.5 : 0)

#define X(name, function)                                                                          \
    REFERENCE(one_##name)                                                                          \
    {                                                                                              \
        for (int64_t i = 0; i < elements(layer, rows); i++) {                                      \
            const double x = in[0][i];                                                             \
            out[i] = function;                                                                     \
        }                                                                                          \
    }
ONE(X)
#undef X
#define X(name, word, parameters, function)                                                        \
    REFERENCE(one_##name)                                                                          \
    {                                                                                              \
        for (int64_t i = 0; i < elements(layer, rows); i++) {                                      \
            const double x = in[0][i];                                                             \
            out[i] = function;                                                                     \
        }                                                                                          \
    }
ONE_WITH_PARAMETERS(X)
#undef X

/* Element i of the broadcast result, in each operand, index by index by the rules of numpy. */
static void broadcast_indices(const layer_case *layer, int64_t rows, int64_t i, int64_t *at)
{
    int64_t dims[LN_MAX_RANK], index[LN_MAX_RANK];
    int rank = 0;
    for (int k = 0; k < layer->count; k++) {
        const int own = layer->shapes[k].rank + (k < layer->live ? 1 : 0);
        rank = own > rank ? own : rank;
    }
    for (int axis = 0; axis < rank; axis++) {
        dims[axis] = axis == 0 ? rows : 1;
        for (int k = 0; k < layer->count; k++) {
            const int own = axis - (rank - layer->shapes[k].rank);
            if (axis > 0 && own >= 0 && layer->shapes[k].dims[own] > dims[axis])
                dims[axis] = layer->shapes[k].dims[own];
        }
    }
    for (int axis = rank - 1; axis >= 0; axis--) {
        index[axis] = i % dims[axis];
        i /= dims[axis];
    }
    for (int k = 0; k < layer->count; k++) {
        const ln_shape *shape = &layer->shapes[k];
        at[k] = k < layer->live ? index[0] : 0;
        for (int j = 0; j < shape->rank; j++)
            at[k] =
                at[k] * shape->dims[j] + (shape->dims[j] > 1 ? index[rank - shape->rank + j] : 0);
    }
}

static int64_t broadcast_count(const layer_case *layer, int64_t rows)
{
    int64_t count = rows;
    int rank = 0;
    for (int k = 0; k < layer->count; k++)
        rank = layer->shapes[k].rank > rank ? layer->shapes[k].rank : rank;
    for (int axis = 1; axis <= rank; axis++) {
        int64_t most = 1;
        for (int k = 0; k < layer->count; k++) {
            const ln_shape *shape = &layer->shapes[k];
            if (axis <= shape->rank && shape->dims[shape->rank - axis] > most)
                most = shape->dims[shape->rank - axis];
        }
        count *= most;
    }
    return count;
}

/* word, function of a and b */
#define TWO(X)                                                                                     \
    X(add, a + b)                                                                                  \
    X(sub, a - b)                                                                                  \
    X(mul, a *b)                                                                                   \
    X(div, a / b)                                                                                  \
    X(pow, pow(a, b))                                                                              \
    X(maximum, fmax(a, b))                                                                         \
    X(minimum, fmin(a, b))                                                                         \
    X(prelu, a > 0 ? a : a * b)                                                                    \
    X(fmod, a - b * trunc(a / b))                                                                  \
    X(mod, a - b * floor(a / b))

#define X(name, function)                                                                          \
    REFERENCE(two_##name)                                                                          \
    {                                                                                              \
        int64_t at[LAYER_MOST_INPUTS];                                                             \
        for (int64_t i = 0; i < broadcast_count(layer, rows); i++) {                               \
            broadcast_indices(layer, rows, i, at);                                                 \
            double a = in[0][at[0]];                                                               \
            for (int k = 1; k < layer->count; k++) {                                               \
                const double b = in[k][at[k]];                                                     \
                a = function;                                                                      \
            }                                                                                      \
            out[i] = a;                                                                            \
        }                                                                                          \
    }
TWO(X)
#undef X

/* A slope for each of two channels of three numbers. */
REFERENCE(two_prelu_channels)
{
    for (int64_t i = 0; i < elements(layer, rows); i++)
        out[i] = in[0][i] > 0 ? in[0][i] : in[0][i] * in[1][i / 3 % 2];
}

#define UNPACK(...) __VA_ARGS__
static const layer_case elementwise_cases[] = {
#define X(name, function) {#name, #name, NULL, 1, 1, {ROW(11)}, one_##name},
    ONE(X)
#undef X
#define X(name, word, parameters, function)                                                        \
    {#name, #word, &(ln_scalar_attributes){UNPACK parameters}, 1, 1, {ROW(11)}, one_##name},
        ONE_WITH_PARAMETERS(X)
#undef X
#define X(name, function)                                                                          \
    {#name, #name, NULL, 2, 2, {ROW(2, 3), ROW(2, 3)}, two_##name},                                \
        {#name " with branches of other shapes",                                                   \
         #name,                                                                                    \
         NULL,                                                                                     \
         2,                                                                                        \
         2,                                                                                        \
         {ROW(2, 1), ROW(1, 3)},                                                                   \
         two_##name},                                                                              \
        {#name " with a constant row", #name, NULL, 1, 2, {ROW(2, 3), ROW(3)}, two_##name},        \
        {#name " with a constant column", #name, NULL, 1, 2, {ROW(2, 3), ROW(2, 1)}, two_##name},  \
        {#name " with a number", #name, NULL, 1, 2, {ROW(2, 3), {0}}, two_##name},                 \
        {#name " with a larger constant", #name, NULL, 1, 2, {ROW(1, 3), ROW(2, 1)}, two_##name},
            TWO(X)
#undef X
                {"add three", "add", NULL, 3, 3, {ROW(4), ROW(4), ROW(4)}, two_add},
    {"add three, one of them a constant",
     "add",
     NULL,
     2,
     3,
     {ROW(2, 2), ROW(2, 2), ROW(2)},
     two_add},
    {"add a bias with a rows' axis", "add", NULL, 1, 2, {ROW(4), ROW(1, 4)}, two_add},
    {"prelu of channels",
     "prelu",
     &(ln_prelu_attributes){2, 0},
     1,
     2,
     {ROW(2, 3), ROW(2)},
     two_prelu_channels},
    {"mul of runs longer than a chunk", "mul", NULL, 1, 2, {ROW(3, 300), ROW(300)}, two_mul},
};

#endif
