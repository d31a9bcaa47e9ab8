/* The body, compiled once an instruction set. The including file defines
 *
 *     LANES      floats in a register; 16 is a multiple
 *     ROWS       rows that go through the layers together; LN_CASCADE_ROWS is a multiple
 *     PANELS     panels of a layer that are summed at once: ROWS x PANELS x 16 floats and what multiplies
 *                them fit the registers
 *
 * the types `vector` and `wide`, of half as many numbers in float64, and the functions narrow(low, high), both
 * rounded to float32, spread(x), x in every lane, fused(a, b, c) = a b + c, cut(x), 0 (or -0)
 * where a lane is <= 0 and NaN where it is that, and differs(x), a bit a lane that is not 0. */

#define VECTORS (LN_CASCADE_PANEL / LANES)
#define WIDE (LANES / 2) /* numbers of float64 in a register */
#define TOGETHER 4       /* registers of a row that parts are added to side by side */
#define PAIR 2           /* rows, the same */
/* Numbers from one row to the next: a panel more than there can be, so that rows lie in different lines of
 * the cache; known here, so that addresses of rows are distances from one register. */
#define STRIDE (LN_CASCADE_WIDEST + LN_CASCADE_PANEL)
#define WORD 64
#define WORDS (LN_CASCADE_WIDEST / WORD)

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* A layer's numbers in all rows, and a bit for each that some row has: the others are 0 in all. */
typedef struct numbers {
    float at[ROWS][STRIDE] __attribute__((aligned(64)));
    uint64_t some[WORDS];
} numbers;

/* `vectors` registers of all rows, from number `first` on: the start and a part of each table. */
static inline __attribute__((always_inline)) void add_parts(const ln_cascade_rows *rows,
                                                            const uint16_t *chosen, int64_t first,
                                                            const int vectors, const bool cuts,
                                                            numbers *to)
{
    const int64_t tables = rows->tables;
    const float *start = rows->start + first, *parts = rows->parts + first;
    lanes any[TOGETHER];
    uint64_t some = 0;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        any[v] = (lanes){0};
    for (int r = 0; r < ROWS; r += PAIR, chosen += PAIR * tables) {
        vector sum[PAIR][TOGETHER];
#pragma GCC unroll 2
        for (int i = 0; i < PAIR; i++)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[i][v] = *(const vector *)(start + v * LANES);
        for (int64_t t = 0; t < tables; t++)
#pragma GCC unroll 2
            for (int i = 0; i < PAIR; i++) {
                const float *part = parts + (int64_t)chosen[i * tables + t] * LN_CASCADE_PANEL;
                __asm__(
                    ""
                    : "+r"(part)); /* one address for all of it, which additions read at no cost */
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sum[i][v] += *(const vector *)(part + v * LANES);
            }
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
#pragma GCC unroll 2
            for (int i = 0; i < PAIR; i++) {
                const vector y = cuts ? cut(sum[i][v]) : sum[i][v];
                any[v] |= (lanes)y;
                *(vector *)(to->at[r + i] + first + v * LANES) = y;
            }
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors && cuts; v++)
        some |= differs(any[v]) << v * LANES;
    if (cuts)
        to->some[first / WORD] |= some << first % WORD;
}

/* The same of walks: `before` (width) has what the row before `row` has, and gets what the last of these has. */
static inline __attribute__((always_inline)) void walk_on(const ln_cascade_rows *rows, int64_t row,
                                                          int64_t first, const int vectors,
                                                          const bool cuts, float *before,
                                                          numbers *to)
{
    const float *start = rows->start + first, *parts = rows->parts + first;
    int64_t left = rows->walk - row % rows->walk; /* rows of this walk */
    vector sum[TOGETHER];
    lanes any[TOGETHER];
    uint64_t some = 0;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        any[v] = (lanes){0};
        sum[v] = *(const vector *)(before + first + v * LANES);
    }
    for (int r = 0; r < ROWS; r++) {
        const float *part = parts + (int64_t)rows->chosen[row + r] * LN_CASCADE_PANEL;
        if (left == rows->walk)
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sum[v] = *(const vector *)(start + v * LANES);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            sum[v] += *(const vector *)(part + v * LANES);
            const vector y = cuts ? cut(sum[v]) : sum[v];
            any[v] |= (lanes)y;
            *(vector *)(to->at[r] + first + v * LANES) = y;
        }
        left = left > 1 ? left - 1 : rows->walk;
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        *(vector *)(before + first + v * LANES) = sum[v];
        some |= differs(any[v]) << v * LANES;
    }
    if (cuts)
        to->some[first / WORD] |= some << first % WORD;
}

/* The same in float64. */
static inline __attribute__((always_inline)) void walk_exactly(const ln_cascade_rows *rows,
                                                               int64_t row, int64_t first,
                                                               const int vectors, const bool cuts,
                                                               double *before, numbers *to)
{
    const double *start = rows->walk_start + first, *changes = rows->changes + first;
    int64_t left = rows->walk - row % rows->walk; /* rows of this walk */
    wide sum[2 * TOGETHER];
    lanes any[TOGETHER];
    uint64_t some = 0;
#pragma GCC unroll 8
    for (int w = 0; w < 2 * vectors; w++)
        sum[w] = *(const wide *)(before + first + w * WIDE);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        any[v] = (lanes){0};
    for (int r = 0; r < ROWS; r++) {
        const double *change = changes + (int64_t)rows->chosen[row + r] * LN_CASCADE_PANEL;
        if (left == rows->walk)
#pragma GCC unroll 8
            for (int w = 0; w < 2 * vectors; w++)
                sum[w] = *(const wide *)(start + w * WIDE);
#pragma GCC unroll 8
        for (int w = 0; w < 2 * vectors; w++)
            sum[w] += *(const wide *)(change + w * WIDE);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const vector h = narrow(sum[2 * v], sum[2 * v + 1]), y = cuts ? cut(h) : h;
            any[v] |= (lanes)y;
            *(vector *)(to->at[r] + first + v * LANES) = y;
        }
        left = left > 1 ? left - 1 : rows->walk;
    }
#pragma GCC unroll 8
    for (int w = 0; w < 2 * vectors; w++)
        *(wide *)(before + first + w * WIDE) = sum[w];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        some |= differs(any[v]) << v * LANES;
    if (cuts)
        to->some[first / WORD] |= some << first % WORD;
}

/* What a walk's last row has, before anything cuts it. */
typedef union last_row {
    float near[LN_CASCADE_WIDEST];
    double exact[LN_CASCADE_WIDEST];
} last_row;

/* `vectors` registers of the first layer, whatever its rows are. */
static inline __attribute__((always_inline)) void begin_part(const ln_cascade_rows *rows,
                                                             int64_t row, int64_t first,
                                                             const int vectors, const bool cuts,
                                                             last_row *before, numbers *to)
{
    if (rows->changes)
        walk_exactly(rows, row, first, vectors, cuts, before->exact, to);
    else if (rows->walk > 0)
        walk_on(rows, row, first, vectors, cuts, before->near, to);
    else
        add_parts(rows, rows->chosen + row * rows->tables, first, vectors, cuts, to);
}

/* The first layer's numbers. */
static inline __attribute__((always_inline)) void begin(const ln_cascade *cascade,
                                                        const ln_cascade_rows *rows, int64_t row,
                                                        const bool cuts, last_row *before,
                                                        numbers *to)
{
    int64_t first = 0;
    for (; first + TOGETHER * LANES <= cascade->width; first += TOGETHER * LANES)
        begin_part(rows, row, first, TOGETHER, cuts, before, to);
    for (; first < cascade->width; first += LANES)
        begin_part(rows, row, first, 1, cuts, before, to);
}

/* `panels` panels of a layer's sums, from number `panel` on. */
static inline __attribute__((always_inline)) void add_layer(const ln_cascade_layer *layer,
                                                            const numbers *from, const int panels,
                                                            int64_t panel, numbers *to)
{
    vector sum[ROWS][PANELS * VECTORS];
    const int vectors = panels * VECTORS;
    const int64_t first = panel * LN_CASCADE_PANEL, next = layer->inputs * LN_CASCADE_PANEL;
    const float *bias = layer->bias + first, *weight = layer->weight + panel * next;
    const bool cuts = layer->ending.cut;
    uint64_t some = 0;
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 16
        for (int v = 0; v < vectors; v++)
            sum[r][v] = *(const vector *)(bias + v * LANES);
    for (int64_t word = 0; word * WORD < layer->inputs; word++)
        for (uint64_t left = from->some[word]; left; left &= left - 1) {
            const int64_t k = word * WORD + __builtin_ctzll(left);
            const float *a = from->at[0] + k, *b = weight + k * LN_CASCADE_PANEL;
            vector right[PANELS * VECTORS];
#pragma GCC unroll 16
            for (int v = 0; v < vectors; v++)
                right[v] = *(const vector *)(b + v / VECTORS * next + v % VECTORS * LANES);
#pragma GCC unroll 16
            for (int r = 0; r < ROWS; r++) {
                const vector one = spread(a[r * STRIDE]);
#pragma GCC unroll 16
                for (int v = 0; v < vectors; v++)
                    sum[r][v] = fused(one, right[v], sum[r][v]);
            }
        }
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++) {
        lanes any = {0};
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++) {
            const vector y = cuts ? cut(sum[r][v]) : sum[r][v];
            any |= (lanes)y;
            *(vector *)(to->at[r] + first + v * LANES) = y;
        }
        if (cuts)
            some |= differs(any) << v * LANES;
    }
    if (cuts)
        to->some[first / WORD] |= some << first % WORD;
}

static const int32_t numbers_of[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Zeros behind a layer's numbers: of an infinite one before them, times their weights of 0, they became NaN. */
static void clear_behind(int64_t count, numbers *at)
{
    const int64_t left = count % LN_CASCADE_PANEL, panel = count - left;
    for (int v = 0; v < VECTORS && left > 0; v++) {
        const lanes keep = *(const lanes *)numbers_of + v * LANES < (int32_t)left;
        for (int r = 0; r < ROWS; r++) {
            vector *y = (vector *)(at->at[r] + panel + v * LANES);
            *y = (vector)((lanes)*y & keep);
        }
    }
}

/* What makes a layer final. Where that is not relu any number may be other than 0 afterwards. */
static void finish(const ln_cascade_ending *ending, int64_t count, numbers *at)
{
    for (int r = 0; r < ROWS && ending->activate; r++)
        ending->activate(count, at->at[r], at->at[r]);
    for (int64_t first = 0; first < count && !ending->cut; first += LN_CASCADE_PANEL)
        at->some[first / WORD] |= (((uint64_t)1 << LN_CASCADE_PANEL) - 1) << first % WORD;
    clear_behind(ending->numbers, at);
}

/* Sums of numbers `step` apart: of the lanes of a, then those of b. */
static inline __attribute__((always_inline)) vector fold(vector a, vector b, const int step)
{
    const lanes number = *(const lanes *)numbers_of;
    const lanes low = ((number & -step) << 1) | (number & (step - 1));
    return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, low + step);
}

/* One number a row of the last layer, added to `sum`. */
static inline __attribute__((always_inline)) void add_output(const ln_cascade *cascade,
                                                             int64_t output, const numbers *from,
                                                             double *sum)
{
    const int64_t inputs = cascade->last_inputs;
    const float *weight = cascade->last + output * inputs;
    vector y[ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
        vector part[VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++)
            part[v] =
                *(const vector *)(from->at[r] + v * LANES) * *(const vector *)(weight + v * LANES);
        for (int64_t i = LN_CASCADE_PANEL; i < inputs; i += LN_CASCADE_PANEL)
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; v++)
                part[v] = fused(*(const vector *)(from->at[r] + i + v * LANES),
                                *(const vector *)(weight + i + v * LANES), part[v]);
#pragma GCC unroll 2
        for (int half = VECTORS / 2; half > 0; half /= 2)
#pragma GCC unroll 2
            for (int v = 0; v < half; v++)
                part[v] += part[v + half];
        y[r] = part[0];
    }
    int left = ROWS;
#pragma GCC unroll 4
    for (int step = LANES / 2; step > 0; step /= 2) {
#pragma GCC unroll 8
        for (int r = 0; r < left / 2; r++)
            y[r] = fold(y[2 * r], y[2 * r + 1], step);
        if (left == 1)
            y[0] = fold(y[0], y[0], step);
        left = left > 1 ? left / 2 : 1;
    }
    const vector total = y[0] + spread(cascade->last_bias[output]);
    float found[LANES]; /* through memory, from where several are made float64 at once */
    memcpy(found, &total, sizeof found);
#pragma GCC unroll 1
    for (int r = 0; r < ROWS; r++)
        sum[r] += (double)found[r];
}

/* The first layer's numbers of the rows from `row` on; blocks come in their order. */
static inline __attribute__((always_inline)) void start(const ln_cascade *cascade,
                                                        const ln_cascade_rows *rows, int64_t row,
                                                        last_row *before, numbers *to)
{
    memset(to->some, 0, sizeof to->some);
    if (cascade->ending.cut)
        begin(cascade, rows, row, true, before, to);
    else
        begin(cascade, rows, row, false, before, to);
    finish(&cascade->ending, cascade->width, to);
}

/* The next rows' first layer is computed before the layers behind it of these, which then need not wait for it. */
static inline __attribute__((always_inline)) void all_rows(const ln_cascade *cascade,
                                                           const ln_cascade_rows *rows)
{
    numbers first[2], inner[2];
    last_row before;
    memset(&before, 0, sizeof before);
    if (rows->count == 0) /* a single player's walk has no coalition between none and all */
        return;
    start(cascade, rows, 0, &before, &first[0]);
    for (int64_t row = 0; row < rows->count; row += ROWS) {
        const numbers *from = &first[row / ROWS % 2];
        if (row + ROWS < rows->count)
            start(cascade, rows, row + ROWS, &before, &first[(row / ROWS + 1) % 2]);
        for (int64_t l = 0; l < cascade->layer_count; l++) {
            const ln_cascade_layer *layer = &cascade->layers[l];
            const int64_t panels = layer->outputs / LN_CASCADE_PANEL;
            numbers *to = &inner[l % 2];
            int64_t panel = 0;
            memset(to->some, 0, sizeof to->some);
            for (; panel + PANELS <= panels; panel += PANELS)
                add_layer(layer, from, PANELS, panel, to);
            for (; panel < panels; panel++)
                add_layer(layer, from, 1, panel, to);
            finish(&layer->ending, layer->outputs, to);
            from = to;
        }
        for (int64_t o = 0; o < rows->output_count; o++)
            add_output(cascade, rows->output + o, from, rows->sum + o * rows->sum_row + row);
    }
}
