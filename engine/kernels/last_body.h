/* The bodies of last.h's kernels, compiled once an instruction set. The including file defines
 *
 *     LANES         floats in a register; LN_THIN_LANES is a multiple
 *     FORWARD_PLACES  places of a line that a register block of thin_forward spans
 *     THIN_LIST(X)  X(channels, places): how many places of a line a register block of `thin` spans
 *
 * the type `vector`, NAME, the table's name, and the functions
 *
 *     spread(x)             x in every lane
 *     fused(a, b, c)        a b + c
 *     total(a)              the sum of the lanes, always in the same order
 *     load_part(p, count)   `count` numbers, in the other lanes 0; count <= LANES
 *     store_part(p, a, count)
 *     wins(a, b)            a lane_mask: a is greater than b, or no number
 *     same(a, b)            the same: equal
 *     choose(mask, a, b)    a where the mask is set, else b
 *
 * Loops that use none of them run over neighbouring numbers, and the compiler makes vectors of them. */

#include "kernels/square.h"

#define BLOCK 64 /* channels of a pooling that are looked at together */

static void finish(const ln_finish *finish, int64_t count, const float *add, float *y)
{
    const float low = finish->low, high = finish->high;
    if (finish->kind == LN_FINISH_RELU && add)
        for (int64_t i = 0; i < count; i++) {
            const float x = y[i] + add[i];
            y[i] = x <= 0 ? 0 : x;
        }
    else if (finish->kind == LN_FINISH_RELU)
        for (int64_t i = 0; i < count; i++)
            y[i] = y[i] <= 0 ? 0 : y[i];
    else if (finish->kind == LN_FINISH_CLAMP)
        for (int64_t i = 0; i < count; i++) {
            const float x = add ? y[i] + add[i] : y[i];
            const float raised = x <= low ? low : x;
            y[i] = raised > high ? high : raised;
        }
    else if (add)
        for (int64_t i = 0; i < count; i++)
            y[i] += add[i];
}

static void keep(const ln_finish *finish, int64_t count, const float *y, const float *dy, float *dz)
{
    const float low = finish->low, high = finish->high;
    if (finish->kind == LN_FINISH_RELU)
        for (int64_t i = 0; i < count; i++) {
            const float slope = dy[i]; /* read always, so that the loop has no branch */
            dz[i] = y[i] <= 0 ? 0 : slope;
        }
    else
        for (int64_t i = 0; i < count; i++) {
            const float slope = dy[i];
            dz[i] = (y[i] > low) & (y[i] < high) ? slope : 0;
        }
}

static void add(int64_t count, const float *from, float *to)
{
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

/* ---------------------------------------------------------------- poolings */

/* Where the taps of one place are: rows x columns of them, in elements of the image. */
typedef struct place {
    int64_t first, down, across;
    int32_t rows, columns;
    double divisor;
} place;

static place place_at(const ln_last_pool *pool, int64_t row, int64_t column)
{
    const ln_last_span *r = &pool->spans[0][row], *c = &pool->spans[1][column];
    const int64_t line = pool->in[1] * pool->channels;
    return (place){.first = r->first * line + c->first * pool->channels,
                   .down = pool->dilation[0] * line,
                   .across = pool->dilation[1] * pool->channels,
                   .rows = r->count,
                   .columns = c->count,
                   .divisor = pool->divisor != 0 ? pool->divisor
                                                 : (double)r->divisor * (double)c->divisor};
}

static int64_t block_at(const ln_last_pool *pool, int64_t first)
{
    return pool->channels - first < BLOCK ? pool->channels - first : BLOCK;
}

/* `count` channels of one place: the greatest and the number of its tap, the first of equals; a NaN
 * wins. */
static inline vector find_max(const place *at, const float *x, int64_t count, vector *tap)
{
    vector best = load_part(x, count), number = {0};
    *tap = number;
    for (int32_t i = 0; i < at->rows; i++)
        for (int32_t j = 0; j < at->columns; j++, number += 1) {
            const vector here = load_part(x + i * at->down + j * at->across, count);
            const lane_mask better = wins(here, best);
            best = choose(better, here, best);
            *tap = choose(better, number, *tap);
        }
    return best;
}

static void max_forward(const ln_last_pool *pool, const float *x, float *y)
{
    for (int64_t row = 0; row < pool->out[0]; row++)
        for (int64_t column = 0; column < pool->out[1]; column++, y += pool->channels) {
            const place at = place_at(pool, row, column);
            for (int64_t c = 0; c < pool->channels; c += LANES) {
                const int64_t left = pool->channels - c, count = left < LANES ? left : LANES;
                vector tap;
                store_part(y + c, find_max(&at, x + at.first + c, count, &tap), count);
            }
        }
}

/* The lines of dx up to the last of a window (NULL: all). */
static void clear_lines(const ln_last_pool *pool, const ln_last_span *span, float *dx,
                        int64_t *cleared)
{
    const int64_t line = pool->in[1] * pool->channels;
    const int64_t end =
        span ? span->first + (span->count - 1) * pool->dilation[0] + 1 : pool->in[0];
    if (end <= *cleared)
        return;
    memset(dx + *cleared * line, 0, (size_t)((end - *cleared) * line) * sizeof *dx);
    *cleared = end;
}

static void max_backward(const ln_last_pool *pool, const float *x, const float *dy, float *dx)
{
    int64_t cleared =
        0; /* lines of dx: each shortly before it is added to, so that it stays near */
    for (int64_t row = 0; row < pool->out[0]; row++) {
        clear_lines(pool, &pool->spans[0][row], dx, &cleared);
        for (int64_t column = 0; column < pool->out[1]; column++, dy += pool->channels) {
            const place at = place_at(pool, row, column);
            for (int64_t c = 0; c < pool->channels; c += LANES) {
                const int64_t left = pool->channels - c, count = left < LANES ? left : LANES;
                const vector slope = load_part(dy + c, count);
                vector tap, number = {0};
                find_max(&at, x + at.first + c, count, &tap);
                for (int32_t i = 0; i < at.rows; i++)
                    for (int32_t j = 0; j < at.columns; j++, number += 1) {
                        float *to = dx + at.first + c + i * at.down + j * at.across;
                        vector sum = choose(same(tap, number), slope, (vector){0});
                        if (!pool->apart)
                            sum += load_part(to, count);
                        store_part(to, sum, count);
                    }
            }
        }
    }
    clear_lines(pool, NULL, dx, &cleared);
}

/* The even and the odd ones of 2 LANES numbers, and back. */
static inline void part_pairs(vector a, vector b, vector *even, vector *odd)
{
    static const int32_t numbers[16] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
    const square_lanes at = *(const square_lanes *)numbers;
    *even = __builtin_shuffle(a, b, at);
    *odd = __builtin_shuffle(a, b, at + 1);
}

static inline void join_pairs(vector even, vector odd, vector *a, vector *b)
{
    static const int32_t numbers[16] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7};
    static const int32_t sides[16] = {0, LANES, 0, LANES, 0, LANES, 0, LANES,
                                      0, LANES, 0, LANES, 0, LANES, 0, LANES};
    const square_lanes at = *(const square_lanes *)numbers + *(const square_lanes *)sides;
    *a = __builtin_shuffle(even, odd, at);
    *b = __builtin_shuffle(even, odd, at + LANES / 2);
}

/* The greatest of `count` windows of 2 x 2 and the number of its tap, as find_max. */
static inline vector max_of_pairs(const float *const x[2], int64_t first, int64_t count,
                                  vector *tap)
{
    const int64_t near = 2 * count < LANES ? 2 * count : LANES, far = 2 * count - near;
    vector taps[4], number = {0};
    for (int row = 0; row < 2; row++) {
        const float *from = x[row] + 2 * first;
        const vector b = far ? load_part(from + LANES, far) : (vector){0};
        part_pairs(load_part(from, near), b, &taps[2 * row], &taps[2 * row + 1]);
    }
    vector best = taps[0];
    *tap = number;
    for (int i = 1; i < 4; i++) {
        const lane_mask better = wins(taps[i], best);
        number += 1;
        best = choose(better, taps[i], best);
        *tap = choose(better, number, *tap);
    }
    return best;
}

static void pairs_forward(int64_t count, const float *const x[2], float *y)
{
    for (int64_t first = 0; first < count; first += LANES) {
        const int64_t left = count - first < LANES ? count - first : LANES;
        vector tap;
        store_part(y + first, max_of_pairs(x, first, left, &tap), left);
    }
}

static void pairs_backward(int64_t count, const float *const x[2], const float *dy,
                           float *const dx[2])
{
    for (int64_t first = 0; first < count; first += LANES) {
        const int64_t left = count - first < LANES ? count - first : LANES;
        const int64_t near = 2 * left < LANES ? 2 * left : LANES, far = 2 * left - near;
        const vector slope = load_part(dy + first, left), zero = {0};
        vector tap, number = {0};
        max_of_pairs(x, first, left, &tap);
        for (int row = 0; row < 2; row++, number += 2) {
            vector a, b;
            join_pairs(choose(same(tap, number), slope, zero),
                       choose(same(tap, number + 1), slope, zero), &a, &b);
            store_part(dx[row] + 2 * first, a, near);
            if (far)
                store_part(dx[row] + 2 * first + LANES, b, far);
        }
    }
}

static void mean_forward(const ln_last_pool *pool, const float *x, float *y)
{
    double sum[BLOCK];
    for (int64_t row = 0; row < pool->out[0]; row++)
        for (int64_t column = 0; column < pool->out[1]; column++, y += pool->channels) {
            const place at = place_at(pool, row, column);
            for (int64_t first = 0; first < pool->channels; first += BLOCK) {
                const int64_t channels = block_at(pool, first);
                memset(sum, 0, sizeof sum);
                for (int32_t i = 0; i < at.rows; i++)
                    for (int32_t j = 0; j < at.columns; j++) {
                        const float *here = x + at.first + first + i * at.down + j * at.across;
                        for (int64_t c = 0; c < channels; c++)
                            sum[c] += (double)here[c];
                    }
                for (int64_t c = 0; c < channels; c++)
                    y[first + c] = (float)(sum[c] / at.divisor);
            }
        }
}

static void mean_backward(const ln_last_pool *pool, const float *dy, float *dx)
{
    float part[BLOCK];
    memset(dx, 0, (size_t)(pool->in[0] * pool->in[1] * pool->channels) * sizeof *dx);
    for (int64_t row = 0; row < pool->out[0]; row++)
        for (int64_t column = 0; column < pool->out[1]; column++, dy += pool->channels) {
            const place at = place_at(pool, row, column);
            for (int64_t first = 0; first < pool->channels; first += BLOCK) {
                const int64_t channels = block_at(pool, first);
                for (int64_t c = 0; c < channels; c++)
                    part[c] = (float)((double)dy[first + c] / at.divisor);
                for (int32_t i = 0; i < at.rows; i++)
                    for (int32_t j = 0; j < at.columns; j++) {
                        float *to = dx + at.first + first + i * at.down + j * at.across;
                        for (int64_t c = 0; c < channels; c++)
                            to[c] += part[c];
                    }
            }
        }
}

/* ---------------------------------------------------------------- few channels */

/* A tap of the kernel that some line of dx reads: at place q + `ox` of a line of dy. */
typedef struct thin_tap {
    const float *line;   /* of dy, its place 0 */
    const float *weight; /* (lanes / LN_THIN_LANES, channels, LN_THIN_LANES) */
    int64_t ox;
} thin_tap;

/* dx at `places` places from `first` on, `taps` taps each: sums over taps and output channels, a lane
 * each, and over the lanes at the end. `inside`: every place has every tap. */
static inline __attribute__((always_inline)) void thin_block(const ln_thin *t, const thin_tap *taps,
                                                             int count, const int64_t lanes,
                                                             const int channels, const int places,
                                                             const bool inside, int64_t first,
                                                             float *dx)
{
    enum { MOST = 16 };
    static const float zeros[LN_THIN_LANES] __attribute__((aligned(64)));
    vector sum[LN_THIN_CHANNELS][MOST];
#pragma GCC unroll 16
    for (int c = 0; c < channels; c++)
#pragma GCC unroll 16
        for (int p = 0; p < places; p++)
            sum[c][p] = (vector){0};
    for (int k = 0; k < count; k++) {
        const int64_t ox = taps[k].ox + first;
        for (int64_t lane = 0; lane < lanes; lane += LANES) {
            const float *from = taps[k].weight + lane / LN_THIN_LANES * channels * LN_THIN_LANES +
                                lane % LN_THIN_LANES;
            const float *line = taps[k].line + ox * lanes + lane;
            vector w[LN_THIN_CHANNELS];
#pragma GCC unroll 16
            for (int c = 0; c < channels; c++)
                w[c] = *(const vector *)(from + c * LN_THIN_LANES);
#pragma GCC unroll 16
            for (int p = 0; p < places; p++) {
                const bool there = inside || (ox + p >= -t->left && ox + p < t->out[1]);
                const vector d = *(const vector *)(there ? line + p * lanes : zeros);
#pragma GCC unroll 16
                for (int c = 0; c < channels; c++)
                    sum[c][p] = fused(d, w[c], sum[c][p]);
            }
        }
    }
    const int64_t left = (t->in[1] - 1 - first * t->stride[1]) / t->stride[1] + 1;
#pragma GCC unroll 16
    for (int p = 0; p < places; p++)
#pragma GCC unroll 16
        for (int c = 0; c < channels; c++)
            if (p < left)
                dx[p * t->stride[1] * channels + c] = total(sum[c][p]);
}

/* The taps of the places (row, phase + stride q) of dx, which read the same ones. */
static int thin_taps(const ln_thin *t, const float *dy, int64_t row, int64_t phase, thin_tap *taps)
{
    const int64_t panel = t->lanes * t->channels,
                  line = (t->left + t->out[1] + t->right) * t->lanes;
    int count = 0;
    for (int64_t ky = (row + t->before[0]) % t->stride[0]; ky < t->kernel[0]; ky += t->stride[0]) {
        const int64_t oy = (row + t->before[0] - ky) / t->stride[0];
        if (row + t->before[0] < ky || oy >= t->out[0])
            continue;
        for (int64_t kx = (phase + t->before[1]) % t->stride[1]; kx < t->kernel[1];
             kx += t->stride[1])
            taps[count++] = (thin_tap){.line = dy + oy * line + t->left * t->lanes,
                                       .weight = t->weight + (ky * t->kernel[1] + kx) * panel,
                                       .ox = (phase + t->before[1] - kx) / t->stride[1]};
    }
    return count;
}

/* The places (row, phase + stride q) of a line of dx. */
static inline __attribute__((always_inline)) void thin_line(const ln_thin *t, const thin_tap *taps,
                                                            int count, const int64_t lanes,
                                                            const int channels, const int places,
                                                            int64_t phase, float *dx)
{
    int64_t least = 0, most = 0;
    for (int k = 0; k < count; k++) {
        least = k == 0 || taps[k].ox < least ? taps[k].ox : least;
        most = k == 0 || taps[k].ox > most ? taps[k].ox : most;
    }
    ln_thin shifted = *t; /* so that a line begins at its place `phase` */
    shifted.in[1] -= phase;
    for (int64_t q = 0; q * t->stride[1] < shifted.in[1]; q += places) {
        float *to = dx + (phase + q * t->stride[1]) * channels;
        if (least + q >= -t->left && most + q + places <= t->out[1] + t->right)
            thin_block(&shifted, taps, count, lanes, channels, places, true, q, to);
        else
            thin_block(&shifted, taps, count, lanes, channels, places, false, q, to);
    }
}

static void thin(const ln_thin *t, const float *dy, float *dx)
{
    thin_tap taps[LN_THIN_TAPS];
    for (int64_t row = 0; row < t->in[0]; row++, dx += t->in[1] * t->channels)
        for (int64_t phase = 0; phase < t->stride[1] && phase < t->in[1]; phase++) {
            const int count = thin_taps(t, dy, row, phase, taps);
            /* Lanes that are constants make addresses that are. */
            switch (t->channels * 4 + (t->lanes == 16   ? 0
                                       : t->lanes == 32 ? 1
                                       : t->lanes == 64 ? 2
                                                        : 3)) {
#define X(channels, places)                                                                        \
    case (channels)*4:                                                                             \
        thin_line(t, taps, count, 16, channels, places, phase, dx);                                \
        break;                                                                                     \
    case (channels)*4 + 1:                                                                         \
        thin_line(t, taps, count, 32, channels, places, phase, dx);                                \
        break;                                                                                     \
    case (channels)*4 + 2:                                                                         \
        thin_line(t, taps, count, 64, channels, places, phase, dx);                                \
        break;                                                                                     \
    case (channels)*4 + 3:                                                                         \
        thin_line(t, taps, count, t->lanes, channels, places, phase, dx);                          \
        break;
                THIN_LIST(X)
#undef X
            default:
                break;
            }
        }
}

/* `places` places of a line of y, whose first taps begin at `x`. */
static inline __attribute__((always_inline)) void thin_forward_block(const ln_thin *t,
                                                                     const float *x, int64_t line,
                                                                     const float *bias,
                                                                     const int places, float *y)
{
    enum { MOST = 16 };
    const int64_t step = t->stride[1] * t->channels, width = t->kernel[1] * t->channels;
    for (int64_t lane = 0; lane < t->results; lane += LANES) {
        const int64_t left = t->results - lane, count = left < LANES ? left : LANES;
        const float *weight = t->weight + lane;
        vector sum[MOST];
#pragma GCC unroll 16
        for (int p = 0; p < places; p++)
            sum[p] = load_part(bias + lane, count);
        for (int64_t ky = 0; ky < t->kernel[0]; ky++)
            for (int64_t k = 0; k < width; k++, weight += LN_THIN_LANES) {
                const vector w = *(const vector *)weight;
                const float *from = x + ky * line + k;
#pragma GCC unroll 16
                for (int p = 0; p < places; p++)
                    sum[p] = fused(spread(from[p * step]), w, sum[p]);
            }
#pragma GCC unroll 16
        for (int p = 0; p < places; p++)
            store_part(y + p * t->results + lane, sum[p], count);
    }
}

static void thin_forward(const ln_thin *t, const float *x, int64_t line, const float *bias,
                         float *y)
{
    for (int64_t row = 0; row < t->out[0]; row++, y += t->out[1] * t->results) {
        const float *from = x + row * t->stride[0] * line;
        const int64_t step = t->stride[1] * t->channels;
        int64_t p = 0;
        for (; p + FORWARD_PLACES <= t->out[1]; p += FORWARD_PLACES)
            thin_forward_block(t, from + p * step, line, bias, FORWARD_PLACES, y + p * t->results);
        for (; p < t->out[1]; p++)
            thin_forward_block(t, from + p * step, line, bias, 1, y + p * t->results);
    }
}

static void widen(int64_t places, int64_t channels, int64_t lanes, const float *from, float *to)
{
    for (int64_t p = 0; p < places; p++, from += channels, to += lanes)
        for (int64_t lane = 0; lane < lanes; lane += LANES) {
            const int64_t left = channels - lane > 0 ? channels - lane : 0;
            const int64_t count = left < LANES ? left : LANES;
            store_part(to + lane, load_part(from + lane, count), LANES);
        }
}

/* In squares of registers; what is left over at the edges, number by number. */
static void turn(int64_t rows, int64_t columns, const float *from, float *to)
{
    const int64_t last_row = rows / LANES * LANES, last_column = columns / LANES * LANES;
    for (int64_t r = 0; r < last_row; r += LANES)
        for (int64_t c = 0; c < last_column; c += LANES) {
            vector x[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++)
                x[i] = *(const vector *)(from + (r + i) * columns + c);
            turn_square(x);
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++)
                *(vector *)(to + (c + i) * rows + r) = x[i];
        }
    for (int64_t c = 0; c < columns; c++)
        for (int64_t r = c < last_column ? last_row : 0; r < rows; r++)
            to[c * rows + r] = from[r * columns + c];
}

static void windows(const ln_windows *own, const int32_t *first, int64_t count, const float *x,
                    float *panels)
{
    for (int64_t panel = 0; panel < own->panels; panel++)
        for (int64_t p = 0; p < count; p++, panels += LN_WINDOW_LANES)
            for (int32_t i = own->segments[panel]; i < own->segments[panel + 1]; i++)
                memcpy(panels + own->to[i], x + first[p] + own->from[i],
                       LN_WINDOW_LANES * sizeof *panels);
}

#include "kernels/across_body.h"

const ln_last_kernels NAME = {
    .finish = finish,
    .keep = keep,
    .add = add,
    .max_forward = max_forward,
    .max_backward = max_backward,
    .pairs_forward = pairs_forward,
    .pairs_backward = pairs_backward,
    .mean_forward = mean_forward,
    .mean_backward = mean_backward,
    .thin = thin,
    .across = across,
    .thin_forward = thin_forward,
    .widen = widen,
    .turn = turn,
    .windows = windows,
};
