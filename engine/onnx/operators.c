/* The table from ONNX operators to layers, and the operators on numbers: Gemm, MatMul, Add,
 * the activations, Softmax, and what passes a value on (Identity, Dropout, Constant).
 *
 * Rows come first: an operator may compute row r of its result from row r of its inputs alone, or
 * it is refused. Weights are constants. Sources: onnx.ai/onnx/operators. */
#include <string.h>

#include "base/error.h"
#include "onnx/import.h"
#include "onnx/operators.h"

/* ---------------------------------------------------------------- Gemm */

/* A copy scaled by a factor. Caller releases. */
static ln_status scaled(const ln_tensor *tensor, float factor, ln_tensor **out, ln_error *err)
{
    ln_status status = ln_tensor_copy_of(LN_F32, &tensor->shape, tensor->data, out, err);
    if (status)
        return status;
    for (int64_t i = 0; i < ln_shape_count(&tensor->shape); i++)
        ln_f32(*out)[i] *= factor;
    return LN_OK;
}

/* Gemm's weight as a value, alpha multiplied in. */
static ln_status gemm_weight(ln_onnx_import *import, float alpha, int *value, ln_error *err)
{
    ln_tensor *weight, *own;
    ln_status status = ln_onnx_numbers(import, 1, LN_F32, &weight, err);
    if (status)
        return status;
    if (weight->shape.rank != 2)
        return ln_onnx_malformed(import, err, "has a weight with %d axes, not 2",
                                 weight->shape.rank);
    if (alpha == 1)
        return ln_onnx_constant_value(import, 1, value, err);
    status = scaled(weight, alpha, &own, err);
    if (status)
        return status;
    status = ln_onnx_own_constant(import, ".weight", own, value, err);
    ln_tensor_release(own);
    return status;
}

/* Gemm's third input, which broadcasts to (rows, units), as a vector of `units` with beta
 * multiplied in. */
static ln_status gemm_bias(ln_onnx_import *import, float beta, int64_t units, int *value,
                           ln_error *err)
{
    ln_tensor *bias, *own;
    ln_status status = ln_onnx_numbers(import, 2, LN_F32, &bias, err);
    if (status)
        return status;
    const ln_shape *shape = &bias->shape;
    int64_t count = ln_shape_count(shape);
    if (shape->rank > 2 || (shape->rank == 2 && shape->dims[0] != 1))
        return ln_onnx_refuse(import, err, "adds a matrix with a value for every row of a batch");
    if (count != 1 && count != units)
        return ln_onnx_malformed(import, err, "adds %lld numbers to %lld units", (long long)count,
                                 (long long)units);
    if (beta == 1 && shape->rank == 1 && count == units)
        return ln_onnx_constant_value(import, 2, value, err);
    ln_shape vector = {.rank = 1, .dims = {units}};
    status = ln_tensor_new(LN_F32, &vector, &own, err);
    if (status)
        return status;
    for (int64_t i = 0; i < units; i++)
        ln_f32(own)[i] = beta * ln_f32(bias)[count == 1 ? 0 : i];
    status = ln_onnx_own_constant(import, ".bias", own, value, err);
    ln_tensor_release(own);
    return status;
}

/* Y = alpha A' B' + beta C with A live, B constant; A' = A unless transA, which turns rows and
 * features round. */
static ln_status gemm(ln_onnx_import *import, ln_error *err)
{
    float alpha = 1, beta = 1;
    int64_t trans_a = 0, trans_b = 0;
    int inputs[3], count = 2;
    ln_status status = ln_onnx_float(import, "alpha", 1, &alpha, err);
    if (!status)
        status = ln_onnx_float(import, "beta", 1, &beta, err);
    if (!status)
        status = ln_onnx_int(import, "transA", 0, &trans_a, err);
    if (!status)
        status = ln_onnx_int(import, "transB", 0, &trans_b, err);
    if (!status)
        status = ln_onnx_live(import, 0, &inputs[0], err);
    if (!status && trans_a)
        status = ln_onnx_refuse(import, err,
                                "transposes its input (transA) and so mixes the rows "
                                "of a batch");
    if (!status)
        status = gemm_weight(import, alpha, &inputs[1], err);
    if (status)
        return status;
    ln_dense_attributes dense = {.in_out = !trans_b};
    bool live_bias = false;
    if (ln_onnx_has_input(import, 2)) {
        live_bias = !ln_onnx_is_constant(import, 2);
        if (live_bias && beta != 1)
            return ln_onnx_refuse(import, err, "scales a third input that is no constant (beta)");
        if (!live_bias && beta != 0) {
            int64_t units = ln_onnx_shape(import, inputs[1])->dims[trans_b ? 0 : 1];
            status = gemm_bias(import, beta, units, &inputs[count++], err);
        }
    }
    if (status)
        return status;
    if (!live_bias)
        return ln_onnx_finish(import, "dense", &dense, inputs, count, err);
    int terms[2];
    status = ln_onnx_between(import, "dense", &dense, inputs, count, ".product", &terms[0], err);
    if (!status)
        status = ln_onnx_live(import, 2, &terms[1], err);
    return status ? status : ln_onnx_add_live(import, terms, err);
}

/* ---------------------------------------------------------------- MatMul */

/* A weight of rank 1 or with leading axes of size 1, as a matrix of the import's own. */
static ln_status matmul_matrix(ln_onnx_import *import, ln_tensor *weight, int *value, ln_error *err)
{
    const ln_shape *shape = &weight->shape;
    ln_shape matrix = {.rank = 2};
    matrix.dims[0] = shape->dims[shape->rank == 1 ? 0 : shape->rank - 2];
    matrix.dims[1] = shape->rank == 1 ? 1 : shape->dims[shape->rank - 1];
    ln_tensor *own;
    ln_status status = ln_tensor_reshape(weight, &matrix, &own, err);
    if (status)
        return status;
    status = ln_onnx_own_constant(import, ".weight", own, value, err);
    ln_tensor_release(own);
    return status;
}

static ln_status matmul(ln_onnx_import *import, ln_error *err)
{
    int inputs[2];
    ln_tensor *weight;
    ln_status status = ln_onnx_live(import, 0, &inputs[0], err);
    if (!status)
        status = ln_onnx_numbers(import, 1, LN_F32, &weight, err);
    if (status)
        return status;
    const ln_shape *shape = &weight->shape;
    ln_shape left = *ln_onnx_shape(import, inputs[0]);
    if (shape->rank == 0 || left.rank < 2)
        return ln_onnx_refuse(import, err, "multiplies a %s, which gives no rows of features",
                              shape->rank == 0 ? "single number" : "vector over the rows");
    for (int axis = 0; axis < shape->rank - 2; axis++)
        if (shape->dims[axis] != 1 || shape->rank > left.rank)
            return ln_onnx_refuse(import, err,
                                  "multiplies by a stack of matrices ('%s'); one matrix for all "
                                  "rows is supported",
                                  ln_bytes_text(import->node.inputs.at[1]).at);
    if (shape->rank == 2)
        status = ln_onnx_constant_value(import, 1, &inputs[1], err);
    else
        status = matmul_matrix(import, weight, &inputs[1], err);
    if (status)
        return status;
    ln_dense_attributes dense = {.in_out = true};
    if (shape->rank > 1)
        return ln_onnx_finish(import, "dense", &dense, inputs, 2, err);
    /* A vector on the right: the last axis goes. */
    int column;
    status = ln_onnx_between(import, "dense", &dense, inputs, 2, ".column", &column, err);
    left.rank--;
    return status ? status : ln_onnx_finish_shape(import, column, &left, err);
}

/* ---------------------------------------------------------------- Add */

ln_status ln_onnx_add_live(ln_onnx_import *import, const int terms[2], ln_error *err)
{
    const ln_shape *a = ln_onnx_shape(import, terms[0]), *b = ln_onnx_shape(import, terms[1]);
    if (a->rank != b->rank)
        return ln_onnx_refuse(import, err,
                              "adds values with %d and %d axes, so that the rows of one meet "
                              "another axis of the other",
                              a->rank, b->rank);
    return ln_onnx_finish(import, "add", NULL, terms, 2, err);
}

/* The constant term with its leading axes of size 1 left out, where it has one for the rows. */
static ln_status constant_term(ln_onnx_import *import, size_t input, int rank, int *value,
                               ln_error *err)
{
    ln_tensor *term, *own;
    ln_status status = ln_onnx_numbers(import, input, LN_F32, &term, err);
    if (status)
        return status;
    if (term->shape.rank < rank)
        return ln_onnx_constant_value(import, input, value, err);
    int extra = term->shape.rank - rank + 1;
    for (int axis = 0; axis < extra; axis++)
        if (term->shape.dims[axis] != 1 || extra > 1)
            return ln_onnx_refuse(import, err, "adds the constant '%s', which has %s than a row",
                                  ln_bytes_text(import->node.inputs.at[input]).at,
                                  extra > 1 ? "more axes" : "values for more");
    ln_shape row = ln_shape_of(term->shape.rank - extra, term->shape.dims + extra);
    status = ln_tensor_reshape(term, &row, &own, err);
    if (status)
        return status;
    status = ln_onnx_own_constant(import, ".term", own, value, err);
    ln_tensor_release(own);
    return status;
}

static ln_status add(ln_onnx_import *import, ln_error *err)
{
    int terms[2];
    ln_status status = LN_OK;
    size_t constant = ln_onnx_is_constant(import, 0) ? 0 : ln_onnx_is_constant(import, 1) ? 1 : 2;
    for (size_t i = 0; i < 2 && !status; i++)
        if (i != constant)
            status = ln_onnx_live(import, i, &terms[i], err);
    if (status)
        return status;
    if (constant == 2)
        return ln_onnx_add_live(import, terms, err);
    int live = terms[1 - constant];
    status =
        constant_term(import, constant, ln_onnx_shape(import, live)->rank, &terms[constant], err);
    return status ? status : ln_onnx_finish(import, "add", NULL, terms, 2, err);
}

/* ---------------------------------------------------------------- activations */

static ln_status unary(ln_onnx_import *import, const char *word, const void *attributes,
                       ln_error *err)
{
    int value;
    ln_status status = ln_onnx_live(import, 0, &value, err);
    return status ? status : ln_onnx_finish(import, word, attributes, &value, 1, err);
}

static ln_status relu(ln_onnx_import *import, ln_error *err)
{
    return unary(import, "relu", NULL, err);
}

static ln_status sigmoid(ln_onnx_import *import, ln_error *err)
{
    return unary(import, "sigmoid", NULL, err);
}

static ln_status hyperbolic_tangent(ln_onnx_import *import, ln_error *err)
{
    return unary(import, "tanh", NULL, err);
}

static ln_status softplus(ln_onnx_import *import, ln_error *err)
{
    /* Above 20 log(1 + e^x) and x are the same float32. */
    ln_softplus_attributes attributes = {.beta = 1, .threshold = 20};
    return unary(import, "softplus", &attributes, err);
}

static ln_status elu(ln_onnx_import *import, ln_error *err)
{
    float alpha;
    ln_status status = ln_onnx_float(import, "alpha", 1, &alpha, err);
    ln_elu_attributes attributes = {.alpha = (double)alpha};
    return status ? status : unary(import, "elu", &attributes, err);
}

static ln_status leaky_relu(ln_onnx_import *import, ln_error *err)
{
    float alpha;
    ln_status status = ln_onnx_float(import, "alpha", 0.01f, &alpha, err);
    ln_leaky_relu_attributes attributes = {.negative_slope = (double)alpha};
    return status ? status : unary(import, "leaky_relu", &attributes, err);
}

/* Before opset 13 all axes from `axis` on (default 1) are one for the sum; since then `axis`
 * (default the last) is summed alone. */
static ln_status softmax(ln_onnx_import *import, ln_error *err)
{
    int value;
    int64_t axis;
    ln_status status = ln_onnx_live(import, 0, &value, err);
    if (status)
        return status;
    ln_shape shape = *ln_onnx_shape(import, value);
    status = ln_onnx_axis(import, "axis", import->opset < 13 ? 1 : -1, shape.rank, &axis, err);
    if (status)
        return status;
    ln_axis_attributes attributes = {.axis = axis};
    if (import->opset >= 13 || axis == shape.rank - 1)
        return ln_onnx_finish(import, "softmax", &attributes, &value, 1, err);
    ln_shape flat = {.rank = (int)axis + 1};
    memcpy(flat.dims, shape.dims, sizeof shape.dims);
    flat.dims[axis] = ln_onnx_product(&shape, (int)axis);
    int flattened, summed;
    status = ln_onnx_between_shape(import, value, &flat, ".flat", &flattened, err);
    if (!status)
        status = ln_onnx_between(import, "softmax", &attributes, &flattened, 1, ".softmax", &summed,
                                 err);
    return status ? status : ln_onnx_finish_shape(import, summed, &shape, err);
}

/* ---------------------------------------------------------------- the table */

static const ln_onnx_operator operators[] = {
    {"Add", 2, 2, "", add},
    {"Concat", 1, -1, "axis", ln_onnx_concat},
    {"Constant", 0, 0, "value|value_float|value_floats|value_int|value_ints",
     ln_onnx_constant_node},
    {"Dropout", 1, 3, "ratio|seed", ln_onnx_dropout},
    {"Elu", 1, 1, "alpha", elu},
    {"Flatten", 1, 1, "axis", ln_onnx_flatten},
    {"Gemm", 2, 3, "alpha|beta|transA|transB", gemm},
    {"Identity", 1, 1, "", ln_onnx_identity},
    {"LeakyRelu", 1, 1, "alpha", leaky_relu},
    {"MatMul", 2, 2, "", matmul},
    {"Relu", 1, 1, "", relu},
    {"Reshape", 2, 2, "allowzero", ln_onnx_reshape},
    {"Sigmoid", 1, 1, "", sigmoid},
    {"Softmax", 1, 1, "axis", softmax},
    {"Softplus", 1, 1, "", softplus},
    {"Tanh", 1, 1, "", hyperbolic_tangent},
};

const ln_onnx_operator *ln_onnx_operator_find(ln_bytes name)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (ln_bytes_equal(name, operators[i].name))
            return &operators[i];
    return NULL;
}
