/* The body, compiled once an instruction set: LANES floats are a register, `vector`. Several registers of
 * a row are summed side by side, so that additions need not wait for each other. */

#define SIDE_BY_SIDE 4

static inline __attribute__((always_inline)) void add_parts(const ln_gather *gather,
                                                            const uint16_t *chosen,
                                                            const float *start, int64_t from,
                                                            const int vectors, float *y)
{
    vector sum[SIDE_BY_SIDE];
    const int64_t table = gather->parts * gather->width;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        sum[v] = *(const vector *)(start + from + v * LANES);
    for (int64_t t = 0; t < gather->count; t++) {
        const float *part = gather->tables + t * table + chosen[t] * gather->width + from;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sum[v] += *(const vector *)(part + v * LANES);
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        *(vector *)(y + from + v * LANES) = sum[v];
}

static inline __attribute__((always_inline)) void gather_rows(const ln_gather *gather)
{
    const int64_t width = gather->width, table = gather->parts * width;
    for (int64_t r = 0; r < gather->rows; r++) {
        const uint16_t *chosen = gather->chosen + r * gather->count;
        const float *start = gather->start + r * gather->start_row;
        float *y = gather->y + r * width;
        int64_t at = 0;
        for (; at + SIDE_BY_SIDE * LANES <= width; at += SIDE_BY_SIDE * LANES)
            add_parts(gather, chosen, start, at, SIDE_BY_SIDE, y);
        for (; at + LANES <= width; at += LANES)
            add_parts(gather, chosen, start, at, 1, y);
        for (; at < width; at++) {
            float sum = start[at];
            for (int64_t t = 0; t < gather->count; t++)
                sum += gather->tables[t * table + chosen[t] * width + at];
            y[at] = sum;
        }
    }
}
