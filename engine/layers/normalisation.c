/* Normalisation of groups within a row: layer_norm, group_norm, instance_norm, rms_norm.
 *
 *     y = (x - mean) / sqrt(variance + eps) * weight + bias        per group of elements
 *     y = x / sqrt(mean square + eps) * weight                     rms_norm
 *
 * The groups lie side by side in a row: the last axes (layer_norm, rms_norm), channels shared out
 * (group_norm), one channel (instance_norm). With g = dy * weight, n = the normalised x and s =
 * 1 / sqrt(...): dx = s (g - mean(g) - n mean(g n)), without mean(g) for rms_norm; the gradient of
 * the weight is the sum of dy n, of the bias that of dy. layer_norm's further outputs (ONNX) are
 * the mean and s, whose gradients are added. Means and sums are float64, in the order that
 * kernels/norm.h says; three passes over the input.
 *
 * Source: Ba, Kiros & Hinton 2016; Wu & He 2018; Ulyanov et al. 2016; Zhang & Sennrich 2019;
 * torch.nn.LayerNorm, GroupNorm, InstanceNorm2d, RMSNorm. */
#include "layers/normalisation.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/norm.h"
#include "layers/weight.h"
#include "layers/window.h"

/* ---------------------------------------------------------------- shapes */

static bool named(const struct ln_node *node, const char *start)
{
    return strncmp(node->layer->word.name, start, strlen(start)) == 0;
}

static ln_status layer_layout(const ln_layer_norm_attributes *own, const ln_shape *in,
                              ln_norm_layout *out, ln_error *err)
{
    char text[64];
    const ln_ints *shape = &own->normalized_shape;
    const int axes = shape->count ? shape->count : own->axes ? (int)own->axes : 1;
    if (axes < 0 || axes >= in->rank)
        return ln_fail(err, LN_EINVALID,
                       "its input has shape %s: there are no %d axes beside the rows",
                       ln_shape_text(in, text, sizeof text), axes);
    for (int i = 0; i < axes; i++) {
        const int64_t size = in->dims[in->rank - axes + i];
        if (shape->count && shape->at[i] != size)
            return ln_fail(err, LN_EINVALID,
                           "its input has shape %s: by its normalized_shape axis %d must be %lld",
                           ln_shape_text(in, text, sizeof text), in->rank - axes + i,
                           (long long)shape->at[i]);
        out->count *= size;
    }
    for (int i = 1; i < in->rank - axes; i++)
        out->groups *= in->dims[i];
    out->size = out->count;
    out->eps = own->eps > 0 ? ln_norm_eps(own->eps) : (double)FLT_EPSILON;
    return LN_OK;
}

/* Channels shared out to `groups` (0: one each) of the input's outer axes' images. */
static ln_status channel_layout(int64_t groups, int64_t outer, bool by_group, const ln_shape *in,
                                ln_norm_layout *out, ln_error *err)
{
    char text[64];
    if (in->rank < 2 + outer)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be (N, channels, ...)",
                       ln_shape_text(in, text, sizeof text));
    const int64_t channels = in->dims[1 + outer];
    groups = groups ? groups : channels;
    if (groups < 1 || channels % groups != 0)
        return ln_fail(err, LN_EINVALID,
                       "its input has %lld channels: they cannot be shared out to %lld groups",
                       (long long)channels, (long long)groups);
    out->groups = groups;
    for (int i = 1; i <= outer; i++)
        out->groups *= in->dims[i];
    for (int i = 2 + (int)outer; i < in->rank; i++)
        out->inner *= in->dims[i];
    out->count = channels / groups * out->inner;
    out->size = by_group ? groups : channels;
    out->inner = by_group ? out->count : out->inner;
    return LN_OK;
}

/* LN_EINVALID where the node's input does not fit. */
static ln_status layout_of(const struct ln_node *node, const ln_shape *in, ln_norm_layout *out,
                           ln_error *err)
{
    *out = (ln_norm_layout){.groups = 1, .count = 1, .inner = 1, .centred = !named(node, "rms")};
    if (named(node, "layer") || named(node, "rms"))
        return layer_layout(node->attributes, in, out, err);
    if (named(node, "group")) {
        const ln_group_norm_attributes *own = node->attributes;
        out->eps = ln_norm_eps(own->eps);
        return channel_layout(own->num_groups, own->outer, own->by_group, in, out, err);
    }
    const ln_channel_norm_attributes *own = node->attributes;
    ln_status status = ln_window_check_input(in, ln_window_axes(node->layer), (int)own->outer, err);
    out->eps = ln_norm_eps(own->eps);
    return status ? status : channel_layout(0, own->outer, false, in, out, err);
}

/* LN_EINVALID unless an input is absent or has as many numbers as the layout says; layer_norm's may
 * have the normalised axes, or some of the last of them broadcast by leading ones of size 1. */
static ln_status check_weight(const struct ln_graph *graph, const struct ln_node *node,
                              const ln_shape *in, int input, const ln_norm_layout *layout,
                              ln_error *err)
{
    char text[64];
    if (!ln_weight_given(node, input))
        return LN_OK;
    const ln_shape shape = ln_weight_shape(graph, node, in, input);
    if (ln_shape_count(&shape) == layout->size)
        return LN_OK;
    return ln_fail(err, LN_EINVALID, "its %s has shape %s: it must have %lld numbers",
                   input == 1 ? "weight" : "bias", ln_shape_text(&shape, text, sizeof text),
                   (long long)layout->size);
}

ln_status ln_norm_infer(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_shape *in, ln_shape *out, ln_error *err)
{
    ln_norm_layout layout;
    ln_status status = layout_of(node, &in[0], &layout, err);
    for (int i = 1; i < 3 && !status; i++)
        status = check_weight(graph, node, in, i, &layout, err);
    for (int i = 1; i < node->input_count && !status; i++)
        if (graph->values[node->inputs[0]].fixed && ln_weight_live(graph, node, i))
            status = ln_fail(err, LN_EUNSUPPORTED,
                             "its input is a constant and its weights are computed: that is not "
                             "possible");
    out[0] = in[0];
    for (int i = 1; i < node->output_count && !status; i++) {
        const ln_layer_norm_attributes *own = node->attributes;
        const ln_ints *axes = &own->normalized_shape;
        const int normalised = axes->count ? axes->count : own->axes ? (int)own->axes : 1;
        out[i] = in[0];
        for (int axis = in[0].rank - normalised; axis < in[0].rank; axis++)
            out[i].dims[axis] = 1;
    }
    return status;
}

ln_status ln_norm_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    (void)constant;
    if (step->prepared)
        return LN_OK;
    step->prepared = ln_calloc(1, sizeof(ln_norm_layout));
    if (!step->prepared)
        return ln_fail_memory(err, sizeof(ln_norm_layout));
    return layout_of(step->node, &step->in_shape[0], step->prepared, err);
}

void ln_norm_release(ln_step *step)
{
    ln_free(step->prepared);
    step->prepared = NULL;
}

/* ---------------------------------------------------------------- one group */

typedef struct moments {
    double mean;  /* 0 where it is not taken off */
    double scale; /* 1 / sqrt(variance + eps) */
} moments;

static moments moments_of(const ln_norm_kernels *kernels, const ln_norm_layout *layout,
                          const float *x)
{
    const double count = (double)layout->count;
    const double mean = layout->centred ? kernels->sum(layout->count, x) / count : 0;
    const double squares = kernels->squares(layout->count, mean, x);
    return (moments){mean, 1 / sqrt(squares / count + layout->eps)};
}

/* The weight or bias of a row: NULL where the node has none. */
static const float *operand_of(const ln_pass *pass, const ln_norm_layout *layout, int input,
                               int64_t row)
{
    const struct ln_node *node = pass->step->node;
    if (!ln_weight_given(node, input))
        return NULL;
    const float *at = pass->in[input];
    return at + (ln_weight_live(pass->step->graph, node, input) ? row * layout->size : 0);
}

/* How many elements from `i` on have one weight, or weights side by side (*step 1). */
static int64_t run_from(const ln_norm_layout *layout, int64_t i, int64_t *step)
{
    *step = layout->inner == 1;
    const int64_t end = *step ? layout->count : (i / layout->inner + 1) * layout->inner;
    return (end < layout->count ? end : layout->count) - i;
}

/* The elements from `i` on that run_from finds together. */
static ln_norm_group run_at(const ln_norm_layout *layout, int64_t group, int64_t i, const float *x,
                            const float *weight, const float *bias, moments found)
{
    int64_t step;
    const int64_t count = run_from(layout, i, &step), at = ln_norm_weight_at(layout, group, i);
    ln_norm_group run = {.count = count,
                         .x = x + i,
                         .mean = found.mean,
                         .scale = found.scale,
                         .weight = weight && step ? weight + at : NULL,
                         .factor = weight && !step ? (double)weight[at] : 1,
                         .bias = bias && step ? bias + at : NULL,
                         .offset = bias && !step ? (double)bias[at] : 0};
    return run;
}

ln_status ln_norm_forward(const ln_pass *pass, ln_error *err)
{
    const ln_norm_layout *layout = pass->step->prepared;
    const int outputs = pass->step->node->output_count;
    const float *x = pass->in[0];
    float *y = pass->out[0];
    const ln_norm_kernels *kernels = ln_norm_kernels_choose();
    (void)err;
    for (int64_t i = 0; i < pass->rows * layout->groups; i++) {
        const int64_t row = i / layout->groups;
        const moments found = moments_of(kernels, layout, x);
        const float *weight = operand_of(pass, layout, 1, row);
        const float *bias = operand_of(pass, layout, 2, row);
        ln_norm_group run;
        for (int64_t j = 0; j < layout->count; j += run.count) {
            run = run_at(layout, i % layout->groups, j, x, weight, bias, found);
            kernels->apply(&run, y + j);
        }
        if (outputs > 1)
            ((float *)pass->out[1])[i] = (float)found.mean;
        if (outputs > 2)
            ((float *)pass->out[2])[i] = (float)found.scale;
        x += layout->count;
        y += layout->count;
    }
    return LN_OK;
}

/* The gradient of x; `more` is what the further outputs add: d mean, d scale. */
static void backward_group(const ln_norm_kernels *kernels, const ln_norm_layout *layout,
                           int64_t group, const float *x, const float *weight, const float *dy,
                           const double more[2], float *dx)
{
    const moments found = moments_of(kernels, layout, x);
    const double count = (double)layout->count;
    double sums[2] = {0};
    ln_norm_group run;
    for (int64_t i = 0; i < layout->count; i += run.count) {
        run = run_at(layout, group, i, x, weight, NULL, found);
        kernels->sums(&run, dy + i, sums);
    }
    const double level = layout->centred ? (found.scale * sums[0] - more[0]) / count : 0;
    const double slope = (sums[1] + more[1] * found.scale) / count * found.scale;
    for (int64_t i = 0; i < layout->count; i += run.count) {
        run = run_at(layout, group, i, x, weight, NULL, found);
        kernels->back(&run, dy + i, level, slope, dx + i);
    }
}

/* Adds to the gradients of a group's weight and bias (either may be NULL). */
static void add_gradients(const ln_norm_kernels *kernels, const ln_norm_layout *layout,
                          int64_t group, const float *x, const float *dy, float *dw, float *db)
{
    const moments found = moments_of(kernels, layout, x);
    for (int64_t i = 0, run, step; i < layout->count; i += run) {
        run = run_from(layout, i, &step);
        const int64_t at = ln_norm_weight_at(layout, group, i);
        double weight = 0, bias = 0;
        for (int64_t j = 0; j < run; j++) {
            const double normal = ((double)x[i + j] - found.mean) * found.scale;
            if (step && dw)
                dw[at + j] += (float)((double)dy[i + j] * normal);
            if (step && db)
                db[at + j] += dy[i + j];
            weight += (double)dy[i + j] * normal;
            bias += (double)dy[i + j];
        }
        if (!step && dw)
            dw[at] += (float)weight;
        if (!step && db)
            db[at] += (float)bias;
    }
}

/* Adds the weights' gradients of all rows; of live ones (`own`) each row has its own. */
static void add_all_gradients(const ln_pass *pass, float *dw, float *db, bool own)
{
    const ln_norm_layout *layout = pass->step->prepared;
    const ln_norm_kernels *kernels = ln_norm_kernels_choose();
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    for (int64_t i = 0; i < pass->rows * layout->groups; i++) {
        const int64_t row = own ? i / layout->groups * layout->size : 0;
        add_gradients(kernels, layout, i % layout->groups, x, dy, dw ? dw + row : NULL,
                      db ? db + row : NULL);
        x += layout->count;
        dy += layout->count;
    }
}

/* The gradient of a live input of the weights, zeroed; NULL where it is none or nobody wants it. */
static float *live_gradient(const ln_pass *pass, int input)
{
    const struct ln_node *node = pass->step->node;
    if (!ln_weight_live(pass->step->graph, node, input) || !pass->in_grad[input])
        return NULL;
    memset(pass->in_grad[input], 0,
           (size_t)ln_pass_count(pass, &pass->step->in_shape[input]) * sizeof(float));
    return pass->in_grad[input];
}

ln_status ln_norm_backward(const ln_pass *pass, ln_error *err)
{
    const ln_norm_layout *layout = pass->step->prepared;
    const int outputs = pass->step->node->output_count;
    const float *x = pass->in[0], *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0], *dw = live_gradient(pass, 1), *db = live_gradient(pass, 2);
    const ln_norm_kernels *kernels = ln_norm_kernels_choose();
    (void)err;
    if (dw || db)
        add_all_gradients(pass, dw, db, true);
    for (int64_t i = 0; i < pass->rows * layout->groups && dx; i++) {
        const double more[2] = {outputs > 1 ? (double)pass->out_grad[1][i] : 0,
                                outputs > 2 ? (double)pass->out_grad[2][i] : 0};
        backward_group(kernels, layout, i % layout->groups, x,
                       operand_of(pass, layout, 1, i / layout->groups), dy, more, dx);
        x += layout->count;
        dy += layout->count;
        dx += layout->count;
    }
    return LN_OK;
}

ln_status ln_norm_parameters(const ln_pass *pass, ln_error *err)
{
    const struct ln_node *node = pass->step->node;
    float *dw = ln_weight_given(node, 1) ? pass->in_grad[1] : NULL;
    float *db = ln_weight_given(node, 2) ? pass->in_grad[2] : NULL;
    (void)err;
    if (dw || db)
        add_all_gradients(pass, dw, db, false);
    return LN_OK;
}
