/* The body, compiled once an instruction set: LANES floats are a register, `vector`. Several registers of
 * a row are summed side by side, so that additions need not wait for each other. */

#define SIDE_BY_SIDE 4

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(float)), may_alias));

/* 0 where a lane is <= 0; NaN stays. */
static inline vector cut(vector x)
{
    return (vector)((lanes)x & ~(lanes)(x <= (vector){0}));
}

static inline __attribute__((always_inline)) void add_parts(const ln_gather *gather,
                                                            const uint16_t *chosen,
                                                            const float *start, int64_t from,
                                                            const int vectors, const bool cuts,
                                                            float *y)
{
    vector sum[SIDE_BY_SIDE];
    const int64_t width = gather->width, table = gather->parts * width, count = gather->count;
    const float *parts = gather->tables + from;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        sum[v] = *(const vector *)(start + from + v * LANES);
    for (int64_t t = 0; t < count; t++, parts += table) {
        const float *part = parts + chosen[t] * width;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[v] += *(const vector *)(part + v * LANES);
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        *(vector *)(y + from + v * LANES) = cuts ? cut(sum[v]) : sum[v];
}

/* `gather` is a copy of the caller's, which nobody else knows: stores to y leave it in registers. */
static inline __attribute__((always_inline)) void all_rows(const ln_gather *gather, const bool cuts)
{
    const int64_t width = gather->width, table = gather->parts * width;
    for (int64_t r = 0; r < gather->rows; r++) {
        const uint16_t *chosen = gather->chosen + r * gather->count;
        const float *start = gather->start + r * gather->start_row;
        float *y = gather->y + r * width;
        int64_t at = 0;
        for (; at + SIDE_BY_SIDE * LANES <= width; at += SIDE_BY_SIDE * LANES)
            add_parts(gather, chosen, start, at, SIDE_BY_SIDE, cuts, y);
        for (; at + LANES <= width; at += LANES)
            add_parts(gather, chosen, start, at, 1, cuts, y);
        for (; at < width; at++) {
            float sum = start[at];
            for (int64_t t = 0; t < gather->count; t++)
                sum += gather->tables[t * table + chosen[t] * width + at];
            y[at] = cuts && sum <= 0 ? 0 : sum;
        }
    }
}

static inline __attribute__((always_inline)) void gather_rows(const ln_gather *gather)
{
    const ln_gather copy = *gather;
    if (copy.cut)
        all_rows(&copy, true);
    else
        all_rows(&copy, false);
}
