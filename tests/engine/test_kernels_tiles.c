/* kernels: products by tiles of bfloat16, against sums in float64: how much they lose, that small integers are
 * exact, that rows keep their bits wherever they stand, and what becomes of infinite and tiny numbers. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "kernels/tiles.h"

#ifdef __x86_64__

enum { TILE = LN_TILE, DEPTH = LN_TILE_DEPTH, PARTS = LN_TILE_PARTS };

static int64_t up(int64_t count, int64_t to)
{
    return (count + to - 1) / to * to;
}

static float *floats(int64_t count, uint64_t seed)
{
    return random_floats(count, "test tiles", seed);
}

/* c (rows, columns) = a (rows, depth) b (depth, columns); b given transposed where `turned`. The sum is made
 * in two calls where it is long. */
static void multiply(int64_t rows, int64_t depth, int64_t columns, const float *a, const float *b,
                     bool turned, float *c)
{
    const int64_t steps = up(depth, DEPTH) / DEPTH, row_tiles = up(rows, TILE) / TILE;
    const int64_t column_tiles = up(columns, TILE) / TILE, height = row_tiles * TILE;
    uint16_t *split_a =
        ln_alloc_aligned((size_t)(PARTS * steps * height * DEPTH) * sizeof *split_a);
    uint16_t *split_b =
        ln_alloc_aligned((size_t)(PARTS * steps * column_tiles * LN_TILE_B) * sizeof *split_b);
    float *out = ln_alloc_aligned((size_t)(height * column_tiles * TILE) * sizeof *out);
    int64_t *places = ln_alloc((size_t)steps * sizeof *places);
    assert_true(split_a && split_b && out && places);
    memset(split_a, 0xff, (size_t)(PARTS * steps * height * DEPTH) * sizeof *split_a); /* NaN */
    memset(out, 0xff, (size_t)(height * column_tiles * TILE) * sizeof *out);
    for (int64_t i = 0; i < rows; i++)
        ln_tiles_split(depth, a + i * depth, split_a + i * DEPTH, steps * height * DEPTH,
                       height * DEPTH);
    for (int64_t s = 0; s < steps; s++)
        places[s] = s * height * DEPTH;
    for (int64_t s = 0; s < steps; s++)
        for (int64_t k = 0; k < DEPTH; k += TILE)
            for (int64_t n = 0; n < column_tiles; n++) {
                const int64_t from = s * DEPTH + k, row = turned ? depth : columns;
                const float *w =
                    from < depth ? (turned ? b + n * TILE * row + from : b + from * row + n * TILE)
                                 : b;
                ln_tiles_split_weights(turned, depth - from, columns - n * TILE, w, row,
                                       split_b + (s * PARTS * column_tiles + n) * LN_TILE_B +
                                           k / TILE * LN_TILE_HALF,
                                       column_tiles * LN_TILE_B);
            }
    ln_tiles_begin();
    for (int64_t r = 0; r < row_tiles; r += 2) {
        ln_tiles_block block = {.row_tiles = r + 1 < row_tiles ? 2 : 1,
                                .column_tiles = (int)column_tiles,
                                .a = {split_a + r * TILE * DEPTH, split_a + (r + 1) * TILE * DEPTH},
                                .a_part = steps * height * DEPTH,
                                .a_row = DEPTH,
                                .steps = places,
                                .count = steps,
                                .b = split_b,
                                .c = out + r * TILE * column_tiles * TILE,
                                .c_row = column_tiles * TILE};
        if (steps > 2) {
            block.count = steps / 2;
            ln_tiles_multiply(&block);
            block.steps += block.count;
            block.b += block.count * PARTS * column_tiles * LN_TILE_B;
            block.count = steps - block.count;
            block.more = true;
        }
        ln_tiles_multiply(&block);
    }
    ln_tiles_end();
    for (int64_t i = 0; i < rows; i++)
        memcpy(c + i * columns, out + i * column_tiles * TILE, (size_t)columns * sizeof *c);
    ln_free_aligned(split_a);
    ln_free_aligned(split_b);
    ln_free_aligned(out);
    ln_free(places);
}

static float element(const float *b, int64_t depth, int64_t columns, bool turned, int64_t k,
                     int64_t n)
{
    return turned ? b[n * depth + k] : b[k * columns + n];
}

/* The sum of squared errors of tiles and of multiply-adds in float32 (`direct`). */
static void errors(int64_t rows, int64_t depth, int64_t columns, bool turned, double *tiles,
                   double *direct)
{
    float *a = floats(rows * depth, 1), *b = floats(depth * columns, 2);
    float *c = floats(rows * columns, 3);
    multiply(rows, depth, columns, a, b, turned, c);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t n = 0; n < columns; n++) {
            double exact = 0, size = 0;
            float sum = 0;
            for (int64_t k = 0; k < depth; k++) {
                const float w = element(b, depth, columns, turned, k, n);
                exact += (double)a[i * depth + k] * (double)w;
                size += fabs((double)a[i * depth + k] * (double)w);
                sum = fmaf(a[i * depth + k], w, sum);
            }
            const double off = (double)c[i * columns + n] - exact;
            if (!(fabs(off) <= 4e-7 * size))
                fail_msg("%d x %d x %d: row %d, column %d is %g off, of numbers of %g", (int)rows,
                         (int)depth, (int)columns, (int)i, (int)n, off, size);
            *tiles += off * off;
            *direct += ((double)sum - exact) * ((double)sum - exact);
        }
    ln_free_aligned(a);
    ln_free_aligned(b);
    ln_free_aligned(c);
}

static const int64_t sizes[][3] = {/* rows, depth, columns */
                                   {1, 1, 1},     {16, 32, 16}, {17, 33, 17},
                                   {31, 100, 32}, {40, 20, 5},  {33, 64, 20},
                                   {5, 576, 32},  {64, 288, 7}, {2, 2000, 31}};

static void products_err_less_than_float32(void **state)
{
    double tiles = 0, direct = 0;
    (void)state;
    if (!ln_tiles_available())
        skip();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int turned = 0; turned < 2; turned++)
            errors(sizes[i][0], sizes[i][1], sizes[i][2], turned, &tiles, &direct);
    print_message("root mean square: %.2f of float32's\n", sqrt(tiles / direct));
    assert_true(tiles <= 0.5 * direct);
}

static void small_integers_are_exact(void **state)
{
    enum { ROWS = 19, DEEP = 70, COLUMNS = 21 };
    float a[ROWS * DEEP], b[DEEP * COLUMNS], c[ROWS * COLUMNS];
    (void)state;
    if (!ln_tiles_available())
        skip();
    for (int i = 0; i < ROWS * DEEP; i++)
        a[i] = (float)(i * 7 % 401 - 200);
    for (int i = 0; i < DEEP * COLUMNS; i++)
        b[i] = (float)(i * 5 % 301 - 150);
    multiply(ROWS, DEEP, COLUMNS, a, b, false, c);
    for (int i = 0; i < ROWS; i++)
        for (int n = 0; n < COLUMNS; n++) {
            int sum = 0;
            for (int k = 0; k < DEEP; k++)
                sum += (int)a[i * DEEP + k] * (int)b[k * COLUMNS + n];
            assert_true(c[i * COLUMNS + n] == (float)sum);
        }
}

/* A number by 1 is the number: no part is lost. */
static void numbers_are_the_sum_of_their_parts(void **state)
{
    enum { COUNT = 4096 };
    (void)state;
    if (!ln_tiles_available())
        skip();
    float *a = floats(COUNT, 9), *c = floats(COUNT, 8);
    const float one = 1;
    for (int i = 0; i < COUNT; i++)
        a[i] = ldexpf(a[i], i % 200 - 90);
    a[0] = 3.4028235e38f;
    a[1] = -3.4028235e38f;
    a[2] = 0;
    a[3] = 2e-31f;
    multiply(COUNT, 1, 1, a, &one, false, c);
    assert_same_bits(c, a, COUNT * sizeof *a);
    ln_free_aligned(a);
    ln_free_aligned(c);
}

static void rows_keep_their_bits(void **state)
{
    enum { ROWS = 37, DEEP = 90, COLUMNS = 30 };
    (void)state;
    if (!ln_tiles_available())
        skip();
    float *a = floats(ROWS * DEEP, 1), *b = floats(DEEP * COLUMNS, 2);
    float *c = floats(ROWS * COLUMNS, 3), *one = floats(ROWS * COLUMNS, 4);
    for (int k = 0; k < DEEP; k++)
        a[20 * DEEP + k] = k % 2 ? NAN : INFINITY; /* harms itself alone */
    multiply(ROWS, DEEP, COLUMNS, a, b, false, c);
    for (int i = 0; i < ROWS; i++) {
        if (i == 20)
            continue;
        multiply(1, DEEP, COLUMNS, a + i * DEEP, b, false, one);
        assert_same_bits(one, c + i * COLUMNS, COLUMNS * sizeof *one);
    }
    multiply(ROWS - 5, DEEP, COLUMNS, a + 5 * DEEP, b, false, one);
    assert_same_bits(one, c + 5 * COLUMNS, 15 * COLUMNS * sizeof *one);
    assert_same_bits(one + 16 * COLUMNS, c + 21 * COLUMNS, 16 * COLUMNS * sizeof *one);
    ln_free_aligned(a);
    ln_free_aligned(b);
    ln_free_aligned(c);
    ln_free_aligned(one);
}

/* What tiles.h says of them. */
static void infinite_and_tiny_numbers(void **state)
{
    const float exact[] = {0.5f, -0.5f, 1, 0}, full[] = {0.3f, -0.7f, 0.1f, -1.3f};
    float a[4] = {1, 1, INFINITY, 1}, c;
    (void)state;
    if (!ln_tiles_available())
        skip();
    multiply(1, 4, 1, a, full, false, &c);
    assert_true(c == INFINITY);
    multiply(1, 4, 1, a, exact, false, &c); /* infinity times the empty parts of 1 */
    assert_true(isnan(c));
    a[3] = INFINITY;
    multiply(1, 4, 1, a, full, false, &c); /* infinity less infinity */
    assert_true(isnan(c));
    a[2] = a[3] = NAN;
    multiply(1, 4, 1, a, full, false, &c);
    assert_true(isnan(c));
    const uint32_t low = 0x7f800001u; /* a NaN whose upper half is that of infinity */
    memcpy(&a[2], &low, sizeof low);
    a[3] = 1;
    multiply(1, 4, 1, a, full, false, &c);
    assert_true(isnan(c));
    const float tiny[] = {1.2345678e-36f, 1e-40f, 0, 0};
    multiply(1, 4, 1, tiny, exact, false, &c);
    assert_true(fabs((double)c - 0.5 * (double)tiny[0]) < 2e-38);
}

/* Where the parts of element k, column n of a block of weights are: tiles.h. Splitting needs no tiles. */
static float put_together(const uint16_t *b, int64_t part, int64_t k, int64_t n)
{
    float sum = 0;
    for (int p = PARTS - 1; p >= 0; p--) { /* the smallest first: all sums are exact */
        const uint32_t bits = (uint32_t)b[p * part + (k / 2 * TILE + n) * 2 + k % 2] << 16;
        float number;
        memcpy(&number, &bits, sizeof number);
        sum += number;
    }
    return sum;
}

static void weights_are_split_to_their_places(void **state)
{
    enum { ROW = 40, PART = LN_TILE_B + 32 };
    const int64_t depths[] = {1, 2, 7, 15, 16, 30}, columns[] = {1, 3, 8, 16, 24};
    uint16_t b[PARTS * PART];
    (void)state;
    if (!ln_cpu_has("avx512"))
        skip();
    float *w = floats(ROW * ROW, 11);
    for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
        for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
            for (int turned = 0; turned < 2; turned++) {
                ln_tiles_split_weights(turned, depths[d], columns[c], w, ROW, b, PART);
                for (int64_t k = 0; k < TILE; k++)
                    for (int64_t n = 0; n < TILE; n++) {
                        const bool there = k < depths[d] && n < columns[c];
                        const float right = there ? w[turned ? n * ROW + k : k * ROW + n] : 0;
                        assert_true(put_together(b, PART, k, n) == right);
                    }
            }
    ln_free_aligned(w);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef __x86_64__
        cmocka_unit_test(products_err_less_than_float32),
        cmocka_unit_test(small_integers_are_exact),
        cmocka_unit_test(numbers_are_the_sum_of_their_parts),
        cmocka_unit_test(rows_keep_their_bits),
        cmocka_unit_test(infinite_and_tiny_numbers),
        cmocka_unit_test(weights_are_split_to_their_places),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
