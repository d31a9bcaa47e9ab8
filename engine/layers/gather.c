/* Elements chosen by indices. Indices may be the same for all rows (a constant) or a row's own; what
 * they point into may be the row or a constant that all rows share.
 *
 * gather           slices along an axis: (a, axis, b) by indices (k) to (a, k, b)
 * gather_elements  y[i][j][k] = x[index[i][j][k]][j][k], for axis 0 of a row
 * gather_nd        the last axis of the indices points into the first axes, after `batch` axes that
 *                  both share
 *
 * The gradient is added where the elements came from, in float64 and in the order of the result; that
 * of a constant row by row. Indices outside of their axis are an error of the data.
 *
 * Source: ONNX's operators. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "layers/indices.h"

ln_status ln_types_indexed(const struct ln_graph *graph, const struct ln_node *node,
                           const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    out[0] = in[0];
    if (in[1] != LN_I64 && in[1] != LN_I32)
        return ln_fail(err, LN_EINVALID, "its indices hold %s numbers: they must be whole",
                       ln_dtype_name(in[1]));
    if (node->input_count > 2 && in[2] != in[0])
        return ln_fail(err, LN_EINVALID,
                       "its inputs hold %s and %s numbers: they must be of one type",
                       ln_dtype_name(in[0]), ln_dtype_name(in[2]));
    return LN_OK;
}

ln_status ln_index_at(const void *indices, ln_dtype dtype, int64_t i, int64_t size, int64_t *out,
                      ln_error *err)
{
    int64_t index;
    if (dtype == LN_F32) {
        const float number = ((const float *)indices)[i];
        if (!(fabsf(number) < 9e18F) || number != truncf(number))
            return ln_fail(err, LN_EINVALID, "the id %g is no whole number", (double)number);
        index = (int64_t)number;
    } else {
        index = ln_load_whole(indices, dtype, i);
    }
    *out = index < 0 ? index + size : index;
    if (*out < 0 || *out >= size)
        return ln_fail(err, LN_EINVALID, "the index %lld is outside of 0 to %lld", (long long)index,
                       (long long)size - 1);
    return LN_OK;
}

/* Part of an operand that starts at element `at`. */
static const void *part(const void *data, ln_dtype dtype, int64_t at)
{
    return (const char *)data + (size_t)at * ln_dtype_size(dtype);
}

/* ---------------------------------------------------------------- places */

/* How a layer finds where result block i of a row comes from: the element of x's row. */
typedef ln_status (*place_fn)(const ln_pass *pass, const void *indices, int64_t i, int64_t *place,
                              ln_error *err);

/* The result's row is `blocks` blocks of `length` elements. */
typedef struct blocks {
    int64_t count, length;
    place_fn place;
} blocks;

static ln_status blocks_forward(const ln_pass *pass, const blocks *b, ln_error *err)
{
    const ln_operand x = ln_operand_in(pass->step, 0), index = ln_operand_in(pass->step, 1);
    const size_t size = ln_dtype_size(x.dtype), bytes = (size_t)b->length * size;
    char *to = pass->out[0];
    for (int64_t r = 0; r < ln_pass_rows(pass); r++) {
        const char *row = part(pass->in[0], x.dtype, r * x.step);
        const void *indices = part(pass->in[1], index.dtype, r * index.step);
        for (int64_t i = 0; i < b->count; i++, to += bytes) {
            int64_t place = 0;
            ln_status status = b->place(pass, indices, i, &place, err);
            if (status)
                return status;
            memcpy(to, row + (size_t)place * size, bytes);
        }
    }
    return LN_OK;
}

static ln_status blocks_backward(const ln_pass *pass, const blocks *b, ln_error *err)
{
    const ln_operand x = ln_operand_in(pass->step, 0), index = ln_operand_in(pass->step, 1);
    const float *dy = pass->out_grad[0];
    double *sum = pass->scratch;
    if (!pass->in_grad[0])
        return LN_OK;
    for (int64_t r = 0; r < pass->rows; r++) {
        const void *indices = part(pass->in[1], index.dtype, r * index.step);
        for (int64_t k = 0; k < x.count && (x.step > 0 || r == 0); k++)
            sum[k] = 0;
        for (int64_t i = 0; i < b->count; i++, dy += b->length) {
            int64_t place = 0;
            ln_status status = b->place(pass, indices, i, &place, err);
            if (status)
                return status;
            for (int64_t j = 0; j < b->length; j++)
                sum[place + j] += (double)dy[j];
        }
        if (x.step > 0)
            ln_write_sums(sum, x.count, pass->in_grad[0] + r * x.count, false);
    }
    if (x.step == 0 && pass->rows > 0)
        ln_write_sums(sum, x.count, pass->in_grad[0], true);
    return LN_OK;
}

static ln_status sums_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    (void)constant;
    (void)err;
    if (step->gradient || step->training)
        step->scratch_bytes = (size_t)ln_operand_in(step, 0).count * sizeof(double);
    return LN_OK;
}

#define AXIS(owner, text)                                                                          \
    {                                                                                              \
        .name = "axis", .type = LN_PARAM_INT, .offset = offsetof(owner, axis), .fallback = "1",    \
        .min = -LN_MAX_RANK, .max = LN_MAX_RANK - 1, .help = text                                  \
    }

/* An axis attribute of the first input, which infer has checked. */
static int axis_of(const ln_pass *pass, const ln_shape *row)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    return (int)(own->axis < 0 ? own->axis + row->rank : own->axis - 1);
}

/* Elements behind an axis. */
static int64_t behind(const ln_shape *row, int axis)
{
    int64_t count = 1;
    for (int i = axis + 1; i < row->rank; i++)
        count *= row->dims[i];
    return count;
}

/* ---------------------------------------------------------------- gather */

static const ln_param gather_params[] = {
    AXIS(ln_axis_attributes, "axis along which the indices choose; 0 would be the rows"),
    LN_PARAM_END,
};

static ln_status gather_infer(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_axis_attributes *own = node->attributes;
    const ln_shape x = ln_input_row(graph, node, in, 0), index = ln_input_row(graph, node, in, 1);
    ln_shape result = {0};
    int axis;
    ln_status status = ln_row_axis(own->axis, x.rank, &axis, err);
    if (status)
        return status;
    if (x.rank - 1 + index.rank > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "its result has %d axes: %d are possible",
                       x.rank + index.rank, LN_MAX_RANK);
    for (int i = 0; i < axis; i++)
        result.dims[result.rank++] = x.dims[i];
    for (int i = 0; i < index.rank; i++)
        result.dims[result.rank++] = index.dims[i];
    for (int i = axis + 1; i < x.rank; i++)
        result.dims[result.rank++] = x.dims[i];
    return ln_result_shape(graph, node, &result, out, err);
}

static ln_status gather_place(const ln_pass *pass, const void *indices, int64_t i, int64_t *place,
                              ln_error *err)
{
    const ln_operand x = ln_operand_in(pass->step, 0), index = ln_operand_in(pass->step, 1);
    const int axis = axis_of(pass, &x.row);
    const int64_t size = x.row.dims[axis];
    int64_t chosen = 0;
    ln_status status = ln_index_at(indices, index.dtype, i % index.count, size, &chosen, err);
    *place = (i / index.count * size + chosen) * behind(&x.row, axis);
    return status;
}

static blocks gather_blocks(const ln_pass *pass)
{
    const ln_operand x = ln_operand_in(pass->step, 0), y = ln_operand_out(pass->step, 0);
    const int64_t length = behind(&x.row, axis_of(pass, &x.row));
    return (blocks){y.count / length, length, gather_place};
}

static ln_status gather_forward(const ln_pass *pass, ln_error *err)
{
    const blocks b = gather_blocks(pass);
    return blocks_forward(pass, &b, err);
}

static ln_status gather_backward(const ln_pass *pass, ln_error *err)
{
    const blocks b = gather_blocks(pass);
    return blocks_backward(pass, &b, err);
}

const ln_layer ln_layer_gather = {
    .word = {.name = "gather",
             .summary = "slices along an axis, chosen by indices",
             .formula = "",
             .source = "ONNX: Gather",
             .params = gather_params,
             .params_size = sizeof(ln_axis_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 2,
    .max_inputs = 2,
    .types = ln_types_indexed,
    .infer = gather_infer,
    .prepare = sums_prepare,
    .forward = gather_forward,
    .backward = gather_backward,
    .backward_parameters = gather_backward,
};

/* ---------------------------------------------------------------- gather_elements */

static const ln_param gather_elements_params[] = {
    AXIS(ln_axis_attributes, "axis along which the indices point; 0 would be the rows"),
    LN_PARAM_END,
};

static ln_status gather_elements_infer(const struct ln_graph *graph, const struct ln_node *node,
                                       const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_axis_attributes *own = node->attributes;
    const ln_shape x = ln_input_row(graph, node, in, 0), index = ln_input_row(graph, node, in, 1);
    char text[64], other[64];
    int axis;
    ln_status status = ln_row_axis(own->axis, x.rank, &axis, err);
    bool fits = x.rank == index.rank;
    for (int i = 0; i < x.rank && fits && !status; i++)
        fits = i == axis || index.dims[i] <= x.dims[i];
    if (!status && !fits)
        status = ln_fail(err, LN_EINVALID,
                         "its indices have shape %s: that does not lie within %s along the axes "
                         "but %d",
                         ln_shape_text(&in[1], text, sizeof text),
                         ln_shape_text(&in[0], other, sizeof other), axis + 1);
    return status ? status : ln_result_shape(graph, node, &index, out, err);
}

static ln_status element_place(const ln_pass *pass, const void *indices, int64_t i, int64_t *place,
                               ln_error *err)
{
    const ln_operand x = ln_operand_in(pass->step, 0), index = ln_operand_in(pass->step, 1);
    const int axis = axis_of(pass, &x.row);
    int64_t chosen = 0;
    ln_status status = ln_index_at(indices, index.dtype, i, x.row.dims[axis], &chosen, err);
    *place = ln_place_along(&index.row, &x.row, axis, i, chosen);
    return status;
}

static ln_status gather_elements_forward(const ln_pass *pass, ln_error *err)
{
    const blocks b = {ln_operand_in(pass->step, 1).count, 1, element_place};
    return blocks_forward(pass, &b, err);
}

static ln_status gather_elements_backward(const ln_pass *pass, ln_error *err)
{
    const blocks b = {ln_operand_in(pass->step, 1).count, 1, element_place};
    return blocks_backward(pass, &b, err);
}

const ln_layer ln_layer_gather_elements = {
    .word = {.name = "gather_elements",
             .summary = "elements along an axis, an index each",
             .formula = "y[i][j] = x[index[i][j]][j]",
             .source = "ONNX: GatherElements; PyTorch: torch.gather",
             .params = gather_elements_params,
             .params_size = sizeof(ln_axis_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 2,
    .max_inputs = 2,
    .types = ln_types_indexed,
    .infer = gather_elements_infer,
    .prepare = sums_prepare,
    .forward = gather_elements_forward,
    .backward = gather_elements_backward,
    .backward_parameters = gather_elements_backward,
};

/* ---------------------------------------------------------------- gather_nd */

static const ln_param gather_nd_params[] = {
    {.name = "batch",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_gather_nd_attributes, batch),
     .fallback = "0",
     .min = 0,
     .max = LN_MAX_RANK,
     .help = "axes of a row that indices and numbers share, at the front"},
    LN_PARAM_END,
};

static ln_status gather_nd_infer(const struct ln_graph *graph, const struct ln_node *node,
                                 const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_gather_nd_attributes *own = node->attributes;
    const ln_shape x = ln_input_row(graph, node, in, 0), index = ln_input_row(graph, node, in, 1);
    const int batch = (int)own->batch;
    ln_shape result = {0};
    char text[64], other[64];
    const int64_t depth = index.rank > 0 ? index.dims[index.rank - 1] : 0;
    bool fits = own->batch >= 0 && index.rank > own->batch && depth >= 1 &&
                depth + own->batch <= x.rank &&
                index.rank - 1 + x.rank - batch - depth <= LN_MAX_RANK;
    for (int i = 0; i < batch && fits; i++)
        fits = x.dims[i] == index.dims[i];
    if (!fits)
        return ln_fail(err, LN_EINVALID, "indices of shape %s do not point into shape %s",
                       ln_shape_text(&in[1], text, sizeof text),
                       ln_shape_text(&in[0], other, sizeof other));
    for (int i = 0; i < index.rank - 1; i++)
        result.dims[result.rank++] = index.dims[i];
    for (int i = batch + (int)depth; i < x.rank; i++)
        result.dims[result.rank++] = x.dims[i];
    return ln_result_shape(graph, node, &result, out, err);
}

/* Where tuple i of the indices (of `depth` numbers) points in a row, in elements. */
static ln_status tuple_place(const ln_shape *row, int64_t batch, const void *indices,
                             ln_dtype dtype, int64_t depth, int64_t i, int64_t *place,
                             ln_error *err)
{
    int64_t at = batch;
    *place = 0;
    for (int64_t k = 0; k < depth; k++) {
        int64_t chosen = 0;
        ln_status status = ln_index_at(indices, dtype, i * depth + k, row->dims[k], &chosen, err);
        if (status)
            return status;
        at = at * row->dims[k] + chosen;
    }
    *place = at;
    for (int k = (int)depth; k < row->rank; k++)
        *place *= row->dims[k];
    return LN_OK;
}

static ln_status nd_place(const ln_pass *pass, const void *indices, int64_t i, int64_t *place,
                          ln_error *err)
{
    const ln_gather_nd_attributes *own = pass->step->node->attributes;
    const ln_operand x = ln_operand_in(pass->step, 0), index = ln_operand_in(pass->step, 1);
    const int64_t depth = index.row.dims[index.row.rank - 1];
    int64_t tuples = 1;
    ln_shape rest = {.rank = x.row.rank - (int)own->batch};
    memcpy(rest.dims, x.row.dims + own->batch, (size_t)rest.rank * sizeof *rest.dims);
    for (int k = (int)own->batch; k < index.row.rank - 1; k++)
        tuples *= index.row.dims[k];
    return tuple_place(&rest, i / tuples, indices, index.dtype, depth, i, place, err);
}

static blocks nd_blocks(const ln_pass *pass)
{
    const ln_operand index = ln_operand_in(pass->step, 1), y = ln_operand_out(pass->step, 0);
    const int64_t tuples = index.count / index.row.dims[index.row.rank - 1];
    return (blocks){tuples, y.count / tuples, nd_place};
}

static ln_status gather_nd_forward(const ln_pass *pass, ln_error *err)
{
    const blocks b = nd_blocks(pass);
    return blocks_forward(pass, &b, err);
}

static ln_status gather_nd_backward(const ln_pass *pass, ln_error *err)
{
    const blocks b = nd_blocks(pass);
    return blocks_backward(pass, &b, err);
}

const ln_layer ln_layer_gather_nd = {
    .word = {.name = "gather_nd",
             .summary = "elements or slices, a tuple of indices each",
             .formula = "",
             .source = "ONNX: GatherND",
             .params = gather_nd_params,
             .params_size = sizeof(ln_gather_nd_attributes)},
    .flags = LN_LAYER_INTERNAL,
    .min_inputs = 2,
    .max_inputs = 2,
    .types = ln_types_indexed,
    .infer = gather_nd_infer,
    .prepare = sums_prepare,
    .forward = gather_nd_forward,
    .backward = gather_nd_backward,
    .backward_parameters = gather_nd_backward,
};
