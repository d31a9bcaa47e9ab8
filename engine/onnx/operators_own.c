/* Operators of our own, which the bodies of composites need (composites.h): MaskBias, AffineBase, SwapAxis,
 * GridSampleInput,
 * Turns, Col2ImKernel. */
#include <math.h>

#include "base/error.h"
#include "onnx/operators.h"

/* What a mask adds to scores. Where it says whether, -inf for what is hidden. */
ln_status ln_onnx_mask_bias(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    int inputs[3];
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status && x.dtype == LN_F32)
        return ln_onnx_finish_one(import, "identity", NULL, &x, err);
    if (status)
        return status;
    const ln_onnx_operand real = {.dtype = LN_F32};
    inputs[0] = x.value;
    status = ln_onnx_number_like(import, &real, 0, ".seen", &inputs[1], err);
    if (!status)
        status = ln_onnx_number_like(import, &real, -INFINITY, ".hidden", &inputs[2], err);
    return status ? status : ln_onnx_finish(import, "where", NULL, inputs, 3, x.layout, err);
}

/* A node that composites.c has not put others in the place of. */
ln_status ln_onnx_composite_form(ln_onnx_import *import, ln_error *err)
{
    int64_t mode = 0;
    if (ln_onnx_int(import, "qk_matmul_output_mode", 0, &mode, NULL) == LN_OK &&
        (mode == 1 || mode == 2))
        return ln_onnx_refuse(
            import, err,
            "writes scores in between (qk_matmul_output_mode %lld), which versions "
            "of ONNX define differently; 0 and 3 are read",
            (long long)mode);
    return ln_onnx_refuse(import, err, "is of a form that is not read");
}

/* Where place i of n is between -1 and 1: at the middles of n parts, or from edge to edge. */
static float place(int64_t i, int64_t n, bool corners)
{
    if (corners)
        return n > 1 ? (float)(-1 + 2 * (double)i / (double)(n - 1)) : -1;
    return (float)((2 * (double)i + 1) / (double)n - 1);
}

/* Of the size (N, C, H, W) or (N, C, D, H, W) all places as rows (x, y[, z], 1). */
ln_status ln_onnx_affine_base(ln_onnx_import *import, ln_error *err)
{
    ln_ints size;
    int64_t corners, count = 1;
    ln_tensor *tensor;
    ln_status status = ln_onnx_list(import, 0, &size, err);
    if (!status)
        status = ln_onnx_int(import, "align_corners", 0, &corners, err);
    if (!status && size.count != 4 && size.count != 5)
        status = ln_onnx_malformed(import, err, "has a size of %d numbers, not 4 or 5", size.count);
    if (status)
        return status;
    const int axes = size.count - 2;
    for (int i = 2; i < size.count; i++)
        if (size.at[i] < 1 || __builtin_mul_overflow(count, size.at[i], &count) ||
            count > INT32_MAX)
            return ln_onnx_malformed(import, err, "has a size of %lld", (long long)size.at[i]);
    status = ln_onnx_fold_room(import, (size_t)count * (size_t)(axes + 1) * sizeof(float), err);
    const ln_shape shape = {2, {count, axes + 1}};
    if (!status)
        status = ln_tensor_new(LN_F32, &shape, &tensor, err);
    if (status)
        return status;
    for (int64_t p = 0; p < count; p++) {
        float *row = ln_f32(tensor) + p * (axes + 1);
        int64_t rest = p;
        for (int i = 0; i < axes; i++) { /* x is the last axis */
            const int64_t n = size.at[size.count - 1 - i];
            row[i] = place(rest % n, n, corners != 0);
            rest /= n;
        }
        row[axes] = 1;
    }
    status = ln_onnx_finish_constant(import, 0, tensor, err);
    ln_tensor_release(tensor);
    return status;
}

/* The axis that a constant names and the last but one, each in the other's place. */
ln_status ln_onnx_swap_axis(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    double number;
    int order[LN_MAX_RANK];
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_scalar(import, 1, &number, err);
    int64_t axis = status ? 0 : (int64_t)number;
    if (!status)
        status = ln_onnx_check_axis(import, x.shape.rank, &axis, err);
    if (!status && x.shape.rank < 2)
        status = ln_onnx_malformed(import, err, "has an input with %d axes", x.shape.rank);
    if (status)
        return status;
    for (int i = 0; i < x.shape.rank; i++)
        order[i] = i;
    order[axis] = x.shape.rank - 2;
    order[x.shape.rank - 2] = (int)axis;
    return ln_onnx_finish_transposed(import, &x, order, err);
}

/* The input itself, which must be (N, C, H, W). */
ln_status ln_onnx_grid_sample_input(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status && x.shape.rank != 4)
        return ln_onnx_refuse(import, err,
                              "samples an input with %d axes; only images (N, C, H, W) are sampled",
                              x.shape.rank);
    return status ? status : ln_onnx_finish_one(import, "identity", NULL, &x, err);
}

/* (n, k) cosines of 2 pi n k / n's count, or with `sine` 1 or -1 the sines times that; computed in float64. */
ln_status ln_onnx_turns(ln_onnx_import *import, ln_error *err)
{
    ln_ints size, count;
    int64_t sine;
    ln_tensor *tensor;
    ln_status status = ln_onnx_list(import, 0, &size, err);
    if (!status)
        status = ln_onnx_list(import, 1, &count, err);
    if (!status)
        status = ln_onnx_int(import, "sine", 0, &sine, err);
    if (status)
        return status;
    const ln_shape shape = {2, {size.at[0], count.at[0]}};
    if (size.count != 1 || count.count != 1 || shape.dims[0] < 1 || shape.dims[0] > INT32_MAX ||
        shape.dims[1] < 1 || shape.dims[1] > shape.dims[0])
        return ln_onnx_malformed(import, err, "has a length of %lld", (long long)shape.dims[0]);
    status = ln_onnx_fold_room(import,
                               (size_t)shape.dims[0] * (size_t)shape.dims[1] * sizeof(float), err);
    if (!status)
        status = ln_tensor_new(LN_F32, &shape, &tensor, err);
    if (status)
        return status;
    for (int64_t i = 0; i < ln_shape_count(&shape); i++) {
        const int64_t step = (i / shape.dims[1]) * (i % shape.dims[1]) % shape.dims[0];
        const double angle = 2 * 3.14159265358979323846 * (double)step / (double)shape.dims[0];
        ln_f32(tensor)[i] = (float)(sine ? (double)sine * sin(angle) : cos(angle));
    }
    status = ln_onnx_finish_constant(import, 0, tensor, err);
    ln_tensor_release(tensor);
    return status;
}

/* Of blocks (N, C size, places) the weight of the transposed convolution that puts them back, (C size, C, block ...): 1
 * where a block's number goes, to its own channel and place. */
ln_status ln_onnx_col2im_kernel(ln_onnx_import *import, ln_error *err)
{
    ln_onnx_operand x;
    ln_tensor *tensor;
    ln_ints block = {.count = 0};
    int64_t size = 1;
    ln_status status = ln_onnx_live(import, 0, &x, err);
    if (!status)
        status = ln_onnx_list(import, 1, &block, err);
    for (int i = 0; i < block.count && !status; i++)
        if (block.at[i] < 1 || __builtin_mul_overflow(size, block.at[i], &size) || size > INT32_MAX)
            status = ln_onnx_malformed(import, err, "has a block of %lld", (long long)block.at[i]);
    if (!status && (x.shape.rank != 3 || x.shape.dims[1] % size != 0 || block.count > 3))
        status = ln_onnx_refuse(import, err, "has blocks of shape that do not fit its input");
    if (status)
        return status;
    const int64_t rows = x.shape.dims[1], channels = rows / size;
    ln_shape shape = {2, {rows, channels}};
    for (int i = 0; i < block.count; i++)
        shape.dims[shape.rank++] = block.at[i];
    status = ln_onnx_fold_room(import, (size_t)(rows * channels * size) * sizeof(float), err);
    if (!status)
        status = ln_tensor_new(LN_F32, &shape, &tensor, err); /* zeros */
    if (status)
        return status;
    for (int64_t r = 0; r < rows; r++)
        ln_f32(tensor)[(r * channels + r / size) * size + r % size] = 1;
    status = ln_onnx_finish_constant(import, 0, tensor, err);
    ln_tensor_release(tensor);
    return status;
}
