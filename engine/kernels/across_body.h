/* last.h's `across`, compiled once an instruction set, of what last_body.h says; and
 *
 *     ACROSS_LIST(X)  X(rows, vectors): how many registers of places a block of so many rows spans
 *
 * A line of dx has, a place q of the stride, `rows` numbers: (phase of the stride, channel). A register
 * holds one of them at neighbouring places, so that nothing has to be summed over lanes:
 *
 *     dx[q, r] = sum over oy, j, o of w[ky(oy), j, o, r] dy[oy, q - j, o]
 *
 * Lines of dy are turned for this when they are first read, (o, place), in a ring. */

/* A line of dy (places, results) to (results, width), its places from `first` on. */
static void turn_line(const ln_across *t, const float *dy, float *to)
{
    const int64_t places = t->thin.out[1], results = t->thin.results;
    for (int64_t p = 0; p < places; p += LANES)
        for (int64_t o = 0; o < results; o += LANES) {
            const int64_t count = results - o < LANES ? results - o : LANES;
            vector square[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++)
                square[i] =
                    p + i < places ? load_part(dy + (p + i) * results + o, count) : (vector){0};
            turn_square(square);
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++)
                if (i < count)
                    *(vector *)(to + (o + i) * t->width + t->shifts[1] - 1 + p) = square[i];
        }
}

/* `rows` numbers at LANES * vectors places from q on of line `row` of dx. */
static inline __attribute__((always_inline)) void across_block(const ln_across *t,
                                                               const float *ring, int64_t row,
                                                               int64_t q, const int rows,
                                                               const int vectors, float *out)
{
    const ln_thin *s = &t->thin;
    const int64_t results = s->results, width = t->width;
    vector sum[LN_ACROSS_ROWS][8];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++)
            sum[r][i] = (vector){0};
    for (int64_t ky = (row + s->before[0]) % s->stride[0]; ky < s->kernel[0]; ky += s->stride[0]) {
        const int64_t oy = (row + s->before[0] - ky) / s->stride[0];
        if (row + s->before[0] < ky || oy >= s->out[0])
            continue;
        for (int64_t j = 0; j < t->shifts[1]; j++) {
            const float *w = t->weight + (ky * t->shifts[1] + j) * results * rows;
            const float *from =
                ring + oy % t->shifts[0] * results * width + t->shifts[1] - 1 - j + q;
            for (int64_t o = 0; o < results; o++, w += rows, from += width) {
                vector d[8];
#pragma GCC unroll 8
                for (int i = 0; i < vectors; i++)
                    d[i] = *(const vector *)(from + i * LANES);
                if ((rows + 1) * vectors < REGISTERS) /* each serves all rows */
#pragma GCC unroll 8
                    for (int i = 0; i < vectors; i++)
                        d[i] = held(d[i]);
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++) {
                    const vector weight = spread(w[r]);
#pragma GCC unroll 8
                    for (int i = 0; i < vectors; i++)
                        sum[r][i] = fused(weight, d[i], sum[r][i]);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++)
            *(vector *)(out + r * t->places + i * LANES) = sum[r][i];
}

static void across(const ln_across *t, const float *dy, float *dx, float *scratch)
{
    const ln_thin *s = &t->thin;
    const int64_t line = s->out[1] * s->results, whole = s->results * t->width;
    const int64_t floats = s->in[1] * s->channels, rows = s->stride[1] * s->channels;
    float *ring = scratch, *sums = ring + t->shifts[0] * whole, *turned = sums + rows * t->places;
    int64_t next = 0; /* line of dy that is not yet turned */
    memset(ring, 0, (size_t)(t->shifts[0] * whole) * sizeof *ring);
    for (int64_t row = 0; row < s->in[0]; row++, dx += floats) {
        for (; next < s->out[0] && next * s->stride[0] <= row + s->before[0]; next++)
            turn_line(t, dy + next * line, ring + next % t->shifts[0] * whole);
        for (int64_t q = 0; q < t->places;)
            switch (rows) {
#define X(rows, vectors)                                                                           \
    case rows:                                                                                     \
        across_block(t, ring, row, q, rows, vectors, sums + q);                                    \
        q += (vectors)*LANES;                                                                      \
        break;
                ACROSS_LIST(X)
#undef X
            default:
                return;
            }
        ln_last_turn(rows, t->places, sums, turned);
        memcpy(dx, turned + s->before[1] * s->channels, (size_t)floats * sizeof *dx);
    }
}
