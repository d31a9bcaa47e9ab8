/* The bodies of planes.h's kernels, compiled once an instruction set. The including file defines
 *
 *     LANES           floats in a register; LN_PLANES_LANES is a multiple
 *     BLOCK_LIST(X)   X(rows, vectors) of the register blocks of a product, UP_TO_<vectors>(X, rows) for each
 *                     number of rows
 *     most_vectors    an array: what stands there
 *
 * the types `vector` and `lane_mask`, NAME, the table's name, and the functions
 *
 *     spread(x)               x in every lane
 *     fused(a, b, c)          a b + c
 *     between(first, end)     a lane_mask of these lanes; 0 <= first, end <= LANES, none where end <= first
 *     load_lanes(p, mask)     0 in the other lanes, which are not read
 *     add_lanes(a, p, mask)   a, and in lanes of the mask a + p's number
 *     store_lanes(p, a, mask) */
#include "kernels/whole.h"

#define UP_TO_1(X, rows) X(rows, 1)
#define UP_TO_2(X, rows) UP_TO_1(X, rows) X(rows, 2)
#define UP_TO_3(X, rows) UP_TO_2(X, rows) X(rows, 3)
#define UP_TO_4(X, rows) UP_TO_3(X, rows) X(rows, 4)
#define UP_TO_5(X, rows) UP_TO_4(X, rows) X(rows, 5)
#define UP_TO_6(X, rows) UP_TO_5(X, rows) X(rows, 6)
#define UP_TO_7(X, rows) UP_TO_6(X, rows) X(rows, 7)
#define UP_TO_8(X, rows) UP_TO_7(X, rows) X(rows, 8)

/* ---------------------------------------------------------------- products */

/* Rows from `row` on at LANES * vectors places from `place` on. */
static inline __attribute__((always_inline)) void product_block(const ln_planes_product *p,
                                                                const int rows, const int vectors,
                                                                int64_t row, int64_t place)
{
    vector sum[LN_PLANES_ROWS][LN_PLANES_VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        const vector start = p->bias ? spread(p->bias[row + r]) : (vector){0};
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            sum[r][v] = start;
    }
    const float *weight = p->weight + row, *from = p->from + place;
    for (int64_t k = 0; k < p->depth; k++, weight += p->rows) {
        const float *at = from + p->at[k];
        vector x[LN_PLANES_VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            x[v] = *(const vector *)(at + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const vector w = spread(weight[r]);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                sum[r][v] = fused(w, x[v], sum[r][v]);
        }
    }
    const int64_t last =
        p->places - place - (vectors - 1) * LANES; /* places of the last register */
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        float *to = p->to + (row + r) * p->to_row + place;
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            if (v < vectors - 1 || last >= LANES)
                *(vector *)(to + v * LANES) = sum[r][v];
            else
                store_lanes(to + v * LANES, sum[r][v], between(0, last));
    }
}

static void any_block(const ln_planes_product *p, int64_t rows, int64_t vectors, int64_t row,
                      int64_t place)
{
    switch (rows * (LN_PLANES_VECTORS + 1) + vectors) {
#define X(rows_, vectors_)                                                                         \
    case (rows_) * (LN_PLANES_VECTORS + 1) + (vectors_):                                           \
        product_block(p, rows_, vectors_, row, place);                                             \
        break;
        BLOCK_LIST(X)
#undef X
    default:
        break;
    }
}

/* Share number `index` of `count` things that are shared out evenly; *first: those before it. */
static int64_t share(int64_t count, int64_t shares, int64_t index, int64_t *first)
{
    const int64_t each = count / shares, more = count % shares;
    *first = index * each + least(index, more);
    return each + (index < more);
}

static void product(const ln_planes_product *p)
{
    const int64_t parts = (p->rows + LN_PLANES_ROWS - 1) / LN_PLANES_ROWS;
    const int64_t vectors = (p->places + LANES - 1) / LANES;
    const int64_t together = most_vectors[(p->rows + parts - 1) / parts];
    const int64_t blocks = (vectors + together - 1) / together;
    for (int64_t block = 0; block < blocks; block++) {
        int64_t vector_at, row;
        const int64_t count = share(vectors, blocks, block, &vector_at);
        for (int64_t part = 0; part < parts; part++) {
            const int64_t rows = share(p->rows, parts, part, &row);
            any_block(p, rows, count, row, vector_at * LANES);
        }
    }
}

/* ---------------------------------------------------------------- lines */

/* Of LANES numbers from place `at` of a line on, those that are on it. */
static inline lane_mask inside(int64_t at, int64_t width)
{
    return between(least(greatest(-at, 0), LANES), least(greatest(width - at, 0), LANES));
}

static void move(const ln_planes_move *m, const float *from, float *to)
{
    for (int64_t x = 0; x < m->to_width; x += LANES) {
        const int64_t at = x + m->shift;
        const lane_mask read = inside(at, m->from_width), written = inside(x, m->to_width);
        for (int64_t y = 0; y < m->lines; y++)
            store_lanes(to + y * m->to_width + x, load_lanes(from + y * m->from_width + at, read),
                        written);
    }
}

/* A register of every line; `taps` are f->taps[1]. */
static inline __attribute__((always_inline)) void fold_lines(const ln_planes_fold *f,
                                                             const int64_t taps, int64_t x,
                                                             const float *from, float *to)
{
    lane_mask read[LN_PLANES_TAPS];
    const int64_t next = f->row - f->step[1]; /* from a tap's number to that of the next */
#pragma GCC unroll 8
    for (int64_t l = 0; l < taps; l++)
        read[l] = inside(x + f->shift[1] - l * f->step[1], f->from[1]);
    from += x + f->shift[1];
    for (int64_t k = 0; k < f->taps[0]; k++, from += taps * f->row) {
        const int64_t down = f->shift[0] - k * f->step[0]; /* from a line to the one it reads */
        const int64_t first = greatest(-down, 0), end = least(f->from[0] - down, f->to[0]);
        const float *at = from + (first + down) * f->from[1];
        float *line = to + first * f->to[1] + x;
        for (int64_t y = first; y < end; y++, at += f->from[1], line += f->to[1]) {
            vector sum = *(const vector *)line;
            const float *number = at;
#pragma GCC unroll 8
            for (int64_t l = 0; l < taps; l++, number += next)
                sum = add_lanes(sum, number, read[l]);
            *(vector *)line = sum;
        }
    }
}

static void fold(const ln_planes_fold *f, const float *from, float *to)
{
    for (int64_t x = 0; x < f->to[1]; x += LANES)
        switch (f->taps[1]) { /* their masks stay in registers */
        case 3:
            fold_lines(f, 3, x, from, to);
            break;
        case 5:
            fold_lines(f, 5, x, from, to);
            break;
        case 7:
            fold_lines(f, 7, x, from, to);
            break;
        default:
            fold_lines(f, f->taps[1], x, from, to);
        }
}

const ln_planes_kernels NAME = {.product = product, .move = move, .fold = fold};
