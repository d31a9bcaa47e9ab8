/* The body, compiled once an instruction set. The including file defines LANES, `vector`, spread and fused
 * (lanes_avx2.h), and
 *
 *     WIDEST                 registers of a panel at most: as many sums and an operand fit the registers
 *     some_of(x, count)      a bit for each of the first `count` <= LN_SPARSE_STEP numbers of x that is not 0
 *
 * A sum of few registers waits for itself: then every second entry goes to sums of its own. */

#define PAIR 2
#define TOGETHER 8 /* registers of sums that keep the multipliers busy */
#define LINE 64    /* bytes of a line of the cache */

static void mark(const ln_sparse_marks *marks, int64_t first, int64_t places, const float *x)
{
    const int64_t channels = marks->channels;
    for (int64_t p = first; p < first + places; p++, x += channels)
        for (int64_t b = 0; b < marks->blocks; b++) {
            const int64_t begin = b * marks->block;
            const int64_t here = channels - begin < marks->block ? channels - begin : marks->block;
            uint64_t some = 0;
            for (int64_t i = 0; i < here; i += LN_SPARSE_STEP)
                some |=
                    some_of(x + begin + i, here - i < LN_SPARSE_STEP ? here - i : LN_SPARSE_STEP)
                    << i;
            marks->some[b * marks->places + p] = some;
        }
}

/* sum += x[c] weight[c] of the first channel c that is marked; the others are left. */
static inline __attribute__((always_inline)) uint64_t add_first(const int vectors, uint64_t some,
                                                                const float *x, const float *weight,
                                                                vector *sum)
{
    const int64_t c = __builtin_ctzll(some);
    const float *row = weight + c * vectors * LANES;
    const vector one = spread(x[c]);
    __asm__("" : "+r"(row)); /* one address for all of it, which products read at no cost */
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
        sum[v] = fused(one, *(const vector *)(row + v * LANES), sum[v]);
    return some & (some - 1);
}

/* One place: `vectors` registers. */
static inline __attribute__((always_inline)) void add_place(const int vectors, uint64_t some,
                                                            const float *x, const float *weight,
                                                            float *y)
{
    vector sum[PAIR][WIDEST];
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) {
        sum[0][v] = *(const vector *)(y + v * LANES);
        sum[1][v] = spread(0);
    }
    if (vectors < TOGETHER)
#pragma GCC unroll 1
        while (some & (some - 1)) {
            some = add_first(vectors, some, x, weight, sum[0]);
            some = add_first(vectors, some, x, weight, sum[1]);
        }
#pragma GCC unroll 1
    while (some)
        some = add_first(vectors, some, x, weight, sum[0]);
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) {
        if (vectors < TOGETHER)
            sum[0][v] += sum[1][v];
        *(vector *)(y + v * LANES) = sum[0][v];
    }
}

static inline __attribute__((always_inline)) void add_places(const int vectors,
                                                             const ln_sparse_visit *visit)
{
    const char *ahead = visit->ahead;
    for (int64_t l = 0; l < visit->lines; l++) {
        int64_t to = visit->to.first + l * visit->to.line;
        int64_t from = visit->from.first + l * visit->from.line;
        for (int64_t i = 0; i < visit->count; i++) {
            for (int64_t b = 0; b < visit->ahead_place; b += LINE, ahead += LINE)
                __builtin_prefetch(ahead, 0, 2);
            add_place(vectors, visit->some[from], visit->x + from * visit->x_place, visit->weight,
                      visit->y + to * visit->y_place);
            to += visit->to.step;
            from += visit->from.step;
        }
    }
}

static inline __attribute__((always_inline)) vector load_place(const ln_sparse_visit *visit,
                                                               const float *line, int64_t place,
                                                               int v)
{
    return place < 0 || place >= visit->y_line
               ? spread(0)
               : *(const vector *)(line + place * visit->y_place + v * LANES);
}

static inline __attribute__((always_inline)) void store_place(const ln_sparse_visit *visit,
                                                              const int vectors, float *line,
                                                              int64_t place, const vector *sum)
{
    if (place < 0 || place >= visit->y_line)
        return;
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
        *(vector *)(line + place * visit->y_place + v * LANES) = sum[v];
}

/* A line: what a place of x gives to three neighbours of y goes to registers that move along with it. */
static inline __attribute__((always_inline)) void weave_line(const int vectors,
                                                             const ln_sparse_visit *visit,
                                                             int64_t from, float *y)
{
    enum { LAST = LN_SPARSE_WOVEN - 1 };
    vector sum[LN_SPARSE_WOVEN][TOGETHER];
    int64_t place = visit->to.first - LAST; /* of y: that of sum[0] */
#pragma GCC unroll 3
    for (int t = 0; t < LN_SPARSE_WOVEN; t++)
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            sum[t][v] = load_place(visit, y, place + t, v);
    for (int64_t s = from; s < from + visit->count; s++, place++) {
        const float *x = visit->x + s * visit->x_place;
#pragma GCC unroll 1
        for (uint64_t some = visit->some[s]; some; some &= some - 1) {
            const int64_t c = __builtin_ctzll(some);
            const float *row = visit->weight + c * LN_SPARSE_WOVEN * vectors * LANES;
            const vector one = spread(x[c]);
            __asm__("" : "+r"(row));
#pragma GCC unroll 3
            for (int t = 0; t < LN_SPARSE_WOVEN; t++)
#pragma GCC unroll 16
                for (int v = 0; v < vectors; v++)
                    sum[LAST - t][v] = fused(
                        one, *(const vector *)(row + (t * vectors + v) * LANES), sum[LAST - t][v]);
        }
        store_place(visit, vectors, y, place, sum[0]);
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++) {
            sum[0][v] = sum[1][v];
            sum[1][v] = sum[2][v];
            sum[2][v] = load_place(visit, y, place + LN_SPARSE_WOVEN, v);
        }
    }
    store_place(visit, vectors, y, place, sum[0]);
    store_place(visit, vectors, y, place + 1, sum[1]);
}

static inline __attribute__((always_inline)) void weave_lines(const int vectors,
                                                              const ln_sparse_visit *visit)
{
    for (int64_t l = 0; l < visit->lines; l++)
        weave_line(vectors, visit, visit->from.first + l * visit->from.line,
                   visit->y + l * visit->to.line * visit->y_place);
}

/* The window of one place: `lines` x `vectors` registers. */
static inline __attribute__((always_inline)) void add_window(const int lines, const int vectors,
                                                             const ln_sparse_windows *w,
                                                             int64_t place, float *y)
{
    const int64_t left = w->length - (vectors - 1) * LANES;
    const float *x = w->x + place * w->x_place;
    vector sum[WINDOW];
#pragma GCC unroll 16
    for (int l = 0; l < lines; l++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            const float *part = y + l * w->y_line + v * LANES;
            sum[l * vectors + v] = v + 1 < vectors ? *(const vector *)part : load_part(part, left);
        }
#pragma GCC unroll 1
    for (uint64_t some = w->some[place]; some;)
        some = add_first(lines * vectors, some, x, w->weight, sum);
#pragma GCC unroll 16
    for (int l = 0; l < lines; l++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            float *part = y + l * w->y_line + v * LANES;
            if (v + 1 < vectors)
                *(vector *)part = sum[l * vectors + v];
            else
                store_part(part, sum[l * vectors + v], left);
        }
}

/* One after another come windows that do not overlap: what is read just after it was stored in other pieces is
 * waited for. */
static inline __attribute__((always_inline)) void add_windows(const int lines, const int vectors,
                                                              const ln_sparse_windows *w)
{
    const int64_t apart = (w->length + w->y_place - 1) / w->y_place;
    for (int64_t phase = 0; phase < apart; phase++)
        for (int64_t p = phase; p < w->places; p += apart)
            add_window(lines, vectors, w, p, w->y + p * w->y_place);
}
