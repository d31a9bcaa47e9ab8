/* The tiles entry of the products' table: dense layers by tiles.h.
 *
 * B is split into its parts once, when it is packed, 6 bytes a number: for each two tiles of columns the
 * steps one behind the other. Rows are taken a panel at a time and split into scratch; while the tiles
 * multiply one panel, the processor's other units split the next: after each few products as many of its
 * rows as come out even. Results are finished (bias, cut) on their way to Y. Rows of a tile that do not
 * exist are what stood there before: no row's numbers depend on another's.
 *
 * GFLOP/s of 1024 rows, one thread, a 2.8 GHz Xeon (Sapphire Rapids), plain (AVX-512) and tiles: 64 x 32: 160
 * and 213, 64 x 64: 161 and 266, 64 x 256: 160 and 280, 128 x 128: 168 and 267, 256 x 256: 169 and 288.
 * A single row costs some 200 cycles more, for the setting up of tiles. */
#include <immintrin.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/products_amx.h"
#include "kernels/tiles.h"

enum { PAIR = 2 * LN_TILE }; /* columns that are multiplied at once, and rows at most */
enum {
    WIDE = 8
};                          /* tiles of columns from which on two tiles of rows are: less is read of
                                      B, but more of what is split lies in the first cache */
enum { LARGE_B = 1 << 20 }; /* bytes of B that are read once for several blocks of rows */
enum { LARGE_PANEL = 4 * PAIR };   /* rows, then */
enum { PANEL_BYTES = 512 * 1024 }; /* of split rows at most: a quarter of the second cache */
enum { UNIT = 4 * LN_TILE_DEPTH }; /* numbers of a row that are split at once */
enum { GROUPS = 6 };               /* of products in a step, between which rows are split */

typedef struct tiles_packed {
    ln_packed head;
    int64_t steps, column_tiles;
    int64_t height; /* rows multiplied at once: LN_TILE or PAIR */
    int64_t panel;  /* rows split at a time */
    uint16_t *b;    /* (pair of column tiles, step, part, tile, LN_TILE_B) */
} tiles_packed;

static int64_t up(int64_t count, int64_t to)
{
    return (count + to - 1) / to;
}

static void tiles_release(ln_packed *packed)
{
    tiles_packed *own = (tiles_packed *)packed;
    if (!own)
        return;
    ln_free_aligned(own->b);
    ln_free(own);
}

/* Numbers of one part of `height` rows, and of all three: (part, step, row, LN_TILE_DEPTH). */
static int64_t part_of(const tiles_packed *own)
{
    return own->steps * own->height * LN_TILE_DEPTH;
}

static int64_t block_of(const tiles_packed *own)
{
    return LN_TILE_PARTS * part_of(own);
}

static ln_status make(const ln_product *product, tiles_packed **out, ln_error *err)
{
    tiles_packed *own = ln_calloc(1, sizeof *own);
    if (!own)
        return ln_fail_memory(err, sizeof *own);
    own->head.kernels = &ln_kernels_tiles;
    own->head.product = *product;
    own->steps = up(product->inputs, LN_TILE_DEPTH);
    own->column_tiles = up(product->outputs, LN_TILE);
    const size_t bytes =
        (size_t)(own->steps * own->column_tiles * LN_TILE_PARTS * LN_TILE_B) * sizeof *own->b;
    own->height = own->column_tiles < WIDE ? LN_TILE : PAIR;
    own->panel = own->height;
    if (bytes > LARGE_B) {
        const int64_t most = PANEL_BYTES / (own->steps * LN_TILE_DEPTH * LN_TILE_PARTS * 2);
        own->panel = most >= LARGE_PANEL ? LARGE_PANEL : most < PAIR ? PAIR : most / PAIR * PAIR;
    }
    own->head.scratch_bytes =
        (size_t)(2 * own->panel / own->height * block_of(own)) * sizeof *own->b +
        (size_t)(PAIR * PAIR) * sizeof(float);
    own->b = ln_alloc_aligned(bytes);
    if (!own->b) {
        tiles_release(&own->head);
        return ln_fail_memory(err, bytes);
    }
    *out = own;
    return LN_OK;
}

/* Column tiles of the pair that begins at `tile`, and where its parts of B are. */
static int tiles_at(const tiles_packed *own, int64_t tile)
{
    return own->column_tiles - tile < 2 ? 1 : 2;
}

static uint16_t *pair_at(const tiles_packed *own, int64_t tile)
{
    return own->b + tile * own->steps * LN_TILE_PARTS * LN_TILE_B;
}

static ln_status tiles_pack(const ln_product *product, const float *b, int64_t input_step,
                            int64_t output_step, ln_packed **packed, ln_error *err)
{
    tiles_packed *own = (tiles_packed *)*packed;
    ln_status status = own ? LN_OK : make(product, &own, err);
    if (status)
        return status;
    const bool turned = output_step != 1;
    const int64_t row = turned ? output_step : input_step;
    for (int64_t tile = 0; tile < own->column_tiles; tile++) {
        const int64_t first = tile / 2 * 2, column = tile * LN_TILE;
        const int tiles = tiles_at(own, first);
        uint16_t *to = pair_at(own, first) + (tile - first) * LN_TILE_B;
        for (int64_t k = 0; k < own->steps * LN_TILE_DEPTH; k += LN_TILE) {
            const int64_t step = k / LN_TILE_DEPTH, half = k % LN_TILE_DEPTH / LN_TILE;
            const int64_t left = product->inputs - k;
            ln_tiles_split_weights(turned, left > 0 ? left : 0, product->outputs - column,
                                   left > 0 ? b + k * input_step + column * output_step : b, row,
                                   to + step * LN_TILE_PARTS * tiles * LN_TILE_B +
                                       half * LN_TILE_HALF,
                                   tiles * LN_TILE_B);
        }
    }
    *packed = &own->head;
    return LN_OK;
}

/* ---------------------------------------------------------------- rows */

/* The rows of a panel that are being split, a unit after the other. */
typedef struct splitting {
    const float *x;           /* the row of the next unit */
    int64_t inputs, at, rows; /* numbers of a row; where the next unit begins; rows left */
    uint16_t *a;              /* where the row goes */
    int64_t row, height;      /* the row's number in its block; rows of one */
    int64_t part;             /* as part_of says */
} splitting;

static splitting begin_panel(const tiles_packed *own, const float *x, int64_t rows, uint16_t *a)
{
    return (splitting){.x = x,
                       .inputs = own->head.product.inputs,
                       .rows = rows < own->panel ? rows : own->panel,
                       .a = a,
                       .height = own->height,
                       .part = part_of(own)};
}

static inline void split_unit(splitting *s)
{
    const int64_t left = s->inputs - s->at, step = s->height * LN_TILE_DEPTH;
    ln_tiles_split(left < UNIT ? left : UNIT, s->x + s->at, s->a + s->at / LN_TILE_DEPTH * step,
                   s->part, step);
    s->at += UNIT;
    if (s->at < s->inputs)
        return;
    s->at = 0;
    s->x += s->inputs;
    s->a += LN_TILE_DEPTH;
    if (++s->row == s->height) {
        s->row = 0;
        s->a += LN_TILE_PARTS * s->part - step;
    }
    s->rows--;
}

/* ---------------------------------------------------------------- products */

/* At most PAIR rows and columns. */
typedef struct products {
    const uint16_t *a, *b;
    int64_t steps, part, step; /* of the split rows */
    float *c;                  /* (PAIR, PAIR) */
    splitting *next;           /* rows of the next panel */
    int64_t units, groups;     /* of `units` one is split after so many `groups`, and */
    int64_t *due;              /* what is due sofar */
} products;

static inline __attribute__((always_inline)) void split_some(const products *p)
{
    for (*p->due += p->units; *p->due >= p->groups && p->next->rows > 0; *p->due -= p->groups)
        split_unit(p->next);
}

static inline __attribute__((always_inline)) void load_a(const products *p, const int rows,
                                                         int64_t at, int part)
{
    _tile_loadd(4, p->a + at + part * p->part, 2 * LN_TILE_DEPTH);
    if (rows == 2)
        _tile_loadd(5, p->a + at + part * p->part + LN_TILE * LN_TILE_DEPTH, 2 * LN_TILE_DEPTH);
}

static inline __attribute__((always_inline)) void load_b(const uint16_t *b, const int columns,
                                                         int part)
{
    _tile_loadd(6, b + part * columns * LN_TILE_B, 64);
    if (columns == 2)
        _tile_loadd(7, b + (part * 2 + 1) * LN_TILE_B, 64);
}

static inline __attribute__((always_inline)) void add_products(const products *p, const int rows,
                                                               const int columns)
{
    _tile_dpbf16ps(0, 4, 6);
    if (columns == 2)
        _tile_dpbf16ps(1, 4, 7);
    if (rows == 2)
        _tile_dpbf16ps(2, 5, 6);
    if (rows == 2 && columns == 2)
        _tile_dpbf16ps(3, 5, 7);
    split_some(p);
}

/* The products and their order are those of ln_tiles_multiply, so the bits are too. */
static inline __attribute__((always_inline)) void multiply(const products *p, const int rows,
                                                           const int columns)
{
    const uint16_t *b = p->b;
    int64_t at = 0;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t s = 0; s < p->steps;
         s++, at += p->step, b += LN_TILE_PARTS * columns * LN_TILE_B) {
        load_a(p, rows, at, 0);
        load_b(b, columns, 2);
        add_products(p, rows, columns);
        load_b(b, columns, 1);
        add_products(p, rows, columns);
        load_a(p, rows, at, 1);
        add_products(p, rows, columns);
        load_b(b, columns, 0);
        add_products(p, rows, columns);
        load_a(p, rows, at, 2);
        add_products(p, rows, columns);
        load_a(p, rows, at, 0);
        add_products(p, rows, columns);
    }
    _tile_stored(0, p->c, PAIR * sizeof *p->c);
    if (columns == 2)
        _tile_stored(1, p->c + LN_TILE, PAIR * sizeof *p->c);
    if (rows == 2)
        _tile_stored(2, p->c + LN_TILE * PAIR, PAIR * sizeof *p->c);
    if (rows == 2 && columns == 2)
        _tile_stored(3, p->c + LN_TILE * PAIR + LN_TILE, PAIR * sizeof *p->c);
}

static void multiply_pair(const products *p, int64_t rows, int columns)
{
    if (rows > LN_TILE && columns == 2)
        multiply(p, 2, 2);
    else if (rows > LN_TILE)
        multiply(p, 2, 1);
    else if (columns == 2)
        multiply(p, 1, 2);
    else
        multiply(p, 1, 1);
}

static __mmask16 lanes(int64_t count)
{
    return count >= LN_TILE ? (__mmask16)0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

/* y = c + bias, perhaps cut, for at most PAIR rows and columns. */
static void finish(int64_t rows, int64_t columns, const float *c, const float *bias, bool cut,
                   float *y, int64_t y_row)
{
    const __mmask16 low = lanes(columns), high = lanes(columns - LN_TILE);
    const __m512 none = _mm512_setzero_ps();
    const __m512 first = bias ? _mm512_maskz_loadu_ps(low, bias) : none;
    const __m512 second = bias && high ? _mm512_maskz_loadu_ps(high, bias + LN_TILE) : none;
    for (int64_t r = 0; r < rows; r++, c += PAIR, y += y_row) {
        __m512 a = _mm512_add_ps(_mm512_load_ps(c), first);
        __m512 b = _mm512_add_ps(_mm512_load_ps(c + LN_TILE), second);
        if (cut) { /* NaN stays */
            a = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, none, _CMP_NLE_UQ), a);
            b = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(b, none, _CMP_NLE_UQ), b);
        }
        _mm512_mask_storeu_ps(y, low, a);
        if (high)
            _mm512_mask_storeu_ps(y + LN_TILE, high, b);
    }
}

/* A panel's rows, split in `a`, while the next panel's are split. */
static void multiply_panel(const tiles_packed *own, int64_t rows, const uint16_t *a, float *c,
                           splitting *next, const float *bias, float *y)
{
    const ln_product *product = &own->head.product;
    const int64_t pairs = up(own->column_tiles, 2) * up(rows, own->height);
    int64_t due = 0;
    products p = {.steps = own->steps,
                  .part = part_of(own),
                  .step = own->height * LN_TILE_DEPTH,
                  .c = c,
                  .next = next,
                  .units = next->rows * up(product->inputs, UNIT),
                  .groups = pairs * own->steps * GROUPS,
                  .due = &due};
    for (int64_t tile = 0; tile < own->column_tiles; tile += 2) {
        const int64_t column = tile * LN_TILE;
        p.b = pair_at(own, tile);
        for (int64_t r = 0; r < rows; r += own->height) {
            const int64_t count = rows - r < own->height ? rows - r : own->height;
            p.a = a + r / own->height * block_of(own);
            multiply_pair(&p, count, tiles_at(own, tile));
            finish(count, product->outputs - column, c, bias ? bias + column : NULL, product->cut,
                   y + r * product->outputs + column, product->outputs);
        }
    }
    while (next->rows > 0)
        split_unit(next);
}

static ln_status tiles_multiply(const ln_packed *packed, int64_t rows, const float *x,
                                const float *bias, float *y, void *scratch, ln_error *err)
{
    const tiles_packed *own = (const tiles_packed *)packed;
    const ln_product *product = &packed->product;
    float *c = scratch;
    void *panels = c + PAIR * PAIR;
    uint16_t *a[2] = {panels, NULL};
    (void)err;
    a[1] = a[0] + own->panel / own->height * block_of(own);
    ln_tiles_begin();
    splitting next = begin_panel(own, x, rows, a[0]);
    while (next.rows > 0)
        split_unit(&next);
    for (int64_t done = 0, panel = 0; done < rows; done += own->panel, panel++) {
        const int64_t left = rows - done, behind = left - own->panel;
        next = begin_panel(own, x + (done + own->panel) * product->inputs, behind > 0 ? behind : 0,
                           a[(panel + 1) % 2]);
        multiply_panel(own, left < own->panel ? left : own->panel, a[panel % 2], c, &next, bias,
                       y + done * product->outputs);
    }
    ln_tiles_end();
    return LN_OK;
}

const ln_kernels ln_kernels_tiles = {
    .name = "tiles",
    .pack = tiles_pack,
    .release = tiles_release,
    .multiply = tiles_multiply,
};
