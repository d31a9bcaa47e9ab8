/* The body, compiled once an instruction set. The including file defines LANES, `vector`, spread and fused
 * (lanes_avx2.h), and
 *
 *     WIDEST                 registers of a panel at most: as many sums and an operand fit the registers
 *     list_some(x, count, from, step, value, at)
 *                            of the first `count` <= LN_SPARSE_STEP numbers of x those other than 0, and for number i
 *                            from + i step; their number. LN_SPARSE_STEP may be written
 *
 * A sum of few registers waits for itself: then every second entry goes to sums of its own. */

#define PAIR 2
#define TOGETHER 8 /* registers of sums that keep the multipliers busy */
#define LINE 64    /* bytes of a line of the cache */

static void list(const ln_sparse_lists *lists, int64_t first, int64_t places, const float *x)
{
    const int64_t step = lists->step, channels = lists->channels;
    for (int64_t p = first; p < first + places; p++, x += channels)
        for (int64_t b = 0; b < lists->blocks; b++) {
            const int64_t number = b * lists->places + p, begin = b * lists->block;
            const int64_t here = channels - begin < lists->block ? channels - begin : lists->block;
            float *value = lists->value + number * lists->block;
            uint32_t *at = lists->at + number * lists->block;
            int64_t count = 0;
            for (int64_t i = 0; i < here; i += LN_SPARSE_STEP)
                count +=
                    list_some(x + begin + i, here - i < LN_SPARSE_STEP ? here - i : LN_SPARSE_STEP,
                              (uint32_t)(i * step), (uint32_t)step, value + count, at + count);
            if (count % PAIR != 0) { /* the block is even: there is room */
                value[count] = 0;
                at[count++] = 0;
            }
            lists->count[number] = (int32_t)count;
        }
}

/* One place: `vectors` registers. */
static inline __attribute__((always_inline)) void add_place(const int vectors, int64_t count,
                                                            const float *value, const uint32_t *at,
                                                            const char *weight, float *y)
{
    const int sets = vectors < TOGETHER ? PAIR : 1;
    vector sum[PAIR][WIDEST];
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) {
        sum[0][v] = *(const vector *)(y + v * LANES);
        sum[1][v] = spread(0);
    }
#pragma GCC unroll 1
    for (int64_t i = 0; i < count; i += PAIR)
#pragma GCC unroll 2
        for (int e = 0; e < PAIR; e++) {
            const float *row = (const float *)(const void *)(weight + at[i + e]);
            const vector x = spread(value[i + e]);
            __asm__("" : "+r"(row)); /* one address for all of it, which products read at no cost */
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                sum[e % sets][v] = fused(x, *(const vector *)(row + v * LANES), sum[e % sets][v]);
        }
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) {
        if (sets == PAIR)
            sum[0][v] += sum[1][v];
        *(vector *)(y + v * LANES) = sum[0][v];
    }
}

static inline __attribute__((always_inline)) void add_places(const int vectors,
                                                             const ln_sparse_visit *visit)
{
    const ln_sparse_lists *lists = visit->lists;
    const int64_t block = lists->block, begin = visit->block * lists->places;
    const char *ahead = visit->ahead, *weight = (const char *)visit->weight;
    for (int64_t l = 0; l < visit->lines; l++) {
        int64_t to = visit->to.first + l * visit->to.line;
        int64_t from = begin + visit->from.first + l * visit->from.line;
        for (int64_t i = 0; i < visit->count; i++) {
            for (int64_t b = 0; b < visit->ahead_place; b += LINE, ahead += LINE)
                __builtin_prefetch(ahead, 0, 2);
            add_place(vectors, lists->count[from], lists->value + from * block,
                      lists->at + from * block, weight, visit->y + to * visit->y_place);
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
    const ln_sparse_lists *lists = visit->lists;
    const char *weight = (const char *)visit->weight;
    vector sum[LN_SPARSE_WOVEN][TOGETHER];
    int64_t place = visit->to.first - LAST; /* of y: that of sum[0] */
#pragma GCC unroll 3
    for (int t = 0; t < LN_SPARSE_WOVEN; t++)
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            sum[t][v] = load_place(visit, y, place + t, v);
    for (int64_t s = from; s < from + visit->count; s++, place++) {
        const float *value = lists->value + s * lists->block;
        const uint32_t *at = lists->at + s * lists->block;
        const int64_t count = lists->count[s];
#pragma GCC unroll 1
        for (int64_t i = 0; i < count; i++) {
            const float *row = (const float *)(const void *)(weight + at[i]);
            const vector x = spread(value[i]);
            __asm__("" : "+r"(row));
#pragma GCC unroll 3
            for (int t = 0; t < LN_SPARSE_WOVEN; t++)
#pragma GCC unroll 16
                for (int v = 0; v < vectors; v++)
                    sum[LAST - t][v] = fused(x, *(const vector *)(row + (t * vectors + v) * LANES),
                                             sum[LAST - t][v]);
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
    const int64_t begin = visit->block * visit->lists->places;
    for (int64_t l = 0; l < visit->lines; l++)
        weave_line(vectors, visit, begin + visit->from.first + l * visit->from.line,
                   visit->y + l * visit->to.line * visit->y_place);
}

/* The window of one place: `lines` x `vectors` registers. */
static inline __attribute__((always_inline)) void add_window(const int lines, const int vectors,
                                                             const ln_sparse_windows *w,
                                                             int64_t from, float *y)
{
    const float *value = w->lists->value + from * w->lists->block;
    const uint32_t *at = w->lists->at + from * w->lists->block;
    const int64_t count = w->lists->count[from], left = w->length - (vectors - 1) * LANES;
    vector sum[WINDOW];
#pragma GCC unroll 16
    for (int l = 0; l < lines; l++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            const float *part = y + l * w->y_line + v * LANES;
            sum[l * vectors + v] = v + 1 < vectors ? *(const vector *)part : load_part(part, left);
        }
#pragma GCC unroll 1
    for (int64_t i = 0; i < count; i++) {
        const float *row = (const float *)(const void *)((const char *)w->weight + at[i]);
        const vector x = spread(value[i]);
        __asm__("" : "+r"(row));
#pragma GCC unroll 16
        for (int j = 0; j < lines * vectors; j++)
            sum[j] = fused(x, *(const vector *)(row + j * LANES), sum[j]);
    }
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
    const int64_t begin = w->block * w->lists->places;
    for (int64_t phase = 0; phase < apart; phase++)
        for (int64_t p = phase; p < w->places; p += apart)
            add_window(lines, vectors, w, begin + p, w->y + p * w->y_place);
}
