/* gelu, silu, and the error function that gelu is made of, in registers (kernels/elementary.h): an element's bits do
 * not depend on its place.
 *
 *     gelu x = x P(Z <= x), Z standard normal          slope P(Z <= x) + x density(x)
 *     by tanh: x / 2 (1 + tanh u), u = sqrt(2 / pi) (x + 0.044715 x^3)
 *     silu x = x s, s = 1 / (1 + exp(-x))             slope s (1 + x (1 - s))
 *
 * Source: torch.nn.GELU; Hendrycks & Gimpel 2016; torch.nn.SiLU; ONNX's Erf. */
#include <stddef.h>

#include "kernels/elementary.h"
#include "layers/common.h"

enum { BLOCK = 256 }; /* numbers that stay in the first cache between two loops */

static ln_status erf_forward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    ln_elementary_choose()->erf(ln_pass_count(pass, &pass->step->out_shape[0]), pass->in[0],
                                pass->out[0]);
    return LN_OK;
}

static ln_status erf_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    if (pass->in_grad[0])
        ln_elementary_choose()->erf_back(ln_pass_count(pass, &pass->step->out_shape[0]),
                                         pass->in[0], pass->out_grad[0], pass->in_grad[0]);
    return LN_OK;
}

const ln_layer ln_layer_erf = {
    .word = {.name = "erf",
             .summary = "error function",
             .formula = "y = 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x",
             .source = "ONNX: Erf"},
    .flags = LN_LAYER_ACTIVATION | LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = erf_forward,
    .backward = erf_backward,
};

/* ---------------------------------------------------------------- gelu */

static const ln_param gelu_params[] = {
    {.name = "approximate",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_scalar_attributes, approximate),
     .fallback = "\"none\"",
     .choices = "none|tanh",
     .help = "\"tanh\": the approximation by tanh that some networks were trained with"},
    LN_PARAM_END,
};

static bool is_by_tanh(const ln_pass *pass)
{
    return ((const ln_scalar_attributes *)pass->step->node->attributes)->approximate != 0;
}

/* tanh u of as many numbers as a block has. */
static void inner(int64_t count, const float *x, float *t)
{
    for (int64_t i = 0; i < count; i++)
        t[i] = 0.79788456F * (x[i] + 0.044715F * x[i] * x[i] * x[i]);
    ln_elementary_choose()->tanh(count, t, t);
}

static ln_status gelu_forward(const ln_pass *pass, ln_error *err)
{
    const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);
    const float *x = pass->in[0];
    float *y = pass->out[0], t[BLOCK];
    (void)err;
    if (!is_by_tanh(pass)) {
        ln_elementary_choose()->gelu(count, x, y);
        return LN_OK;
    }
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t part = count - first < BLOCK ? count - first : BLOCK;
        inner(part, x + first, t);
        for (int64_t i = 0; i < part; i++)
            y[first + i] = 0.5F * x[first + i] * (1 + t[i]);
    }
    return LN_OK;
}

static float slope_by_tanh(float x, float t)
{
    return 0.5F * (1 + t) + 0.5F * x * (1 - t * t) * 0.79788456F * (1 + 0.134145F * x * x);
}

static ln_status gelu_backward(const ln_pass *pass, ln_error *err)
{
    const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0], t[BLOCK];
    (void)err;
    if (dx && !is_by_tanh(pass))
        ln_elementary_choose()->gelu_back(count, x, dy, dx);
    for (int64_t first = 0; first < count && dx && is_by_tanh(pass); first += BLOCK) {
        const int64_t part = count - first < BLOCK ? count - first : BLOCK;
        inner(part, x + first, t);
        for (int64_t i = 0; i < part; i++)
            dx[first + i] = dy[first + i] * slope_by_tanh(x[first + i], t[i]);
    }
    return LN_OK;
}

const ln_layer ln_layer_gelu = {
    .word = {.name = "gelu",
             .summary = "x times the share of normal numbers below x",
             .formula = "y = x P(Z <= x), Z standard normal",
             .source = "PyTorch: torch.nn.GELU; Hendrycks & Gimpel 2016",
             .params = gelu_params,
             .params_size = sizeof(ln_scalar_attributes)},
    .flags = LN_LAYER_ACTIVATION,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = gelu_forward,
    .backward = gelu_backward,
};

/* ---------------------------------------------------------------- silu */

static ln_status silu_forward(const ln_pass *pass, ln_error *err)
{
    const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);
    const float *x = pass->in[0];
    float *y = pass->out[0], s[BLOCK];
    (void)err;
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t part = count - first < BLOCK ? count - first : BLOCK;
        ln_elementary_choose()->sigmoid(part, x + first, s);
        for (int64_t i = 0; i < part; i++)
            y[first + i] = x[first + i] * s[i];
    }
    return LN_OK;
}

static ln_status silu_backward(const ln_pass *pass, ln_error *err)
{
    const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0], s[BLOCK];
    (void)err;
    for (int64_t first = 0; first < count && dx; first += BLOCK) {
        const int64_t part = count - first < BLOCK ? count - first : BLOCK;
        ln_elementary_choose()->sigmoid(part, x + first, s);
        for (int64_t i = 0; i < part; i++)
            dx[first + i] = dy[first + i] * (s[i] * (1 + x[first + i] * (1 - s[i])));
    }
    return LN_OK;
}

const ln_layer ln_layer_silu = {
    .word = {.name = "silu",
             .summary = "sigmoid linear unit, also called swish",
             .formula = "y = x / (1 + exp(-x))",
             .source = "PyTorch: torch.nn.SiLU"},
    .flags = LN_LAYER_ACTIVATION,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = silu_forward,
    .backward = silu_backward,
};
