/* The body, compiled once an instruction set. The including file defines LANES, `vector`, spread and fused
 * (lanes_avx2.h), and
 *
 *     WIDEST                 registers of a panel at most: as many sums and an operand fit the registers
 *     some_of(x, count)      a bit for each of the first `count` <= LN_SPARSE_STEP numbers of x that is not 0
 *
 * A sum of few registers waits for itself: then every second entry goes to sums of its own. */

_Static_assert(WIDEST *LANES <= LN_SPARSE_WIDEST, "sums may begin with as many numbers");

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

/* One address for all registers' places, which products read at no cost: the compiler would make one for each. */
static inline const float *at_once(const float *p)
{
    __asm__("" : "+r"(p));
    return p;
}

/* sum += x[c] weight[c] of the first channel c that is marked; the others are left. */
static inline __attribute__((always_inline)) uint64_t add_first(const int vectors, uint64_t some,
                                                                const float *x, const float *weight,
                                                                vector *sum)
{
    const int64_t c = __builtin_ctzll(some);
    const float *row = at_once(weight + c * vectors * LANES);
    const vector one = spread(x[c]);
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
        sum[v] = fused(one, *(const vector *)(row + v * LANES), sum[v]);
    return some & (some - 1);
}

static inline __attribute__((always_inline)) void load(const int vectors, const float *y,
                                                       vector *sum)
{
    y = at_once(y);
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
        sum[v] = *(const vector *)(y + v * LANES);
}

static inline __attribute__((always_inline)) void store(const int vectors, const vector *sum,
                                                        float *y)
{
    y = (float *)at_once(y);
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
        *(vector *)(y + v * LANES) = sum[v];
}

/* One place: `vectors` registers. */
static inline __attribute__((always_inline)) void add_place(const int vectors, uint64_t some,
                                                            const float *x, const float *weight,
                                                            const float *start, float *y)
{
    vector sum[PAIR][WIDEST];
    load(vectors, start ? start : y, sum[0]);
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
        sum[1][v] = spread(0);
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
    for (int v = 0; v < vectors && vectors < TOGETHER; v++)
        sum[0][v] += sum[1][v];
    store(vectors, sum[0], y);
}

/* Two places, `apart` marks apart: the channels that both have first, whose weights are read once. */
static inline __attribute__((always_inline)) void add_pair(const int vectors, const uint64_t *some,
                                                           int64_t apart, const float *x,
                                                           int64_t x_apart, const float *weight,
                                                           const float *start, float *y,
                                                           int64_t y_apart)
{
    const uint64_t both = some[0] & some[apart];
    uint64_t first = some[0] ^ both, second = some[apart] ^ both;
    vector sum[PAIR][WIDEST];
    load(vectors, start ? start : y, sum[0]);
    load(vectors, start ? start : y + y_apart, sum[1]);
#pragma GCC unroll 1
    for (uint64_t left = both; left; left &= left - 1) {
        const int64_t c = __builtin_ctzll(left);
        const float *row = at_once(weight + c * vectors * LANES);
        const vector one = spread(x[c]), two = spread(x[x_apart + c]);
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++) {
            const vector w = held(*(const vector *)(row + v * LANES));
            sum[0][v] = fused(one, w, sum[0][v]);
            sum[1][v] = fused(two, w, sum[1][v]);
        }
    }
#pragma GCC unroll 1
    while (first)
        first = add_first(vectors, first, x, weight, sum[0]);
#pragma GCC unroll 1
    while (second)
        second = add_first(vectors, second, x + x_apart, weight, sum[1]);
    store(vectors, sum[0], y);
    store(vectors, sum[1], y + y_apart);
}

/* In pairs, where the registers hold the sums of two places and what is multiplied. */
static inline __attribute__((always_inline)) void add_places(const int vectors,
                                                             const ln_sparse_visit *visit)
{
    const bool pairs = PAIR * vectors + 3 <= REGISTERS;
    const ln_sparse_visit v = *visit; /* of its own: stores of numbers leave it as it is */
    const int64_t to = v.to.step * v.y_place, from = v.from.step, x_from = from * v.x_place;
    const char *ahead = v.ahead;
    for (int64_t l = 0; l < v.lines; l++) {
        const uint64_t *some = v.some + v.from.first + l * v.from.line;
        const float *x = v.x + (some - v.some) * v.x_place;
        float *y = v.y + (v.to.first + l * v.to.line) * v.y_place;
        int64_t left = v.count;
        for (; pairs && left >= PAIR; left -= PAIR) {
            for (int64_t b = 0; b < PAIR * v.ahead_place; b += LINE, ahead += LINE)
                __builtin_prefetch(ahead, 0, 2);
            add_pair(vectors, some, from, x, x_from, v.weight, v.start, y, to);
            some += PAIR * from;
            x += PAIR * x_from;
            y += PAIR * to;
        }
        for (; left > 0; left--) {
            for (int64_t b = 0; b < v.ahead_place; b += LINE, ahead += LINE)
                __builtin_prefetch(ahead, 0, 2);
            add_place(vectors, *some, x, v.weight, v.start, y);
            some += from;
            x += x_from;
            y += to;
        }
    }
}

/* What is the same for all places of a line of woven taps. */
typedef struct woven {
    const float *weight, *x; /* x: of the next place */
    const float *start;      /* of place 0: what its sums begin with */
    float *y;                /* place 0 */
    int64_t x_place, start_place, y_place, y_line;
} woven;

/* Of as many places of y as two neighbours of x reach; the first of them is sum[turn]. */
enum { SUMS = LN_SPARSE_WOVEN + PAIR - 1 };
typedef vector sums[SUMS][TOGETHER];

static inline __attribute__((always_inline)) void load_place(const int vectors, const woven *w,
                                                             int64_t place, vector *sum)
{
    if (place >= 0 && place < w->y_line)
        load(vectors, w->start + place * w->start_place, sum);
    else
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            sum[v] = spread(0);
}

static inline __attribute__((always_inline)) void store_place(const int vectors, const woven *w,
                                                              int64_t place, const vector *sum)
{
    if (place >= 0 && place < w->y_line)
        store(vectors, sum, w->y + place * w->y_place);
}

/* What the marked channels of a place of x give to three places of y. */
static inline __attribute__((always_inline)) void weave_one(const int vectors, const woven *w,
                                                            uint64_t some, const float *x,
                                                            vector (*sum)[TOGETHER], int turn)
{
    enum { LAST = LN_SPARSE_WOVEN - 1 };
#pragma GCC unroll 1
    for (; some; some &= some - 1) {
        const int64_t c = __builtin_ctzll(some);
        const float *row = at_once(w->weight + c * LN_SPARSE_WOVEN * vectors * LANES);
        const vector one = spread(x[c]);
#pragma GCC unroll 3
        for (int t = 0; t < LN_SPARSE_WOVEN; t++)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++) {
                vector *to = &sum[(turn + LAST - t) % SUMS][v];
                *to = held(fused(one, *(const vector *)(row + (t * vectors + v) * LANES), *to));
            }
    }
}

/* Two neighbours of x to four of y, the first two of which, `place` and the next, have then got all. */
static inline __attribute__((always_inline)) void weave_two(const int vectors, woven *w,
                                                            const uint64_t *some, int64_t place,
                                                            vector (*sum)[TOGETHER], int turn)
{
    enum { LAST = LN_SPARSE_WOVEN - 1 };
    const float *next = w->x + w->x_place;
    const uint64_t both = some[0] & some[1];
#pragma GCC unroll 1
    for (uint64_t left = both; left; left &= left - 1) {
        const int64_t c = __builtin_ctzll(left);
        const float *row = at_once(w->weight + c * LN_SPARSE_WOVEN * vectors * LANES);
        const vector one = spread(w->x[c]), two = spread(next[c]);
#pragma GCC unroll 3
        for (int t = 0; t < LN_SPARSE_WOVEN; t++)
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++) {
                const vector weight = held(*(const vector *)(row + (t * vectors + v) * LANES));
                vector *to = &sum[(turn + LAST - t) % SUMS][v];
                *to = held(fused(one, weight, *to));
                to = &sum[(turn + LAST - t + 1) % SUMS][v];
                *to = held(fused(two, weight, *to));
            }
    }
    weave_one(vectors, w, some[0] ^ both, w->x, sum, turn);
    weave_one(vectors, w, some[1] ^ both, next, sum, turn + 1);
    w->x = next + w->x_place;
#pragma GCC unroll 2
    for (int p = 0; p < PAIR; p++) {
        vector *done = sum[(turn + p) % SUMS];
        store_place(vectors, w, place + p, done);
        load_place(vectors, w, place + p + SUMS, done);
    }
}

/* The last place of x, if there is `one` left, and all places of y that it reaches. */
static inline __attribute__((always_inline)) void weave_end(const int vectors, const woven *w,
                                                            const uint64_t *some, bool one,
                                                            int64_t place, vector (*sum)[TOGETHER],
                                                            int turn)
{
    if (one)
        weave_one(vectors, w, *some, w->x, sum, turn);
#pragma GCC unroll 3
    for (int p = 0; p < LN_SPARSE_WOVEN; p++)
        store_place(vectors, w, place + p, sum[(turn + p) % SUMS]);
}

/* A line: what a place of x gives to three neighbours of y goes to registers that take turns. */
static inline __attribute__((always_inline)) void weave_line(const int vectors,
                                                             const ln_sparse_visit *visit,
                                                             int64_t from, float *y)
{
    woven w = {.weight = visit->weight,
               .x = visit->x + from * visit->x_place,
               .start = visit->start ? visit->start : y,
               .y = y,
               .x_place = visit->x_place,
               .start_place = visit->start ? 0 : visit->y_place,
               .y_place = visit->y_place,
               .y_line = visit->y_line};
    const uint64_t *some = visit->some + from, *end = some + visit->count;
    int64_t place = visit->to.first - (LN_SPARSE_WOVEN - 1); /* of y: the first that is reached */
    sums sum;
#pragma GCC unroll 4
    for (int p = 0; p < SUMS; p++)
        load_place(vectors, &w, place + p, sum[p]);
    for (;;) {
        if (end - some < PAIR) {
            weave_end(vectors, &w, some, some < end, place, sum, 0);
            return;
        }
        weave_two(vectors, &w, some, place, sum, 0);
        some += PAIR;
        place += PAIR;
        if (end - some < PAIR) {
            weave_end(vectors, &w, some, some < end, place, sum, PAIR);
            return;
        }
        weave_two(vectors, &w, some, place, sum, PAIR);
        some += PAIR;
        place += PAIR;
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
