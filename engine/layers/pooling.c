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
 * Which elements are in a window prepare has found out (pooling_windows.c). Work goes a
 * line of the result at a time, tap by tap, so that the inner loop runs along the line; sums are
 * float64 in the order of the taps. The gradient of max goes to the element that won, found again
 * from the pass's inputs (so that a rule may put others there). One pass over taps x places.
 *
 * Source: torch.nn.MaxPool2d, AvgPool2d, LPPool2d, AdaptiveAvgPool2d, AdaptiveMaxPool2d; ONNX:
 * MaxPool, AveragePool, LpPool, GlobalAveragePool, GlobalMaxPool, GlobalLpPool. */
#include "layers/pooling_prepared.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/last.h"

enum { AXES = LN_WINDOW_AXES };

/* ---------------------------------------------------------------- lines */

/* One line of the result of one plane. */
typedef struct pool_line {
    const ln_pool_prepared *pool;
    int64_t z, y; /* its place */
} pool_line;

/* Calls `tap` for every tap of the line's windows along the first two axes and every tap number of
 * the last: `row` is where that line of the input starts in the plane. */
typedef void (*pool_tap)(const ln_pool_prepared *pool, int64_t row, int64_t number, void *context);

static void each_tap(const pool_line *line, pool_tap tap, void *context)
{
    const ln_pool_prepared *pool = line->pool;
    const ln_pool_span *z = &pool->spans[0][line->z], *y = &pool->spans[1][line->y];
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
static inline int64_t tap_at(const ln_pool_prepared *pool, int64_t o, int64_t number)
{
    return pool->spans[2][o].first + number * pool->dilation[2];
}

static inline bool has_tap(const ln_pool_prepared *pool, int64_t o, int64_t number)
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
static inline int32_t max_at(const ln_pool_prepared *pool, const float *x, int64_t corner,
                             int64_t o, int32_t rows, bool place, float *best)
{
    const ln_pool_span *span = &pool->spans[2][o];
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
    const ln_pool_prepared *pool = line->pool;
    const ln_pool_span *z = &pool->spans[0][line->z], *y = &pool->spans[1][line->y];
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

static double power(const ln_pool_prepared *pool, double x)
{
    if (pool->absolute)
        x = fabs(x);
    return pool->p == 2 ? x * x : pool->p == 1 ? x : pow(x, pool->p);
}

static void sum_tap(const ln_pool_prepared *pool, int64_t row, int64_t number, void *context)
{
    const sum_line *line = context;
    for (int64_t o = 0; o < pool->out[2]; o++)
        if (has_tap(pool, o, number))
            line->sum[o] += (double)line->x[row + tap_at(pool, o, number)];
}

static void power_tap(const ln_pool_prepared *pool, int64_t row, int64_t number, void *context)
{
    const sum_line *line = context;
    for (int64_t o = 0; o < pool->out[2]; o++)
        if (has_tap(pool, o, number))
            line->sum[o] += power(pool, (double)line->x[row + tap_at(pool, o, number)]);
}

static double divisor_of(const pool_line *line, int64_t o)
{
    const ln_pool_prepared *pool = line->pool;
    if (pool->divisor)
        return (double)pool->divisor;
    return (double)pool->spans[0][line->z].divisor * (double)pool->spans[1][line->y].divisor *
           (double)pool->spans[2][o].divisor;
}

static void sum_windows(const pool_line *line, const float *x, double *sum)
{
    sum_line sums = {x, sum};
    memset(sum, 0, (size_t)line->pool->out[2] * sizeof *sum);
    each_tap(line, line->pool->kind == LN_POOL_LP ? power_tap : sum_tap, &sums);
}

typedef struct spread_line {
    const float *x;
    float *dx;
    const double *part; /* a place: its gradient's share for each element (lp: times x's own) */
} spread_line;

static void spread_tap(const ln_pool_prepared *pool, int64_t row, int64_t number, void *context)
{
    const spread_line *line = context;
    for (int64_t o = 0; o < pool->out[2]; o++)
        if (has_tap(pool, o, number))
            line->dx[row + tap_at(pool, o, number)] += (float)line->part[o];
}

/* d x^p / dx = p x^(p-1); the p is taken up in `part`. */
static void spread_power_tap(const ln_pool_prepared *pool, int64_t row, int64_t number,
                             void *context)
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
static int64_t place_of(const ln_pool_prepared *pool, int64_t at)
{
    const int64_t x = at % pool->in[2], y = at / pool->in[2] % pool->in[1];
    const int64_t z = at / pool->in[2] / pool->in[1];
    return pool->by_columns ? z + pool->in[0] * (y + pool->in[1] * x) : at;
}

/* The scratch of a line: a number for each window, then the places of the greatest. */
static int32_t *places_in(const ln_pool_prepared *pool, void *scratch)
{
    void *places = (double *)scratch + pool->out[2];
    return places;
}

static void forward_line(const pool_line *line, const float *x, float *y, int64_t *index,
                         void *scratch)
{
    const ln_pool_prepared *pool = line->pool;
    double *sum = scratch;
    int32_t *at = places_in(pool, scratch);
    if (pool->kind == LN_POOL_MAX) {
        find_max(line, x, y, index ? at : NULL);
        for (int64_t o = 0; o < pool->out[2] && index; o++)
            index[o] = place_of(pool, at[o]);
        return;
    }
    sum_windows(line, x, sum);
    for (int64_t o = 0; o < pool->out[2]; o++)
        y[o] = (float)(pool->kind == LN_POOL_AVERAGE ? sum[o] / divisor_of(line, o)
                       : pool->p == 2                ? sqrt(sum[o])
                       : pool->p == 1                ? sum[o]
                                                     : pow(sum[o], 1 / pool->p));
}

/* Windows of `*planes` planes; where no line of them is left over they are one large plane. */
static ln_pairs pairs_of(const ln_pool_prepared *own, int64_t *planes)
{
    ln_pairs pairs = {.lines = own->out[1], .count = own->out[2], .width = own->in[2]};
    if (2 * own->out[1] == own->in[1]) {
        pairs.lines *= *planes;
        *planes = *planes > 0;
    }
    return pairs;
}

static void pairs_forward(const ln_pool_prepared *own, int64_t planes, const float *x, float *y)
{
    const ln_last_kernels *kernels = ln_last_kernels_choose();
    const ln_pairs pairs = pairs_of(own, &planes);
    for (int64_t i = 0; i < planes; i++)
        kernels->pairs_forward(&pairs, x + i * ln_window_volume(own->in),
                               y + i * pairs.lines * pairs.count);
}

ln_status ln_pool_forward(const ln_pass *pass, ln_error *err)
{
    const ln_pool_prepared *own = pass->step->prepared;
    const int64_t size = ln_window_volume(own->in);
    const float *x = pass->in[0];
    float *y = pass->out[0];
    int64_t *index = pass->step->node->output_count > 1 ? pass->out[1] : NULL;
    (void)err;
    if (own->pairs && !index) {
        pairs_forward(own, pass->rows * own->planes, x, y);
        return LN_OK;
    }
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
    const ln_pool_prepared *pool = line->pool;
    double *part = scratch;
    int32_t *at = places_in(pool, scratch);
    if (pool->kind == LN_POOL_MAX) {
        find_max(line, x, scratch, at);
        for (int64_t o = 0; o < pool->out[2]; o++)
            dx[at[o]] += dy[o];
        return;
    }
    spread_line spread = {x, dx, part};
    for (int64_t o = 0; o < pool->out[2]; o++)
        part[o] = pool->kind == LN_POOL_AVERAGE ? (double)dy[o] / divisor_of(line, o)
                  : y[o] == 0 && pool->p > 1    ? 0
                                                : (double)dy[o] * pow((double)y[o], 1 - pool->p);
    each_tap(line, pool->kind == LN_POOL_LP ? spread_power_tap : spread_tap, &spread);
}

static void pairs_backward(const ln_pool_prepared *own, int64_t planes, const float *x,
                           const float *dy, float *dx)
{
    const ln_last_kernels *kernels = ln_last_kernels_choose();
    const int64_t size = ln_window_volume(own->in);
    if (2 * own->out[1] < own->in[1] || 2 * own->out[2] < own->in[2])
        memset(dx, 0, (size_t)(planes * size) * sizeof *dx);
    const ln_pairs pairs = pairs_of(own, &planes);
    for (int64_t i = 0; i < planes; i++)
        kernels->pairs_backward(&pairs, x + i * size, dy + i * pairs.lines * pairs.count,
                                dx + i * size);
}

ln_status ln_pool_backward(const ln_pass *pass, ln_error *err)
{
    const ln_pool_prepared *own = pass->step->prepared;
    const int64_t size = ln_window_volume(own->in);
    const float *x = pass->in[0], *y = pass->out[0], *dy = pass->out_grad[0];
    float *dx = pass->in_grad[0];
    (void)err;
    if (!dx)
        return LN_OK;
    if (own->pairs) {
        pairs_backward(own, pass->rows * own->planes, x, dy, dx);
        return LN_OK;
    }
    memset(dx, 0, (size_t)(pass->rows * own->planes * size) * sizeof *dx);
    for (int64_t i = 0; i < pass->rows * own->planes; i++, x += size, dx += size)
        for (int64_t z = 0; z < own->out[0]; z++)
            for (int64_t row = 0; row < own->out[1]; row++, y += own->out[2], dy += own->out[2]) {
                const pool_line line = {own, z, row};
                backward_line(&line, x, y, dy, dx, pass->scratch);
            }
    return LN_OK;
}
