/* turn, and the shapes of images whose channels are last. A pass copies each number once, image by
 * image. */
#include "layers/last.h"

#include "layers/common.h"

ln_shape ln_shape_last(ln_shape first)
{
    return ln_shape_of(4, (int64_t[]){first.dims[0], first.dims[2], first.dims[3], first.dims[1]});
}

ln_shape ln_shape_first(ln_shape last)
{
    return ln_shape_of(4, (int64_t[]){last.dims[0], last.dims[3], last.dims[1], last.dims[2]});
}

static ln_status turn_infer(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_turn_attributes *own = node->attributes;
    (void)graph;
    (void)err;
    out[0] = own->first ? ln_shape_first(in[0]) : ln_shape_last(in[0]);
    return LN_OK;
}

/* Rows of matrices (in.dims[1] * ..., ...) as the way goes. */
static void turn_rows(int64_t rows, const ln_shape *shape, bool first, const float *from, float *to)
{
    const int64_t channels = shape->dims[first ? 3 : 1];
    const int64_t row = ln_shape_row(shape), places = row / channels;
    for (int64_t r = 0; r < rows; r++, from += row, to += row)
        ln_last_turn(first ? places : channels, first ? channels : places, from, to);
}

static ln_status turn_forward(const ln_pass *pass, ln_error *err)
{
    const ln_turn_attributes *own = pass->step->node->attributes;
    (void)err;
    turn_rows(pass->rows, &pass->step->in_shape[0], own->first, pass->in[0], pass->out[0]);
    return LN_OK;
}

static ln_status turn_backward(const ln_pass *pass, ln_error *err)
{
    const ln_turn_attributes *own = pass->step->node->attributes;
    (void)err;
    if (pass->in_grad[0])
        turn_rows(pass->rows, &pass->step->out_shape[0], !own->first, pass->out_grad[0],
                  pass->in_grad[0]);
    return LN_OK;
}

const ln_layer ln_layer_turn = {
    .word = {.name = "turn",
             .summary = "images with their channels first or last",
             .source = "",
             .params_size = sizeof(ln_turn_attributes)},
    .flags = LN_LAYER_INTERNAL | LN_LAYER_SHAPE | LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = turn_infer,
    .forward = turn_forward,
    .backward = turn_backward,
};
