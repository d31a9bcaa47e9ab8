/* last.h's poolings, compiled once an instruction set, of what last_body.h says; and, with a lane_mask,
 *
 *     wins(a, b)            a mask: a is greater than b, or no number
 *     same(a, b)            a mask: equal
 *     choose(mask, a, b)    a where the mask is set, else b */

#define BLOCK 64 /* channels of a mean that are looked at together */

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
