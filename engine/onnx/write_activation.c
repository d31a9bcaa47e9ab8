/* Functions of one number as operators: one of ONNX's own, or a few. */
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "layers/attributes.h"
#include "onnx/write_layers.h"

#define NAME LN_ONNX_NAME
typedef ln_onnx_writing writing;

static const ln_onnx_written END = {.name = NULL};

static void put_with(writing *w, const char *operator_name, const char *first, double a,
                     const char *second, double b)
{
    const ln_onnx_written attributes[] = {
        {.name = first, .kind = LN_ONNX_WRITTEN_FLOAT, .number = a},
        {.name = second, .kind = LN_ONNX_WRITTEN_FLOAT, .number = b},
        END};
    ln_onnx_put(w, operator_name, w->in[0], NULL, w->out, attributes);
}

static ln_status write_leaky_relu(writing *w, ln_error *err)
{
    const ln_leaky_relu_attributes *own = w->node->attributes;
    (void)err;
    put_with(w, "LeakyRelu", "alpha", own->negative_slope, NULL, 0);
    return LN_OK;
}

static ln_status write_elu(writing *w, ln_error *err)
{
    const ln_elu_attributes *own = w->node->attributes;
    (void)err;
    put_with(w, "Elu", "alpha", own->alpha, NULL, 0);
    return LN_OK;
}

static ln_status write_celu(writing *w, ln_error *err)
{
    const ln_scalar_attributes *own = w->node->attributes;
    (void)err;
    put_with(w, "Celu", "alpha", own->a, NULL, 0);
    return LN_OK;
}

static ln_status write_hardsigmoid(writing *w, ln_error *err)
{
    (void)err;
    put_with(w, "HardSigmoid", "alpha", 1. / 6, "beta", 0.5);
    return LN_OK;
}

static ln_status write_hardshrink(writing *w, ln_error *err)
{
    const ln_scalar_attributes *own = w->node->attributes;
    (void)err;
    put_with(w, "Shrink", "lambd", own->a, "bias", 0);
    return LN_OK;
}

static ln_status write_softshrink(writing *w, ln_error *err)
{
    const ln_scalar_attributes *own = w->node->attributes;
    (void)err;
    put_with(w, "Shrink", "lambd", own->a, "bias", own->a);
    return LN_OK;
}

/* Softplus of ONNX has beta = 1; others scale before and after. */
static ln_status write_softplus(writing *w, ln_error *err)
{
    const ln_softplus_attributes *own = w->node->attributes;
    char beta[NAME], scaled[NAME], made[NAME];
    if (own->beta == 1) {
        ln_onnx_put(w, "Softplus", w->in[0], NULL, w->out, NULL);
        return LN_OK;
    }
    ln_status status = ln_onnx_put_number(w, own->beta, beta, err);
    if (status)
        return status;
    ln_onnx_put(w, "Mul", w->in[0], beta, ln_onnx_write_name(w->writer, w->out, scaled, NAME),
                NULL);
    ln_onnx_put(w, "Softplus", scaled, NULL, ln_onnx_write_name(w->writer, w->out, made, NAME),
                NULL);
    ln_onnx_put(w, "Div", made, beta, w->out, NULL);
    return LN_OK;
}

/* x f(g(x)) or x - f(x): by operators of one input. */
static ln_status compose(writing *w, const char *inner, const char *outer, const char *join)
{
    char first[NAME], second[NAME];
    const char *at = w->in[0];
    if (inner) {
        ln_onnx_put(w, inner, at, NULL, ln_onnx_write_name(w->writer, w->out, first, NAME), NULL);
        at = first;
    }
    ln_onnx_put(w, outer, at, NULL, ln_onnx_write_name(w->writer, w->out, second, NAME), NULL);
    ln_onnx_put(w, join, w->in[0], second, w->out, NULL);
    return LN_OK;
}

static ln_status write_silu(writing *w, ln_error *err)
{
    (void)err;
    return compose(w, NULL, "Sigmoid", "Mul");
}

static ln_status write_mish(writing *w, ln_error *err)
{
    (void)err;
    return compose(w, "Softplus", "Tanh", "Mul");
}

static ln_status write_tanhshrink(writing *w, ln_error *err)
{
    (void)err;
    return compose(w, NULL, "Tanh", "Sub");
}

static ln_status write_logsigmoid(writing *w, ln_error *err)
{
    char less[NAME], made[NAME];
    (void)err;
    ln_onnx_put(w, "Neg", w->in[0], NULL, ln_onnx_write_name(w->writer, w->out, less, NAME), NULL);
    ln_onnx_put(w, "Softplus", less, NULL, ln_onnx_write_name(w->writer, w->out, made, NAME), NULL);
    ln_onnx_put(w, "Neg", made, NULL, w->out, NULL);
    return LN_OK;
}

static ln_status between(writing *w, double low, double high, ln_error *err)
{
    char least[NAME], most[NAME];
    ln_status status = ln_onnx_put_number(w, low, least, err);
    if (!status)
        status = ln_onnx_put_number(w, high, most, err);
    if (!status)
        ln_onnx_write_node(w->writer, "Clip", "", w->node->name,
                           (const char *const[]){w->in[0], least, most, NULL},
                           (const char *const[]){w->out, NULL}, NULL);
    return status;
}

static ln_status write_relu6(writing *w, ln_error *err)
{
    return between(w, 0, 6, err);
}

static ln_status write_clip(writing *w, ln_error *err)
{
    const ln_scalar_attributes *own = w->node->attributes;
    return between(w, own->a, own->b, err);
}

/* x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
static ln_status write_gelu_tanh(writing *w, ln_error *err)
{
    static const double numbers[4] = {0.044715, 1, 0.7978845608028654, 0.5};
    char constant[4][NAME], name[8][NAME];
    ln_status status = LN_OK;
    for (int i = 0; i < 4 && !status; i++)
        status = ln_onnx_put_number(w, numbers[i], constant[i], err);
    if (status)
        return status;
    for (int i = 0; i < 8; i++)
        ln_onnx_write_name(w->writer, w->out, name[i], NAME);
    ln_onnx_put(w, "Mul", w->in[0], w->in[0], name[0], NULL);
    ln_onnx_put(w, "Mul", name[0], constant[0], name[1], NULL);
    ln_onnx_put(w, "Add", name[1], constant[1], name[2], NULL);
    ln_onnx_put(w, "Mul", w->in[0], name[2], name[3], NULL);
    ln_onnx_put(w, "Mul", name[3], constant[2], name[4], NULL);
    ln_onnx_put(w, "Tanh", name[4], NULL, name[5], NULL);
    ln_onnx_put(w, "Add", name[5], constant[1], name[6], NULL);
    ln_onnx_put(w, "Mul", w->in[0], name[6], name[7], NULL);
    ln_onnx_put(w, "Mul", name[7], constant[3], w->out, NULL);
    return LN_OK;
}

/* x/2 (1 + erf(x / sqrt 2)), or its approximation by tanh. */
static ln_status write_gelu(writing *w, ln_error *err)
{
    const ln_scalar_attributes *own = w->node->attributes;
    char half[NAME], one[NAME], root[NAME], a[NAME], b[NAME], c[NAME], d[NAME];
    if (own->approximate)
        return write_gelu_tanh(w, err);
    ln_status status = ln_onnx_put_number(w, 0.5, half, err);
    if (!status)
        status = ln_onnx_put_number(w, 1, one, err);
    if (!status)
        status = ln_onnx_put_number(w, sqrt(2), root, err);
    if (status)
        return status;
    ln_onnx_put(w, "Div", w->in[0], root, ln_onnx_write_name(w->writer, w->out, a, NAME), NULL);
    ln_onnx_put(w, "Erf", a, NULL, ln_onnx_write_name(w->writer, w->out, b, NAME), NULL);
    ln_onnx_put(w, "Add", b, one, ln_onnx_write_name(w->writer, w->out, c, NAME), NULL);
    ln_onnx_put(w, "Mul", w->in[0], c, ln_onnx_write_name(w->writer, w->out, d, NAME), NULL);
    ln_onnx_put(w, "Mul", d, half, w->out, NULL);
    return LN_OK;
}

const ln_onnx_layer_writer ln_onnx_activation_writers[] = {
    {"celu", write_celu},
    {"clip", write_clip},
    {"elu", write_elu},
    {"gelu", write_gelu},
    {"hardshrink", write_hardshrink},
    {"hardsigmoid", write_hardsigmoid},
    {"hardtanh", write_clip},
    {"leaky_relu", write_leaky_relu},
    {"logsigmoid", write_logsigmoid},
    {"mish", write_mish},
    {"relu6", write_relu6},
    {"silu", write_silu},
    {"softplus", write_softplus},
    {"softshrink", write_softshrink},
    {"tanhshrink", write_tanhshrink},
    {NULL, NULL},
};
