/* Convolutions of one to three axes, and the words conv1d, conv2d, conv3d.
 *
 *     y[o, p] = b[o] + sum over c, k of w[o, c, k] x[c, stride p + dilation k - before]
 *
 * with zeros beyond the input; with groups, output channel o reads the input channels of its group.
 * x (N, C, spatial ...), w (O, C / groups, kernel ...), y (N, O, spatial ...). Cross-correlation, as
 * every library's convolution. The gradients are the transposed map and the products of dy with
 * shifted x; all three are kernels/convolution.h. 2 N O P C K / groups operations each.
 *
 * A transposed convolution (convolution_transposed.c) is the same with forward and the gradient of x
 * changed round; what is said here of x and y is of its mirror's.
 *
 * Weights that are no constant (a file's graph may compute them) are used row by row.
 *
 * Source: torch.nn.Conv2d; initial values uniform in +-1/sqrt(C K / groups). */
#include "layers/convolution.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/convolution.h"
#include "kernels/planes.h"
#include "layers/last.h"
#include "layers/weight.h"

enum { MOST_IMAGES = 64 }; /* that kernels want together, or more */

/* What prepare makes. */
typedef struct convolution_prepared {
    ln_convolved *packed;
    int64_t images;  /* of a row */
    bool transposed; /* x is the mirror's y */
    bool own_weight; /* a set of weights a row */
    bool own_bias;   /* the same of the bias */
    bool borrowed;   /* `packed` is another step's */
} convolution_prepared;

/* Whether the layer is a conv_transpose (its name says it). */
static bool is_transposed(const ln_layer *layer)
{
    return strstr(layer->word.name, "transpose") != NULL;
}

static int64_t groups_of(const ln_convolution_attributes *own)
{
    return own->groups ? own->groups : 1;
}

/* ---------------------------------------------------------------- shapes */

static ln_status check_weight(const ln_shape *weight, const ln_shape *in, int axes, int64_t groups,
                              bool transposed, ln_error *err)
{
    char text[64];
    const int64_t channels = in->dims[in->rank - axes - 1];
    if (weight->rank != 2 + axes)
        return ln_fail(err, LN_EINVALID, "its weight has shape %s: it must have %d axes",
                       ln_shape_text(weight, text, sizeof text), 2 + axes);
    for (int i = 0; i < weight->rank; i++)
        if (weight->dims[i] < 1)
            return ln_fail(err, LN_EINVALID, "its weight has shape %s: nothing may be 0",
                           ln_shape_text(weight, text, sizeof text));
    if (groups < 1 || channels % groups != 0)
        return ln_fail(err, LN_EINVALID,
                       "its input has %lld channels: they cannot be shared out to %lld groups",
                       (long long)channels, (long long)groups);
    if (transposed ? weight->dims[0] != channels : weight->dims[1] != channels / groups)
        return ln_fail(err, LN_EINVALID,
                       "its input has %lld channels: with a weight of shape %s and %lld group%s it "
                       "must have %lld",
                       (long long)channels, ln_shape_text(weight, text, sizeof text),
                       (long long)groups, groups == 1 ? "" : "s",
                       (long long)(transposed ? weight->dims[0] : weight->dims[1] * groups));
    if (!transposed && weight->dims[0] % groups != 0)
        return ln_fail(err, LN_EINVALID,
                       "it makes %lld channels: they cannot be shared out to %lld groups",
                       (long long)weight->dims[0], (long long)groups);
    return LN_OK;
}

/* The size of a transposed convolution's result: the mirror's input. */
static ln_status grow(const ln_convolution_attributes *own, int axes, ln_window *window,
                      ln_error *err)
{
    for (int axis = 0; axis < axes; axis++) {
        const int i = LN_WINDOW_AXES - axes + axis;
        int64_t added;
        ln_status status =
            ln_window_axis(&own->output_padding, "output_padding", axis, axes, 0, 0, &added, err);
        if (status)
            return status;
        if (added > 0 && added >= window->stride[i] && added >= window->dilation[i])
            return ln_fail(err, LN_EINVALID,
                           "its output_padding is %lld: it must be smaller than the stride or the "
                           "dilation",
                           (long long)added);
        window->out[i] = window->in[i];
        window->in[i] = (window->out[i] - 1) * window->stride[i] +
                        window->dilation[i] * (window->kernel[i] - 1) + 1 + added -
                        window->before[i] - window->after[i];
        if (window->in[i] < 1)
            return ln_fail(err, LN_EINVALID,
                           "its padding of %lld and %lld takes away all of the result",
                           (long long)window->before[i], (long long)window->after[i]);
    }
    return LN_OK;
}

/* The mirror's windows. */
static ln_status windows_of(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_shape *in, bool transposed, ln_window *out, ln_error *err)
{
    const ln_convolution_attributes *own = node->attributes;
    const int axes = ln_window_axes(node->layer);
    const ln_shape weight = ln_weight_shape(graph, node, in, 1);
    ln_ints kernel = {.count = axes};
    ln_status status = ln_window_check_input(&in[0], axes, (int)own->outer, err);
    if (!status)
        status = check_weight(&weight, &in[0], axes, groups_of(own), transposed, err);
    if (status)
        return status;
    for (int i = 0; i < axes; i++)
        kernel.at[i] = weight.dims[2 + i];
    const ln_window_lists lists = {.kernel = &kernel,
                                   .stride = &own->stride,
                                   .dilation = &own->dilation,
                                   .padding = &own->padding,
                                   .padding_after = &own->padding_after};
    status = ln_window_read(&lists, axes, &in[0], out, err);
    if (status)
        return status;
    return transposed ? grow(own, axes, out, err) : ln_window_slide(out, axes, false, err);
}

ln_status ln_convolution_infer(const struct ln_graph *graph, const struct ln_node *node,
                               const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_convolution_attributes *own = node->attributes;
    const bool transposed = is_transposed(node->layer);
    ln_window window;
    ln_status status = windows_of(graph, node, in, transposed, &window, err);
    if (status)
        return status;
    const ln_shape weight = ln_weight_shape(graph, node, in, 1);
    const int64_t outputs = transposed ? weight.dims[1] * groups_of(own) : weight.dims[0];
    out[0] = ln_window_shape(&in[0], ln_window_axes(node->layer), outputs,
                             transposed ? window.in : window.out);
    if (graph->values[node->inputs[0]].fixed &&
        (ln_weight_live(graph, node, 1) || ln_weight_live(graph, node, 2)))
        return ln_fail(
            err, LN_EUNSUPPORTED,
            "its input is a constant and its weights are computed: that is not possible");
    return ln_weight_vector(graph, node, in, 2, "bias", outputs, err);
}

/* ---------------------------------------------------------------- preparing */

/* A convolution of single places with their channels last is the same for parts of an image: parts that
 * stay in the second cache are its images then. */
static void part_images(ln_convolution *s)
{
    enum { PART = 1 << 16 };
    const int64_t most = s->in_channels > s->out_channels ? s->in_channels : s->out_channels;
    const int64_t places = ln_window_volume(s->in);
    if (!s->last || places * most <= 2 * PART)
        return;
    for (int i = 0; i < LN_SPATIAL; i++)
        if (s->kernel[i] != 1 || s->stride[i] != 1 || s->before[i] != 0 || s->in[i] != s->out[i])
            return;
    int64_t part = PART / most;
    while (part > 1 && places % part != 0)
        part--;
    if (part < 16)
        return;
    s->images *= places / part;
    s->in[0] = s->in[1] = s->out[0] = s->out[1] = 1;
    s->in[2] = s->out[2] = part;
}

static ln_status convolution_of(const struct ln_graph *graph, const struct ln_node *node,
                                const ln_shape *in, const ln_shape *result, int64_t rows,
                                ln_convolution *out, ln_error *err)
{
    const ln_convolution_attributes *own = node->attributes;
    const bool transposed = is_transposed(node->layer);
    const int axes = ln_window_axes(node->layer);
    ln_window window;
    ln_status status = windows_of(graph, node, in, transposed, &window, err);
    if (status)
        return status;
    const int64_t from = in->dims[in->rank - axes - 1], to = result->dims[in->rank - axes - 1];
    *out = (ln_convolution){.groups = groups_of(own),
                            .in_channels = transposed ? to : from,
                            .out_channels = transposed ? from : to,
                            .images = ln_window_images(in, axes, rows),
                            .last = node->layer == &ln_layer_conv2d_last};
    memcpy(out->in, window.in, sizeof out->in);
    memcpy(out->out, window.out, sizeof out->out);
    memcpy(out->kernel, window.kernel, sizeof out->kernel);
    memcpy(out->stride, window.stride, sizeof out->stride);
    memcpy(out->dilation, window.dilation, sizeof out->dilation);
    memcpy(out->before, window.before, sizeof out->before);
    return LN_OK;
}

bool ln_convolution_stays(const struct ln_graph *graph, const struct ln_node *node)
{
    ln_shape in[3] = {{0}};
    ln_convolution shape;
    for (int i = 0; i < node->input_count && i < 3; i++)
        if (node->inputs[i] >= 0)
            in[i] = graph->values[node->inputs[i]].shape;
    return !convolution_of(graph, node, in, &graph->values[node->outputs[0]].shape, 1, &shape,
                           NULL) &&
           ln_planes_pays(&shape);
}

void ln_convolution_release(ln_step *step)
{
    convolution_prepared *own = step->prepared;
    if (!own)
        return;
    if (!own->borrowed)
        ln_convolved_release(own->packed);
    ln_free(own);
    step->prepared = NULL;
}

const struct ln_convolved *ln_convolution_packed(const ln_step *step)
{
    const convolution_prepared *own = step->prepared;
    return own->packed;
}

/* ---------------------------------------------------------------- weights asleep */

static ln_status unpack(const void *packed, void *data, ln_error *err)
{
    return ln_convolution_unpack(packed, data, err);
}

static void release_form(void *packed)
{
    ln_convolved_release(packed);
}

void ln_convolution_sleep(const ln_step *step, ln_tensor *weight)
{
    const convolution_prepared *own = step->prepared;
    if (!own->packed->whole)
        return;
    ln_convolved *whole = ln_convolved_retain(own->packed->whole);
    if (!ln_tensor_sleep(weight, &(ln_tensor_form){whole, unpack, release_form}))
        ln_convolved_release(whole);
}

/* What constant weights asleep have in place of their numbers, now held by the caller too; or NULL. */
static ln_convolved *whole_of(const ln_step *step, const ln_tensor *weight)
{
    const ln_tensor_form *form = weight && step->shares ? ln_tensor_asleep(weight) : NULL;
    return form && form->unpack == unpack ? ln_convolved_retain(form->packed) : NULL;
}

static ln_status pack(const ln_step *step, const ln_convolution *shape, unsigned uses,
                      const float *weight, ln_convolved **packed, ln_error *err)
{
    ln_tensor *tensor = step->graph->values[step->node->inputs[1]].constant;
    ln_convolved *whole = whole_of(step, tensor);
    if (!whole)
        return ln_convolution_pack(shape, uses, weight, packed, err);
    const bool shared = ln_convolution_shares(shape, uses, whole);
    ln_status status = LN_OK;
    if (!shared || uses != LN_CONVOLVE_FORWARD)
        status = ln_tensor_wake(tensor, err);
    if (!status && shared)
        status = ln_convolution_pack_beside(shape, uses, tensor->data, whole, packed, err);
    else if (!status)
        status = ln_convolution_pack(shape, uses, tensor->data, packed, err);
    ln_convolved_release(whole);
    return status;
}

/* ---------------------------------------------------------------- preparing */

ln_status ln_convolution_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    convolution_prepared *own = step->prepared;
    ln_convolution shape;
    if (!own) {
        step->prepared = own = ln_calloc(1, sizeof *own);
        if (!own)
            return ln_fail_memory(err, sizeof *own);
        own->transposed = is_transposed(step->node->layer);
        own->own_weight = ln_weight_live(step->graph, step->node, 1);
        own->own_bias = ln_weight_live(step->graph, step->node, 2);
    }
    ln_status status = convolution_of(step->graph, step->node, step->in_shape, step->out_shape,
                                      step->rows, &shape, err);
    if (status)
        return status;
    shape.fast = step->fast;
    ln_convolution_zeros(step->graph, step->node, shape.zeros);
    part_images(&shape);
    own->images = shape.images / step->rows;
    unsigned uses = own->transposed ? LN_CONVOLVE_BACKWARD_DATA : LN_CONVOLVE_FORWARD;
    if (step->gradient)
        uses |= LN_CONVOLVE_FORWARD | LN_CONVOLVE_BACKWARD_DATA;
    if (step->training || (step->gradient && own->own_weight))
        uses |= LN_CONVOLVE_BACKWARD_WEIGHTS;
    if (step->ruled)
        uses |= LN_CONVOLVE_OTHERS;
    const bool of_weights = uses & LN_CONVOLVE_BACKWARD_WEIGHTS;
    if (step->like && !of_weights) {
        const convolution_prepared *other = step->like->prepared;
        own->packed = other->packed;
        own->borrowed = true;
    } else {
        /* Packed once for plans of any rows: only gradients of weights are made for a number of images. */
        if (!of_weights)
            shape.images = shape.images > MOST_IMAGES ? shape.images : MOST_IMAGES;
        status = pack(step, &shape, uses, constant[1], &own->packed, err);
    }
    if (status)
        return status;
    step->scratch_bytes = own->packed->scratch_bytes;
    step->operations = 2.0 * (double)own->images * (double)ln_convolution_out_row(&shape) *
                       (double)(ln_convolution_weights(&shape) / shape.out_channels);
    step->kernels[0] = own->packed->names[own->transposed];
    step->kernels[1] = own->packed->names[!own->transposed];
    return LN_OK;
}

/* ---------------------------------------------------------------- passes */

/* The passes over rows that share their weights: all of them, or each on its own. */
typedef struct share {
    int64_t count;  /* shares in the pass */
    int64_t images; /* of each */
    int64_t weight; /* from the weights of one to those of the next */
} share;

static share shares_of(const ln_pass *pass, const convolution_prepared *own)
{
    if (!own->own_weight)
        return (share){1, pass->rows * own->images, 0};
    return (share){pass->rows, own->images, ln_convolution_weights(&own->packed->shape)};
}

/* y += bias, of the pass's images; `y` has `channels` of `size` numbers. */
static void add_bias(const ln_pass *pass, const convolution_prepared *own, int64_t channels,
                     int64_t size, float *y)
{
    for (int64_t r = 0; r < pass->rows; r++) {
        const float *bias = pass->in[2];
        bias += own->own_bias ? r * channels : 0;
        for (int64_t i = 0; i < own->images; i++)
            for (int64_t c = 0; c < channels; c++, y += size)
                for (int64_t p = 0; p < size; p++)
                    y[p] += bias[c];
    }
}

static ln_status convolve(const ln_pass *pass, bool transposed, const float *from,
                          const float *bias, float *to, ln_error *err)
{
    const convolution_prepared *own = pass->step->prepared;
    const ln_convolution *shape = &own->packed->shape;
    const share shares = shares_of(pass, own);
    const int64_t in = ln_convolution_in_row(shape), out = ln_convolution_out_row(shape);
    const float *weight = pass->in[1];
    ln_status status = LN_OK;
    for (int64_t i = 0; i < shares.count && !status; i++) {
        if (transposed)
            status = ln_convolved_backward_data(own->packed, shares.images, from, weight, to,
                                                pass->scratch, err);
        else
            status = ln_convolved_forward(own->packed, shares.images, from, weight, bias, to,
                                          pass->scratch, err);
        from += shares.images * (transposed ? out : in);
        to += shares.images * (transposed ? in : out);
        weight += shares.weight;
    }
    return status;
}

ln_status ln_convolution_forward(const ln_pass *pass, ln_error *err)
{
    const convolution_prepared *own = pass->step->prepared;
    const ln_convolution *shape = &own->packed->shape;
    const bool bias = ln_weight_given(pass->step->node, 2);
    const bool with = bias && !own->transposed && !own->own_bias;
    ln_status status =
        convolve(pass, own->transposed, pass->in[0], with ? pass->in[2] : NULL, pass->out[0], err);
    if (status || !bias || with)
        return status;
    const int64_t channels = own->transposed ? shape->in_channels : shape->out_channels;
    add_bias(pass, own, channels, ln_window_volume(own->transposed ? shape->in : shape->out),
             pass->out[0]);
    return LN_OK;
}

/* In float64, of every eighth number, then over these eight sums. */
static double sum_of(const float *x, int64_t count)
{
    double sums[8] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int lane = 0; lane < 8; lane++)
            sums[lane] += (double)x[i + lane];
    for (int lane = 0; lane < 8; lane++)
        sum += sums[lane];
    for (; i < count; i++)
        sum += (double)x[i];
    return sum;
}

/* Adds to db (channels): a sum over rows in their order, of each image's sum in float64. */
static void add_bias_gradient(const convolution_prepared *own, int64_t rows, const float *dy,
                              float *db, bool a_row)
{
    const ln_convolution *shape = &own->packed->shape;
    const int64_t channels = own->transposed ? shape->in_channels : shape->out_channels;
    const int64_t size = ln_window_volume(own->transposed ? shape->in : shape->out);
    for (int64_t i = 0; i < rows * own->images; i++)
        for (int64_t c = 0; c < channels; c++, dy += size)
            db[(a_row ? i / own->images * channels : 0) + c] += (float)sum_of(dy, size);
}

static ln_status add_weight_gradient(const ln_pass *pass, float *dw, ln_error *err)
{
    const convolution_prepared *own = pass->step->prepared;
    const ln_convolution *shape = &own->packed->shape;
    const share shares = shares_of(pass, own);
    const float *x = own->transposed ? pass->out_grad[0] : pass->in[0];
    const float *dy = own->transposed ? pass->in[0] : pass->out_grad[0];
    ln_status status = LN_OK;
    for (int64_t i = 0; i < shares.count && !status; i++) {
        status = ln_convolved_backward_weights(own->packed, shares.images, x, dy, dw, pass->scratch,
                                               err);
        x += shares.images * ln_convolution_in_row(shape);
        dy += shares.images * ln_convolution_out_row(shape);
        dw += shares.weight;
    }
    return status;
}

ln_status ln_convolution_backward(const ln_pass *pass, ln_error *err)
{
    const convolution_prepared *own = pass->step->prepared;
    const struct ln_node *node = pass->step->node;
    ln_status status = LN_OK;
    if (pass->in_grad[0])
        status = convolve(pass, !own->transposed, pass->out_grad[0], NULL, pass->in_grad[0], err);
    if (!status && own->own_weight && pass->in_grad[1]) {
        memset(pass->in_grad[1], 0,
               (size_t)ln_pass_count(pass, &pass->step->in_shape[1]) * sizeof(float));
        status = add_weight_gradient(pass, pass->in_grad[1], err);
    }
    if (!status && own->own_bias && ln_weight_given(node, 2) && pass->in_grad[2]) {
        memset(pass->in_grad[2], 0,
               (size_t)ln_pass_count(pass, &pass->step->in_shape[2]) * sizeof(float));
        add_bias_gradient(own, pass->rows, pass->out_grad[0], pass->in_grad[2], true);
    }
    return status;
}

ln_status ln_convolution_parameters(const ln_pass *pass, ln_error *err)
{
    const convolution_prepared *own = pass->step->prepared;
    if (ln_weight_given(pass->step->node, 2) && pass->in_grad[2])
        add_bias_gradient(own, pass->rows, pass->out_grad[0], pass->in_grad[2], false);
    return pass->in_grad[1] ? add_weight_gradient(pass, pass->in_grad[1], err) : LN_OK;
}
