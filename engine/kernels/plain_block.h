/* The body of the block product, compiled once an instruction set. The including file defines
 *
 *     LANES        floats in a register; 16 is a multiple
 *     TALL_ROWS    rows of the register block that spans TALL_PANELS panels
 *     TALL_PANELS
 *     TALL_LIST(X) X(1) to X(TALL_ROWS)
 *     WIDE_ROWS    the same for few rows, where more panels keep the adders busy
 *     WIDE_PANELS
 *     WIDE_LIST(X)
 *
 * the type `vector`, and the functions spread(x), x in every lane, and fused(a, b, c) = a b + c.
 *
 * A register block keeps rows x panels accumulators in registers through the whole depth: one
 * accumulator an element, one fused multiply-add a step of k. So an element's bits are those of
 * this sum, however the block around it is cut, and the same for every width of register. Rows are
 * shared out evenly (50 rows are 5 blocks of 10 rather than 4 of 12 and 2 left over). */

#include "kernels/square.h"

#define VECTORS (LN_PANEL / LANES)
#define FEW_COLUMNS 4 /* of C, that rows are turned for */

/* 0 where a lane is <= 0; NaN stays. */
static inline vector cut(vector x)
{
    return (vector)((square_lanes)x & ~(square_lanes)(x <= (vector){0}));
}

/* One register block; `rows` and `panels` are constants where this is inlined. */
static inline __attribute__((always_inline)) void register_block(const ln_block *block,
                                                                 const int rows, const int panels,
                                                                 int64_t row, int64_t panel)
{
    enum { MOST_ROWS = TALL_ROWS > WIDE_ROWS ? TALL_ROWS : WIDE_ROWS };
    enum { MOST_PANELS = TALL_PANELS > WIDE_PANELS ? TALL_PANELS : WIDE_PANELS };
    vector sum[MOST_ROWS][MOST_PANELS * VECTORS];
    const int vectors = panels * VECTORS;
    const int64_t depth = block->depth, a_row = block->a_row, a_depth = block->a_depth;
    const int64_t first = panel * LN_PANEL, left = block->columns - first;
    const bool whole = left >= panels * LN_PANEL;
    float edge[MOST_PANELS * LN_PANEL];

    if (block->add || block->bias) {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const float *start =
                block->add ? block->c + (row + r) * block->c_row + first : block->bias + first;
            if (!whole) {
                memset(edge, 0, sizeof edge);
                memcpy(edge, start, (size_t)left * sizeof *edge);
                start = edge;
            }
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                sum[r][v] = *(const vector *)(start + v * LANES);
        }
    } else {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                sum[r][v] = (vector){0};
    }

    /* One moving pointer and fixed distances from it, which fit the integer registers; a pointer a
     * row does not, and halves the speed. */
    int64_t row_at[MOST_ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
        row_at[r] = r * a_row;
    const float *a = block->a + row * a_row;
    const float *b = block->b + panel * depth * LN_PANEL;
    for (int64_t k = 0; k < depth; k++) {
        vector right[MOST_PANELS * VECTORS];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            right[v] =
                *(const vector *)(b + (v / VECTORS) * depth * LN_PANEL + (v % VECTORS) * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const vector left_k = spread(a[row_at[r]]);
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                sum[r][v] = fused(left_k, right[v], sum[r][v]);
        }
        a += a_depth;
        b += LN_PANEL;
    }

#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        float *c = block->c + (row + r) * block->c_row + first;
        float *to = whole ? c : edge;
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            *(vector *)(to + v * LANES) = block->cut ? cut(sum[r][v]) : sum[r][v];
        if (!whole)
            memcpy(c, edge, (size_t)left * sizeof *edge);
    }
}

/* `rows` <= TALL_ROWS, TALL_PANELS panels. */
static void tall_block(const ln_block *block, int64_t rows, int64_t row, int64_t panel)
{
    switch (rows) {
#define X(n)                                                                                       \
    case n:                                                                                        \
        register_block(block, n, TALL_PANELS, row, panel);                                         \
        break;
        TALL_LIST(X)
#undef X
    }
}

/* `rows` <= TALL_ROWS, one panel: what is left of an odd number of them. */
static void thin_block(const ln_block *block, int64_t rows, int64_t row, int64_t panel)
{
    switch (rows) {
#define X(n)                                                                                       \
    case n:                                                                                        \
        register_block(block, n, 1, row, panel);                                                   \
        break;
        TALL_LIST(X)
#undef X
    }
}

/* `rows` <= WIDE_ROWS, WIDE_PANELS panels. */
static void wide_block(const ln_block *block, int64_t rows, int64_t row, int64_t panel)
{
    switch (rows) {
#define X(n)                                                                                       \
    case n:                                                                                        \
        register_block(block, n, WIDE_PANELS, row, panel);                                         \
        break;
        WIDE_LIST(X)
#undef X
    }
}

/* LANES rows of few columns: a row a lane, so that no lane computes what a panel has too many of. */
static inline __attribute__((always_inline)) void few_columns(const ln_block *block,
                                                              const int columns, int64_t row)
{
    const int64_t depth = block->depth;
    const float *b = block->b;
    vector sum[FEW_COLUMNS];
    float *c = block->c + row * block->c_row;
    for (int j = 0; j < columns; j++)
        sum[j] = block->bias ? spread(block->bias[j]) : (vector){0};
    for (int64_t first = 0; first < depth; first += LANES) {
        const int64_t left = depth - first < LANES ? depth - first : LANES;
        const float *from = block->a + row * block->a_row + first;
        vector x[LANES];
        if (left == LANES)
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++)
                x[i] = *(const vector *)(from + i * block->a_row);
        else
            for (int i = 0; i < LANES; i++) {
                x[i] = (vector){0};
                memcpy(&x[i], from + i * block->a_row, (size_t)left * sizeof *from);
            }
        turn_square(x);
        for (int64_t k = 0; k < left; k++, b += LN_PANEL)
            for (int j = 0; j < columns; j++)
                sum[j] = fused(x[k], spread(b[j]), sum[j]);
    }
    for (int j = 0; j < columns; j++)
        sum[j] = block->cut ? cut(sum[j]) : sum[j];
    if (columns == 1 && block->c_row == 1) {
        *(vector *)c = sum[0];
        return;
    }
    if (columns == 2 && block->c_row == 2) { /* one of each in turn */
        static const int32_t turns[16] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7};
        static const int32_t second[16] = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
        const square_lanes low =
            *(const square_lanes *)turns + *(const square_lanes *)second * LANES;
        *(vector *)c = __builtin_shuffle(sum[0], sum[1], low);
        *(vector *)(c + LANES) = __builtin_shuffle(sum[0], sum[1], low + LANES / 2);
        return;
    }
    for (int j = 0; j < columns; j++)
        for (int i = 0; i < LANES; i++)
            c[i * block->c_row + j] = sum[j][i];
}

/* All rows but those left over when they are taken LANES at once; how many. */
static int64_t few_columns_block(const ln_block *block)
{
    int64_t row = 0;
    if (block->columns > FEW_COLUMNS || block->a_depth != 1 || block->add)
        return 0;
    for (; row + LANES <= block->rows; row += LANES)
        switch (block->columns) {
        case 1:
            few_columns(block, 1, row);
            break;
        case 2:
            few_columns(block, 2, row);
            break;
        case 3:
            few_columns(block, 3, row);
            break;
        default:
            few_columns(block, 4, row);
        }
    return row;
}

/* All of C: panels outside, so that a group of them stays in the cache for all rows. */
static inline __attribute__((always_inline)) void whole_block(const ln_block *given)
{
    ln_block rest = *given, *block = &rest;
    const int64_t done = few_columns_block(given);
    rest.rows -= done;
    rest.a += done * rest.a_row;
    rest.c += done * rest.c_row;
    if (rest.rows == 0)
        return;
    const int64_t panels = (block->columns + LN_PANEL - 1) / LN_PANEL;
    const int64_t blocks = (block->rows + TALL_ROWS - 1) / TALL_ROWS;
    for (int64_t panel = 0; panel < panels;) {
        if (block->rows <= WIDE_ROWS && panels - panel >= WIDE_PANELS) {
            wide_block(block, block->rows, 0, panel);
            panel += WIDE_PANELS;
            continue;
        }
        const bool tall = panels - panel >= TALL_PANELS;
        for (int64_t i = 0; i < blocks; i++) {
            int64_t row = block->rows * i / blocks;
            int64_t rows = block->rows * (i + 1) / blocks - row;
            if (tall)
                tall_block(block, rows, row, panel);
            else
                thin_block(block, rows, row, panel);
        }
        panel += tall ? TALL_PANELS : 1;
    }
}
