/* Poolings over windows of one to three axes: max_pool, avg_pool, lp_pool and their adaptive forms.
 * x (N, C, spatial ...), y (N, C, places of the window ...); each channel on its own.
 *
 *     max    the greatest element; the first of equals; a NaN wins, as in PyTorch
 *     avg    the mean; padding counts in it where count_include_pad says so, but never what lies
 *            beyond the padding (a last window that ceil_mode adds)
 *     lp     (sum of x^p)^(1/p), in ONNX of |x|^p; padding counts as 0
 *
 * An adaptive pooling has a window of its own at each place o of an axis: from floor(o in / out) to
 * ceil((o + 1) in / out); with output size 1 it is the global one.
 *
 * Per axis and place a table says which elements are in the window (made in prepare). Work goes a
 * line of the result at a time, tap by tap, so that the inner loop runs along the line; sums are
 * float64 in the order of the taps. The gradient of max goes to the element that won, found again
 * from the pass's inputs (so that a rule may put others there). One pass over taps x places.
 *
 * Source: torch.nn.MaxPool2d, AvgPool2d, LPPool2d, AdaptiveAvgPool2d, AdaptiveMaxPool2d; ONNX:
 * MaxPool, AveragePool, LpPool, GlobalAveragePool, GlobalMaxPool, GlobalLpPool. */
#include "layers/pooling.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

enum { AXES = LN_WINDOW_AXES };

typedef enum pool_kind { POOL_MAX, POOL_AVERAGE, POOL_LP } pool_kind;

/* The window at one place of an axis. */
typedef struct pool_span {
    int32_t first;   /* element it starts at, inside the input */
    int32_t count;   /* elements of it that are inside, `dilation` apart */
    int32_t divisor; /* elements that count in a mean */
} pool_span;

/* What prepare makes. */
typedef struct pool_prepared {
    pool_kind kind;
    int64_t in[AXES], out[AXES], dilation[AXES];
    int64_t most;           /* elements of the longest window of the last axis */
    int64_t planes;         /* channels of all images of a row */
    int64_t divisor;        /* of every mean; 0: as the spans say */
    double p;               /* of lp */
    bool absolute;          /* lp: of |x| */
    bool by_columns;        /* max: places count the first axis fastest */
    pool_span *spans[AXES]; /* one a place of the axis */
} pool_prepared;

/* ---------------------------------------------------------------- shapes */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_adaptive(const ln_layer *layer)
{
    return starts_with(layer->word.name, "adaptive_");
}

static pool_kind kind_of(const ln_layer *layer)
{
    const char *name = layer->word.name + (is_adaptive(layer) ? strlen("adaptive_") : 0);
    return starts_with(name, "max") ? POOL_MAX : starts_with(name, "avg") ? POOL_AVERAGE : POOL_LP;
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
    pool_prepared *own = step->prepared;
    if (!own)
        return;
    for (int i = 0; i < AXES; i++)
        ln_free(own->spans[i]);
    ln_free(own);
    step->prepared = NULL;
}

static pool_span sliding_span(const ln_window *window, int axis, int64_t place, bool padding)
{
    const int64_t dilation = window->dilation[axis], in = window->in[axis];
    const int64_t start = place * window->stride[axis] - window->before[axis];
    const int64_t skipped = start < 0 ? (dilation - 1 - start) / dilation : 0;
    const int64_t first = start + skipped * dilation;
    int64_t count = (in - first + dilation - 1) / dilation;
    int64_t padded = (in + window->after[axis] - start + dilation - 1) / dilation;
    count = count < window->kernel[axis] - skipped ? count : window->kernel[axis] - skipped;
    padded = padded < window->kernel[axis] ? padded : window->kernel[axis];
    return (pool_span){(int32_t)first, (int32_t)count, (int32_t)(padding ? padded : count)};
}

static pool_span adaptive_span(const ln_window *window, int axis, int64_t place)
{
    const int64_t in = window->in[axis], out = window->out[axis];
    const int64_t first = place * in / out, end = ((place + 1) * in + out - 1) / out;
    return (pool_span){(int32_t)first, (int32_t)(end - first), (int32_t)(end - first)};
}

static ln_status make_spans(pool_prepared *own, const ln_window *window, bool adaptive,
                            bool padding, ln_error *err)
{
    for (int i = 0; i < AXES; i++) {
        own->in[i] = window->in[i];
        own->out[i] = window->out[i];
        own->dilation[i] = window->dilation[i];
        own->spans[i] = ln_calloc((size_t)window->out[i], sizeof(pool_span));
        if (!own->spans[i])
            return ln_fail_memory(err, (size_t)window->out[i] * sizeof(pool_span));
        for (int64_t o = 0; o < window->out[i]; o++) {
            own->spans[i][o] =
                adaptive ? adaptive_span(window, i, o) : sliding_span(window, i, o, padding);
            if (i == AXES - 1 && own->spans[i][o].count > own->most)
                own->most = own->spans[i][o].count;
        }
    }
    return LN_OK;
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
    pool_prepared *own = step->prepared = ln_calloc(1, sizeof *own);
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
    step->scratch_bytes = (size_t)own->out[AXES - 1] * (sizeof(double) + sizeof(int32_t));
    return status;
}

ln_last_pool ln_pool_windows(const ln_step *step, ln_last_span *spans)
{
    const pool_prepared *own = step->prepared;
    ln_last_pool out = {.channels = own->planes, .divisor = (double)own->divisor, .apart = true};
    for (int i = 0; i < 2; i++) {
        out.in[i] = own->in[i + 1];
        out.out[i] = own->out[i + 1];
        out.dilation[i] = own->dilation[i + 1];
        out.spans[i] = spans;
        for (int64_t o = 0; o < out.out[i]; o++, spans++) {
            const pool_span *span = &own->spans[i + 1][o];
            *spans = (ln_last_span){span->first, span->count, span->divisor};
            if (o > 0 && span->first <= span[-1].first + (span[-1].count - 1) * out.dilation[i])
                out.apart = false;
        }
    }
    return out;
}

/* ---------------------------------------------------------------- lines */

/* One line of the result of one plane. */
typedef struct pool_line {
    const pool_prepared *pool;
    int64_t z, y; /* its place */
} pool_line;

/* Calls `tap` for every tap of the line's windows along the first two axes and every tap number of
 * the last: `row` is where that line of the input starts in the plane. */
typedef void (*pool_tap)(const pool_prepared *pool, int64_t row, int64_t number, void *context);

static void each_tap(const pool_line *line, pool_tap tap, void *context)
{
    const pool_prepared *pool = line->pool;
    const pool_span *z = &pool->spans[0][line->z], *y = &pool->spans[1][line->y];
    for (int32_t i = 0; i < z->count; i++)
        for (int32_t j = 0; j < y->count; j++) {
            const int64_t at_z = z->first + i * pool->dilation[0];
            const int64_t row =
                (at_z * pool->in[1] + y->first + j * pool->dilation[1]) * pool->in[2];
            for (int64_t number = 0; number < pool->most; number++)
                tap(pool, row, number, context);
        }
}

/* The place in the plane that tap `number` of window `o` reads, relative to its line's start. */
static inline int64_t tap_at(const pool_prepared *pool, int64_t o, int64_t number)
{
    return pool->spans[2][o].first + number * pool->dilation[2];
}

static inline bool has_tap(const pool_prepared *pool, int64_t o, int64_t number)
{
    return number < pool->spans[2][o].count;
}

/* ---------------------------------------------------------------- max */

/* Elements of a window along the last two axes. */
typedef struct max_window {
    int32_t rows, columns;
    int64_t down, across; /* from one element to the next */
} max_window;

/* The same by the definition, for windows that may hold a NaN. */
static int32_t max_with_nan(const float *x, int64_t first, max_window window, float *best)
{
    int64_t place = first;
    for (int32_t i = 0; i < window.rows; i++)
        for (int32_t j = 0; j < window.columns; j++) {
            const int64_t here = first + i * window.down + j * window.across;
            place = x[here] > x[place] || isnan(x[here]) ? here : place;
        }
    *best = x[place];
    return (int32_t)place;
}

/* The greatest element of the window whose first is x[first], and its place. Without a branch that
 * depends on the numbers: the value, then the first place that has it. Inlined, so that windows of
 * constant size unroll. A sum that is a NaN tells of one, or of infinities. */
static inline int32_t max_of(const float *x, int64_t first, const max_window window, bool place,
                             float *best)
{
    float greatest = x[first], sum = 0;
    for (int32_t i = 0; i < window.rows; i++)
        for (int32_t j = 0; j < window.columns; j++) {
            const float here = x[first + i * window.down + j * window.across];
            greatest = here > greatest ? here : greatest;
            sum += here;
        }
    if (isnan(sum))
        return max_with_nan(x, first, window, best);
    *best = greatest;
    int64_t at = first;
    for (int32_t i = window.rows - 1; i >= 0 && place; i--)
        for (int32_t j = window.columns - 1; j >= 0; j--) {
            const int64_t here = first + i * window.down + j * window.across;
            at = x[here] >= greatest ? here : at;
        }
    return (int32_t)at;
}

/* Window `o` of a line in the depth of the plane where it starts at `corner`. */
static inline int32_t max_at(const pool_prepared *pool, const float *x, int64_t corner, int64_t o,
                             int32_t rows, bool place, float *best)
{
    const pool_span *span = &pool->spans[2][o];
    const int64_t first = corner + span->first, down = pool->dilation[1] * pool->in[2];
    if (rows == 2 && span->count == 2)
        return max_of(x, first, (max_window){2, 2, down, pool->dilation[2]}, place, best);
    if (rows == 3 && span->count == 3)
        return max_of(x, first, (max_window){3, 3, down, pool->dilation[2]}, place, best);
    return max_of(x, first, (max_window){rows, span->count, down, pool->dilation[2]}, place, best);
}

/* The greatest of each window of a line and, unless `at` is NULL, its place in the plane. */
static void find_max(const pool_line *line, const float *x, float *best, int32_t *at)
{
    const pool_prepared *pool = line->pool;
    const pool_span *z = &pool->spans[0][line->z], *y = &pool->spans[1][line->y];
    const int64_t deeper = pool->dilation[0] * pool->in[1] * pool->in[2];
    const int64_t corner = (z->first * pool->in[1] + y->first) * pool->in[2];
    for (int64_t o = 0; o < pool->out[2]; o++) {
        const int32_t place = max_at(pool, x, corner, o, y->count, at != NULL, &best[o]);
        if (at)
            at[o] = place;
        for (int32_t depth = 1; depth < z->count; depth++) {
            float rival;
            const int32_t its =
                max_at(pool, x, corner + depth * deeper, o, y->count, at != NULL, &rival);
            if (!(rival > best[o] || isnan(rival)))
                continue;
            best[o] = rival;
            if (at)
                at[o] = its;
        }
    }
}

/* ---------------------------------------------------------------- avg and lp */

typedef struct sum_line {
    const float *x;
    double *sum; /* a place */
} sum_line;

static double power(const pool_prepared *pool, double x)
{
    if (pool->absolute)
        x = fabs(x);
    return pool->p == 2 ? x * x : pool->p == 1 ? x : pow(x, pool->p);
}

static void sum_tap(const pool_prepared *pool, int64_t row, int64_t number, void *context)
{
    const sum_line *line = context;
    for (int64_t o = 0; o < pool->out[2]; o++)
        if (has_tap(pool, o, number))
            line->sum[o] += (double)line->x[row + tap_at(pool, o, number)];
}

static void power_tap(const pool_prepared *pool, int64_t row, int64_t number, void *context)
{
    const sum_line *line = context;
    for (int64_t o = 0; o < pool->out[2]; o++)
        if (has_tap(pool, o, number))
            line->sum[o] += power(pool, (double)line->x[row + tap_at(pool, o, number)]);
}

static double divisor_of(const pool_line *line, int64_t o)
{
    const pool_prepared *pool = line->pool;
    if (pool->divisor)
        return (double)pool->divisor;
    return (double)pool->spans[0][line->z].divisor * (double)pool->spans[1][line->y].divisor *
           (double)pool->spans[2][o].divisor;
}

static void sum_windows(const pool_line *line, const float *x, double *sum)
{
    sum_line sums = {x, sum};
    memset(sum, 0, (size_t)line->pool->out[2] * sizeof *sum);
    each_tap(line, line->pool->kind == POOL_LP ? power_tap : sum_tap, &sums);
}

typedef struct spread_line {
    const float *x;
    float *dx;
    const double *part; /* a place: its gradient's share for each element (lp: times x's own) */
} spread_line;

static void spread_tap(const pool_prepared *pool, int64_t row, int64_t number, void *context)
{
    const spread_line *line = context;
    for (int64_t o = 0; o < pool->out[2]; o++)
        if (has_tap(pool, o, number))
            line->dx[row + tap_at(pool, o, number)] += (float)line->part[o];
}

/* d x^p / dx = p x^(p-1); the p is taken up in `part`. */
static void spread_power_tap(const pool_prepared *pool, int64_t row, int64_t number, void *context)
{
    const spread_line *line = context;
    for (int64_t o = 0; o < pool->out[2]; o++) {
        if (!has_tap(pool, o, number) || line->part[o] == 0)
            continue;
        const int64_t at = row + tap_at(pool, o, number);
        const double x = (double)line->x[at];
        const double slope = pool->absolute ? copysign(pow(fabs(x), pool->p - 1), x) * (x != 0)
                                            : pow(x, pool->p - 1);
        line->dx[at] += (float)(line->part[o] * slope);
    }
}

/* ---------------------------------------------------------------- passes */

/* A place in a plane, as the second output counts it. */
static int64_t place_of(const pool_prepared *pool, int64_t at)
{
    const int64_t x = at % pool->in[2], y = at / pool->in[2] % pool->in[1];
    const int64_t z = at / pool->in[2] / pool->in[1];
    return pool->by_columns ? z + pool->in[0] * (y + pool->in[1] * x) : at;
}

/* The scratch of a line: a number for each window, then the places of the greatest. */
static int32_t *places_in(const pool_prepared *pool, void *scratch)
{
    void *places = (double *)scratch + pool->out[2];
    return places;
}

static void forward_line(const pool_line *line, const float *x, float *y, int64_t *index,
                         void *scratch)
{
    const pool_prepared *pool = line->pool;
    double *sum = scratch;
    int32_t *at = places_in(pool, scratch);
    if (pool->kind == POOL_MAX) {
        find_max(line, x, y, index ? at : NULL);
        for (int64_t o = 0; o < pool->out[2] && index; o++)
            index[o] = place_of(pool, at[o]);
        return;
    }
    sum_windows(line, x, sum);
    for (int64_t o = 0; o < pool->out[2]; o++)
        y[o] = (float)(pool->kind == POOL_AVERAGE ? sum[o] / divisor_of(line, o)
                       : pool->p == 2             ? sqrt(sum[o])
                       : pool->p == 1             ? sum[o]
                                                  : pow(sum[o], 1 / pool->p));
}

ln_status ln_pool_forward(const ln_pass *pass, ln_error *err)
{
    const pool_prepared *own = pass->step->prepared;
    const int64_t size = ln_window_volume(own->in);
    const float *x = pass->in[0];
    float *y = pass->out[0];
    int64_t *index = pass->step->node->output_count > 1 ? pass->out[1] : NULL;
    (void)err;
    for (int64_t i = 0; i < pass->rows * own->planes; i++, x += size)
        for (int64_t z = 0; z < own->out[0]; z++)
            for (int64_t row = 0; row < own->out[1]; row++, y += own->out[2]) {
                const pool_line line = {own, z, row};
                forward_line(&line, x, y, index, pass->scratch);
                for (int64_t o = 0; o < own->out[2] && index; o++)
                    index[o] += i % own->planes * size;
                index = index ? index + own->out[2] : NULL;
            }
    return LN_OK;
}

static void backward_line(const pool_line *line, const float *x, const float *y, const float *dy,
                          float *dx, void *scratch)
{
    const pool_prepared *pool = line->pool;
    double *part = scratch;
    int32_t *at = places_in(pool, scratch);
    if (pool->kind == POOL_MAX) {
        find_max(line, x, scratch, at);
        for (int64_t o = 0; o < pool->out[2]; o++)
            dx[at[o]] += dy[o];
        return;
    }
    spread_line spread = {x, dx, part};
    for (int64_t o = 0; o < pool->out[2]; o++)
        part[o] = pool->kind == POOL_AVERAGE ? (double)dy[o] / divisor_of(line, o)
                  : y[o] == 0 && pool->p > 1 ? 0
                                             : (double)dy[o] * pow((double)y[o], 1 - pool->p);
    each_tap(line, pool->kind == POOL_LP ? spread_power_tap : spread_tap, &spread);
}

ln_status ln_pool_backward(const ln_pass *pass, ln_error *err)
{
    const pool_prepared *own = pass->step->prepared;
    const int64_t size = ln_window_volume(own->in);
    const float *x = pass->in[0], *y = pass->out[0], *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0];
    (void)err;
    if (!dx)
        return LN_OK;
    memset(dx, 0, (size_t)(pass->rows * own->planes * size) * sizeof *dx);
    for (int64_t i = 0; i < pass->rows * own->planes; i++, x += size, dx += size)
        for (int64_t z = 0; z < own->out[0]; z++)
            for (int64_t row = 0; row < own->out[1]; row++, y += own->out[2], dy += own->out[2]) {
                const pool_line line = {own, z, row};
                backward_line(&line, x, y, dy, dx, pass->scratch);
            }
    return LN_OK;
}
