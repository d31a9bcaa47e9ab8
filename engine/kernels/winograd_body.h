/* The bodies of winograd.h's kernels, compiled once an instruction set. The including file defines
 *
 *     LANES       floats in a register; LN_WINOGRAD_BLOCK is a multiple
 *     ROWS(X)     X(1) X(2) ...: how many rows a register block of `product` may have
 *     MOST_ROWS   the last of these
 *     VECTORS     registers of a panel that a register block spans
 *
 * the type `vector`, NAME, the table's name, and the functions
 *
 *     spread(x)                x in every lane
 *     fused(a, b, c)           a b + c
 *     load_part(p, count)      `count` numbers, in the other lanes 0; count <= LANES
 *     store_part(p, a, count)
 *
 * The points are 0, a, -a, b, -b and infinity with a = 3/4, b = 3/2: of the points that float32 holds
 * exactly, these lose least (winograd.c). What belongs to a pair +-p shares its even and odd part. */

#include "kernels/square.h"

#define SIDE LN_WINOGRAD_SIDE
#define A 0.75f
#define B 1.5f
#define A2 (A * A)
#define B2 (B * B)

static inline vector times(float a, vector x)
{
    return spread(a) * x;
}

/* ---------------------------------------------------------------- weights */

/* g, a polynomial of degree taps - 1, at the points, each divided by the product of its differences to
 * the others. */
static inline __attribute__((always_inline)) void at_points(const int taps, const vector *g,
                                                            const int step, vector *out,
                                                            const int out_step)
{
    const float from_a = 1 / (2 * A2 * (A2 - B2)), from_b = 1 / (2 * B2 * (B2 - A2));
    vector even_a = times(from_a, g[0]), even_b = times(from_b, g[0]);
    vector odd_a = times(from_a * A, g[step]), odd_b = times(from_b * B, g[step]);
    even_a = fused(spread(from_a * A2), g[2 * step], even_a);
    even_b = fused(spread(from_b * B2), g[2 * step], even_b);
    if (taps == 5) {
        odd_a = fused(spread(from_a * A * A2), g[3 * step], odd_a);
        odd_b = fused(spread(from_b * B * B2), g[3 * step], odd_b);
        even_a = fused(spread(from_a * A2 * A2), g[4 * step], even_a);
        even_b = fused(spread(from_b * B2 * B2), g[4 * step], even_b);
    }
    out[0] = times(1 / (A2 * B2), g[0]);
    out[out_step] = even_a + odd_a;
    out[2 * out_step] = even_a - odd_a;
    out[3 * out_step] = even_b + odd_b;
    out[4 * out_step] = even_b - odd_b;
    out[5 * out_step] = g[(taps - 1) * step];
}

static inline __attribute__((always_inline)) void spread_weights(const int taps, const float *block,
                                                                 const float *next, float *u,
                                                                 int64_t step)
{
    enum { BLOCK = LN_WINOGRAD_BLOCK, LINE = 16 };
    const int squares = taps * taps;
    vector half[SIDE * 5], whole[SIDE * SIDE];
    for (int k = 0; k < BLOCK; k++, block += squares * BLOCK, next += squares * BLOCK) {
        for (int i = 0; i < squares * BLOCK; i += LINE)
            __builtin_prefetch(next + i);
        for (int lane = 0; lane < BLOCK; lane += LANES) {
            vector g[25];
#pragma GCC unroll 25
            for (int tap = 0; tap < squares; tap++)
                g[tap] = *(const vector *)(block + tap * BLOCK + lane);
#pragma GCC unroll 8
            for (int i = 0; i < taps; i++) /* columns */
                at_points(taps, g + i, taps, half + i, taps);
#pragma GCC unroll 8
            for (int i = 0; i < SIDE; i++)
                at_points(taps, half + i * taps, 1, whole + i * SIDE, 1);
#pragma GCC unroll 36
            for (int p = 0; p < SIDE * SIDE; p++)
                *(vector *)(u + p * step + k * LN_WINOGRAD_PANEL + lane) = whole[p];
        }
    }
}

/* A block of both kinds of channels transposed; `row` numbers a row. */
static void turn_block(const float *from, float *to, int row)
{
    for (int i = 0; i < LN_WINOGRAD_BLOCK; i += LANES)
        for (int j = 0; j < LN_WINOGRAD_BLOCK; j += LANES)
            turn_lines(from + i * row + j, row, to + j * row + i, row);
}

static void weights(int taps, bool turned, const float *block, const float *next, float *u,
                    int64_t step)
{
    enum { BLOCK = LN_WINOGRAD_BLOCK };
    float other[BLOCK * 25 * BLOCK] __attribute__((aligned(64)));
    const int squares = taps * taps, row = squares * BLOCK;
    for (int tap = 0; tap < squares && turned; tap++)
        turn_block(block + tap * BLOCK, other + (squares - 1 - tap) * BLOCK, row);
    if (taps == 3)
        spread_weights(3, turned ? other : block, next, u, step);
    else
        spread_weights(5, turned ? other : block, next, u, step);
}

/* ---------------------------------------------------------------- images */

/* d at the points: the coefficients of prod (x - q) over the points q but one, that at infinity too. */
static inline __attribute__((always_inline)) void enter_line(const vector *d, const int step,
                                                             vector *out, const int out_step)
{
    const vector a2 = spread(-A2), b2 = spread(-B2), sum = spread(-(A2 + B2));
    const vector both = spread(A2 * B2);
    const vector even_a = fused(b2, d[2 * step], d[4 * step]);
    const vector odd_a = fused(b2, d[step], d[3 * step]);
    const vector even_b = fused(a2, d[2 * step], d[4 * step]);
    const vector odd_b = fused(a2, d[step], d[3 * step]);
    out[0] = fused(both, d[0], fused(sum, d[2 * step], d[4 * step]));
    out[out_step] = fused(spread(A), odd_a, even_a);
    out[2 * out_step] = fused(spread(-A), odd_a, even_a);
    out[3 * out_step] = fused(spread(B), odd_b, even_b);
    out[4 * out_step] = fused(spread(-B), odd_b, even_b);
    out[5 * out_step] = fused(both, d[step], fused(sum, d[3 * step], d[5 * step]));
}

static void enter(const ln_winograd_tile *t, const float *image, float *v, int64_t step)
{
    const int64_t line = t->columns * t->channels;
    const bool inside =
        t->row >= 0 && t->column >= 0 && t->row + SIDE <= t->rows && t->column + SIDE <= t->columns;
    const float *from = image + t->row * line + t->column * t->channels;
    vector d[SIDE], half[SIDE * SIDE], whole[SIDE];
    for (int64_t c = 0; c < t->channels; c += LANES) {
        const int64_t left = t->channels - c, count = left < LANES ? left : LANES;
        for (int j = 0; j < SIDE; j++) {
            const bool there = t->column + j >= 0 && t->column + j < t->columns;
#pragma GCC unroll 8
            for (int i = 0; i < SIDE; i++) {
                const float *p = from + i * line + j * t->channels + c;
                if (inside && count == LANES)
                    d[i] = *(const vector *)p;
                else
                    d[i] = there && t->row + i >= 0 && t->row + i < t->rows ? load_part(p, count)
                                                                            : (vector){0};
            }
            enter_line(d, 1, half + j, SIDE);
        }
        for (int i = 0; i < SIDE; i++) {
            enter_line(half + i * SIDE, 1, whole, 1);
#pragma GCC unroll 8
            for (int j = 0; j < SIDE; j++)
                *(vector *)(v + (i * SIDE + j) * step + c) = whole[j];
        }
    }
    for (int64_t c = (t->channels + LANES - 1) / LANES * LANES; c % LN_WINOGRAD_BLOCK != 0;
         c += LANES)
        for (int p = 0; p < SIDE * SIDE; p++)
            *(vector *)(v + p * step + c) = (vector){0};
}

/* Of the results at the points the polynomial's coefficients. */
static inline __attribute__((always_inline)) void leave_line(const int taps, const vector *m,
                                                             const int step, vector *out,
                                                             const int out_step)
{
    const vector even_a = m[step] + m[2 * step], odd_a = m[step] - m[2 * step];
    const vector even_b = m[3 * step] + m[4 * step], odd_b = m[3 * step] - m[4 * step];
    out[0] = m[0] + even_a + even_b;
    if (taps == 5) {
        out[out_step] = fused(spread(A), odd_a, fused(spread(B), odd_b, m[5 * step]));
        return;
    }
    out[out_step] = fused(spread(A), odd_a, times(B, odd_b));
    out[2 * out_step] = fused(spread(A2), even_a, times(B2, even_b));
    out[3 * out_step] = fused(spread(A * A2), odd_a, fused(spread(B * B2), odd_b, m[5 * step]));
}

static inline __attribute__((always_inline)) void leave_tile(const int taps,
                                                             const ln_winograd_tile *t,
                                                             const float *m, int64_t step,
                                                             int64_t first, const float *bias,
                                                             float *image)
{
    const int side = SIDE + 1 - taps;
    vector at[SIDE], half[SIDE * 4], out[4];
    for (int lane = 0; lane < LN_WINOGRAD_PANEL && first + lane < t->channels; lane += LANES) {
        const int64_t left = t->channels - first - lane, count = left < LANES ? left : LANES;
        const vector start = bias ? load_part(bias + first + lane, count) : (vector){0};
        for (int j = 0; j < SIDE; j++) {
#pragma GCC unroll 8
            for (int i = 0; i < SIDE; i++)
                at[i] = *(const vector *)(m + (i * SIDE + j) * step + lane);
            leave_line(taps, at, 1, half + j, SIDE);
        }
        for (int i = 0; i < side && t->row + i < t->rows; i++) {
            float *to =
                image + ((t->row + i) * t->columns + t->column) * t->channels + first + lane;
            leave_line(taps, half + i * SIDE, 1, out, 1);
            for (int j = 0; j < side && t->column + j < t->columns; j++)
                if (count == LANES)
                    *(vector *)(to + j * t->channels) = out[j] + start;
                else
                    store_part(to + j * t->channels, out[j] + start, count);
        }
    }
}

static void leave(int taps, const ln_winograd_tile *t, const float *m, int64_t step, int64_t first,
                  const float *bias, float *image)
{
    if (taps == 3)
        leave_tile(3, t, m, step, first, bias, image);
    else
        leave_tile(5, t, m, step, first, bias, image);
}

/* ---------------------------------------------------------------- products */

static inline __attribute__((always_inline)) void multiply(const int rows, int64_t count,
                                                           const float *v, int64_t width,
                                                           const float *u, bool more, float *m)
{
    for (int lane = 0; lane < LN_WINOGRAD_PANEL; lane += LANES * VECTORS) {
        vector sum[MOST_ROWS][VECTORS];
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int i = 0; i < VECTORS; i++)
                sum[r][i] = more ? *(const vector *)(m + r * LN_WINOGRAD_PANEL + lane + i * LANES)
                                 : (vector){0};
        for (int64_t k = 0; k < count; k++) {
            vector w[VECTORS];
#pragma GCC unroll 4
            for (int i = 0; i < VECTORS; i++)
                w[i] = *(const vector *)(u + k * LN_WINOGRAD_PANEL + lane + i * LANES);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                const vector x = spread(v[r * width + k]);
#pragma GCC unroll 4
                for (int i = 0; i < VECTORS; i++)
                    sum[r][i] = fused(x, w[i], sum[r][i]);
            }
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int i = 0; i < VECTORS; i++)
                *(vector *)(m + r * LN_WINOGRAD_PANEL + lane + i * LANES) = sum[r][i];
    }
}

static void product(int64_t rows, int64_t count, const float *v, int64_t width, const float *u,
                    bool more, float *m)
{
    int64_t now;
    for (; rows > 0; rows -= now, v += now * width, m += now * LN_WINOGRAD_PANEL) {
        /* Blocks of nearly equal size. */
        const int64_t blocks = (rows + MOST_ROWS - 1) / MOST_ROWS;
        now = (rows + blocks - 1) / blocks;
        switch (now) {
#define X(n)                                                                                       \
    case n:                                                                                        \
        multiply(n, count, v, width, u, more, m);                                                  \
        break;
            ROWS(X)
#undef X
        default:
            break;
        }
    }
}

const ln_winograd_kernels NAME = {
    .weights = weights,
    .enter = enter,
    .product = product,
    .leave = leave,
};
