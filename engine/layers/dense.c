/* dense: y = x W^T + b on the last axis; x (N, ..., in), W (out, in) or stored (in, out), b (out),
 * y (N, ..., out). The gradient of x is dy W, of W it is dy^T x, of b the sum of dy over rows.
 *
 * Each is one product of kernels/, 2 * N * in * out operations. W is packed once a plan, transposed
 * for forward and as it is for the gradient. A rule that puts other weights in place (pass->in[1])
 * gets the same products without packing.
 *
 * Source: torch.nn.Linear; initial values uniform in +-1/sqrt(in). */
#include <assert.h>
#include <math.h>
#include <stddef.h>

#include "base/alloc.h"
#include "kernels/kernels.h"
#include "layers/common.h"

/* What prepare makes. */
typedef struct dense_prepared {
    const float *weight; /* the constant that was packed */
    ln_block_fn block;   /* for products with other operands */
    ln_packed *forward;  /* W^T: (in, out) */
    ln_packed *backward; /* W: (out, in); NULL without gradient */
} dense_prepared;

static const ln_param dense_params[] = {
    {.name = "units",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_dense_attributes, units),
     .fallback = LN_REQUIRED,
     .min = 1,
     .max = 1 << 24,
     .position = 1,
     .help = "outputs a row"},
    {.name = "bias",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_dense_attributes, bias),
     .fallback = "true",
     .help = "whether a bias is added to each output"},
    LN_PARAM_END,
};

static const ln_param dense_stored[] = {
    {.name = "in_out",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_dense_attributes, in_out),
     .fallback = "false",
     .help = "the weight is stored (inputs, outputs)"},
    LN_PARAM_END,
};

static ln_status dense_parameters(const void *attributes, const ln_shape *in,
                                  ln_layer_parameter *out, int *count, ln_error *err)
{
    const ln_dense_attributes *own = attributes;
    const int64_t inputs = in->dims[in->rank - 1];
    if (in->rank < 2)
        return ln_fail(err, LN_EINVALID, "its input has no axis beside the rows");
    const double bound = 1 / sqrt((double)inputs);
    out[0] =
        (ln_layer_parameter){.name = "weight", .shape = {2, {own->units, inputs}}, .bound = bound};
    out[1] = (ln_layer_parameter){.name = "bias", .shape = {1, {own->units}}, .bound = bound};
    *count = own->bias ? 2 : 1;
    return LN_OK;
}

static ln_status dense_infer(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_dense_attributes *own = node->attributes;
    const int inputs_axis = own->in_out ? 0 : 1;
    char text[64], weight[64];
    for (int i = 1; i < node->input_count; i++)
        if (node->inputs[i] >= 0 && !graph->values[node->inputs[i]].fixed)
            return ln_fail(
                err, LN_EUNSUPPORTED,
                "its %s '%s' is computed from the network's input: it must be a constant",
                i == 1 ? "weight" : "bias", graph->values[node->inputs[i]].name);
    if (node->inputs[1] < 0 || in[1].rank != 2)
        return ln_fail(err, LN_EINVALID, "its weight has shape %s: it must be a matrix",
                       ln_shape_text(&in[1], weight, sizeof weight));
    const int64_t outputs = in[1].dims[1 - inputs_axis];
    if (in[0].rank < 2 || in[0].dims[in[0].rank - 1] != in[1].dims[inputs_axis])
        return ln_fail(err, LN_EINVALID,
                       "its input has shape %s: with a weight of shape %s the last dimension must "
                       "be %lld",
                       ln_shape_text(&in[0], text, sizeof text),
                       ln_shape_text(&in[1], weight, sizeof weight),
                       (long long)in[1].dims[inputs_axis]);
    if (node->input_count > 2 && node->inputs[2] >= 0 &&
        (in[2].rank != 1 || in[2].dims[0] != outputs))
        return ln_fail(err, LN_EINVALID, "its bias has shape %s: it must be (%lld,)",
                       ln_shape_text(&in[2], text, sizeof text), (long long)outputs);
    if (in[1].dims[0] < 1 || in[1].dims[1] < 1)
        return ln_fail(err, LN_EINVALID, "its weight has shape %s: nothing may be 0",
                       ln_shape_text(&in[1], weight, sizeof weight));
    out[0] = in[0];
    out[0].dims[in[0].rank - 1] = outputs;
    return LN_OK;
}

/* Inputs, outputs and most rows of the products: axes before the last are rows here. */
static ln_product dense_product(const ln_step *step)
{
    const ln_shape *in = &step->in_shape[0], *out = &step->out_shape[0];
    return (ln_product){.inputs = in->dims[in->rank - 1],
                        .outputs = out->dims[out->rank - 1],
                        .rows = ln_shape_count(in) / in->dims[in->rank - 1],
                        .cut = ((const ln_dense_attributes *)step->node->attributes)->cut};
}

static int64_t dense_rows(const ln_pass *pass, const ln_product *product)
{
    return product->rows / pass->step->rows * pass->rows;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void dense_release(ln_step *step)
{
    dense_prepared *own = step->prepared;
    if (!own)
        return;
    if (own->forward)
        own->forward->kernels->release(own->forward);
    if (own->backward)
        own->backward->kernels->release(own->backward);
    ln_free(own);
    step->prepared = NULL;
}

static ln_status dense_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_dense_attributes *attributes = step->node->attributes;
    const ln_product product = dense_product(step);
    const ln_product back = {
        .inputs = product.outputs, .outputs = product.inputs, .rows = product.rows};
    const int64_t input_step = attributes->in_out ? product.outputs : 1;
    const int64_t output_step = attributes->in_out ? 1 : product.inputs;
    dense_prepared *own = step->prepared;
    if (!own) {
        step->prepared = own = ln_calloc(1, sizeof *own);
        if (!own)
            return ln_fail_memory(err, sizeof *own);
        own->block = ln_kernels_block();
    }
    assert(!(attributes->cut && step->gradient)); /* what was cut is known to nobody */
    own->weight = constant[1];
    const ln_kernels *kernels = ln_kernels_choose(product.inputs, product.outputs);
    step->operations = 2.0 * (double)product.inputs * (double)product.outputs *
                       (double)(product.rows / step->rows);
    step->kernels[0] = kernels->name;
    ln_status status =
        kernels->pack(&product, own->weight, input_step, output_step, &own->forward, err);
    if (status)
        return status;
    step->scratch_bytes =
        most(own->forward->scratch_bytes, ln_kernels_multiply_once_scratch(product.inputs));
    if (step->gradient) {
        kernels = ln_kernels_choose(back.inputs, back.outputs);
        step->kernels[1] = kernels->name;
        status = kernels->pack(&back, own->weight, output_step, input_step, &own->backward, err);
        if (status)
            return status;
        step->scratch_bytes = most(step->scratch_bytes, own->backward->scratch_bytes);
        step->scratch_bytes =
            most(step->scratch_bytes, ln_kernels_multiply_once_scratch(back.inputs));
    }
    if (step->training)
        step->scratch_bytes = most(
            step->scratch_bytes,
            ln_kernels_accumulate_scratch(product.rows, most(product.inputs, product.outputs)));
    return LN_OK;
}

static ln_status dense_forward(const ln_pass *pass, ln_error *err)
{
    const ln_dense_attributes *attributes = pass->step->node->attributes;
    const dense_prepared *own = pass->step->prepared;
    const ln_product product = dense_product(pass->step);
    const int64_t rows = dense_rows(pass, &product);
    const float *bias = pass->step->node->input_count > 2 ? pass->in[2] : NULL;
    if (pass->in[1] == own->weight)
        return own->forward->kernels->multiply(own->forward, rows, pass->in[0], bias, pass->out[0],
                                               pass->scratch, err);
    ln_kernels_multiply_once(own->block, &product, rows, pass->in[0], product.inputs, 1,
                             pass->in[1], attributes->in_out ? product.outputs : 1,
                             attributes->in_out ? 1 : product.inputs, bias, pass->out[0],
                             pass->scratch);
    return LN_OK;
}

static ln_status dense_backward(const ln_pass *pass, ln_error *err)
{
    const ln_dense_attributes *attributes = pass->step->node->attributes;
    const dense_prepared *own = pass->step->prepared;
    const ln_product product = dense_product(pass->step);
    const ln_product back = {
        .inputs = product.outputs, .outputs = product.inputs, .rows = product.rows};
    const int64_t rows = dense_rows(pass, &product);
    if (!pass->in_grad[0])
        return LN_OK;
    if (pass->in[1] == own->weight)
        return own->backward->kernels->multiply(own->backward, rows, pass->out_grad[0], NULL,
                                                pass->in_grad[0], pass->scratch, err);
    ln_kernels_multiply_once(own->block, &back, rows, pass->out_grad[0], back.inputs, 1,
                             pass->in[1], attributes->in_out ? 1 : product.inputs,
                             attributes->in_out ? product.outputs : 1, NULL, pass->in_grad[0],
                             pass->scratch);
    return LN_OK;
}

static ln_status dense_backward_parameters(const ln_pass *pass, ln_error *err)
{
    const ln_dense_attributes *attributes = pass->step->node->attributes;
    const dense_prepared *own = pass->step->prepared;
    const ln_product product = dense_product(pass->step);
    const int64_t rows = dense_rows(pass, &product);
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    (void)err;
    if (pass->in_grad[1] && attributes->in_out)
        ln_kernels_accumulate(own->block, rows, product.inputs, product.outputs, x, dy,
                              pass->in_grad[1], pass->scratch);
    else if (pass->in_grad[1])
        ln_kernels_accumulate(own->block, rows, product.outputs, product.inputs, dy, x,
                              pass->in_grad[1], pass->scratch);
    if (pass->step->node->input_count > 2 && pass->in_grad[2])
        ln_kernels_add_rows(rows, product.outputs, dy, pass->in_grad[2]);
    return LN_OK;
}

const ln_layer ln_layer_dense = {
    .word = {.name = "dense",
             .summary = "fully connected: every output is a weighted sum of all inputs",
             .formula = "y = x W^T + b",
             .source = "PyTorch: torch.nn.Linear",
             .params = dense_params,
             .params_size = sizeof(ln_dense_attributes)},
    .flags = LN_LAYER_LINEAR,
    .min_inputs = 2,
    .max_inputs = 3,
    .stored = dense_stored,
    .parameters = dense_parameters,
    .infer = dense_infer,
    .prepare = dense_prepare,
    .release = dense_release,
    .forward = dense_forward,
    .backward = dense_backward,
    .backward_parameters = dense_backward_parameters,
};
