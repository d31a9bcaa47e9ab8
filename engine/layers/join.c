/* Joins of branches.
 *
 * add      y = a + b + ..., shapes broadcast from the right as numpy does; what is not of the result's
 *          shape may only be broadcast within a row or be a constant (a bias). The gradient of an
 *          operand is dy, summed over what was broadcast, in float64 and in index order.
 * concat   operands side by side along an axis; the gradient is cut apart again.
 *
 * Source: ONNX's Add and Concat, torch.cat. */
#include <stddef.h>
#include <string.h>

#include "layers/common.h"

/* ---------------------------------------------------------------- concat */

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
    char text[64], other[64];
    int axis;
    ln_status status = ln_axis_resolve(own->axis, in[0].rank, &axis, err);
    if (status)
        return status;
    out[0] = in[0];
    for (int k = 1; k < node->input_count; k++) {
        ln_shape same = in[k];
        if (graph->values[node->inputs[k]].fixed != graph->values[node->inputs[0]].fixed)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "a constant lies beside rows: constants have no rows of their own");
        if (same.rank == in[0].rank)
            same.dims[axis] = in[0].dims[axis];
        if (!ln_shape_equal(&same, &in[0]))
            return ln_fail(err, LN_EINVALID,
                           "shapes %s and %s differ in more than axis %d: they cannot be joined",
                           ln_shape_text(&in[0], text, sizeof text),
                           ln_shape_text(&in[k], other, sizeof other), axis);
        out[0].dims[axis] += in[k].dims[axis];
    }
    return LN_OK;
}

/* Elements of an operand that lie together: from the axis on. */
static int64_t run_length(const ln_shape *shape, int axis)
{
    int64_t length = 1;
    for (int i = axis; i < shape->rank; i++)
        length *= shape->dims[i];
    return length;
}

static int concat_axis(const ln_pass *pass)
{
    const ln_axis_attributes *own = pass->step->node->attributes;
    return (int)(own->axis < 0 ? own->axis + pass->step->out_shape[0].rank : own->axis);
}

static ln_status concat_forward(const ln_pass *pass, ln_error *err)
{
    const ln_step *step = pass->step;
    const int axis = concat_axis(pass);
    const int64_t whole = run_length(&step->out_shape[0], axis);
    const int64_t runs = ln_pass_count(pass, &step->out_shape[0]) / whole;
    float *to = pass->out[0];
    (void)err;
    for (int k = 0; k < step->node->input_count; k++) {
        const int64_t length = run_length(&step->in_shape[k], axis);
        for (int64_t i = 0; i < runs; i++)
            memcpy(to + i * whole, (const float *)pass->in[k] + i * length,
                   (size_t)length * sizeof(float));
        to += length;
    }
    return LN_OK;
}

static ln_status concat_backward(const ln_pass *pass, ln_error *err)
{
    const ln_step *step = pass->step;
    const int axis = concat_axis(pass);
    const int64_t whole = run_length(&step->out_shape[0], axis);
    const int64_t runs = ln_pass_count(pass, &step->out_shape[0]) / whole;
    const float *from = pass->out_grad[0];
    (void)err;
    for (int k = 0; k < step->node->input_count; k++) {
        const int64_t length = run_length(&step->in_shape[k], axis);
        for (int64_t i = 0; i < runs && pass->in_grad[k]; i++)
            memcpy(pass->in_grad[k] + i * length, from + i * whole, (size_t)length * sizeof(float));
        from += length;
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
    .infer = concat_infer,
    .forward = concat_forward,
    .backward = concat_backward,
};
