/* tiles.h by Intel's AMX: eight registers of a kilobyte, 0 to 3 for C, 4 and 5 for A, 6 and 7 for B. */
#include "kernels/lanes_avx512.h"
#include "kernels/square.h"
#include "kernels/tiles.h"

enum { TOP = 16 }; /* bits of a float32 below those of a bfloat16 */

/* What LDTILECFG reads. */
typedef struct tile_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_configuration;

void ln_tiles_begin(void)
{
    tile_configuration all = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        all.row_bytes[i] = 64;
        all.rows[i] = LN_TILE;
    }
    _tile_loadconfig(&all);
}

void ln_tiles_end(void)
{
    _tile_release();
}

/* ---------------------------------------------------------------- products */

/* The part of A in registers 4 and 5, that of B in 6 and 7. */
static inline __attribute__((always_inline)) void load_a(const ln_tiles_block *t, const int rows,
                                                         int64_t at, int part)
{
    const size_t pitch = (size_t)t->a_row * sizeof(uint16_t);
    _tile_loadd(4, t->a[0] + at + part * t->a_part, pitch);
    if (rows == 2)
        _tile_loadd(5, t->a[1] + at + part * t->a_part, pitch);
}

static inline __attribute__((always_inline)) void load_b(const uint16_t *b, const int columns,
                                                         int part)
{
    _tile_loadd(6, b + part * columns * LN_TILE_B, 64);
    if (columns == 2)
        _tile_loadd(7, b + (part * 2 + 1) * LN_TILE_B, 64);
}

static inline __attribute__((always_inline)) void add_products(const int rows, const int columns)
{
    _tile_dpbf16ps(0, 4, 6);
    if (columns == 2)
        _tile_dpbf16ps(1, 4, 7);
    if (rows == 2)
        _tile_dpbf16ps(2, 5, 6);
    if (rows == 2 && columns == 2)
        _tile_dpbf16ps(3, 5, 7);
}

static inline __attribute__((always_inline)) void begin_c(const ln_tiles_block *t, const int rows,
                                                          const int columns)
{
    const size_t pitch = (size_t)t->c_row * sizeof(float);
    const float *below = t->c + LN_TILE * t->c_row;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if (!t->more)
        return;
    _tile_loadd(0, t->c, pitch);
    if (columns == 2)
        _tile_loadd(1, t->c + LN_TILE, pitch);
    if (rows == 2)
        _tile_loadd(2, below, pitch);
    if (rows == 2 && columns == 2)
        _tile_loadd(3, below + LN_TILE, pitch);
}

static inline __attribute__((always_inline)) void end_c(const ln_tiles_block *t, const int rows,
                                                        const int columns)
{
    const size_t pitch = (size_t)t->c_row * sizeof(float);
    float *below = t->c + LN_TILE * t->c_row;
    _tile_stored(0, t->c, pitch);
    if (columns == 2)
        _tile_stored(1, t->c + LN_TILE, pitch);
    if (rows == 2)
        _tile_stored(2, below, pitch);
    if (rows == 2 && columns == 2)
        _tile_stored(3, below + LN_TILE, pitch);
}

/* Of a step the six products, in an order that changes one operand at a time. */
static inline __attribute__((always_inline)) void multiply(const ln_tiles_block *t, const int rows,
                                                           const int columns)
{
    const uint16_t *b = t->b;
    begin_c(t, rows, columns);
    for (int64_t s = 0; s < t->count; s++, b += LN_TILE_PARTS * columns * LN_TILE_B) {
        const int64_t at = t->steps[s];
        load_a(t, rows, at, 0);
        load_b(b, columns, 2);
        add_products(rows, columns);
        load_b(b, columns, 1);
        add_products(rows, columns);
        load_a(t, rows, at, 1);
        add_products(rows, columns);
        load_b(b, columns, 0);
        add_products(rows, columns);
        load_a(t, rows, at, 2);
        add_products(rows, columns);
        load_a(t, rows, at, 0);
        add_products(rows, columns);
    }
    end_c(t, rows, columns);
}

void ln_tiles_multiply(const ln_tiles_block *block)
{
    if (block->row_tiles == 2 && block->column_tiles == 2)
        multiply(block, 2, 2);
    else if (block->row_tiles == 2)
        multiply(block, 2, 1);
    else if (block->column_tiles == 2)
        multiply(block, 1, 2);
    else
        multiply(block, 1, 1);
}

/* ---------------------------------------------------------------- parts */

typedef struct parts {
    __m512i at
        [LN_TILE_PARTS]; /* each in the upper half of its number, whose lower half means nothing */
} parts;

/* Infinite numbers have nothing left. */
static inline parts split(__m512 x)
{
    enum { INFINITE = 0x18 };
    const __m512i top = _mm512_set1_epi32((int)0xffff0000u);
    const __mmask16 has_rest = (__mmask16)~_mm512_fpclass_ps_mask(x, INFINITE);
    const __m512 first = _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), top));
    const __m512 rest = _mm512_maskz_sub_ps(has_rest, x, first);
    const __m512 second = _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(rest), top));
    const __m512 third = _mm512_sub_ps(rest, second);
    return (parts){{_mm512_castps_si512(x), _mm512_castps_si512(rest), _mm512_castps_si512(third)}};
}

static inline __mmask16 lanes(int64_t count)
{
    return count >= LN_TILE ? (__mmask16)0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

/* A block of 32 numbers, of which `left` are there. */
static inline __attribute__((always_inline)) void split_block(int64_t left, const float *x,
                                                              uint16_t *a, int64_t part)
{
    const __m512i odd = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35,
                                         33, 31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3,
                                         1); /* the upper halves of two registers */
    const parts low = split(_mm512_maskz_loadu_ps(lanes(left), x));
    const parts high = split(_mm512_maskz_loadu_ps(lanes(left - LN_TILE), x + LN_TILE));
#pragma GCC unroll 3
    for (int p = 0; p < LN_TILE_PARTS; p++)
        _mm512_storeu_si512(a + p * part, _mm512_permutex2var_epi16(low.at[p], odd, high.at[p]));
}

void ln_tiles_split_rows(int64_t rows, int64_t count, const float *x, int64_t x_row, uint16_t *a,
                         int64_t a_row, int64_t part, int64_t step)
{
    for (; count >= LN_TILE_DEPTH; count -= LN_TILE_DEPTH, x += LN_TILE_DEPTH, a += step)
        for (int64_t r = 0; r < rows; r++)
            split_block(LN_TILE_DEPTH, x + r * x_row, a + r * a_row, part);
    for (int64_t r = 0; r < rows && count > 0; r++)
        split_block(count, x + r * x_row, a + r * a_row, part);
}

void ln_tiles_split(int64_t count, const float *x, uint16_t *a, int64_t part, int64_t step)
{
    ln_tiles_split_rows(1, count, x, 0, a, 0, part, step);
}

void ln_tiles_split_weights(bool turned, int64_t depth, int64_t columns, const float *w,
                            int64_t row, uint16_t *b, int64_t part)
{
    const int64_t rows = turned ? columns : depth;
    const __mmask16 used = lanes(turned ? depth : columns);
    const __mmask32 odd = 0xaaaaaaaau; /* the upper halves of numbers */
    __m512 a[LN_TILE];
#pragma GCC unroll 16
    for (int i = 0; i < LN_TILE; i++)
        a[i] = i < rows ? _mm512_maskz_loadu_ps(used, w + i * row) : _mm512_setzero_ps();
    if (turned) /* rows become columns */
        turn_square((vector *)a);
#pragma GCC unroll 8
    for (int i = 0; i < LN_TILE; i += 2, b += LN_TILE_DEPTH) {
        const parts first = split(a[i]), second = split(a[i + 1]);
#pragma GCC unroll 3
        for (int p = 0; p < LN_TILE_PARTS; p++)
            _mm512_storeu_si512(
                b + p * part,
                _mm512_mask_blend_epi16(odd, _mm512_srli_epi32(first.at[p], TOP), second.at[p]));
    }
}

void ln_tiles_finish(int64_t rows, int64_t columns, const float *c, int64_t c_row,
                     const float *bias, float *y, int64_t y_row)
{
    const __mmask16 low = lanes(columns), high = lanes(columns - LN_TILE);
    __m512 first = _mm512_setzero_ps(), second = _mm512_setzero_ps();
    if (bias) {
        first = _mm512_maskz_loadu_ps(low, bias);
        second = _mm512_maskz_loadu_ps(high, bias + LN_TILE);
    }
    for (int64_t r = 0; r < rows; r++, c += c_row, y += y_row) {
        _mm512_mask_storeu_ps(y, low, _mm512_add_ps(_mm512_maskz_loadu_ps(low, c), first));
        _mm512_mask_storeu_ps(y + LN_TILE, high,
                              _mm512_add_ps(_mm512_maskz_loadu_ps(high, c + LN_TILE), second));
    }
}
