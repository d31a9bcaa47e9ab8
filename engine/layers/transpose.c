/* What moves or repeats elements of a row.
 *
 * transpose   axes in another order, the rows first; dx is dy in the old order.
 * expand      a row broadcast to a shape as numpy does; dx is dy summed, in float64 and in order.
 * repeat      a constant, the same in every row: what lets a constant lie beside rows.
 *
 * Source: torch.permute, ONNX's Transpose and Expand. */
#include <stddef.h>
#include <string.h>

#include "layers/operand.h"
#include "layers/strided.h"

/* ---------------------------------------------------------------- transpose */

static const ln_param transpose_params[] = {
    {.name = "order",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_transpose_attributes, order),
     .fallback = LN_REQUIRED,
     .min = 0,
     .max = LN_MAX_RANK - 1,
     .position = 1,
     .help = "the input's axis that each axis of the result is; the first stays 0, the rows"},
    LN_PARAM_END,
};

static ln_status transpose_infer(const struct ln_graph *graph, const struct ln_node *node,
                                 const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_transpose_attributes *own = node->attributes;
    unsigned seen = 0;
    char text[64];
    (void)graph;
    out[0].rank = in[0].rank;
    for (int i = 0; i < own->order.count && own->order.count == in[0].rank; i++) {
        const int64_t from = own->order.at[i];
        if (from < 0 || from >= in[0].rank || (i == 0) != (from == 0))
            break;
        seen |= 1u << from;
        out[0].dims[i] = in[0].dims[from];
    }
    if (in[0].rank == 0 || seen != (1u << in[0].rank) - 1)
        return ln_fail(err, LN_EINVALID,
                       "its order names not each axis of the input %s once, the rows (0) first",
                       ln_shape_text(&in[0], text, sizeof text));
    return LN_OK;
}

static ln_strides transpose_strides(const ln_pass *pass)
{
    const ln_transpose_attributes *own = pass->step->node->attributes;
    const ln_shape *in = &pass->step->in_shape[0], *to = &pass->step->out_shape[0];
    ln_strides out = {.rank = to->rank};
    int64_t steps[LN_MAX_RANK] = {0}, step = 1;
    for (int i = in->rank - 1; i >= 0; step *= in->dims[i--])
        steps[i] = step;
    for (int i = 0; i < to->rank; i++) {
        out.dims[i] = i == 0 ? pass->rows : to->dims[i];
        out.step[i] = steps[own->order.at[i]];
    }
    return out;
}

static ln_status transpose_forward(const ln_pass *pass, ln_error *err)
{
    const ln_strides strides = transpose_strides(pass);
    (void)err;
    ln_strided_copy(&strides, ln_dtype_size(ln_in_dtype(pass->step, 0)), pass->in[0], pass->out[0]);
    return LN_OK;
}

static ln_status transpose_backward(const ln_pass *pass, ln_error *err)
{
    const ln_strides strides = transpose_strides(pass);
    (void)err;
    if (pass->in_grad[0])
        ln_strided_scatter(&strides, pass->out_grad[0], pass->in_grad[0]);
    return LN_OK;
}

const ln_layer ln_layer_transpose = {
    .word = {.name = "transpose",
             .summary = "puts the axes of a row in another order",
             .formula = "",
             .source = "PyTorch: torch.permute; ONNX: Transpose",
             .params = transpose_params,
             .params_size = sizeof(ln_transpose_attributes)},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = transpose_infer,
    .types = ln_types_same,
    .forward = transpose_forward,
    .backward = transpose_backward,
};

/* ---------------------------------------------------------------- expand */

static const ln_param expand_params[] = {
    {.name = "shape",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_expand_attributes, shape),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = 1 << 30,
     .position = 1,
     .help = "shape of a row, without N"},
    LN_PARAM_END,
};

static ln_status expand_infer(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_expand_attributes *own = node->attributes;
    const int rank = own->shape.count + 1;
    char text[64];
    (void)graph;
    bool fits = rank == in[0].rank && rank <= LN_MAX_RANK;
    out[0] = in[0];
    for (int i = 1; i < rank && fits; i++) {
        fits = in[0].dims[i] == 1 || in[0].dims[i] == own->shape.at[i - 1];
        out[0].dims[i] = own->shape.at[i - 1];
    }
    if (!fits)
        return ln_fail(err, LN_EINVALID,
                       "its input %s does not broadcast to that shape: it has as many axes, each "
                       "of that size or 1",
                       ln_shape_text(&in[0], text, sizeof text));
    return LN_OK;
}

static ln_strides expand_strides(const ln_pass *pass)
{
    const ln_shape *in = &pass->step->in_shape[0], *to = &pass->step->out_shape[0];
    ln_strides out = {.rank = to->rank};
    int64_t step = 1;
    for (int i = to->rank - 1; i >= 0; step *= in->dims[i--]) {
        out.dims[i] = i == 0 ? pass->rows : to->dims[i];
        out.step[i] = i > 0 && in->dims[i] != to->dims[i] ? 0 : step;
    }
    return out;
}

static ln_status expand_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    (void)constant;
    (void)err;
    if (step->gradient)
        step->scratch_bytes = (size_t)ln_shape_count(&step->in_shape[0]) * sizeof(double);
    return LN_OK;
}

static ln_status expand_forward(const ln_pass *pass, ln_error *err)
{
    const ln_strides strides = expand_strides(pass);
    (void)err;
    ln_strided_copy(&strides, ln_dtype_size(ln_in_dtype(pass->step, 0)), pass->in[0], pass->out[0]);
    return LN_OK;
}

static ln_status expand_backward(const ln_pass *pass, ln_error *err)
{
    const ln_strides strides = expand_strides(pass);
    const int64_t count = ln_pass_count(pass, &pass->step->in_shape[0]);
    double *sum = pass->scratch;
    float *dx = pass->in_grad[0];
    (void)err;
    if (!dx)
        return LN_OK;
    memset(sum, 0, (size_t)count * sizeof *sum);
    ln_strided_sum(&strides, pass->out_grad[0], sum);
    for (int64_t i = 0; i < count; i++)
        dx[i] = (float)sum[i];
    return LN_OK;
}

const ln_layer ln_layer_expand = {
    .word = {.name = "expand",
             .summary = "repeats a row's axes of size 1",
             .formula = "",
             .source = "PyTorch: torch.Tensor.expand; ONNX: Expand",
             .params = expand_params,
             .params_size = sizeof(ln_expand_attributes)},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = expand_infer,
    .types = ln_types_same,
    .prepare = expand_prepare,
    .forward = expand_forward,
    .backward = expand_backward,
};

/* ---------------------------------------------------------------- repeat */

static ln_status repeat_infer(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, ln_shape *out, ln_error *err)
{
    char text[64];
    if (!graph->values[node->inputs[1]].fixed || in[1].rank >= LN_MAX_RANK || in[0].rank < 1)
        return ln_fail(err, LN_EINVALID, "'%s' of shape %s cannot be repeated for every row",
                       graph->values[node->inputs[1]].name,
                       ln_shape_text(&in[1], text, sizeof text));
    out[0] = (ln_shape){.rank = in[1].rank + 1, .dims = {in[0].dims[0]}};
    memcpy(out[0].dims + 1, in[1].dims, (size_t)in[1].rank * sizeof *in[1].dims);
    return LN_OK;
}

static ln_status repeat_types(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    (void)node;
    (void)err;
    out[0] = in[1];
    return LN_OK;
}

static ln_status repeat_forward(const ln_pass *pass, ln_error *err)
{
    const size_t bytes = (size_t)ln_shape_count(&pass->step->in_shape[1]) *
                         ln_dtype_size(ln_in_dtype(pass->step, 1));
    (void)err;
    for (int64_t r = 0; r < pass->rows; r++)
        memcpy((char *)pass->out[0] + (size_t)r * bytes, pass->in[1], bytes);
    return LN_OK;
}

/* Nothing goes to the first input: only its number of rows matters. */
static ln_status repeat_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    if (pass->in_grad[0])
        memset(pass->in_grad[0], 0,
               (size_t)ln_pass_count(pass, &pass->step->in_shape[0]) * sizeof(float));
    return LN_OK;
}

static ln_status repeat_backward_parameters(const ln_pass *pass, ln_error *err)
{
    const int64_t count = ln_shape_count(&pass->step->in_shape[1]);
    (void)err;
    for (int64_t i = 0; i < count && pass->in_grad[1]; i++) {
        double sum = 0;
        for (int64_t r = 0; r < pass->rows; r++)
            sum += (double)pass->out_grad[0][r * count + i];
        pass->in_grad[1][i] = (float)((double)pass->in_grad[1][i] + sum);
    }
    return LN_OK;
}

const ln_layer ln_layer_repeat = {
    .word = {.name = "repeat",
             .summary = "a constant, the same in every row",
             .formula = "",
             .source = "ONNX: Expand"},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = repeat_infer,
    .types = repeat_types,
    .forward = repeat_forward,
    .backward = repeat_backward,
    .backward_parameters = repeat_backward_parameters,
};
