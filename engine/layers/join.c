/* concat: operands side by side along an axis of a row; a constant stands beside every row. The
 * gradient is cut apart again, that of a constant summed over the rows.
 *
 * Source: ONNX's Concat, torch.cat. */
#include <stddef.h>
#include <string.h>

#include "layers/operand.h"

static const ln_param concat_params[] = {
    {.name = "axis",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_axis_attributes, axis),
     .fallback = "1",
     .min = -LN_MAX_RANK,
     .max = LN_MAX_RANK - 1,
     .help = "axis along which the branches lie side by side; 0 would be the rows"},
    LN_PARAM_END,
};

static ln_status concat_infer(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_axis_attributes *own = node->attributes;
    const ln_shape first = ln_input_row(graph, node, in, 0);
    ln_shape result = first;
    char text[64], other[64];
    int axis;
    ln_status status = ln_row_axis(own->axis, first.rank, &axis, err);
    if (status)
        return status;
    for (int k = 1; k < node->input_count; k++) {
        const ln_shape row = ln_input_row(graph, node, in, k);
        ln_shape same = row;
        if (same.rank == first.rank)
            same.dims[axis] = first.dims[axis];
        if (!ln_shape_equal(&same, &first))
            return ln_fail(err, LN_EINVALID,
                           "shapes %s and %s differ in more than axis %d: they cannot be joined",
                           ln_shape_text(&in[0], text, sizeof text),
                           ln_shape_text(&in[k], other, sizeof other), axis + 1);
        result.dims[axis] += row.dims[axis];
    }
    return ln_result_shape(graph, node, &result, out, err);
}

/* Elements of a row that lie together: from the axis on. */
static int64_t run_length(const ln_shape *row, int64_t axis)
{
    int64_t length = 1;
    for (int i = (int)(axis < 0 ? axis + row->rank : axis - 1); i < row->rank; i++)
        length *= row->dims[i];
    return length;
}

static ln_status concat_forward(const ln_pass *pass, ln_error *err)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    const ln_operand y = ln_operand_out(pass->step, 0);
    const size_t size = ln_dtype_size(y.dtype);
    const int64_t whole = run_length(&y.row, own->axis), rows = ln_pass_rows(pass);
    char *to = pass->out[0];
    (void)err;
    for (int k = 0; k < pass->step->node->input_count; k++) {
        const ln_operand x = ln_operand_in(pass->step, k);
        const size_t bytes = (size_t)run_length(&x.row, own->axis) * size;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < y.count / whole; i++)
                memcpy(to + (size_t)(r * y.count + i * whole) * size,
                       (const char *)pass->in[k] + (size_t)(r * x.step) * size + (size_t)i * bytes,
                       bytes);
        to += bytes;
    }
    return LN_OK;
}

/* The gradient of operand k, which starts `first` elements into each run. */
static void send(const ln_pass *pass, int k, int64_t first)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    const ln_operand y = ln_operand_out(pass->step, 0), x = ln_operand_in(pass->step, k);
    const int64_t whole = run_length(&y.row, own->axis), length = run_length(&x.row, own->axis);
    for (int64_t r = 0; r < pass->rows; r++)
        for (int64_t i = 0; i < y.count / whole; i++) {
            const float *from = pass->out_grad[0] + r * y.count + i * whole + first;
            float *to = pass->in_grad[k] + r * x.step + i * length;
            for (int64_t j = 0; j < length; j++)
                to[j] = x.step ? from[j] : to[j] + from[j];
        }
}

static ln_status concat_backward(const ln_pass *pass, ln_error *err)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    int64_t first = 0;
    (void)err;
    for (int k = 0; k < pass->step->node->input_count; k++) {
        const ln_operand x = ln_operand_in(pass->step, k);
        if (pass->in_grad[k])
            send(pass, k, first);
        first += run_length(&x.row, own->axis);
    }
    return LN_OK;
}

const ln_layer ln_layer_concat = {
    .word = {.name = "concat",
             .summary = "puts branches side by side along an axis",
             .formula = "",
             .source = "PyTorch: torch.cat; ONNX: Concat",
             .params = concat_params,
             .params_size = sizeof(ln_axis_attributes)},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = -1,
    .types = ln_types_same,
    .infer = concat_infer,
    .forward = concat_forward,
    .backward = concat_backward,
    .backward_parameters = concat_backward,
};
