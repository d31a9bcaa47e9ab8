/* cast: the same numbers as another type, as a C cast of NumPy's astype: to whole numbers towards
 * zero, to bool by "is not 0". float16 and bfloat16 are float32 numbers rounded to what those hold.
 * The gradient of a cast between floating-point types is dy; whole numbers have none. What does not
 * fit a whole number becomes the nearest that does; a NaN becomes 0.
 *
 * Source: ONNX's Cast. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "layers/common.h"

static const ln_param cast_params[] = {
    {.name = "to",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_cast_attributes, to),
     .fallback = LN_REQUIRED,
     .choices = LN_CAST_CHOICES,
     .position = 1,
     .help = "what the numbers become"},
    LN_PARAM_END,
};

static ln_dtype dtype_of(const struct ln_node *node)
{
    const ln_cast_attributes *own = node->attributes;
    switch (own->to) {
    case LN_CAST_I64:
        return LN_I64;
    case LN_CAST_I32:
        return LN_I32;
    case LN_CAST_BOOL:
        return LN_BOOL;
    default:
        return LN_F32;
    }
}

static ln_status cast_types(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    if (in[0] == LN_F64 || in[0] == LN_U8)
        return ln_fail(err, LN_EUNSUPPORTED, "its input holds %s numbers", ln_dtype_name(in[0]));
    out[0] = dtype_of(node);
    return LN_OK;
}

/* To 11 bits of precision, ties to even, as binary16 has it. */
static float round_to_f16(float x)
{
    const float size = fabsf(x);
    if (!(size < INFINITY) || size == 0)
        return x;
    if (size >= 65520)
        return copysignf(INFINITY, x);
    const int exponent = ilogbf(size) < -14 ? -14 : ilogbf(size);
    const float unit = ldexpf(1, exponent - 10);
    return rintf(x / unit) * unit;
}

static float round_to_bf16(float x)
{
    uint32_t bits;
    if (x != x)
        return x;
    memcpy(&bits, &x, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int64_t to_whole(float x, double least, double most)
{
    if (x != x)
        return 0;
    /* 2^63 is a double, 2^63 - 1 is none. */
    if ((double)x >= most)
        return most > 9e18 ? INT64_MAX : (int64_t)most;
    return (double)x <= least ? (int64_t)least : (int64_t)x;
}

static float as_float(int to, double x)
{
    return to == LN_CAST_F16    ? round_to_f16((float)x)
           : to == LN_CAST_BF16 ? round_to_bf16((float)x)
                                : (float)x;
}

/* One element. Whole numbers go through int64, all of which float32 need not hold. */
static void cast_element(const void *from, ln_dtype dtype, int64_t i, int to, void *out)
{
    int64_t whole = 0;
    float real = 0;
    if (dtype == LN_F32)
        real = ((const float *)from)[i];
    else
        whole = dtype == LN_I64   ? ((const int64_t *)from)[i]
                : dtype == LN_I32 ? ((const int32_t *)from)[i]
                                  : ((const uint8_t *)from)[i] != 0;
    const bool floating = dtype == LN_F32;
    switch (to) {
    case LN_CAST_I64:
        ((int64_t *)out)[i] = floating ? to_whole(real, -0x1p63, 0x1p63) : whole;
        break;
    case LN_CAST_I32:
        ((int32_t *)out)[i] =
            (int32_t)(floating ? to_whole(real, INT32_MIN, INT32_MAX) : (int32_t)(uint32_t)whole);
        break;
    case LN_CAST_BOOL:
        ((uint8_t *)out)[i] = floating ? real != 0 : whole != 0;
        break;
    default:
        ((float *)out)[i] = floating ? as_float(to, (double)real) : as_float(to, (double)whole);
        break;
    }
}

void ln_cast_numbers(const void *from, ln_dtype dtype, int64_t count, int to, void *out)
{
    for (int64_t i = 0; i < count; i++)
        cast_element(from, dtype, i, to, out);
}

static ln_status cast_forward(const ln_pass *pass, ln_error *err)
{
    const ln_cast_attributes *own = pass->step->node->attributes;
    const ln_dtype dtype = ln_in_dtype(pass->step, 0);
    const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);
    if (dtype == LN_F32 && own->to == LN_CAST_F32)
        return ln_copy_forward(pass, err);
    ln_cast_numbers(pass->in[0], dtype, count, own->to, pass->out[0]);
    return LN_OK;
}

static ln_status cast_backward(const ln_pass *pass, ln_error *err)
{
    if (pass->in_grad[0] && !pass->out_grad[0]) {
        memset(pass->in_grad[0], 0,
               (size_t)ln_pass_count(pass, &pass->step->in_shape[0]) * sizeof(float));
        return LN_OK;
    }
    return ln_copy_backward(pass, err);
}

const ln_layer ln_layer_cast = {
    .word = {.name = "cast",
             .summary = "the same numbers as another type",
             .formula = "",
             .source = "ONNX: Cast",
             .params = cast_params,
             .params_size = sizeof(ln_cast_attributes)},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .types = cast_types,
    .forward = cast_forward,
    .backward = cast_backward,
};
