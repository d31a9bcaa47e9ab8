/* Comparisons, logic and bits: truth values and whole numbers, broadcast as numpy does. Nothing here
 * has a gradient but `where`, which sends it to the operand that was chosen.
 *
 * Source: ONNX's operators. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "layers/walk.h"

/* Never asked for: truth values and whole numbers carry no gradient. */
static ln_status no_backward(const ln_pass *pass, ln_error *err)
{
    (void)pass;
    (void)err;
    return LN_OK;
}

static ln_status types_of(const struct ln_node *node, const ln_dtype *in, bool equal, bool real,
                          bool truth, ln_error *err)
{
    for (int i = 0; i < node->input_count; i++) {
        if (equal && in[i] != in[0])
            return ln_fail(err, LN_EINVALID,
                           "its inputs hold %s and %s numbers: they must be of one type",
                           ln_dtype_name(in[0]), ln_dtype_name(in[i]));
        if (truth ? in[i] != LN_BOOL : !real && (in[i] == LN_F32 || in[i] == LN_F64))
            return ln_fail(err, LN_EINVALID, "its input holds %s numbers: it must hold %s",
                           ln_dtype_name(in[i]), truth ? "truth values" : "whole numbers");
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- two operands */

typedef struct pair_function {
    bool (*real)(float a, float b); /* NULL: whole numbers only */
    int64_t (*whole)(int64_t a, int64_t b);
} pair_function;

static ln_status pair_forward(const ln_pass *pass, const pair_function *function)
{
    const ln_operand operands[3] = {ln_operand_out(pass->step, 0), ln_broadcast_in(pass->step, 0),
                                    ln_broadcast_in(pass->step, 1)};
    const void *a = pass->in[0], *b = pass->in[1];
    const ln_dtype type = operands[1].dtype;
    ln_walk walk;
    for (ln_walk_start(&walk, ln_pass_rows(pass), operands, 3); walk.more; ln_walk_next(&walk))
        for (int64_t i = 0; i < walk.run; i++) {
            const int64_t at_a = walk.at[1] + i * walk.by[1], at_b = walk.at[2] + i * walk.by[2];
            const int64_t result =
                type == LN_F32
                    ? function->real(((const float *)a)[at_a], ((const float *)b)[at_b])
                    : function->whole(ln_load_whole(a, type, at_a), ln_load_whole(b, type, at_b));
            ln_store_whole(pass->out[0], operands[0].dtype, walk.at[0] + i * walk.by[0], result);
        }
    return LN_OK;
}

/* How far a shift goes at most: beyond, nothing is left but the sign. */
static int64_t shifted_left(int64_t a, int64_t b)
{
    return b < 0 || b > 63 ? 0 : (int64_t)((uint64_t)a << b);
}

static int64_t shifted_right(int64_t a, int64_t b)
{
    const int64_t sign = a < 0 ? -1 : 0;
    return b < 0 || b > 63 ? sign : (int64_t)((uint64_t)(a ^ sign) >> b) ^ sign;
}

/* word, summary, formula, source, verb of errors, a op b */
#define COMPARISONS(X)                                                                             \
    X(equal, "whether numbers are equal", "y = a == b", "ONNX: Equal", a == b)                     \
    X(less, "whether a is less", "y = a < b", "ONNX: Less", a < b)                                 \
    X(less_or_equal, "whether a is not greater", "y = a <= b", "ONNX: LessOrEqual", a <= b)        \
    X(greater, "whether a is greater", "y = a > b", "ONNX: Greater", a > b)                        \
    X(greater_or_equal, "whether a is not less", "y = a >= b", "ONNX: GreaterOrEqual", a >= b)
#define TRUTHS(X)                                                                                  \
    X(logical_and, "whether both hold", "y = a and b", "ONNX: And", a &&b)                         \
    X(logical_or, "whether one of both holds", "y = a or b", "ONNX: Or", a || b)                   \
    X(logical_xor, "whether just one of both holds", "y = a xor b", "ONNX: Xor", !a != !b)
#define BITS(X)                                                                                    \
    X(bitwise_and, "the bits that both have", "y = a & b", "ONNX: BitwiseAnd", a &b)               \
    X(bitwise_or, "the bits that one of both has", "y = a | b", "ONNX: BitwiseOr", a | b)          \
    X(bitwise_xor, "the bits that just one of both has", "y = a ^ b", "ONNX: BitwiseXor", a ^ b)   \
    X(shift_left, "moves bits up", "y = a 2^b", "ONNX: BitShift", shifted_left(a, b))              \
    X(shift_right, "moves bits down", "y = floor(a / 2^b)", "ONNX: BitShift", shifted_right(a, b))

static ln_status pair_infer(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_shape *in, ln_shape *out, ln_error *err)
{
    return ln_broadcast_infer(graph, node, in, "compared", out, err);
}

#define REAL(name_, expression_)                                                                   \
    static bool name_##_real(float a, float b)                                                     \
    {                                                                                              \
        return expression_;                                                                        \
    }
#define LAYER(name_, summary_, formula_, source_, expression_, real_, truth_, result_)             \
    static int64_t name_##_whole(int64_t a, int64_t b)                                             \
    {                                                                                              \
        return expression_;                                                                        \
    }                                                                                              \
    static ln_status name_##_types(const struct ln_graph *graph, const struct ln_node *node,       \
                                   const ln_dtype *in, ln_dtype *out, ln_error *err)               \
    {                                                                                              \
        (void)graph;                                                                               \
        out[0] = result_;                                                                          \
        return types_of(node, in, true, (real_) != NULL, truth_, err);                             \
    }                                                                                              \
    static ln_status name_##_forward(const ln_pass *pass, ln_error *err)                           \
    {                                                                                              \
        static const pair_function function = {real_, name_##_whole};                              \
        (void)err;                                                                                 \
        return pair_forward(pass, &function);                                                      \
    }                                                                                              \
    const ln_layer ln_layer_##name_ = {                                                            \
        .word = {.name = #name_, .summary = summary_, .formula = formula_, .source = source_},     \
        .flags = LN_LAYER_INTERNAL,                                                                \
        .min_inputs = 2,                                                                           \
        .max_inputs = 2,                                                                           \
        .types = name_##_types,                                                                    \
        .infer = pair_infer,                                                                       \
        .forward = name_##_forward,                                                                \
        .backward = no_backward,                                                                   \
    };
#define X(name, summary, formula, source, expression)                                              \
    REAL(name, expression)                                                                         \
    LAYER(name, summary, formula, source, expression, name##_real, false, LN_BOOL)
COMPARISONS(X)
#undef X
#define X(name, summary, formula, source, expression)                                              \
    LAYER(name, summary, formula, source, expression, NULL, true, LN_BOOL)
TRUTHS(X)
#undef X
#define X(name, summary, formula, source, expression)                                              \
    LAYER(name, summary, formula, source, expression, NULL, false, in[0])
BITS(X)
#undef X

/* ---------------------------------------------------------------- one operand */

static ln_status same_infer(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_shape *in, ln_shape *out, ln_error *err)
{
    return ln_infer_same(graph, node, in, out, err);
}

static ln_status not_types(const struct ln_graph *graph, const struct ln_node *node,
                           const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    out[0] = in[0];
    return types_of(node, in, true, false, false, err);
}

static ln_status not_forward(const ln_pass *pass, ln_error *err)
{
    const ln_dtype type = ln_operand_in(pass->step, 0).dtype;
    const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);
    (void)err;
    for (int64_t i = 0; i < count; i++) {
        const int64_t x = ln_load_whole(pass->in[0], type, i);
        ln_store_whole(pass->out[0], type, i, type == LN_BOOL ? !x : ~x);
    }
    return LN_OK;
}

const ln_layer ln_layer_not = {
    .word = {.name = "not",
             .summary = "the opposite of truth values, the other bits of whole numbers",
             .formula = "y = not x",
             .source = "ONNX: Not, BitwiseNot"},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = not_types,
    .infer = same_infer,
    .forward = not_forward,
    .backward = no_backward,
};

static ln_status truth_types(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    (void)node;
    out[0] = LN_BOOL;
    if (in[0] != LN_F32)
        return ln_fail(err, LN_EINVALID, "its input holds %s numbers: it must hold f32 numbers",
                       ln_dtype_name(in[0]));
    return LN_OK;
}

static ln_status is_nan_forward(const ln_pass *pass, ln_error *err)
{
    const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);
    (void)err;
    for (int64_t i = 0; i < count; i++)
        ((uint8_t *)pass->out[0])[i] = isnan(((const float *)pass->in[0])[i]) != 0;
    return LN_OK;
}

const ln_layer ln_layer_is_nan = {
    .word = {.name = "is_nan",
             .summary = "whether a number is none",
             .formula = "y = x is NaN",
             .source = "ONNX: IsNaN"},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = truth_types,
    .infer = same_infer,
    .forward = is_nan_forward,
    .backward = no_backward,
};

static const ln_param is_inf_params[] = {
    {.name = "negative",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_is_inf_attributes, negative),
     .fallback = "true",
     .help = "minus infinity counts"},
    {.name = "positive",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_is_inf_attributes, positive),
     .fallback = "true",
     .help = "infinity counts"},
    LN_PARAM_END,
};

static ln_status is_inf_forward(const ln_pass *pass, ln_error *err)
{
    const ln_is_inf_attributes *own = pass->step->node->attributes;
    const int64_t count = ln_pass_count(pass, &pass->step->out_shape[0]);
    (void)err;
    for (int64_t i = 0; i < count; i++) {
        const float x = ((const float *)pass->in[0])[i];
        ((uint8_t *)pass->out[0])[i] = isinf(x) && (x > 0 ? own->positive : own->negative);
    }
    return LN_OK;
}

const ln_layer ln_layer_is_inf = {
    .word = {.name = "is_inf",
             .summary = "whether a number is infinite",
             .formula = "y = x is infinite",
             .source = "ONNX: IsInf",
             .params = is_inf_params,
             .params_size = sizeof(ln_is_inf_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 1,
    .max_inputs = 1,
    .types = truth_types,
    .infer = same_infer,
    .forward = is_inf_forward,
    .backward = no_backward,
};

/* ---------------------------------------------------------------- where */

static ln_status where_types(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    (void)node;
    out[0] = in[1];
    if (in[0] != LN_BOOL || in[1] != in[2])
        return ln_fail(err, LN_EINVALID,
                       "its inputs hold %s, %s and %s: they must be truth values and two of one "
                       "type",
                       ln_dtype_name(in[0]), ln_dtype_name(in[1]), ln_dtype_name(in[2]));
    return LN_OK;
}

static ln_status where_infer(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_shape *in, ln_shape *out, ln_error *err)
{
    return ln_broadcast_infer(graph, node, in, "chosen from", out, err);
}

static void start_where(const ln_pass *pass, ln_walk *walk)
{
    const ln_operand operands[4] = {ln_operand_out(pass->step, 0), ln_broadcast_in(pass->step, 0),
                                    ln_broadcast_in(pass->step, 1), ln_broadcast_in(pass->step, 2)};
    ln_walk_start(walk, ln_pass_rows(pass), operands, 4);
}

static ln_status where_forward(const ln_pass *pass, ln_error *err)
{
    const size_t size = ln_dtype_size(ln_operand_out(pass->step, 0).dtype);
    const uint8_t *condition = pass->in[0];
    ln_walk walk;
    (void)err;
    for (start_where(pass, &walk); walk.more; ln_walk_next(&walk))
        for (int64_t i = 0; i < walk.run; i++) {
            const int k = condition[walk.at[1] + i * walk.by[1]] ? 1 : 2;
            const char *from = pass->in[k];
            memcpy((char *)pass->out[0] + (size_t)(walk.at[0] + i * walk.by[0]) * size,
                   from + (size_t)(walk.at[k + 1] + i * walk.by[k + 1]) * size, size);
        }
    return LN_OK;
}

static ln_status where_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    (void)constant;
    (void)err;
    for (int k = 1; k < 3; k++) {
        const ln_operand own = ln_broadcast_in(step, k);
        const size_t bytes =
            (size_t)(own.step ? step->rows * own.count : own.count) * sizeof(double);
        if ((step->gradient || step->training) && bytes > step->scratch_bytes)
            step->scratch_bytes = bytes;
    }
    return LN_OK;
}

static void send_where(const ln_pass *pass, int k, bool add)
{
    const ln_operand own = ln_broadcast_in(pass->step, k);
    const int64_t count = own.step ? ln_pass_rows(pass) * own.count : own.count;
    const uint8_t *condition = pass->in[0];
    const float *dy = pass->out_grad[0];
    double *sum = pass->scratch;
    ln_walk walk;
    for (int64_t i = 0; i < count; i++)
        sum[i] = 0;
    for (start_where(pass, &walk); walk.more; ln_walk_next(&walk))
        for (int64_t i = 0; i < walk.run; i++)
            if ((condition[walk.at[1] + i * walk.by[1]] ? 1 : 2) == k)
                sum[walk.at[k + 1] + i * walk.by[k + 1]] += (double)dy[walk.at[0] + i * walk.by[0]];
    ln_write_sums(sum, count, pass->in_grad[k], add);
}

static ln_status where_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    for (int k = 1; k < 3; k++)
        if (pass->in_grad[k])
            send_where(pass, k, false);
    return LN_OK;
}

static ln_status where_backward_parameters(const ln_pass *pass, ln_error *err)
{
    (void)err;
    for (int k = 1; k < 3; k++)
        if (pass->in_grad[k])
            send_where(pass, k, true);
    return LN_OK;
}

const ln_layer ln_layer_where = {
    .word = {.name = "where",
             .summary = "one branch where a condition holds, the other elsewhere",
             .formula = "y = a where condition, else b",
             .source = "ONNX: Where"},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 3,
    .max_inputs = 3,
    .types = where_types,
    .infer = where_infer,
    .prepare = where_prepare,
    .forward = where_forward,
    .backward = where_backward,
    .backward_parameters = where_backward_parameters,
};
