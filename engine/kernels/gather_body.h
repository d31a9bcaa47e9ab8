/* The body, compiled once an instruction set: LANES floats are a register, `vector`. Several registers of
 * a row are summed side by side, so that additions need not wait for each other. */

#define SIDE_BY_SIDE 4
#define ROWS_TOGETHER 2

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(float)), may_alias));

/* 0 where a lane is <= 0; NaN stays. */
static inline vector cut(vector x)
{
    return (vector)((lanes)x & ~(lanes)(x <= (vector){0}));
}

/* `vectors` registers of ROWS_TOGETHER rows, or of one, from number `from` on. */
static inline __attribute__((always_inline)) void add_parts(const ln_gather *gather, int64_t r,
                                                            int64_t from, const int rows,
                                                            const int vectors, const bool cuts)
{
    vector sum[ROWS_TOGETHER][SIDE_BY_SIDE];
    const int64_t width = gather->width, table = gather->parts * width, count = gather->count;
    const uint16_t *chosen = gather->chosen + r * count;
    const float *start = gather->start + r * gather->start_row + from;
    const float *parts = gather->tables + from;
#pragma GCC unroll 2
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[i][v] = *(const vector *)(start + i * gather->start_row + v * LANES);
    for (int64_t t = 0; t < count; t++, parts += table)
#pragma GCC unroll 2
        for (int i = 0; i < rows; i++) {
            const float *part = parts + chosen[i * count + t] * width;
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[i][v] += *(const vector *)(part + v * LANES);
        }
    float *y = gather->y + r * width + from;
#pragma GCC unroll 2
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            *(vector *)(y + i * width + v * LANES) = cuts ? cut(sum[i][v]) : sum[i][v];
}

/* Rows r to r + rows. */
static inline __attribute__((always_inline)) void some_rows(const ln_gather *gather, int64_t r,
                                                            const int rows, const bool cuts)
{
    const int64_t width = gather->width, table = gather->parts * width;
    int64_t at = 0;
    for (; at + SIDE_BY_SIDE * LANES <= width; at += SIDE_BY_SIDE * LANES)
        add_parts(gather, r, at, rows, SIDE_BY_SIDE, cuts);
    for (; at + LANES <= width; at += LANES)
        add_parts(gather, r, at, rows, 1, cuts);
    for (; at < width; at++)
        for (int64_t i = r; i < r + rows; i++) {
            const uint16_t *chosen = gather->chosen + i * gather->count;
            float sum = gather->start[i * gather->start_row + at];
            for (int64_t t = 0; t < gather->count; t++)
                sum += gather->tables[t * table + chosen[t] * width + at];
            gather->y[i * width + at] = cuts && sum <= 0 ? 0 : sum;
        }
}

/* `gather` is a copy of the caller's, which nobody else knows: stores to y leave it in registers. */
static inline __attribute__((always_inline)) void all_rows(const ln_gather *gather, const bool cuts)
{
    int64_t r = 0;
    for (; r + ROWS_TOGETHER <= gather->rows; r += ROWS_TOGETHER)
        some_rows(gather, r, ROWS_TOGETHER, cuts);
    for (; r < gather->rows; r++)
        some_rows(gather, r, 1, cuts);
}

static inline __attribute__((always_inline)) void gather_rows(const ln_gather *gather)
{
    const ln_gather copy = *gather;
    if (copy.cut)
        all_rows(&copy, true);
    else
        all_rows(&copy, false);
}
