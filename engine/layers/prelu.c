/* prelu: y = x where x > 0, else slope x, the slopes learnt: one for all, or one a channel (axis 1). Of a
 * file the slope may be any operand, broadcast as numpy does.
 *
 * Source: torch.nn.PReLU; He et al. 2015; ONNX: PRelu. */
#include <math.h>
#include <stddef.h>

#include "layers/binary.h"

static const ln_param prelu_params[] = {
    {.name = "num_parameters",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_prelu_attributes, num_parameters),
     .fallback = "1",
     .min = 1,
     .max = 1 << 24,
     .position = 1,
     .help = "1, or the number of channels: a slope for each"},
    {.name = "init",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_prelu_attributes, init),
     .fallback = "0.25",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "the slopes before training"},
    LN_PARAM_END,
};

static ln_status prelu_parameters(const void *attributes, const ln_shape *in,
                                  ln_layer_parameter *out, int *count, ln_error *err)
{
    const ln_prelu_attributes *own = attributes;
    char text[64];
    if (own->num_parameters != 1 && (in->rank < 2 || in->dims[1] != own->num_parameters))
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it needs 1 slope or %lld",
                       ln_shape_text(in, text, sizeof text),
                       (long long)(in->rank < 2 ? 1 : in->dims[1]));
    out[0] = (ln_layer_parameter){
        .name = "weight", .shape = {1, {own->num_parameters}}, .start = own->init};
    *count = 1;
    return LN_OK;
}

/* A slope a channel, (C), as it is broadcast against a row: (C, 1, ...). */
static ln_shape slope_shape(const ln_prelu_attributes *own, const ln_shape *slope, int rank)
{
    ln_shape out = *slope;
    if (own->num_parameters > 1 && slope->rank == 1)
        for (; out.rank < rank; out.rank++)
            out.dims[out.rank] = 1;
    return out;
}

static ln_status prelu_infer(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_shape row = ln_input_row(graph, node, in, 0);
    const ln_shape shapes[2] = {in[0], slope_shape(node->attributes, &in[1], row.rank)};
    return ln_broadcast_infer(graph, node, shapes, "multiplied", out, err);
}

static void prelu_value(const ln_run *run)
{
    for (int64_t i = 0; i < run->count; i++) {
        const float a = run->a[i * run->a_by], b = run->b[i * run->b_by];
        run->y[i] = a > 0 ? a : a * b;
    }
}

static void prelu_slope(const ln_run *run, int operand, float *to)
{
    for (int64_t i = 0; i < run->count; i++) {
        const float a = run->a[i * run->a_by], b = run->b[i * run->b_by], dy = run->dy[i];
        to[i] = operand == 0 ? (a > 0 ? dy : dy * b) : (a > 0 ? 0 : dy * a);
    }
}

static int64_t prelu_whole(int64_t a, int64_t b)
{
    return a > 0 ? a : (int64_t)((uint64_t)a * (uint64_t)b);
}

static const ln_binary prelu = {.value = prelu_value, .slope = prelu_slope, .whole = prelu_whole};

static ln_status prelu_forward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    return ln_binary_forward(pass, &prelu);
}

static ln_status prelu_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    return ln_binary_backward(pass, &prelu, false);
}

static ln_status prelu_backward_parameters(const ln_pass *pass, ln_error *err)
{
    (void)err;
    return ln_binary_backward(pass, &prelu, true);
}

const ln_layer ln_layer_prelu = {
    .word = {.name = "prelu",
             .summary = "rectified linear unit that learns its slopes below 0",
             .formula = "y = x where x > 0, else slope x",
             .source = "PyTorch: torch.nn.PReLU; He et al. 2015",
             .params = prelu_params,
             .params_size = sizeof(ln_prelu_attributes)},
    .min_inputs = 2,
    .max_inputs = 2,
    .parameters = prelu_parameters,
    .types = ln_types_same,
    .infer = prelu_infer,
    .prepare = ln_binary_prepare,
    .forward = prelu_forward,
    .backward = prelu_backward,
    .backward_parameters = prelu_backward_parameters,
};
