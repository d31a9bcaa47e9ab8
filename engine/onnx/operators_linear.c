/* Gemm and MatMul with a constant matrix as the second operand: a dense layer on the last axis. All others
 * are in operators_products.c. */
#include <string.h>

#include "base/error.h"
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

/* Whether the third input is a constant of one row: a bias. */
static ln_status is_bias(ln_onnx_import *import, bool *out, ln_error *err)
{
    ln_tensor *bias;
    *out = false;
    if (!import->folding && !ln_onnx_is_constant(import, 2))
        return LN_OK;
    ln_status status = ln_onnx_constant(import, 2, &bias, err);
    if (!status)
        *out = bias->shape.rank < 2 || (bias->shape.rank == 2 && bias->shape.dims[0] == 1);
    return status;
}

typedef struct gemm_attributes {
    float alpha, beta;
    int64_t trans_a, trans_b;
} gemm_attributes;

static ln_status read_gemm(ln_onnx_import *import, gemm_attributes *out, ln_error *err)
{
    ln_status status = ln_onnx_float(import, "alpha", 1, &out->alpha, err);
    if (!status)
        status = ln_onnx_float(import, "beta", 1, &out->beta, err);
    if (!status)
        status = ln_onnx_int(import, "transA", 0, &out->trans_a, err);
    if (!status)
        status = ln_onnx_int(import, "transB", 0, &out->trans_b, err);
    return status;
}

/* Gemm's first input, transposed where transA says so. */
static ln_status gemm_input(ln_onnx_import *import, bool transposed, ln_onnx_operand *x,
                            ln_error *err)
{
    static const int turned[] = {1, 0};
    ln_status status = ln_onnx_live(import, 0, x, err);
    if (!status && x->shape.rank != 2)
        return ln_onnx_malformed(import, err, "has an input with %d axes, not 2", x->shape.rank);
    if (!status && transposed)
        status = ln_onnx_between_transposed(import, x, turned, ".transposed", x, err);
    return status ? status : ln_onnx_rows_before(import, x, 1, err);
}

/* Y = alpha A' B' + beta C with B constant. */
ln_status ln_onnx_gemm(ln_onnx_import *import, ln_error *err)
{
    gemm_attributes gemm;
    ln_onnx_operand x, terms[2];
    int inputs[3], count = 2;
    bool bias = false;
    ln_status status = read_gemm(import, &gemm, err);
    if (!status && !import->folding &&
        (ln_onnx_is_constant(import, 0) || !ln_onnx_is_constant(import, 1)))
        return ln_onnx_gemm_general(import, gemm.alpha, gemm.beta, gemm.trans_a != 0,
                                    gemm.trans_b != 0, err);
    if (!status)
        status = gemm_input(import, gemm.trans_a, &x, err);
    if (!status)
        status = gemm_weight(import, gemm.alpha, &inputs[1], err);
    if (status)
        return status;
    inputs[0] = x.value;
    const ln_dense_attributes dense = {.in_out = !gemm.trans_b};
    const bool adds = ln_onnx_has_input(import, 2) && gemm.beta != 0;
    if (adds)
        status = is_bias(import, &bias, err);
    if (!status && bias) {
        const int64_t units = import->graph->values[inputs[1]].shape.dims[gemm.trans_b ? 0 : 1];
        status = gemm_bias(import, gemm.beta, units, &inputs[count++], err);
    }
    if (!status && (!adds || bias))
        return ln_onnx_finish(import, "dense", &dense, inputs, count, x.layout, err);
    if (!status && gemm.beta != 1)
        return ln_onnx_refuse(import, err, "scales a third input that is no bias (beta)");
    if (!status)
        status = ln_onnx_between(import, "dense", &dense, inputs, count, x.layout, ".product",
                                 &terms[0], err);
    const size_t from[] = {SIZE_MAX, 2};
    if (!status)
        status = ln_onnx_align_mixed(import, from, 2, false, terms, err);
    return status
               ? status
               : ln_onnx_finish(import, "add", NULL, (const int[]){terms[0].value, terms[1].value},
                                2, terms[0].layout, err);
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

/* Whether the second operand is one constant matrix for all that the first holds. */
static ln_status has_weight(ln_onnx_import *import, bool *out, ln_error *err)
{
    ln_tensor *weight;
    ln_onnx_operand x;
    *out = false;
    if (!import->folding && (ln_onnx_is_constant(import, 0) || !ln_onnx_is_constant(import, 1)))
        return LN_OK;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_numbers(import, 1, LN_F32, &weight, err);
    if (status)
        return status;
    const ln_shape *shape = &weight->shape;
    *out = shape->rank > 0 && shape->rank <= (x.shape.rank > 2 ? x.shape.rank : 2) &&
           (x.shape.rank > 1 || x.layout.axis < 0) && x.shape.rank > 0;
    for (int axis = 0; axis < shape->rank - 2; axis++)
        *out = *out && shape->dims[axis] == 1;
    if (x.layout.axis == x.shape.rank - 1)
        *out = import->single && *out;
    return LN_OK;
}

ln_status ln_onnx_matmul(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x, column;
    int inputs[2];
    ln_tensor *weight;
    bool dense_fits;
    ln_status status = has_weight(import, &dense_fits, err);
    if (!status && !dense_fits)
        return ln_onnx_matmul_general(import, err);
    if (!status)
        status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_numbers(import, 1, LN_F32, &weight, err);
    if (!status)
        status = ln_onnx_rows_before(import, &x, x.shape.rank - 1, err);
    if (status)
        return status;
    inputs[0] = x.value;
    if (weight->shape.rank == 2)
        status = ln_onnx_constant_value(import, 1, &inputs[1], err);
    else
        status = matmul_matrix(import, weight, &inputs[1], err);
    if (status)
        return status;
    const ln_dense_attributes dense = {.in_out = true};
    if (weight->shape.rank > 1)
        return ln_onnx_finish(import, "dense", &dense, inputs, 2, x.layout, err);
    /* A vector on the right: the last axis goes. */
    status = ln_onnx_between(import, "dense", &dense, inputs, 2, x.layout, ".column", &column, err);
    if (status)
        return status;
    column.shape.rank--;
    return ln_onnx_finish_shape(import, &column, &column.shape, column.layout, err);
}
