/* dropout: in training each element is 0 with probability p and x / (1 - p) otherwise, so that its
 * expectation is x; outside of training y = x. Any shape; the gradient goes through the same mask.
 *
 * The mask of a row is drawn by (seed, "dropout", optimizer's step, layer, row of the batch), so it
 * does not depend on how a batch is cut into microchunks; backward draws it again.
 *
 * Source: torch.nn.Dropout; Srivastava et al. 2014. */
#include <stddef.h>

#include "layers/common.h"

static const ln_param dropout_params[] = {
    {.name = "p",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_dropout_attributes, p),
     .fallback = "0.5",
     .min = 0,
     .max = 1,
     .position = 1,
     .help = "probability that an element is set to 0 in training"},
    LN_PARAM_END,
};

/* to = x times the mask of this pass. */
static void apply_mask(const ln_pass *pass, const float *x, float *to)
{
    const ln_dropout_attributes *own = pass->step->node->attributes;
    const int64_t width = ln_shape_row(&pass->step->out_shape[0]);
    const float p = (float)own->p, scale = own->p < 1 ? (float)(1 / (1 - own->p)) : 0;
    /* The key is a hash, so it is made once; the counter's upper half is the row. */
    const ln_rng key = ln_rng_make(pass->seed, "dropout", pass->number, 0);
    for (int64_t r = 0; r < pass->rows; r++) {
        const uint64_t row = (uint64_t)(pass->first_row + r) | (uint64_t)pass->step->index << 40;
        ln_rng rng = key;
        rng.counter[2] = (uint32_t)row;
        rng.counter[3] = (uint32_t)(row >> 32);
        for (int64_t i = r * width; i < (r + 1) * width; i++)
            to[i] = ln_rng_uniform_f32(&rng) < p ? 0 : x[i] * scale;
    }
}

static ln_status dropout_forward(const ln_pass *pass, ln_error *err)
{
    if (!pass->step->training)
        return ln_copy_forward(pass, err);
    apply_mask(pass, pass->in[0], pass->out[0]);
    return LN_OK;
}

static ln_status dropout_backward(const ln_pass *pass, ln_error *err)
{
    if (!pass->step->training)
        return ln_copy_backward(pass, err);
    if (pass->in_grad[0])
        apply_mask(pass, pass->out_grad[0], pass->in_grad[0]);
    return LN_OK;
}

const ln_layer ln_layer_dropout = {
    .word = {.name = "dropout",
             .summary = "sets elements to 0 at random in training, changes nothing afterwards",
             .formula = "y = m x / (1 - p), m = 0 with probability p, else 1",
             .source = "PyTorch: torch.nn.Dropout; Srivastava et al. 2014",
             .params = dropout_params,
             .params_size = sizeof(ln_dropout_attributes)},
    .flags = LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = ln_infer_same,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
