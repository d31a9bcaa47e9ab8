/* Products whose operands both depend on the network's input, or of which one is a stack of constant
 * matrices: MatMul and Gemm where operators_linear.c has no constant weight, and Einsum. */
#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

static bool is_constant(const ln_onnx_import *import, size_t input)
{
    return !import->folding && ln_onnx_is_constant(import, input);
}

/* An input with all its axes within a row: live ones unfolded, constants as they are. */
static ln_status whole_input(ln_onnx_import *import, size_t input, ln_onnx_operand *out,
                             ln_error *err)
{
    ln_tensor *tensor;
    if (!is_constant(import, input)) {
        ln_status status = ln_onnx_live(import, input, out, err);
        return status ? status : ln_onnx_unfold(import, out, err);
    }
    ln_status status = ln_onnx_constant(import, input, &tensor, err);
    if (status)
        return status;
    *out = (ln_onnx_operand){.shape = tensor->shape,
                             .dtype = tensor->dtype,
                             .layout = {.axis = -1, .before = 1, .after = 1}};
    return ln_onnx_constant_value(import, input, &out->value, err);
}

/* ---------------------------------------------------------------- MatMul */

static ln_status axes_of(ln_onnx_import *import, size_t input, int *rank, ln_error *err)
{
    ln_tensor *tensor;
    ln_onnx_operand x;
    ln_status status;
    if (is_constant(import, input)) {
        status = ln_onnx_constant(import, input, &tensor, err);
        *rank = status ? 0 : tensor->shape.rank;
    } else {
        status = ln_onnx_live(import, input, &x, err);
        *rank = status ? 0 : x.shape.rank;
    }
    return status;
}

/* Live input 0 whose rows are its matrix's rows, times a stack of constants: a vector a row. */
static ln_status vectors_by_stack(ln_onnx_import *import, const ln_onnx_operand *x, int rank,
                                  ln_error *err)
{
    const ln_matmul_attributes own = {.scale = 1};
    int inputs[2] = {x->value};
    ln_onnx_layout layout = x->layout;
    ln_status status = ln_onnx_constant_value(import, 1, &inputs[1], err);
    layout.axis = rank - 2;
    return status ? status : ln_onnx_finish(import, "matmul", &own, inputs, 2, layout, err);
}

static ln_status refuse_matrices(const ln_onnx_import *import, ln_error *err)
{
    return ln_onnx_refuse(import, err,
                          "multiplies matrices that hold the rows of a batch and so mixes them");
}

ln_status ln_onnx_matmul_general(ln_onnx_import *import, ln_error *err)
{
    const ln_matmul_attributes own = {.scale = 1};
    ln_onnx_operand x[2];
    int ranks[2] = {0};
    ln_status status = axes_of(import, 0, &ranks[0], err);
    if (!status)
        status = axes_of(import, 1, &ranks[1], err);
    if (status)
        return status;
    const int rank = ranks[0] > ranks[1] ? ranks[0] : ranks[1];
    if (!import->single && ranks[0] == 2 && is_constant(import, 1)) {
        status = ln_onnx_live(import, 0, &x[0], err);
        if (!status && x[0].layout.axis == 0 && !ln_onnx_is_shared(&x[0].layout))
            return vectors_by_stack(import, &x[0], rank, err);
    }
    for (size_t i = 0; i < 2 && !status && !import->single; i++) {
        if (is_constant(import, i))
            continue;
        status = ln_onnx_live(import, i, &x[i], err);
        if (!status && x[i].layout.axis >= ranks[i] - 2)
            return refuse_matrices(import, err);
    }
    if (!status && ranks[0] > 1 && ranks[1] > 1)
        status = ln_onnx_align(import, 0, 2, false, x, err);
    const bool apart = !status && ranks[0] > 1 && ranks[1] > 1 && x[0].layout.axis < rank - 2;
    if (!status && !apart && !import->single)
        return ln_onnx_refuse(
            import, err, "multiplies matrices that hold the rows of a batch and so mixes them");
    for (size_t i = 0; i < 2 && !status && !apart; i++)
        status = whole_input(import, i, &x[i], err);
    if (status)
        return status;
    return ln_onnx_finish(import, "matmul", &own, (const int[]){x[0].value, x[1].value}, 2,
                          x[0].layout, err);
}

/* ---------------------------------------------------------------- Gemm */

/* alpha A' B' + beta C, all within one row. */
ln_status ln_onnx_gemm_general(ln_onnx_import *import, float alpha, float beta, bool trans_a,
                               bool trans_b, ln_error *err)
{
    const ln_matmul_attributes own = {(double)alpha, trans_a, trans_b};
    const bool adds = ln_onnx_has_input(import, 2) && beta != 0;
    ln_onnx_operand x[3], product;
    const ln_shape scalar = {.rank = 0};
    ln_tensor *factor;
    int inputs[2];
    ln_status status = LN_OK;
    if (!import->single)
        return ln_onnx_refuse(import, err,
                              "multiplies by a matrix that depends on the network's input and so "
                              "mixes the rows of a batch");
    for (size_t i = 0; i < (adds ? 3 : 2) && !status; i++)
        status = whole_input(import, i, &x[i], err);
    if (status)
        return status;
    if (x[0].shape.rank != 2 || x[1].shape.rank != 2)
        return ln_onnx_malformed(import, err, "multiplies what are no matrices");
    inputs[0] = x[0].value;
    inputs[1] = x[1].value;
    if (!adds)
        return ln_onnx_finish(import, "matmul", &own, inputs, 2, x[0].layout, err);
    status =
        ln_onnx_between(import, "matmul", &own, inputs, 2, x[0].layout, ".product", &product, err);
    if (!status && beta != 1) {
        status = ln_tensor_copy_of(LN_F32, &scalar, &beta, &factor, err);
        if (status)
            return status;
        inputs[0] = x[2].value;
        status = ln_onnx_own_constant(import, ".beta", factor, &inputs[1], err);
        ln_tensor_release(factor);
        if (!status)
            status =
                ln_onnx_between(import, "mul", NULL, inputs, 2, x[0].layout, ".scaled", &x[2], err);
    }
    if (!status && !is_constant(import, 2)) {
        status = ln_onnx_widen(import, &x[2], 2, err);
    }
    inputs[0] = product.value;
    inputs[1] = x[2].value;
    return status ? status : ln_onnx_finish(import, "add", NULL, inputs, 2, product.layout, err);
}

/* ---------------------------------------------------------------- Einsum */

enum {
    OPERANDS = 3,
    DOTS = 26
}; /* labels: 26 letters (capitals after them), then the dots' axes */

/* The equation's terms: a letter an axis, as labels 0.. in the order of their first use. */
typedef struct terms {
    ln_ints of[OPERANDS + 1]; /* the last is the result */
    int count;                /* operands */
    int letters[64];          /* of each label; dots are negative */
    int labels;
} terms;

static int label_of(terms *t, int letter)
{
    for (int i = 0; i < t->labels; i++)
        if (t->letters[i] == letter)
            return i;
    if (t->labels >= 32)
        return -1;
    t->letters[t->labels] = letter;
    return t->labels++;
}

/* One term, "b...ij"; `rank` axes (of the result: as many as there are, -1). *at moves behind it. */
static bool read_term(terms *t, const char **at, const char *end, int rank, int dots, ln_ints *out)
{
    const char *start = *at;
    int letters = 0, own_dots;
    for (const char *c = start; c < end && *c != ',' && *c != '-'; c++)
        letters += isalpha((unsigned char)*c) != 0;
    own_dots = rank < 0 ? dots : rank - letters;
    *out = (ln_ints){0};
    bool dotted = false;
    for (; *at < end && **at != ',' && **at != '-'; (*at)++) {
        const char c = **at;
        if (isspace((unsigned char)c))
            continue;
        if (end - *at >= 3 && strncmp(*at, "...", 3) == 0 && !dotted) {
            dotted = true;
            for (int i = own_dots; i > 0; i--) {
                if (out->count >= LN_MAX_RANK)
                    return false;
                out->at[out->count++] = label_of(t, -i); /* counted from the right */
            }
            *at += 2;
            continue;
        }
        if (!isalpha((unsigned char)c) || out->count >= LN_MAX_RANK)
            return false;
        const int label = label_of(t, c);
        if (label < 0)
            return false;
        out->at[out->count++] = label;
    }
    return rank < 0 || out->count == rank;
}

/* Without "->": the dots, then the letters that occur once, in alphabetical order. */
static void implied_result(terms *t, int dots)
{
    ln_ints *result = &t->of[OPERANDS];
    *result = (ln_ints){0};
    for (int i = dots; i > 0; i--)
        result->at[result->count++] = label_of(t, -i);
    for (int letter = 'A'; letter <= 'z'; letter++) {
        int uses = 0, label = -1;
        for (int k = 0; k < t->count; k++)
            for (int i = 0; i < t->of[k].count; i++)
                if (t->letters[t->of[k].at[i]] == letter) {
                    uses++;
                    label = (int)t->of[k].at[i];
                }
        if (uses == 1 && result->count < LN_MAX_RANK)
            result->at[result->count++] = label;
    }
}

static bool read_equation(const char *at, const char *end, const ln_onnx_operand *x, int count,
                          terms *t)
{
    int dots = 0;
    t->count = count;
    for (int k = 0; k < count; k++) {
        const char *start = at;
        int letters = 0;
        if (!read_term(t, &at, end, x[k].shape.rank, 0, &t->of[k]))
            return false;
        for (const char *c = start; c < at; c++)
            letters += isalpha((unsigned char)*c) != 0;
        dots = x[k].shape.rank - letters > dots ? x[k].shape.rank - letters : dots;
        if (k + 1 < count && (at == end || *at++ != ','))
            return false;
    }
    if (at == end) {
        implied_result(t, dots);
        return true;
    }
    if (end - at < 2 || at[0] != '-' || at[1] != '>')
        return false;
    at += 2;
    return read_term(t, &at, end, -1, dots, &t->of[OPERANDS]) && at == end;
}

/* Takes the rows' label off the live operands and the result; false where it is not one label that all
 * of them have, or a constant has it. */
static bool take_rows(const ln_onnx_import *import, const ln_onnx_operand *x, terms *t, int *axis)
{
    int64_t label = -1;
    for (int k = 0; k < t->count; k++) {
        if (is_constant(import, (size_t)k))
            continue;
        if (x[k].layout.axis < 0 || ln_onnx_is_shared(&x[k].layout))
            return false;
        const int64_t own = t->of[k].at[x[k].layout.axis];
        if (label >= 0 && own != label)
            return false;
        label = own;
    }
    *axis = -1;
    for (int k = 0; k <= OPERANDS; k++) {
        if (k < OPERANDS && k >= t->count)
            continue;
        int kept = 0;
        const bool constant = k < t->count && is_constant(import, (size_t)k);
        for (int i = 0; i < t->of[k].count; i++) {
            if (t->of[k].at[i] != label) {
                t->of[k].at[kept++] = t->of[k].at[i];
                continue;
            }
            if (constant || (k < t->count && i != x[k].layout.axis))
                return false;
            if (k == OPERANDS)
                *axis = i;
        }
        t->of[k].count = kept;
    }
    return *axis >= 0;
}

ln_status ln_onnx_einsum(ln_onnx_import *import, ln_error *err)
{
    const size_t count = import->node.inputs.count;
    ln_einsum_attributes own = {0};
    ln_onnx_operand x[OPERANDS];
    ln_bytes equation;
    terms t = {0};
    int values[OPERANDS], axis = -1;
    if (count > OPERANDS)
        return ln_onnx_refuse(import, err, "has %zu operands; up to %d are possible", count,
                              OPERANDS);
    ln_status status = ln_onnx_text(import, "equation", &equation, err);
    for (size_t i = 0; i < count && !status; i++) {
        if (import->single || is_constant(import, i))
            status = whole_input(import, i, &x[i], err);
        else
            status = ln_onnx_live(import, i, &x[i], err);
    }
    if (status)
        return status;
    const char *text = (const char *)equation.data;
    if (!read_equation(text, text + equation.size, x, (int)count, &t))
        return ln_onnx_malformed(import, err,
                                 "has the equation '%s', which does not fit its inputs",
                                 ln_bytes_text(equation).at);
    if (!import->single && !take_rows(import, x, &t, &axis))
        return ln_onnx_refuse(import, err, "mixes the rows of a batch by its equation '%s'",
                              ln_bytes_text(equation).at);
    for (size_t i = 0; i < count; i++) {
        own.of[i] = t.of[i];
        values[i] = x[i].value;
    }
    own.result = t.of[OPERANDS];
    return ln_onnx_finish(import, "einsum", &own, values, (int)count,
                          (ln_onnx_layout){.axis = axis, .before = 1, .after = 1}, err);
}
