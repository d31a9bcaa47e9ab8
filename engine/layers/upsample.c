/* upsample: pictures, sequences and volumes of another size by interpolation along each axis.
 *
 * For every axis a table says from which elements each place of the result is made and with which
 * weights: one (nearest), two (linear) or four (cubic); more where the result is smaller and
 * `antialias` asks for it. A result is the sum over the products of the axes' weights, in float64; the
 * gradient goes back along the same weights.
 *
 * The second input, of files, is a constant (3, axes of a row): the scale of each axis, and the first
 * and last place of a region (tf_crop_and_resize) in parts of the axis.
 *
 * Source: torch.nn.Upsample; ONNX: Resize (coordinates, rounding and weights as its reference has them). */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "layers/operand.h"

static const ln_param upsample_params[] = {
    {.name = "scale_factor",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_upsample_attributes, scale_factor),
     .fallback = LN_REQUIRED,
     .min = 0,
     .max = 1 << 20,
     .above_min = true,
     .position = 1,
     .help = "how much larger all axes but the channels become"},
    {.name = "mode",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_upsample_attributes, mode),
     .fallback = "\"nearest\"",
     .choices = LN_UPSAMPLE_MODES,
     .help = "how what is in between is found"},
    {.name = "align_corners",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_upsample_attributes, align_corners),
     .fallback = "false",
     .help = "the corners keep their place, not the borders (not for nearest)"},
    LN_PARAM_END,
};

static const ln_param upsample_stored[] = {
    {.name = "sizes",
     .type = LN_PARAM_INTS,
     .offset = offsetof(ln_upsample_attributes, sizes),
     .fallback = "nil",
     .min = 1,
     .max = HUGE_VAL,
     .help = "size of each axis of a row"},
    {.name = "coordinates",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_upsample_attributes, coordinates),
     .fallback = "\"pytorch\"",
     .choices = LN_UPSAMPLE_COORDINATES,
     .help = "where a place of the result is in the input"},
    {.name = "rounding",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_upsample_attributes, rounding),
     .fallback = "\"floor\"",
     .choices = LN_UPSAMPLE_ROUNDINGS,
     .help = "which neighbour is the nearest"},
    {.name = "cubic",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_upsample_attributes, cubic),
     .fallback = "0",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "sharpness of the cubic; 0: -0.75"},
    {.name = "extrapolation",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_upsample_attributes, extrapolation),
     .fallback = "0",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help = "what stands outside of the input (tf_crop_and_resize)"},
    {.name = "exclude_outside",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_upsample_attributes, exclude_outside),
     .fallback = "false",
     .help = "what lies outside has no weight, else its edge stands for it"},
    {.name = "antialias",
     .type = LN_PARAM_BOOL,
     .offset = offsetof(ln_upsample_attributes, antialias),
     .fallback = "false",
     .help = "all elements that a place covers count where the result is smaller"},
    LN_PARAM_END,
};

static ln_status upsample_infer(const struct ln_graph *graph, const struct ln_node *node,
                                const ln_shape *in, ln_shape *out, ln_error *err)
{
    const ln_upsample_attributes *own = node->attributes;
    const ln_shape row = ln_input_row(graph, node, in, 0);
    ln_shape result = row;
    char text[64];
    const bool sized = own->sizes.count > 0;
    if (sized ? own->sizes.count != row.rank : row.rank < 2)
        return ln_fail(err, LN_EINVALID, "its input has shape %s: it must be (N, C, ...)",
                       ln_shape_text(&in[0], text, sizeof text));
    for (int i = 0; i < row.rank; i++) {
        const double size = floor((double)row.dims[i] * own->scale_factor);
        if (sized)
            result.dims[i] = own->sizes.at[i];
        else if (i > 0)
            result.dims[i] = size < 1 || size > 1e12 ? 0 : (int64_t)size;
        if (result.dims[i] < 1)
            return ln_fail(err, LN_EINVALID, "its input has shape %s: nothing is left of axis %d",
                           ln_shape_text(&in[0], text, sizeof text), i + 1);
    }
    if (ln_has_input(node, 1) && (!ln_input_fixed(graph, node, 1) || in[1].rank != 2 ||
                                  in[1].dims[0] != 3 || in[1].dims[1] != row.rank))
        return ln_fail(err, LN_EINVALID, "its scales must be a constant of shape (3, %d)",
                       row.rank);
    return ln_result_shape(graph, node, &result, out, err);
}

/* ---------------------------------------------------------------- one axis */

/* Which elements make place i: `taps` from i * taps on. */
typedef struct axis_table {
    int64_t size, taps, stride; /* of the result; a place; elements of the input */
    int64_t *from;
    double *weight;
    bool *outside; /* a place: nothing of the input is there */
} axis_table;

typedef struct prepared {
    axis_table axes[LN_MAX_RANK];
    int rank;
} prepared;

static void upsample_release(ln_step *step)
{
    prepared *made = step->prepared;
    for (int i = 0; made && i < LN_MAX_RANK; i++) {
        ln_free(made->axes[i].from);
        ln_free(made->axes[i].weight);
        ln_free(made->axes[i].outside);
    }
    ln_free(made);
    step->prepared = NULL;
}

/* One axis of the input and how it is scaled. */
typedef struct axis_scale {
    int64_t in, out;
    double scale, start, end;
} axis_scale;

static double coordinate(const ln_upsample_attributes *own, const axis_scale *s, int64_t i)
{
    const double half = ((double)i + 0.5) / s->scale - 0.5;
    const double last = (double)(s->in - 1), steps = (double)(s->out - 1);
    switch (own->coordinates) {
    case LN_UPSAMPLE_HALF_PIXEL:
        return half;
    case LN_UPSAMPLE_SYMMETRIC: {
        const double centre = (double)s->in / 2;
        return centre * (1 - (double)s->out / (s->scale * (double)s->in)) + half;
    }
    case LN_UPSAMPLE_PYTORCH_HALF_PIXEL:
        return s->out > 1 ? half : 0;
    case LN_UPSAMPLE_ALIGN_CORNERS: { /* by the size before it was made whole */
        const double resized = s->scale * (double)s->in - 1;
        return resized > 0 ? (double)i * last / resized : 0;
    }
    case LN_UPSAMPLE_ASYMMETRIC:
        return (double)i / s->scale;
    case LN_UPSAMPLE_TF_HALF_PIXEL:
        return ((double)i + 0.5) / s->scale;
    case LN_UPSAMPLE_TF_CROP:
        return s->out > 1 ? s->start * last + (double)i * (s->end - s->start) * last / steps
                          : 0.5 * (s->start + s->end) * last;
    default: /* PyTorch's own */
        if (own->mode == LN_UPSAMPLE_NEAREST)
            return (double)i / s->scale;
        return !own->align_corners ? half : s->out > 1 ? (double)i * last / steps : 0;
    }
}

static double nearest(int rounding, double x)
{
    const double below = floor(x);
    switch (rounding) {
    case LN_UPSAMPLE_CEIL:
        return ceil(x);
    case LN_UPSAMPLE_PREFER_FLOOR:
        return x - below > 0.5 ? below + 1 : below;
    case LN_UPSAMPLE_PREFER_CEIL:
        return x - below >= 0.5 ? below + 1 : below;
    default:
        return below;
    }
}

static double kernel(const ln_upsample_attributes *own, double x)
{
    const double a = own->cubic == 0 ? -0.75 : own->cubic;
    x = fabs(x);
    if (own->mode != LN_UPSAMPLE_BICUBIC)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* The weights of place i. */
static void fill_place(const ln_upsample_attributes *own, const axis_scale *s, axis_table *to,
                       int64_t i)
{
    const double x = coordinate(own, s, i);
    int64_t *from = to->from + i * to->taps;
    double *weight = to->weight + i * to->taps, sum = 0;
    const double shrink = own->antialias && s->scale < 1 ? s->scale : 1;
    const int64_t first = (int64_t)floor(x) - to->taps / 2 + 1;
    to->outside[i] = own->coordinates == LN_UPSAMPLE_TF_CROP && (x < 0 || x > (double)(s->in - 1));
    for (int64_t k = 0; k < to->taps; k++) {
        const bool one = to->taps == 1;
        int64_t at = one ? (int64_t)nearest(own->rounding, x) : first + k;
        weight[k] = one ? 1 : kernel(own, ((double)at - x) * shrink);
        if (own->exclude_outside && (at < 0 || at >= s->in) && !one)
            weight[k] = 0;
        from[k] = (at < 0 ? 0 : at >= s->in ? s->in - 1 : at) * to->stride;
        sum += weight[k];
    }
    for (int64_t k = 0; k < to->taps && sum != 0; k++)
        weight[k] /= sum;
}

static int64_t taps_of(const ln_upsample_attributes *own, const axis_scale *s)
{
    const int64_t half = own->mode == LN_UPSAMPLE_BICUBIC ? 2 : 1;
    const bool same = s->in == s->out && s->scale == 1 && own->coordinates != LN_UPSAMPLE_TF_CROP;
    if (own->mode == LN_UPSAMPLE_NEAREST || same)
        return 1;
    if (own->antialias && s->scale < 1)
        return 2 * (int64_t)ceil((double)half / s->scale);
    return 2 * half;
}

static ln_status fill_axis(const ln_upsample_attributes *own, const axis_scale *s, int64_t stride,
                           axis_table *to, ln_error *err)
{
    *to = (axis_table){.size = s->out, .taps = taps_of(own, s), .stride = stride};
    const size_t entries = (size_t)(to->size * to->taps);
    to->from = ln_alloc(entries * sizeof *to->from);
    to->weight = ln_alloc(entries * sizeof *to->weight);
    to->outside = ln_calloc((size_t)to->size, sizeof *to->outside);
    if (!to->from || !to->weight || !to->outside)
        return ln_fail_memory(err, entries * sizeof *to->weight);
    const bool same = s->in == s->out && s->scale == 1 && own->coordinates != LN_UPSAMPLE_TF_CROP;
    for (int64_t i = 0; i < to->size; i++) {
        fill_place(own, s, to, i);
        if (same)
            to->from[i] = i * stride;
    }
    return LN_OK;
}

static ln_status upsample_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_upsample_attributes *own = step->node->attributes;
    const ln_operand x = ln_operand_in(step, 0), y = ln_operand_out(step, 0);
    const float *table = ln_has_input(step->node, 1) ? constant[1] : NULL;
    ln_status status = LN_OK;
    int64_t stride = 1;
    upsample_release(step);
    prepared *made = ln_calloc(1, sizeof *made);
    if (!made)
        return ln_fail_memory(err, sizeof *made);
    step->prepared = made;
    made->rank = x.row.rank;
    for (int i = x.row.rank - 1; i >= 0 && !status; i--) {
        axis_scale s = {.in = x.row.dims[i], .out = y.row.dims[i], .end = 1};
        s.scale = table ? (double)table[i] : s.in == s.out ? 1 : own->scale_factor;
        if (table) {
            s.start = (double)table[made->rank + i];
            s.end = (double)table[2 * made->rank + i];
        }
        status = fill_axis(own, &s, stride, &made->axes[i], err);
        stride *= s.in;
    }
    if (step->gradient || step->training)
        step->scratch_bytes = (size_t)x.count * sizeof(double);
    return status;
}

/* ---------------------------------------------------------------- passes */

/* Goes through the taps of one place of the result: calls for each element of the input. */
typedef struct taps {
    const prepared *made;
    int64_t index[LN_MAX_RANK]; /* the place */
    int64_t tap[LN_MAX_RANK];
    int64_t at;    /* element of the input */
    double weight; /* product of the axes' */
} taps;

static void look(taps *t)
{
    t->at = 0;
    t->weight = 1;
    for (int i = 0; i < t->made->rank; i++) {
        const axis_table *axis = &t->made->axes[i];
        const int64_t k = t->index[i] * axis->taps + t->tap[i];
        t->at += axis->from[k];
        t->weight *= axis->weight[k];
    }
}

static bool next_tap(taps *t)
{
    for (int i = t->made->rank - 1; i >= 0; i--) {
        if (++t->tap[i] < t->made->axes[i].taps) {
            look(t);
            return true;
        }
        t->tap[i] = 0;
    }
    return false;
}

static void next_place(taps *t)
{
    for (int i = t->made->rank - 1; i >= 0; i--) {
        if (++t->index[i] < t->made->axes[i].size)
            return;
        t->index[i] = 0;
    }
}

static bool is_outside(const taps *t)
{
    bool outside = false;
    for (int i = 0; i < t->made->rank; i++)
        outside = outside || t->made->axes[i].outside[t->index[i]];
    return outside;
}

static ln_status upsample_forward(const ln_pass *pass, ln_error *err)
{
    const ln_upsample_attributes *own = pass->step->node->attributes;
    const ln_operand x = ln_operand_in(pass->step, 0), y = ln_operand_out(pass->step, 0);
    (void)err;
    for (int64_t r = 0; r < ln_pass_rows(pass); r++) {
        const float *from = (const float *)pass->in[0] + r * x.step;
        float *to = (float *)pass->out[0] + r * y.count;
        taps t = {.made = pass->step->prepared};
        for (int64_t i = 0; i < y.count; i++, next_place(&t)) {
            double sum = 0;
            look(&t);
            do
                sum += t.weight * (double)from[t.at];
            while (next_tap(&t));
            to[i] = (float)(is_outside(&t) ? own->extrapolation : sum);
        }
    }
    return LN_OK;
}

static ln_status upsample_backward(const ln_pass *pass, ln_error *err)
{
    const ln_operand x = ln_operand_in(pass->step, 0), y = ln_operand_out(pass->step, 0);
    double *sum = pass->scratch;
    (void)err;
    for (int64_t r = 0; r < pass->rows && pass->in_grad[0]; r++) {
        const float *dy = pass->out_grad[0] + r * y.count;
        taps t = {.made = pass->step->prepared};
        memset(sum, 0, (size_t)x.count * sizeof *sum);
        for (int64_t i = 0; i < y.count; i++, next_place(&t)) {
            const bool outside = is_outside(&t);
            look(&t);
            do
                sum[t.at] += outside ? 0 : t.weight * (double)dy[i];
            while (next_tap(&t));
        }
        ln_write_sums(sum, x.count, pass->in_grad[0] + r * x.count, false);
    }
    return LN_OK;
}

const ln_layer ln_layer_upsample = {
    .word = {.name = "upsample",
             .summary = "makes pictures, sequences or volumes larger or smaller",
             .formula = "",
             .source = "PyTorch: torch.nn.Upsample; ONNX: Resize",
             .params = upsample_params,
             .params_size = sizeof(ln_upsample_attributes)},
    .flags = LN_LAYER_IN_PLACE_GRAD,
    .min_inputs = 1,
    .max_inputs = 2,
    .stored = upsample_stored,
    .infer = upsample_infer,
    .prepare = upsample_prepare,
    .release = upsample_release,
    .forward = upsample_forward,
    .backward = upsample_backward,
};
