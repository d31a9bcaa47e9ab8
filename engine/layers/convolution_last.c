/* conv2d_last: a convolution of images whose channels are last, with what follows it, and conv2d_first, the same
 * of images whose channels are first:
 *
 *     z = conv(x) + bias + add        y = f(z), f nothing, relu or two bounds
 *     dz = dy where f did not cut     dx = the transpose of conv, applied to dz     dadd = dz
 *
 * x (N, H, W, C) or (N, C, H, W), weight (O, C / groups, kernel), y and add as x. Whether f cut is seen from y
 * alone, so that z is kept nowhere. Images go through convolution and f in groups that stay in the
 * second cache (channels first, where images are small: in the first), or of as many as the kernels want
 * together. Everything of shapes and weights is conv2d's, on shapes with the channels first. */
#include <string.h>

#include "kernels/convolution.h"
#include "layers/convolution.h"
#include "layers/last.h"
#include "layers/weight.h"

enum { ADD = LN_CONV2D_LAST_ADD, INPUTS = 4, GROUP_FLOATS = 1 << 16, FIRST_FLOATS = 1 << 13 };

static bool is_last(const struct ln_node *node)
{
    return node->layer == &ln_layer_conv2d_last;
}

/* A shape of the node with the channels first. */
static ln_shape first_of(const struct ln_node *node, ln_shape shape)
{
    return is_last(node) ? ln_shape_first(shape) : shape;
}

static ln_status infer(const struct ln_graph *graph, const struct ln_node *node, const ln_shape *in,
                       ln_shape *out, ln_error *err)
{
    ln_shape shapes[INPUTS] = {{0}};
    memcpy(shapes, in, (size_t)node->input_count * sizeof *shapes);
    shapes[0] = first_of(node, in[0]);
    ln_status status = ln_convolution_infer(graph, node, shapes, out, err);
    if (!status && is_last(node))
        out[0] = ln_shape_last(out[0]);
    return status;
}

/* What the kernels see as images: rows, or parts of them. */
static int64_t images_of(const ln_step *step, int64_t rows)
{
    const ln_convolution *shape = &ln_convolution_packed(step)->shape;
    return rows * (ln_shape_row(&step->in_shape[0]) / ln_convolution_in_row(shape));
}

/* Images of a group. */
static int64_t group_of(const ln_step *step)
{
    const ln_convolved *packed = ln_convolution_packed(step);
    const int64_t row = ln_convolution_out_row(&packed->shape);
    const int64_t most = images_of(step, step->rows);
    const int64_t floats = is_last(step->node) ? GROUP_FLOATS : FIRST_FLOATS;
    const int64_t fit = row < floats ? floats / row : 1;
    const int64_t group = fit > packed->together ? fit : packed->together;
    return group < most ? group : most;
}

/* Room for a group's dz, before what else needs aligned scratch. */
static int64_t dz_floats(const ln_step *step)
{
    const ln_convolution *shape = &ln_convolution_packed(step)->shape;
    return (group_of(step) * ln_convolution_out_row(shape) + 15) / 16 * 16;
}

static ln_status prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    ln_shape in[INPUTS] = {{0}}, out = first_of(step->node, step->out_shape[0]);
    memcpy(in, step->in_shape, (size_t)step->node->input_count * sizeof *in);
    in[0] = first_of(step->node, in[0]);
    ln_step first = *step;
    first.in_shape = in;
    first.out_shape = &out;
    ln_status status = ln_convolution_prepare(&first, constant, err);
    step->prepared = first.prepared;
    step->packed = !status && !ln_convolution_packed(step)->rereads;
    step->operations = first.operations;
    memcpy(step->kernels, first.kernels, sizeof step->kernels);
    const ln_conv2d_last_attributes *own = step->node->attributes;
    const bool cuts = own->finish.kind != LN_FINISH_NOTHING;
    /* dz of a group stands before the kernels' scratch. */
    step->scratch_bytes = first.scratch_bytes;
    if (!status && step->gradient && cuts)
        step->scratch_bytes += (size_t)dz_floats(step) * sizeof(float);
    return status;
}

static ln_status forward(const ln_pass *pass, ln_error *err)
{
    const ln_conv2d_last_attributes *own = pass->step->node->attributes;
    const ln_convolved *packed = ln_convolution_packed(pass->step);
    const ln_last_kernels *kernels = ln_last_kernels_choose();
    const int64_t in = ln_convolution_in_row(&packed->shape);
    const int64_t out = ln_convolution_out_row(&packed->shape);
    const float *x = pass->in[0], *bias = ln_weight_given(pass->step->node, 2) ? pass->in[2] : NULL;
    const float *add = ln_weight_given(pass->step->node, ADD) ? pass->in[ADD] : NULL;
    float *y = pass->out[0];
    const int64_t images = images_of(pass->step, pass->rows), group = group_of(pass->step);
    ln_status status = LN_OK;
    for (int64_t first = 0, count; first < images && !status; first += count) {
        count = images - first < group ? images - first : group;
        status = ln_convolved_forward(packed, count, x + first * in, pass->in[1], bias,
                                      y + first * out, pass->scratch, err);
        kernels->finish(&own->finish, count * out, add ? add + first * out : NULL, y + first * out);
    }
    return status;
}

static ln_status backward(const ln_pass *pass, ln_error *err)
{
    const ln_conv2d_last_attributes *own = pass->step->node->attributes;
    const ln_convolved *packed = ln_convolution_packed(pass->step);
    const ln_last_kernels *kernels = ln_last_kernels_choose();
    const bool cuts = own->finish.kind != LN_FINISH_NOTHING;
    const int64_t in = ln_convolution_in_row(&packed->shape);
    const int64_t out = ln_convolution_out_row(&packed->shape);
    const float *y = pass->out[0], *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0];
    float *dadd = ln_weight_given(pass->step->node, ADD) ? pass->in_grad[ADD] : NULL;
    float *own_dz = pass->scratch;
    void *scratch = cuts ? own_dz + dz_floats(pass->step) : pass->scratch;
    const int64_t images = images_of(pass->step, pass->rows), group = group_of(pass->step);
    ln_status status = LN_OK;
    for (int64_t first = 0, count; first < images && !status; first += count) {
        const float *dz = dy + first * out;
        count = images - first < group ? images - first : group;
        if (cuts) {
            float *kept = dadd ? dadd + first * out : own_dz;
            kernels->keep(&own->finish, count * out, y + first * out, dz, kept);
            dz = kept;
        } else if (dadd) {
            memcpy(dadd + first * out, dz, (size_t)(count * out) * sizeof *dz);
        }
        if (dx)
            status = ln_convolved_backward_data(packed, count, dz, pass->in[1], dx + first * in,
                                                scratch, err);
    }
    return status;
}

#define CONVOLUTION(name_, summary_)                                                               \
    const ln_layer ln_layer_##name_ = {                                                            \
        .word = {.name = "conv2d", /* its digit counts the axes */                                 \
                 .summary = summary_,                                                              \
                 .source = "",                                                                     \
                 .params_size = sizeof(ln_conv2d_last_attributes)},                                \
        .flags = LN_LAYER_INTERNAL | LN_LAYER_LINEAR, /* but for its finish */                     \
        .min_inputs = 2,                                                                           \
        .max_inputs = INPUTS,                                                                      \
        .infer = infer,                                                                            \
        .prepare = prepare,                                                                        \
        .release = ln_convolution_release,                                                         \
        .forward = forward,                                                                        \
        .backward = backward,                                                                      \
    }

CONVOLUTION(conv2d_last, "a convolution and what follows it, channels last");
CONVOLUTION(conv2d_first, "a convolution and what follows it");
