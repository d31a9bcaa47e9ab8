/* Functions of one number, y = f(x) element by element, dx = f'(x) dy. Any shape; nothing trains.
 *
 * The tables below hold one line a function: its word, what it is, f and f'. In f and f' there are x,
 * y = f(x), and the parameters a and b where it has them. The functions of libm are called element by
 * element, so that an element's bits do not depend on its place in a vector; comparisons are written
 * so that a NaN goes through. Where f has a corner f' is what PyTorch has there.
 *
 * relu, sigmoid, tanh and the functions they come with are in activation.c, gelu, silu and erf in gelu.c.
 *
 * Source: torch.nn and ONNX's operators. */
#include "layers/scalar.h"
#include "layers/operand.h"

#include <stddef.h>

static float mish_slope(float x)
{
    const float t = tanhf(ln_soft_plus(x));
    return t + x * (1 - t * t) * ln_logistic(x);
}

/* ---------------------------------------------------------------- parameters */

#define REAL(field, given, literal, text)                                                          \
    {                                                                                              \
        .name = #given, .type = LN_PARAM_REAL, .offset = offsetof(ln_scalar_attributes, field),    \
        .fallback = literal, .min = -HUGE_VAL, .max = HUGE_VAL, .help = text                       \
    }
#define PARAMETERS(name, ...) static const ln_param name##_params[] = {__VA_ARGS__, LN_PARAM_END}

PARAMETERS(hardtanh, REAL(a, min_val, "-1", "what is below becomes this"),
           REAL(b, max_val, "1", "what is above becomes this"));
PARAMETERS(clip, REAL(a, min, "-math.huge", "what is below becomes this"),
           REAL(b, max, "math.huge", "what is above becomes this"));
PARAMETERS(celu, REAL(a, alpha, "1", "the function goes to -alpha far below 0"));
PARAMETERS(threshold, REAL(a, threshold, LN_REQUIRED, "where x is above it, y is x"),
           REAL(b, value, LN_REQUIRED, "what stands elsewhere"));
PARAMETERS(clipped_line, REAL(a, alpha, "0.2", "the slope"),
           REAL(b, beta, "0.5", "the value at 0"));
PARAMETERS(hardshrink, REAL(a, lambd, "0.5", "what is not farther from 0 becomes 0"));
PARAMETERS(softshrink, REAL(a, lambd, "0.5", "how far everything moves towards 0"));
PARAMETERS(shrink, REAL(a, lambd, "0.5", "what is not farther from 0 becomes 0"),
           REAL(b, bias, "0", "how far the rest moves towards 0"));

/* ---------------------------------------------------------------- the tables */

/* word, summary, formula, source, f, f' */
#define PLAIN(X)                                                                                   \
    X(reciprocal, "one over the number", "y = 1 / x", "ONNX: Reciprocal", 1 / x, -(y * y))         \
    X(sqrt, "square root", "y = sqrt(x)", "ONNX: Sqrt", sqrtf(x), 0.5F / y)                        \
    X(exp, "exponential", "y = exp(x)", "ONNX: Exp", expf(x), y)                                   \
    X(log, "natural logarithm", "y = log(x)", "ONNX: Log", logf(x), 1 / x)                         \
    X(floor, "rounds down", "y = floor(x)", "ONNX: Floor", floorf(x), 0)                           \
    X(ceil, "rounds up", "y = ceil(x)", "ONNX: Ceil", ceilf(x), 0)                                 \
    X(round, "rounds to the nearest whole number, halves to the even one", "y = round(x)",         \
      "ONNX: Round", rintf(x), 0)                                                                  \
    X(sin, "sine", "y = sin(x)", "ONNX: Sin", sinf(x), cosf(x))                                    \
    X(cos, "cosine", "y = cos(x)", "ONNX: Cos", cosf(x), -sinf(x))                                 \
    X(tan, "tangent", "y = tan(x)", "ONNX: Tan", tanf(x), 1 + y * y)                               \
    X(asin, "inverse sine", "y = asin(x)", "ONNX: Asin", asinf(x), 1 / sqrtf((1 - x) * (1 + x)))   \
    X(acos, "inverse cosine", "y = acos(x)", "ONNX: Acos", acosf(x),                               \
      -1 / sqrtf((1 - x) * (1 + x)))                                                               \
    X(atan, "inverse tangent", "y = atan(x)", "ONNX: Atan", atanf(x), 1 / (1 + x * x))             \
    X(sinh, "hyperbolic sine", "y = sinh(x)", "ONNX: Sinh", sinhf(x), coshf(x))                    \
    X(cosh, "hyperbolic cosine", "y = cosh(x)", "ONNX: Cosh", coshf(x), sinhf(x))                  \
    X(asinh, "inverse hyperbolic sine", "y = asinh(x)", "ONNX: Asinh", asinhf(x),                  \
      1 / sqrtf(x * x + 1))                                                                        \
    X(acosh, "inverse hyperbolic cosine", "y = acosh(x)", "ONNX: Acosh", acoshf(x),                \
      1 / sqrtf((x - 1) * (x + 1)))                                                                \
    X(atanh, "inverse hyperbolic tangent", "y = atanh(x)", "ONNX: Atanh", atanhf(x),               \
      1 / ((1 - x) * (1 + x)))

/* The same for numbers of any type; f of a whole number x comes last. */
#define ANY(X)                                                                                     \
    X(abs, "absolute value", "y = |x|", "ONNX: Abs", fabsf(x), (float)((x > 0) - (x < 0)),         \
      x < 0 ? (int64_t)(0 - (uint64_t)x) : x)                                                      \
    X(neg, "changes the sign", "y = -x", "ONNX: Neg", -x, -1, (int64_t)(0 - (uint64_t)x))          \
    X(sign, "-1, 0 or 1", "y = sign(x)", "ONNX: Sign",                                             \
      x > 0   ? 1                                                                                  \
      : x < 0 ? -1                                                                                 \
              : x,                                                                                 \
      0, (x > 0) - (x < 0))

/* The same for words of the language. */
#define WORDS(X)                                                                                   \
    X(relu6, "rectified linear unit that stops at 6", "y = min(max(x, 0), 6)",                     \
      "PyTorch: torch.nn.ReLU6",                                                                   \
      x <= 0  ? 0                                                                                  \
      : x > 6 ? 6                                                                                  \
              : x,                                                                                 \
      (float)(x > 0 && x < 6))                                                                     \
    X(mish, "a smooth relu that dips below 0", "y = x tanh(log(1 + exp(x)))",                      \
      "PyTorch: torch.nn.Mish; Misra 2019", x *tanhf(ln_soft_plus(x)), mish_slope(x))              \
    X(hardswish, "swish made of straight lines", "y = x min(max(x + 3, 0), 6) / 6",                \
      "PyTorch: torch.nn.Hardswish; Howard et al. 2019",                                           \
      x <= -3  ? 0                                                                                 \
      : x >= 3 ? x                                                                                 \
               : x * (x + 3) / 6,                                                                  \
      x <= -3  ? 0                                                                                 \
      : x >= 3 ? 1                                                                                 \
               : (2 * x + 3) / 6)                                                                  \
    X(softsign, "to between -1 and 1, slower than tanh", "y = x / (1 + |x|)",                      \
      "PyTorch: torch.nn.Softsign", x / (1 + fabsf(x)), 1 / ((1 + fabsf(x)) * (1 + fabsf(x))))     \
    X(tanhshrink, "what tanh takes away", "y = x - tanh(x)", "PyTorch: torch.nn.Tanhshrink",       \
      x - tanhf(x), tanhf(x) * tanhf(x))                                                           \
    X(logsigmoid, "logarithm of the logistic function", "y = -log(1 + exp(-x))",                   \
      "PyTorch: torch.nn.LogSigmoid", -ln_soft_plus(-x), ln_logistic(-x))                          \
    X(selu, "exponential linear unit that normalises itself",                                      \
      "y = 1.0507 x where x > 0, else 1.7581 (exp(x) - 1)",                                        \
      "PyTorch: torch.nn.SELU; Klambauer et al. 2017",                                             \
      x > 0 ? 1.050701F * x : 1.7580993F * expm1f(x), x > 0 ? 1.050701F : 1.7580993F * expf(x))    \
    X(hardsigmoid, "sigmoid made of straight lines", "y = min(max(x / 6 + 1/2, 0), 1)",            \
      "PyTorch: torch.nn.Hardsigmoid",                                                             \
      x <= -3  ? 0                                                                                 \
      : x >= 3 ? 1                                                                                 \
               : x / 6 + 0.5F,                                                                     \
      x > -3 && x < 3 ? 1 / 6.0F : 0)

/* The same with parameters a and b (float). */
#define PARAMETRIC_WORDS(X)                                                                        \
    X(hardtanh, "keeps numbers between two bounds", "y = min(max(x, min_val), max_val)",           \
      "PyTorch: torch.nn.Hardtanh", x<a ? a : x> b ? b : x, (float)(x > a && x < b))               \
    X(celu, "exponential linear unit with a smooth slope at 0",                                    \
      "y = x where x > 0, else alpha (exp(x / alpha) - 1)", "PyTorch: torch.nn.CELU; Barron 2017", \
      x > 0 ? x : a * expm1f(x / a), x > 0 ? 1 : expf(x / a))                                      \
    X(threshold, "keeps what is above a threshold", "y = x where x > threshold, else value",       \
      "PyTorch: torch.nn.Threshold", x <= a ? b : x, x <= a ? 0 : 1)                               \
    X(hardshrink, "sets what is near 0 to 0", "y = x where |x| > lambd, else 0",                   \
      "PyTorch: torch.nn.Hardshrink", fabsf(x) <= a ? 0 : x, fabsf(x) <= a ? 0 : 1)                \
    X(softshrink, "moves everything towards 0",                                                    \
      "y = x - lambd where x > lambd, x + lambd where x < -lambd, else 0",                         \
      "PyTorch: torch.nn.Softshrink",                                                              \
      fabsf(x) <= a ? 0                                                                            \
      : x > 0       ? x - a                                                                        \
                    : x + a,                                                                             \
      fabsf(x) <= a ? 0 : 1)

/* No words of the language. */
#define PARAMETRIC(X)                                                                              \
    X(clip, "keeps numbers between two bounds", "y = min(max(x, min), max)", "ONNX: Clip",         \
      x > b   ? b                                                                                  \
      : x < a ? a                                                                                  \
              : x,                                                                                 \
      (float)(x >= a && x <= b))                                                                   \
    X(clipped_line, "a straight line between 0 and 1", "y = min(max(alpha x + beta, 0), 1)",       \
      "ONNX: HardSigmoid",                                                                         \
      a *x + b <= 0   ? 0                                                                          \
      : a * x + b > 1 ? 1                                                                          \
                      : a * x + b,                                                                 \
      a * x + b > 0 && a * x + b < 1 ? a : 0)                                                      \
    X(shrink, "sets what is near 0 to 0 and moves the rest",                                       \
      "y = x + bias where x < -lambd, x - bias where x > lambd, else 0", "ONNX: Shrink",           \
      fabsf(x) <= a ? 0                                                                            \
      : x > 0       ? x - b                                                                        \
                    : x + b,                                                                             \
      fabsf(x) <= a ? 0 : 1)

/* ---------------------------------------------------------------- loops */

#define NO_ATTRIBUTES (void)err;
#define ATTRIBUTES                                                                                 \
    const ln_scalar_attributes *own = pass->step->node->attributes;                                \
    const float a = (float)own->a;                                                                 \
    const float b = (float)own->b;                                                                 \
    (void)a;                                                                                       \
    (void)b;                                                                                       \
    (void)own;                                                                                     \
    (void)err;

/* The same function of whole numbers, where the input holds them. */
static bool whole_forward(const ln_pass *pass, int64_t (*function)(int64_t))
{
    const struct ln_value *value = &pass->step->graph->values[pass->step->node->inputs[0]];
    const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);
    for (int64_t i = 0; i < count && value->dtype != LN_F32; i++)
        ln_store_whole(pass->out[0], value->dtype, i,
                       function(ln_load_whole(pass->in[0], value->dtype, i)));
    return value->dtype != LN_F32;
}
#define WHOLE(name)                                                                                \
    (void)err;                                                                                     \
    if (whole_forward(pass, name##_whole))                                                         \
        return LN_OK;

#define LOOPS(name, setup, value, slope)                                                           \
    static ln_status name##_forward(const ln_pass *pass, ln_error *err)                            \
    {                                                                                              \
        const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);                      \
        const float *in = pass->in[0];                                                             \
        float *out = pass->out[0];                                                                 \
        setup for (int64_t i = 0; i < count; i++)                                                  \
        {                                                                                          \
            const float x = in[i];                                                                 \
            out[i] = value;                                                                        \
        }                                                                                          \
        return LN_OK;                                                                              \
    }                                                                                              \
    static ln_status name##_backward(const ln_pass *pass, ln_error *err)                           \
    {                                                                                              \
        const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);                      \
        const float *in = pass->in[0], *out = pass->out[0], *dy = pass->out_grad[0];               \
        float *dx = pass->in_grad[0];                                                              \
        setup for (int64_t i = 0; i < count && dx; i++)                                            \
        {                                                                                          \
            const float x = in[i], y = out[i];                                                     \
            (void)x, (void)y;                                                                      \
            dx[i] = dy[i] * (slope);                                                               \
        }                                                                                          \
        return LN_OK;                                                                              \
    }

#define DESCRIPTOR(name_, summary_, formula_, source_, flags_, types_, ...)                        \
    const ln_layer ln_layer_##name_ = {                                                            \
        .word = {.name = #name_,                                                                   \
                 .summary = summary_,                                                              \
                 .formula = formula_,                                                              \
                 .source = source_,                                                                \
                 __VA_ARGS__},                                                                     \
        .flags = LN_LAYER_ACTIVATION | (flags_),                                                   \
        .min_inputs = 1,                                                                           \
        .max_inputs = 1,                                                                           \
        .types = types_,                                                                           \
        .infer = ln_infer_same,                                                                    \
        .forward = name_##_forward,                                                                \
        .backward = name_##_backward,                                                              \
    };

#define X(name, summary, formula, source, value, slope)                                            \
    LOOPS(name, NO_ATTRIBUTES, value, slope)                                                       \
    DESCRIPTOR(name, summary, formula, source, LN_LAYER_INTERNAL, NULL, .params = NULL)
PLAIN(X)
#undef X
#define X(name, summary, formula, source, value, slope)                                            \
    LOOPS(name, NO_ATTRIBUTES, value, slope)                                                       \
    DESCRIPTOR(name, summary, formula, source, 0, NULL, .params = NULL)
WORDS(X)
#undef X
#define X(name, summary, formula, source, value, slope)                                            \
    LOOPS(name, ATTRIBUTES, value, slope)                                                          \
    DESCRIPTOR(name, summary, formula, source, 0, NULL, .params = name##_params,                   \
               .params_size = sizeof(ln_scalar_attributes))
PARAMETRIC_WORDS(X)
#undef X
#define X(name, summary, formula, source, value, slope)                                            \
    LOOPS(name, ATTRIBUTES, value, slope)                                                          \
    DESCRIPTOR(name, summary, formula, source, LN_LAYER_INTERNAL, NULL, .params = name##_params,   \
               .params_size = sizeof(ln_scalar_attributes))
PARAMETRIC(X)
#undef X
#define X(name, summary, formula, source, value, slope, whole)                                     \
    static int64_t name##_whole(int64_t x)                                                         \
    {                                                                                              \
        return whole;                                                                              \
    }                                                                                              \
    LOOPS(name, WHOLE(name), value, slope)                                                         \
    DESCRIPTOR(name, summary, formula, source, LN_LAYER_INTERNAL, ln_types_same, .params = NULL)
ANY(X)
#undef X
