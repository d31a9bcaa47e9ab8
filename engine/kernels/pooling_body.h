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

/* The greatest of `count` windows of 2 x 2 whose lines are `width` apart, as find_max; better[i]: where tap i + 1
 * is greater than those before it. */
static inline __attribute__((always_inline)) vector max_of_pairs(const float *x, int64_t width,
                                                                 int64_t count, lane_mask better[3])
{
    const int64_t near = 2 * count < LANES ? 2 * count : LANES, far = 2 * count - near;
    vector taps[4];
    for (int row = 0; row < 2; row++, x += width) {
        const vector b = far ? load_part(x + LANES, far) : (vector){0};
        part_pairs(load_part(x, near), b, &taps[2 * row], &taps[2 * row + 1]);
    }
    vector best = taps[0];
    for (int i = 0; i < 3; i++) {
        better[i] = wins(taps[i + 1], best);
        best = choose(better[i], taps[i + 1], best);
    }
    return best;
}

static void pairs_forward(const ln_pairs *p, const float *x, float *y)
{
    const int64_t whole = p->count / LANES * LANES, rest = p->count - whole;
    lane_mask better[3];
    for (int64_t i = 0; i < p->lines; i++, x += 2 * p->width, y += p->count) {
        for (int64_t first = 0; first < whole; first += LANES)
            *(vector *)(y + first) = max_of_pairs(x + 2 * first, p->width, LANES, better);
        if (rest)
            store_part(y + whole, max_of_pairs(x + 2 * whole, p->width, rest, better), rest);
    }
}

/* What `count` windows' slopes are to their numbers. */
static inline __attribute__((always_inline)) void spread_pairs(const float *x, int64_t width,
                                                               int64_t count, const float *dy,
                                                               float *dx)
{
    const int64_t near = 2 * count < LANES ? 2 * count : LANES, far = 2 * count - near;
    const vector slope = load_part(dy, count), zero = {0};
    lane_mask better[3];
    max_of_pairs(x, width, count, better);
    /* The last that is better gets it: what is left of the slope goes on to the one before. */
    vector taps[4], left = slope, a, b;
    for (int i = 3; i > 0; i--) {
        taps[i] = choose(better[i - 1], left, zero);
        left = choose(better[i - 1], zero, left);
    }
    taps[0] = left;
    for (int row = 0; row < 2; row++, dx += width) {
        join_pairs(taps[2 * row], taps[2 * row + 1], &a, &b);
        store_part(dx, a, near);
        if (far)
            store_part(dx + LANES, b, far);
    }
}

static void pairs_backward(const ln_pairs *p, const float *x, const float *dy, float *dx)
{
    const int64_t whole = p->count / LANES * LANES, rest = p->count - whole;
    for (int64_t i = 0; i < p->lines; i++, x += 2 * p->width, dx += 2 * p->width, dy += p->count) {
        for (int64_t first = 0; first < whole; first += LANES)
            spread_pairs(x + 2 * first, p->width, LANES, dy + first, dx + 2 * first);
        if (rest)
            spread_pairs(x + 2 * whole, p->width, rest, dy + whole, dx + 2 * whole);
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
