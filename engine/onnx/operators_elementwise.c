/* Operators on elements: functions of one number, arithmetic of two, comparisons, logic and bits, Where,
 * Clip, Max, Min, Sum, Mean. Most are one layer of one word, in a table; the others are a few layers. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

/* The layer of an operator that is one word. */
typedef struct word_of {
    const char *name, *word;
} word_of;

static const char *find_word(const ln_onnx_import *import, const word_of *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].name, import->operator_name) == 0)
            return words[i].word;
    return NULL;
}

ln_status ln_onnx_function(ln_onnx_import *import, ln_error *err)
{
    static const word_of words[] = {
        {"Abs", "abs"},           {"Acos", "acos"},
        {"Acosh", "acosh"},       {"Asin", "asin"},
        {"Asinh", "asinh"},       {"Atan", "atan"},
        {"Atanh", "atanh"},       {"Ceil", "ceil"},
        {"Cos", "cos"},           {"Cosh", "cosh"},
        {"Erf", "erf"},           {"Exp", "exp"},
        {"Floor", "floor"},       {"HardSwish", "hardswish"},
        {"IsNaN", "is_nan"},      {"Log", "log"},
        {"Mish", "mish"},         {"Neg", "neg"},
        {"Not", "not"},           {"Reciprocal", "reciprocal"},
        {"Round", "round"},       {"Sign", "sign"},
        {"Sin", "sin"},           {"Sinh", "sinh"},
        {"Softsign", "softsign"}, {"Sqrt", "sqrt"},
        {"Tan", "tan"},
    };
    return ln_onnx_unary(import, find_word(import, words, sizeof words / sizeof *words), NULL, err);
}

/* ---------------------------------------------------------------- one number and parameters */

/* Two float attributes as the layer's a and b. */
static ln_status read_pair(ln_onnx_import *import, const char *a, double a_fallback, const char *b,
                           double b_fallback, ln_scalar_attributes *out, ln_error *err)
{
    float value;
    *out = (ln_scalar_attributes){.a = a_fallback, .b = b_fallback};
    ln_status status = ln_onnx_float(import, a, (float)a_fallback, &value, err);
    out->a = (double)value;
    if (!status && b) {
        status = ln_onnx_float(import, b, (float)b_fallback, &value, err);
        out->b = (double)value;
    }
    return status;
}

ln_status ln_onnx_hard_sigmoid(ln_onnx_import *import, ln_error *err)
{
    ln_scalar_attributes own;
    ln_status status = read_pair(import, "alpha", 0.2, "beta", 0.5, &own, err);
    const bool common = fabs(own.a - 1 / 6.0) < 1e-6 && own.b == 0.5;
    return status ? status
                  : ln_onnx_unary(import, common ? "hardsigmoid" : "clipped_line",
                                  common ? NULL : &own, err);
}

ln_status ln_onnx_celu(ln_onnx_import *import, ln_error *err)
{
    ln_scalar_attributes own;
    ln_status status = read_pair(import, "alpha", 1, NULL, 0, &own, err);
    return status ? status : ln_onnx_unary(import, "celu", &own, err);
}

ln_status ln_onnx_shrink(ln_onnx_import *import, ln_error *err)
{
    ln_scalar_attributes own;
    ln_status status = read_pair(import, "lambd", 0.5, "bias", 0, &own, err);
    return status ? status : ln_onnx_unary(import, "shrink", &own, err);
}

ln_status ln_onnx_thresholded_relu(ln_onnx_import *import, ln_error *err)
{
    ln_scalar_attributes own;
    ln_status status = read_pair(import, "alpha", 1, NULL, 0, &own, err);
    return status ? status : ln_onnx_unary(import, "threshold", &own, err);
}

ln_status ln_onnx_gelu(ln_onnx_import *import, ln_error *err)
{
    ln_scalar_attributes own = {0};
    ln_status status =
        ln_onnx_choice(import, "approximate", "none|tanh", "none", &own.approximate, err);
    return status ? status : ln_onnx_unary(import, "gelu", &own, err);
}

ln_status ln_onnx_is_inf(ln_onnx_import *import, ln_error *err)
{
    int64_t negative, positive;
    ln_status status = ln_onnx_int(import, "detect_negative", 1, &negative, err);
    if (!status)
        status = ln_onnx_int(import, "detect_positive", 1, &positive, err);
    if (status)
        return status;
    const ln_is_inf_attributes own = {negative != 0, positive != 0};
    return ln_onnx_unary(import, "is_inf", &own, err);
}

ln_status ln_onnx_number_like(ln_onnx_import *import, const ln_onnx_operand *x, double number,
                              const char *suffix, int *value, ln_error *err)
{
    const ln_shape scalar = {.rank = 0};
    const float real = (float)number;
    const int64_t whole = (int64_t)number;
    const int32_t narrow = (int32_t)whole;
    const uint8_t byte = (uint8_t)whole;
    const void *data = x->dtype == LN_F32   ? (const void *)&real
                       : x->dtype == LN_I64 ? (const void *)&whole
                       : x->dtype == LN_I32 ? (const void *)&narrow
                                            : (const void *)&byte;
    ln_tensor *tensor;
    ln_status status = ln_tensor_copy_of(x->dtype, &scalar, data, &tensor, err);
    if (status)
        return status;
    status = ln_onnx_own_constant(import, suffix, tensor, value, err);
    ln_tensor_release(tensor);
    return status;
}

/* gamma (x where x > 0, else alpha (exp(x) - 1)) */
ln_status ln_onnx_selu(ln_onnx_import *import, ln_error *err)
{
    ln_scalar_attributes own;
    ln_onnx_operand x = {0}, bent;
    int inputs[2];
    ln_status status = read_pair(import, "alpha", 1.67326319217681884765625, "gamma",
                                 1.05070102214813232421875, &own, err);
    if (!status)
        status = ln_onnx_live(import, 0, &x, err);
    if (status)
        return status;
    if (fabs(own.a - 1.6732632423543772) < 1e-6 && fabs(own.b - 1.0507009873554805) < 1e-6)
        return ln_onnx_finish_one(import, "selu", NULL, &x, err);
    const ln_elu_attributes elu = {own.a};
    status = ln_onnx_between(import, "elu", &elu, &x.value, 1, x.layout, ".elu", &bent, err);
    inputs[0] = bent.value;
    if (!status)
        status = ln_onnx_number_like(import, &x, own.b, ".gamma", &inputs[1], err);
    return status ? status : ln_onnx_finish(import, "mul", NULL, inputs, 2, x.layout, err);
}

/* x sigmoid(alpha x) */
ln_status ln_onnx_swish(ln_onnx_import *import, ln_error *err)
{
    ln_scalar_attributes own;
    ln_onnx_operand x = {0}, part;
    int inputs[2];
    ln_status status = read_pair(import, "alpha", 1, NULL, 0, &own, err);
    if (!status)
        status = ln_onnx_live(import, 0, &x, err);
    if (!status && own.a == 1)
        return ln_onnx_finish_one(import, "silu", NULL, &x, err);
    inputs[0] = x.value;
    if (!status)
        status = ln_onnx_number_like(import, &x, own.a, ".alpha", &inputs[1], err);
    if (!status)
        status = ln_onnx_between(import, "mul", NULL, inputs, 2, x.layout, ".scaled", &part, err);
    if (!status)
        status = ln_onnx_between(import, "sigmoid", NULL, &part.value, 1, x.layout, ".sigmoid",
                                 &part, err);
    inputs[1] = part.value;
    return status ? status : ln_onnx_finish(import, "mul", NULL, inputs, 2, x.layout, err);
}

/* ---------------------------------------------------------------- two numbers */

ln_status ln_onnx_pair(ln_onnx_import *import, ln_error *err)
{
    static const word_of words[] = {
        {"Add", "add"},
        {"And", "logical_and"},
        {"BitwiseAnd", "bitwise_and"},
        {"BitwiseOr", "bitwise_or"},
        {"BitwiseXor", "bitwise_xor"},
        {"Div", "div"},
        {"Equal", "equal"},
        {"Greater", "greater"},
        {"GreaterOrEqual", "greater_or_equal"},
        {"Less", "less"},
        {"LessOrEqual", "less_or_equal"},
        {"Mul", "mul"},
        {"Or", "logical_or"},
        {"PRelu", "prelu"},
        {"Pow", "pow"},
        {"Sub", "sub"},
        {"Xor", "logical_xor"},
    };
    ln_onnx_operand terms[2];
    ln_status status = ln_onnx_align(import, 0, 2, false, terms, err);
    if (status)
        return status;
    return ln_onnx_finish(import, find_word(import, words, sizeof words / sizeof *words), NULL,
                          (const int[]){terms[0].value, terms[1].value}, 2, terms[0].layout, err);
}

/* How many bits the file's numbers have where they are kept in more; negative: with a sign. */
static int narrow_bits(const ln_onnx_import *import)
{
    switch (ln_onnx_input_type(import, 0)) {
    case LN_ONNX_UINT8:
        return 8;
    case LN_ONNX_INT8:
        return -8;
    case LN_ONNX_UINT16:
        return 16;
    case LN_ONNX_INT16:
        return -16;
    case LN_ONNX_UINT32:
        return 32;
    default:
        return 0;
    }
}

/* The layer on bits; what the file's numbers have no bits for is cut off. */
static ln_status finish_bits(ln_onnx_import *import, const char *word, const int *inputs, int count,
                             const ln_onnx_operand *x, ln_error *err)
{
    const int bits = narrow_bits(import);
    ln_onnx_operand y, up;
    int constant;
    if (bits == 0)
        return ln_onnx_finish(import, word, NULL, inputs, count, x->layout, err);
    ln_status status =
        ln_onnx_between(import, word, NULL, inputs, count, x->layout, ".wide", &y, err);
    if (!status) /* without a sign: those bits alone; with one: moved up to the top and back */
        status = ln_onnx_number_like(import, &y, bits > 0 ? (double)((1LL << bits) - 1) : 32 + bits,
                                     ".bits", &constant, err);
    if (status || bits > 0)
        return status ? status
                      : ln_onnx_finish(import, "bitwise_and", NULL,
                                       (const int[]){y.value, constant}, 2, y.layout, err);
    status = ln_onnx_between(import, "shift_left", NULL, (const int[]){y.value, constant}, 2,
                             y.layout, ".up", &up, err);
    return status ? status
                  : ln_onnx_finish(import, "shift_right", NULL, (const int[]){up.value, constant},
                                   2, up.layout, err);
}

ln_status ln_onnx_bit_shift(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand terms[2];
    int right;
    if (!ln_onnx_find_attribute(import, "direction"))
        return ln_onnx_malformed(import, err, "has no direction");
    ln_status status = ln_onnx_choice(import, "direction", "LEFT|RIGHT", "LEFT", &right, err);
    if (!status)
        status = ln_onnx_align(import, 0, 2, false, terms, err);
    if (status)
        return status;
    return finish_bits(import, right ? "shift_right" : "shift_left",
                       (const int[]){terms[0].value, terms[1].value}, 2, &terms[0], err);
}

ln_status ln_onnx_bitwise_not(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    return status ? status : finish_bits(import, "not", &x.value, 1, &x, err);
}

ln_status ln_onnx_mod(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand terms[2];
    int64_t truncates;
    ln_status status = ln_onnx_int(import, "fmod", 0, &truncates, err);
    if (!status)
        status = ln_onnx_align(import, 0, 2, false, terms, err);
    if (status)
        return status;
    return ln_onnx_finish(import, truncates ? "fmod" : "mod", NULL,
                          (const int[]){terms[0].value, terms[1].value}, 2, terms[0].layout, err);
}

ln_status ln_onnx_where(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand terms[3];
    ln_status status = ln_onnx_align(import, 0, 3, false, terms, err);
    if (status)
        return status;
    return ln_onnx_finish(import, "where", NULL,
                          (const int[]){terms[0].value, terms[1].value, terms[2].value}, 3,
                          terms[0].layout, err);
}

/* ---------------------------------------------------------------- any number of operands */

/* Max, Min, Sum, Mean: one after the other, two at a time. */
ln_status ln_onnx_several(ln_onnx_import *import, ln_error *err)
{
    static const word_of words[] = {
        {"Max", "maximum"}, {"Mean", "add"}, {"Min", "minimum"}, {"Sum", "add"}};
    const size_t count = import->node.inputs.count;
    const char *word = find_word(import, words, sizeof words / sizeof *words);
    const bool mean = strcmp(import->operator_name, "Mean") == 0 && count > 1;
    ln_onnx_operand *terms = ln_arena_calloc(&import->scratch, count, sizeof *terms);
    if (!terms)
        return ln_fail_memory(err, count * sizeof *terms);
    for (size_t i = 0; i < count; i++)
        if (!ln_onnx_has_input(import, i))
            return ln_onnx_malformed(import, err, "has no input %zu", i);
    ln_status status = ln_onnx_align(import, 0, count, false, terms, err);
    if (!status && count == 1)
        return ln_onnx_finish_one(import, "identity", NULL, &terms[0], err);
    const ln_onnx_layout layout = terms[0].layout;
    ln_onnx_operand sofar = terms[0];
    for (size_t i = 1; i < count && !status; i++) {
        const int inputs[2] = {sofar.value, terms[i].value};
        if (i + 1 == count && !mean)
            return ln_onnx_finish(import, word, NULL, inputs, 2, layout, err);
        status = ln_onnx_between(import, word, NULL, inputs, 2, layout, ".part", &sofar, err);
    }
    int inputs[2] = {sofar.value};
    if (!status)
        status = ln_onnx_number_like(import, &sofar, (double)count, ".count", &inputs[1], err);
    return status ? status : ln_onnx_finish(import, "div", NULL, inputs, 2, layout, err);
}

/* ---------------------------------------------------------------- Clip */

/* A bound as a number: an attribute before opset 11, then an input. *live: it is no number. */
static ln_status read_bound(ln_onnx_import *import, const char *name, size_t input, double fallback,
                            double *out, bool *given, bool *live, ln_error *err)
{
    float attribute;
    *given = *live = false;
    *out = fallback;
    if (import->opset < 11) {
        *given = ln_onnx_find_attribute(import, name);
        ln_status status = ln_onnx_float(import, name, 0, &attribute, err);
        if (*given)
            *out = (double)attribute;
        return status;
    }
    if (!ln_onnx_has_input(import, input))
        return LN_OK;
    *given = true;
    *live = !import->folding && !ln_onnx_is_constant(import, input);
    return *live ? LN_OK : ln_onnx_scalar(import, input, out, err);
}

/* x against one bound: the greater or the lesser. */
static ln_status bound_by(ln_onnx_import *import, const char *word, ln_onnx_operand *x,
                          size_t input, bool live, double number, ln_error *err)
{
    ln_onnx_operand terms[2] = {*x};
    const size_t from[2] = {SIZE_MAX, input};
    int inputs[2];
    ln_status status;
    if (live) {
        status = ln_onnx_align_mixed(import, from, 2, false, terms, err);
        inputs[1] = terms[1].value;
    } else {
        status = ln_onnx_number_like(import, x, number, ".bound", &inputs[1], err);
    }
    inputs[0] = terms[0].value;
    return status ? status
                  : ln_onnx_between(import, word, NULL, inputs, 2, terms[0].layout, ".bounded", x,
                                    err);
}

ln_status ln_onnx_clip(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x = {0};
    ln_scalar_attributes own = {0};
    bool low = false, high = false, low_live = false, high_live = false;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = read_bound(import, "min", 1, -INFINITY, &own.a, &low, &low_live, err);
    if (!status)
        status = read_bound(import, "max", 2, INFINITY, &own.b, &high, &high_live, err);
    if (!status && x.dtype == LN_F32 && !low_live && !high_live)
        return own.a == 0 && own.b == 6 ? ln_onnx_finish_one(import, "relu6", NULL, &x, err)
                                        : ln_onnx_finish_one(import, "clip", &own, &x, err);
    if (!status && low)
        status = bound_by(import, "maximum", &x, 1, low_live, own.a, err);
    if (!status && high)
        status = bound_by(import, "minimum", &x, 2, high_live, own.b, err);
    return status ? status : ln_onnx_finish_one(import, "identity", NULL, &x, err);
}
