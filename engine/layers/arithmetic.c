/* Arithmetic of two operands, broadcast from the right as numpy does; add takes more than two. Whole
 * numbers wrap around as the machine's do, and are divided towards 0. At a tie the gradient of the
 * greater or lesser is shared, as in PyTorch.
 *
 * The table holds one line a function: f, df/da dy, df/db dy, and f of whole numbers.
 *
 * Source: ONNX's operators, PyTorch's gradients. */
#include <math.h>
#include <stddef.h>

#include "layers/binary.h"

static float power_slope(float a, float b, float y)
{
    return a == 0 && b >= 0 ? 0 : y * logf(a);
}

static int64_t whole_quotient(int64_t a, int64_t b)
{
    if (b == 0)
        return 0;
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t whole_remainder(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}

/* Of the divisor's sign, as in Python. */
static int64_t whole_modulus(int64_t a, int64_t b)
{
    const int64_t rest = whole_remainder(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static float modulus(float a, float b)
{
    const float rest = fmodf(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/* By squaring; 0 where the exponent is negative and the base neither 1 nor -1. */
static int64_t whole_power(int64_t a, int64_t b)
{
    uint64_t result = 1, base = (uint64_t)a;
    if (b < 0)
        return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    for (; b > 0; b /= 2, base *= base)
        if (b % 2)
            result *= base;
    return (int64_t)result;
}

/* word, summary, formula, source, most inputs, words for its errors, f, df/da dy, df/db dy, f of
 * whole numbers */
#define BINARY(X)                                                                                  \
    X(add, "adds branches, or a constant to a branch", "y = a + b + ...", "ONNX: Add", -1,         \
      "added", a + b, dy, dy, (int64_t)((uint64_t)a + (uint64_t)b))                                \
    X(sub, "subtracts a branch or a constant", "y = a - b", "ONNX: Sub", 2, "subtracted", a - b,   \
      dy, -dy, (int64_t)((uint64_t)a - (uint64_t)b))                                               \
    X(mul, "multiplies element by element", "y = a b", "ONNX: Mul", 2, "multiplied", a *b, dy *b,  \
      dy *a, (int64_t)((uint64_t)a * (uint64_t)b))                                                 \
    X(div, "divides element by element", "y = a / b", "ONNX: Div", 2, "divided", a / b, dy / b,    \
      -dy * y / b, whole_quotient(a, b))                                                           \
    X(maximum, "the greater of two", "y = max(a, b)", "ONNX: Max", 2, "compared",                  \
      a > b || isnan(a) ? a : b,                                                                   \
      a > b    ? dy                                                                                \
      : a == b ? dy / 2                                                                            \
               : 0,                                                                                \
      a < b    ? dy                                                                                \
      : a == b ? dy / 2                                                                            \
               : 0,                                                                                \
      a > b ? a : b)                                                                               \
    X(minimum, "the lesser of two", "y = min(a, b)", "ONNX: Min", 2, "compared",                   \
      a < b || isnan(a) ? a : b,                                                                   \
      a < b    ? dy                                                                                \
      : a == b ? dy / 2                                                                            \
               : 0,                                                                                \
      a > b    ? dy                                                                                \
      : a == b ? dy / 2                                                                            \
               : 0,                                                                                \
      a < b ? a : b)                                                                               \
    X(fmod, "remainder of the dividend's sign", "y = a - b trunc(a / b)", "ONNX: Mod with fmod",   \
      2, "divided", fmodf(a, b), dy, -dy *truncf(a / b), whole_remainder(a, b))                    \
    X(mod, "remainder of the divisor's sign", "y = a - b floor(a / b)", "ONNX: Mod", 2, "divided", \
      modulus(a, b), dy, -dy *floorf(a / b), whole_modulus(a, b))

/* The base's type is the result's; the exponent's may be another. */
#define POWER(X)                                                                                   \
    X(pow, "power", "y = a^b", "ONNX: Pow", 2, "combined", powf(a, b),                             \
      b == 0 ? 0 : dy * b * powf(a, b - 1), dy * power_slope(a, b, y), whole_power(a, b))

static ln_status power_types(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    (void)node;
    (void)err;
    out[0] = in[0];
    return LN_OK;
}

/* The body for the steps that occur, so that each loop can be made of vectors: two rows, a row and one
 * number, and whatever else. */
#define STEPS(run, a_step, b_step, ...)                                                            \
    for (int64_t i = 0; i < (run)->count; i++) {                                                   \
        const float a = (run)->a[i * (a_step)], b = (run)->b[i * (b_step)];                        \
        __VA_ARGS__                                                                                \
    }
#define EACH(run, ...)                                                                             \
    if ((run)->a_by == 1 && (run)->b_by == 1) {                                                    \
        STEPS(run, 1, 1, __VA_ARGS__)                                                              \
    } else if ((run)->a_by == 1 && (run)->b_by == 0) {                                             \
        STEPS(run, 1, 0, __VA_ARGS__)                                                              \
    } else {                                                                                       \
        STEPS(run, (run)->a_by, (run)->b_by, __VA_ARGS__)                                          \
    }

#define LAYER(name_, summary_, formula_, source_, most_, verb_, value_, slope_a, slope_b, whole_,  \
              real_, types_)                                                                       \
    static void name_##_value(const ln_run *run)                                                   \
    {                                                                                              \
        EACH(run, run->y[i] = (value_);)                                                           \
    }                                                                                              \
    static void name_##_slope(const ln_run *run, int operand, float *to)                           \
    {                                                                                              \
        if (operand == 0) {                                                                        \
            EACH(run, const float dy = run->dy[i], y = run->y[i]; (void)a, (void)b, (void)y;       \
                 to[i] = (slope_a);)                                                               \
            return;                                                                                \
        }                                                                                          \
        EACH(run, const float dy = run->dy[i], y = run->y[i]; (void)a, (void)b, (void)y;           \
             to[i] = (slope_b);)                                                                   \
    }                                                                                              \
    static int64_t name_##_whole(int64_t a, int64_t b)                                             \
    {                                                                                              \
        return whole_;                                                                             \
    }                                                                                              \
    static const ln_binary name_##_binary = {                                                      \
        .value = name_##_value, .slope = name_##_slope, .whole = name_##_whole, .real = real_};    \
    static ln_status name_##_forward(const ln_pass *pass, ln_error *err)                           \
    {                                                                                              \
        (void)err;                                                                                 \
        return ln_binary_forward(pass, &name_##_binary);                                           \
    }                                                                                              \
    static ln_status name_##_backward(const ln_pass *pass, ln_error *err)                          \
    {                                                                                              \
        (void)err;                                                                                 \
        return ln_binary_backward(pass, &name_##_binary, false);                                   \
    }                                                                                              \
    static ln_status name_##_backward_parameters(const ln_pass *pass, ln_error *err)               \
    {                                                                                              \
        (void)err;                                                                                 \
        return ln_binary_backward(pass, &name_##_binary, true);                                    \
    }                                                                                              \
    static ln_status name_##_infer(const struct ln_graph *graph, const struct ln_node *node,       \
                                   const ln_shape *in, ln_shape *out, ln_error *err)               \
    {                                                                                              \
        return ln_broadcast_infer(graph, node, in, verb_, out, err);                               \
    }                                                                                              \
    const ln_layer ln_layer_##name_ = {                                                            \
        .word = {.name = #name_, .summary = summary_, .formula = formula_, .source = source_},     \
        .flags = LN_LAYER_INTERNAL,                                                                \
        .min_inputs = 2,                                                                           \
        .max_inputs = most_,                                                                       \
        .types = types_,                                                                           \
        .infer = name_##_infer,                                                                    \
        .prepare = ln_binary_prepare,                                                              \
        .forward = name_##_forward,                                                                \
        .backward = name_##_backward,                                                              \
        .backward_parameters = name_##_backward_parameters,                                        \
    };
#define X(...) LAYER(__VA_ARGS__, NULL, ln_types_same)
BINARY(X)
#undef X
#define X(...) LAYER(__VA_ARGS__, pow, power_types)
POWER(X)
