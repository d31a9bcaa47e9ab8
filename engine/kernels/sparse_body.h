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

/* What is the same for all places of a line of woven taps. */
typedef struct line {
    const float *weight, *x; /* x: of the next place */
    float *y;                /* place 0 */
    int64_t x_place, y_place, y_line;
} line;

static inline __attribute__((always_inline)) void load_place(const int vectors, const line *l,
                                                             int64_t place, vector *sum)
{
    const bool there = place >= 0 && place < l->y_line;
    const float *y = l->y + place * l->y_place;
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
        sum[v] = there ? *(const vector *)(y + v * LANES) : spread(0);
}

static inline __attribute__((always_inline)) void store_place(const int vectors, const line *l,
                                                              int64_t place, const vector *sum)
{
    if (place < 0 || place >= l->y_line)
        return;
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
        *(vector *)(l->y + place * l->y_place + v * LANES) = sum[v];
}

/* What a place of x gives to three neighbours of y, the first of which, `place`, has then got all. */
static inline __attribute__((always_inline)) void weave_place(const int vectors, line *l,
                                                              uint64_t some, int64_t place,
                                                              vector *first, vector *second,
                                                              vector *third)
{
    vector *const to[LN_SPARSE_WOVEN] = {third, second, first};
#pragma GCC unroll 1
    for (; some; some &= some - 1) {
        const int64_t c = __builtin_ctzll(some);
        const float *row = l->weight + c * LN_SPARSE_WOVEN * vectors * LANES;
        const vector one = spread(l->x[c]);
        __asm__("" : "+r"(row));
#pragma GCC unroll 3
        for (int t = 0; t < LN_SPARSE_WOVEN; t++)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                to[t][v] = held(fused(
                    one, *(const vector *)(row + (t * vectors + v) * LANES), to[t][v]));
    }
    l->x += l->x_place;
    store_place(vectors, l, place, first);
    load_place(vectors, l, place + LN_SPARSE_WOVEN, first);
}

/* A line: what a place of x gives to three neighbours of y goes to registers that take turns. */
static inline __attribute__((always_inline)) void weave_line(const int vectors,
                                                             const ln_sparse_visit *visit,
                                                             int64_t from, float *y)
{
    line l = {.weight = visit->weight,
              .x = visit->x + from * visit->x_place,
              .y = y,
              .x_place = visit->x_place,
              .y_place = visit->y_place,
              .y_line = visit->y_line};
    const uint64_t *some = visit->some + from, *end = some + visit->count;
    vector a[TOGETHER], b[TOGETHER], c[TOGETHER];
    int64_t place = visit->to.first - (LN_SPARSE_WOVEN - 1); /* that of a */
    load_place(vectors, &l, place, a);
    load_place(vectors, &l, place + 1, b);
    load_place(vectors, &l, place + 2, c);
    for (;;) {
        weave_place(vectors, &l, *some++, place++, a, b, c);
        if (some == end) {
            store_place(vectors, &l, place, b);
            store_place(vectors, &l, place + 1, c);
            break;
        }
        weave_place(vectors, &l, *some++, place++, b, c, a);
        if (some == end) {
            store_place(vectors, &l, place, c);
            store_place(vectors, &l, place + 1, a);
            break;
        }
        weave_place(vectors, &l, *some++, place++, c, a, b);
        if (some == end) {
            store_place(vectors, &l, place, a);
            store_place(vectors, &l, place + 1, b);
            break;
        }
    }
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
