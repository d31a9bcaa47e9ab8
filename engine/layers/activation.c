/* Activations: y = f(x) element by element, dx = f'(x) dy. Any shape; nothing trains.
 *
 * sigmoid and tanh are computed in registers (kernels/elementary.h), other functions of that kind are libm's,
 * element by element; an element's bits do not depend on its place in either. NaN goes through every one of them, as in numpy and PyTorch: the
 * comparisons below are written so that a NaN fails the test that would replace it. At 0 the
 * gradient of relu is 0.
 *
 * Source: the functions of torch.nn with their defaults. */
#include <math.h>
#include <stddef.h>

#include "kernels/elementary.h"
#include "layers/common.h"

/* The elements of one pass, for one loop. */
typedef struct span {
    int64_t count;   /* 0 where nobody wants the result */
    const float *x;  /* input */
    const float *y;  /* backward: what forward wrote */
    const float *dy; /* backward: gradient of y */
    float *to;       /* forward: y; backward: gradient of x */
} span;

static span forward_span(const ln_pass *pass)
{
    return (span){.count = ln_pass_count(pass, &pass->step->out_shape[0]),
                  .x = pass->in[0],
                  .to = pass->out[0]};
}

static span backward_span(const ln_pass *pass)
{
    span s = {.count = ln_pass_count(pass, &pass->step->out_shape[0]),
              .x = pass->in[0],
              .y = pass->out[0],
              .dy = pass->out_grad[0],
              .to = pass->in_grad[0]};
    if (!s.to)
        s.count = 0;
    return s;
}

/* ---------------------------------------------------------------- relu */

static ln_status relu_forward(const ln_pass *pass, ln_error *err)
{
    const span s = forward_span(pass);
    (void)err;
    for (int64_t i = 0; i < s.count; i++)
        s.to[i] = s.x[i] <= 0 ? 0 : s.x[i];
    return LN_OK;
}

static ln_status relu_backward(const ln_pass *pass, ln_error *err)
{
    const span s = backward_span(pass);
    (void)err;
    for (int64_t i = 0; i < s.count; i++) {
        const float dy = s.dy[i]; /* read always, so that the loop has no branch */
        s.to[i] = s.y[i] <= 0 ? 0 : dy;
    }
    return LN_OK;
}

const ln_layer ln_layer_relu = {
    .word = {.name = "relu",
             .summary = "rectified linear unit: negative numbers become 0",
             .formula = "y = max(x, 0)",
             .source = "PyTorch: torch.nn.ReLU"},
    .flags = LN_LAYER_ACTIVATION | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = relu_forward,
    .backward = relu_backward,
};

/* ---------------------------------------------------------------- leaky_relu */

static const ln_param leaky_relu_params[] = {
    {.name = "negative_slope",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_leaky_relu_attributes, negative_slope),
     .fallback = "0.01",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "slope below 0"},
    LN_PARAM_END,
};

static float negative_slope(const ln_pass *pass)
{
    const ln_leaky_relu_attributes *own = pass->step->node->attributes;
    return (float)own->negative_slope;
}

static ln_status leaky_relu_forward(const ln_pass *pass, ln_error *err)
{
    const span s = forward_span(pass);
    const float slope = negative_slope(pass);
    (void)err;
    for (int64_t i = 0; i < s.count; i++)
        s.to[i] = s.x[i] > 0 ? s.x[i] : s.x[i] * slope;
    return LN_OK;
}

static ln_status leaky_relu_backward(const ln_pass *pass, ln_error *err)
{
    const span s = backward_span(pass);
    const float slope = negative_slope(pass);
    (void)err;
    for (int64_t i = 0; i < s.count; i++)
        s.to[i] = s.x[i] > 0 ? s.dy[i] : s.dy[i] * slope;
    return LN_OK;
}

const ln_layer ln_layer_leaky_relu = {
    .word = {.name = "leaky_relu",
             .summary = "rectified linear unit with a small slope below 0",
             .formula = "y = x where x > 0, else negative_slope x",
             .source = "PyTorch: torch.nn.LeakyReLU",
             .params = leaky_relu_params,
             .params_size = sizeof(ln_leaky_relu_attributes)},
    .flags = LN_LAYER_ACTIVATION,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = leaky_relu_forward,
    .backward = leaky_relu_backward,
};

/* ---------------------------------------------------------------- sigmoid */

static ln_status sigmoid_forward(const ln_pass *pass, ln_error *err)
{
    const span s = forward_span(pass);
    (void)err;
    ln_elementary_choose()->sigmoid(s.count, s.x, s.to);
    return LN_OK;
}

static ln_status sigmoid_backward(const ln_pass *pass, ln_error *err)
{
    const span s = backward_span(pass);
    (void)err;
    for (int64_t i = 0; i < s.count; i++)
        s.to[i] = s.dy[i] * (s.y[i] * (1 - s.y[i]));
    return LN_OK;
}

const ln_layer ln_layer_sigmoid = {
    .word = {.name = "sigmoid",
             .summary = "logistic function: from any number to between 0 and 1",
             .formula = "y = 1 / (1 + exp(-x))",
             .source = "PyTorch: torch.nn.Sigmoid"},
    .flags = LN_LAYER_ACTIVATION | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = sigmoid_forward,
    .backward = sigmoid_backward,
};

/* ---------------------------------------------------------------- tanh */

static ln_status tanh_forward(const ln_pass *pass, ln_error *err)
{
    const span s = forward_span(pass);
    (void)err;
    ln_elementary_choose()->tanh(s.count, s.x, s.to);
    return LN_OK;
}

static ln_status tanh_backward(const ln_pass *pass, ln_error *err)
{
    const span s = backward_span(pass);
    (void)err;
    for (int64_t i = 0; i < s.count; i++)
        s.to[i] = s.dy[i] * (1 - s.y[i] * s.y[i]);
    return LN_OK;
}

const ln_layer ln_layer_tanh = {
    .word = {.name = "tanh",
             .summary = "hyperbolic tangent: from any number to between -1 and 1",
             .formula = "y = tanh(x)",
             .source = "PyTorch: torch.nn.Tanh"},
    .flags = LN_LAYER_ACTIVATION | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = tanh_forward,
    .backward = tanh_backward,
};

/* ---------------------------------------------------------------- elu */

static const ln_param elu_params[] = {
    {.name = "alpha",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_elu_attributes, alpha),
     .fallback = "1",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "the function goes to -alpha far below 0"},
    LN_PARAM_END,
};

static ln_status elu_forward(const ln_pass *pass, ln_error *err)
{
    const span s = forward_span(pass);
    const ln_elu_attributes *own = pass->step->node->attributes;
    const float alpha = (float)own->alpha;
    (void)err;
    for (int64_t i = 0; i < s.count; i++)
        s.to[i] = s.x[i] > 0 ? s.x[i] : alpha * expm1f(s.x[i]);
    return LN_OK;
}

static ln_status elu_backward(const ln_pass *pass, ln_error *err)
{
    const span s = backward_span(pass);
    const ln_elu_attributes *own = pass->step->node->attributes;
    const float alpha = (float)own->alpha;
    (void)err;
    for (int64_t i = 0; i < s.count; i++)
        s.to[i] = s.x[i] > 0 ? s.dy[i] : s.dy[i] * (alpha * expf(s.x[i]));
    return LN_OK;
}

const ln_layer ln_layer_elu = {
    .word = {.name = "elu",
             .summary = "exponential linear unit",
             .formula = "y = x where x > 0, else alpha (exp(x) - 1)",
             .source = "PyTorch: torch.nn.ELU; Clevert, Unterthiner & Hochreiter 2016",
             .params = elu_params,
             .params_size = sizeof(ln_elu_attributes)},
    .flags = LN_LAYER_ACTIVATION,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = elu_forward,
    .backward = elu_backward,
};

/* ---------------------------------------------------------------- softplus */

static const ln_param softplus_params[] = {
    {.name = "beta",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_softplus_attributes, beta),
     .fallback = "1",
     .min = 0,
     .max = HUGE_VAL,
     .above_min = true,
     .help = "sharpness: the larger, the nearer to relu"},
    {.name = "threshold",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_softplus_attributes, threshold),
     .fallback = "20",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "where beta x is above it, y is x itself"},
    LN_PARAM_END,
};

static ln_status softplus_forward(const ln_pass *pass, ln_error *err)
{
    const span s = forward_span(pass);
    const ln_softplus_attributes *own = pass->step->node->attributes;
    const float beta = (float)own->beta, threshold = (float)own->threshold;
    (void)err;
    for (int64_t i = 0; i < s.count; i++) {
        const float z = beta * s.x[i];
        s.to[i] = z > threshold ? s.x[i] : log1pf(expf(z)) / beta;
    }
    return LN_OK;
}

static ln_status softplus_backward(const ln_pass *pass, ln_error *err)
{
    const span s = backward_span(pass);
    const ln_softplus_attributes *own = pass->step->node->attributes;
    const float beta = (float)own->beta, threshold = (float)own->threshold;
    (void)err;
    for (int64_t i = 0; i < s.count; i++) {
        const float z = beta * s.x[i];
        s.to[i] = z > threshold ? s.dy[i] : s.dy[i] / (1 + expf(-z));
    }
    return LN_OK;
}

const ln_layer ln_layer_softplus = {
    .word = {.name = "softplus",
             .summary = "a smooth relu",
             .formula = "y = log(1 + exp(beta x)) / beta",
             .source = "PyTorch: torch.nn.Softplus",
             .params = softplus_params,
             .params_size = sizeof(ln_softplus_attributes)},
    .flags = LN_LAYER_ACTIVATION,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = softplus_forward,
    .backward = softplus_backward,
};
