/* The windows of poolings: shapes of results, and per axis and place a table of which elements are in the
 * window. Sliding ones have a size, stride, dilation and padding; an adaptive pooling has a window of its own
 * at each place o of an axis, from floor(o in / out) to ceil((o + 1) in / out). */
#include "layers/pooling_prepared.h"

#include <string.h>

#include "base/alloc.h"

enum { AXES = LN_WINDOW_AXES };

/* ---------------------------------------------------------------- shapes */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_adaptive(const ln_layer *layer)
{
    return starts_with(layer->word.name, "adaptive_");
}

static ln_pool_kind kind_of(const ln_layer *layer)
{
    const char *name = layer->word.name + (is_adaptive(layer) ? strlen("adaptive_") : 0);
    return starts_with(name, "max")   ? LN_POOL_MAX
           : starts_with(name, "avg") ? LN_POOL_AVERAGE
                                      : LN_POOL_LP;
}

/* Every window must hold an element of the input, or it would have no maximum and no mean. */
static ln_status check_windows(const ln_window *window, ln_error *err)
{
    for (int i = 0; i < AXES; i++)
        for (int64_t o = 0; o < window->out[i]; o++) {
            const int64_t start = o * window->stride[i] - window->before[i];
            int64_t tap = start < 0 ? (window->dilation[i] - 1 - start) / window->dilation[i] : 0;
            if (tap >= window->kernel[i] || start + tap * window->dilation[i] >= window->in[i])
                return ln_fail(err, LN_EINVALID,
                               "its padding of %lld and %lld leaves windows without an element of "
                               "the input: it must be smaller than the kernel",
                               (long long)window->before[i], (long long)window->after[i]);
        }
    return LN_OK;
}

static ln_status sliding_windows(const ln_pool_attributes *own, const ln_layer *layer,
                                 const ln_shape *in, ln_window *out, ln_error *err)
{
    const int axes = ln_window_axes(layer);
    const ln_window_lists lists = {.kernel = &own->kernel_size,
                                   .stride = own->stride.count ? &own->stride : &own->kernel_size,
                                   .dilation = &own->dilation,
                                   .padding = &own->padding,
                                   .padding_after = &own->padding_after};
    ln_status status = ln_window_check_input(in, axes, (int)own->outer, err);
    if (!status)
        status = ln_window_read(&lists, axes, in, out, err);
    if (!status)
        status = ln_window_slide(out, axes, own->ceil_mode, err);
    return status ? status : check_windows(out, err);
}

ln_status ln_pool_types(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_dtype *in, ln_dtype *out, ln_error *err)
{
    (void)graph;
    if (in[0] != LN_F32)
        return ln_fail(err, LN_EUNSUPPORTED, "its input holds %s numbers; '%s' computes in f32",
                       ln_dtype_name(in[0]), node->layer->word.name);
    if (node->output_count > 1)
        out[1] = LN_I64;
    return LN_OK;
}

ln_status ln_pool_infer(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_shape *in, ln_shape *out, ln_error *err)
{
    ln_window window;
    (void)graph;
    ln_status status = sliding_windows(node->attributes, node->layer, &in[0], &window, err);
    if (status)
        return status;
    out[0] = ln_window_shape(&in[0], ln_window_axes(node->layer), 0, window.out);
    if (node->output_count > 1)
        out[1] = out[0];
    return LN_OK;
}

static ln_status adaptive_windows(const ln_adaptive_attributes *own, const ln_layer *layer,
                                  const ln_shape *in, ln_window *out, ln_error *err)
{
    const int axes = ln_window_axes(layer);
    const ln_window_lists lists = {0};
    ln_status status = ln_window_check_input(in, axes, (int)own->outer, err);
    if (!status)
        status = ln_window_read(&lists, axes, in, out, err);
    for (int axis = 0; axis < axes && !status; axis++)
        status = ln_window_axis(&own->output_size, "output_size", axis, axes, 1, 1,
                                &out->out[AXES - axes + axis], err);
    return status;
}

ln_status ln_adaptive_infer(const struct ln_graph *graph, const struct ln_node *node,
                            const ln_shape *in, ln_shape *out, ln_error *err)
{
    ln_window window;
    (void)graph;
    ln_status status = adaptive_windows(node->attributes, node->layer, &in[0], &window, err);
    if (!status)
        out[0] = ln_window_shape(&in[0], ln_window_axes(node->layer), 0, window.out);
    return status;
}

ln_status ln_pool_sizes(const struct ln_node *node, const ln_shape *in, ln_window *out,
                        bool *adaptive, ln_error *err)
{
    *adaptive = is_adaptive(node->layer);
    return *adaptive ? adaptive_windows(node->attributes, node->layer, in, out, err)
                     : sliding_windows(node->attributes, node->layer, in, out, err);
}

/* ---------------------------------------------------------------- preparing */

void ln_pool_release(ln_step *step)
{
    ln_pool_prepared *own = step->prepared;
    if (!own)
        return;
    for (int i = 0; i < AXES; i++)
        ln_free(own->spans[i]);
    ln_free(own);
    step->prepared = NULL;
}

static ln_pool_span sliding_span(const ln_window *window, int axis, int64_t place, bool padding)
{
    const int64_t dilation = window->dilation[axis], in = window->in[axis];
    const int64_t start = place * window->stride[axis] - window->before[axis];
    const int64_t skipped = start < 0 ? (dilation - 1 - start) / dilation : 0;
    const int64_t first = start + skipped * dilation;
    int64_t count = (in - first + dilation - 1) / dilation;
    int64_t padded = (in + window->after[axis] - start + dilation - 1) / dilation;
    count = count < window->kernel[axis] - skipped ? count : window->kernel[axis] - skipped;
    padded = padded < window->kernel[axis] ? padded : window->kernel[axis];
    return (ln_pool_span){(int32_t)first, (int32_t)count, (int32_t)(padding ? padded : count)};
}

static ln_pool_span adaptive_span(const ln_window *window, int axis, int64_t place)
{
    const int64_t in = window->in[axis], out = window->out[axis];
    const int64_t first = place * in / out, end = ((place + 1) * in + out - 1) / out;
    return (ln_pool_span){(int32_t)first, (int32_t)(end - first), (int32_t)(end - first)};
}

static ln_status make_spans(ln_pool_prepared *own, const ln_window *window, bool adaptive,
                            bool padding, ln_error *err)
{
    for (int i = 0; i < AXES; i++) {
        own->in[i] = window->in[i];
        own->out[i] = window->out[i];
        own->dilation[i] = window->dilation[i];
        own->spans[i] = ln_calloc((size_t)window->out[i], sizeof(ln_pool_span));
        if (!own->spans[i])
            return ln_fail_memory(err, (size_t)window->out[i] * sizeof(ln_pool_span));
        for (int64_t o = 0; o < window->out[i]; o++) {
            own->spans[i][o] =
                adaptive ? adaptive_span(window, i, o) : sliding_span(window, i, o, padding);
            if (i == AXES - 1 && own->spans[i][o].count > own->most)
                own->most = own->spans[i][o].count;
        }
    }
    return LN_OK;
}

/* Whether all windows are 2 x 2, side by side from the first element on. */
static bool are_pairs(const ln_pool_prepared *own)
{
    if (own->kind != LN_POOL_MAX || own->in[0] != 1 || own->spans[0][0].count != 1)
        return false;
    for (int i = 1; i < AXES; i++)
        for (int64_t o = 0; o < own->out[i]; o++)
            if (own->dilation[i] != 1 || own->spans[i][o].first != 2 * o ||
                own->spans[i][o].count != 2)
                return false;
    return true;
}

ln_status ln_pool_prepare(ln_step *step, const void *const *constant, ln_error *err)
{
    const ln_layer *layer = step->node->layer;
    const bool adaptive = is_adaptive(layer);
    const ln_pool_attributes *sliding = step->node->attributes;
    const ln_shape *in = &step->in_shape[0];
    const int axes = ln_window_axes(layer);
    ln_window window;
    (void)constant;
    if (step->prepared)
        return LN_OK;
    ln_pool_prepared *own = step->prepared = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    ln_status status = adaptive ? adaptive_windows(step->node->attributes, layer, in, &window, err)
                                : sliding_windows(sliding, layer, in, &window, err);
    if (!status)
        status = make_spans(own, &window, adaptive, !adaptive && sliding->count_include_pad, err);
    own->kind = kind_of(layer);
    own->planes = ln_window_images(in, axes, 1) * in->dims[in->rank - axes - 1];
    if (!adaptive) {
        own->divisor = sliding->divisor_override;
        own->p = sliding->norm_type;
        own->absolute = sliding->absolute;
        own->by_columns = sliding->by_columns;
    }
    own->pairs = !status && are_pairs(own);
    step->scratch_bytes = (size_t)own->out[AXES - 1] * (sizeof(double) + sizeof(int32_t));
    return status;
}

ln_last_pool ln_pool_windows(const ln_step *step, ln_last_span *spans)
{
    const ln_pool_prepared *own = step->prepared;
    ln_last_pool out = {.channels = own->planes, .divisor = (double)own->divisor, .apart = true};
    for (int i = 0; i < 2; i++) {
        out.in[i] = own->in[i + 1];
        out.out[i] = own->out[i + 1];
        out.dilation[i] = own->dilation[i + 1];
        out.spans[i] = spans;
        for (int64_t o = 0; o < out.out[i]; o++, spans++) {
            const ln_pool_span *span = &own->spans[i + 1][o];
            *spans = (ln_last_span){span->first, span->count, span->divisor};
            if (o > 0 && span->first <= span[-1].first + (span[-1].count - 1) * out.dilation[i])
                out.apart = false;
        }
    }
    return out;
}
