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
 *
 * and what across_body.h and pooling_body.h, parts of it, say.
 *
 * Loops that use none of them run over neighbouring numbers, and the compiler makes vectors of them. */

#include "kernels/square.h"

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
        for (int64_t c = 0; c < last_column; c += LANES)
            turn_lines(from + r * columns + c, columns, to + c * rows + r, rows);
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
#include "kernels/pooling_body.h"

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
