/* Convolutions by Winograd's minimal filtering, with a quarter of the multiplications: for numerics
 * "fast", and images whose channels are last.
 *
 * A tile of 6 x 6 places of x gives 4 x 4 places of y (3 x 3 taps) or 2 x 2 (5 x 5):
 *
 *     Y = A' [ sum over c of (G w_c G') . (B' x_c B) ] A
 *
 * elementwise at 36 points, where G, B and A evaluate and interpolate polynomials (Toom and Cook). At a
 * point the sum over channels is a product of matrices, (tiles, channels) by (channels, results).
 *
 * Points: 0, +-3/4, +-3/2, infinity. Their matrices hold small numbers, so that little is lost: the error
 * is about twice that of direct summation in the mean (tests/engine/test_kernels_winograd.c); the
 * usual 0, +-1, +-2 lose four times as much.
 *
 * The gradient of x is such a convolution of dy, of the weights turned round and with their channels
 * changed: the same packed weights serve both. They are spread to the points block by block when they
 * are used, which costs little beside the products of some ten tiles and spares four times their memory.
 *
 * Work goes in tiles that stay in the second cache together with a panel of results. A number's sequence
 * of operations depends on its place in the image alone: images may come in any groups. */
#include "kernels/winograd.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/convolved.h"
#include "kernels/whole.h"

enum {
    SIDE = LN_WINOGRAD_SIDE,
    BLOCK = LN_WINOGRAD_BLOCK,
    PANEL = LN_WINOGRAD_PANEL,
    POINTS = LN_WINOGRAD_POINTS,
    FORWARD = 0, /* ways */
    BACKWARD = 1,
    WAYS = 2,
    DEPTH = 128,           /* input channels whose weights are spread at a time */
    TILES_FLOATS = 600000, /* of the tiles that are computed together, at their points */
    FEWEST_TILES = 32,
    MOST_TILES = 128,
    APART =
        16 /* numbers left between points: else all would fall into one set of the first cache */
};

/* What one way computes: y (out) from x (in). */
typedef struct winograd_way {
    int64_t in_channels, out_channels;
    int64_t in[2], out[2], before[2];
    int64_t tiles[2]; /* of an image */
    int64_t together; /* tiles that are computed together */
} winograd_way;

typedef struct winograd {
    ln_convolved head;
    int taps; /* along either axis */
    winograd_way ways[WAYS];
    int64_t blocks[2]; /* of output and of input channels */
    float *weight;     /* (blocks[0], blocks[1], input channel, taps^2, output channel), owned */
} winograd;

static const ln_winograd_kernels *choose(void)
{
#ifdef __x86_64__
    if (ln_cpu_has("avx512"))
        return &ln_winograd_avx512;
    if (ln_cpu_has("avx2"))
        return &ln_winograd_avx2;
#endif
    return NULL;
}

/* ---------------------------------------------------------------- shapes */

/* Whether at least a third of the multiplications is spared: tiles reach beyond small images. */
static bool pays(int64_t taps, const int64_t *out)
{
    const int64_t side = SIDE + 1 - taps;
    const int64_t tiles = up(out[1], side) / side * (up(out[2], side) / side);
    return 3 * tiles * POINTS <= 2 * out[1] * out[2] * taps * taps;
}

bool ln_winograd_suits(const ln_convolution *s)
{
    const int64_t taps = s->kernel[1];
    if (!s->last || s->groups != 1 || (taps != 3 && taps != 5) || s->kernel[2] != taps ||
        s->kernel[0] != 1 || s->in[0] != 1 || s->out[0] != 1 || s->before[0] != 0)
        return false;
    for (int i = 1; i < LN_SPATIAL; i++)
        if (s->stride[i] != 1 || s->dilation[i] != 1)
            return false;
    return s->in_channels >= BLOCK && s->out_channels >= BLOCK && pays(taps, s->in) &&
           pays(taps, s->out) && choose() != NULL;
}

static void describe(winograd *own)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t taps = s->kernel[1], side = SIDE + 1 - taps;
    own->taps = (int)taps;
    own->blocks[0] = up(s->out_channels, PANEL) / BLOCK;
    own->blocks[1] = up(s->in_channels, PANEL) / BLOCK;
    for (int way = 0; way < WAYS; way++) {
        winograd_way *w = &own->ways[way];
        const int64_t *in = way == FORWARD ? s->in : s->out, *out = way == FORWARD ? s->out : s->in;
        w->in_channels = way == FORWARD ? s->in_channels : s->out_channels;
        w->out_channels = way == FORWARD ? s->out_channels : s->in_channels;
        for (int i = 0; i < 2; i++) {
            w->in[i] = in[i + 1];
            w->out[i] = out[i + 1];
            w->before[i] = way == FORWARD ? s->before[i + 1] : taps - 1 - s->before[i + 1];
            w->tiles[i] = up(w->out[i], side) / side;
        }
        const int64_t fit = TILES_FLOATS / (POINTS * up(w->in_channels, BLOCK));
        w->together = fit < FEWEST_TILES ? FEWEST_TILES : least(fit, MOST_TILES);
    }
}

/* ---------------------------------------------------------------- weights */

static ln_status winograd_fill(ln_convolved *head, const float *weight, ln_error *err)
{
    const winograd *own = (const winograd *)head;
    const int64_t squares = (int64_t)own->taps * own->taps;
    const int64_t outs = own->head.shape.out_channels, ins = own->head.shape.in_channels;
    for (int64_t o = 0; o < outs; o++)
        for (int64_t i = 0; i < ins; i++) {
            const int64_t block = o / BLOCK * own->blocks[1] + i / BLOCK;
            float *to = own->weight + (block * BLOCK + i % BLOCK) * squares * BLOCK + o % BLOCK;
            for (int64_t tap = 0; tap < squares; tap++)
                to[tap * BLOCK] = weight[(o * ins + i) * squares + tap];
        }
    (void)err;
    return LN_OK;
}

/* Where a call keeps what is at the points. */
typedef struct places {
    int64_t v_step, u_step, m_step; /* between points */
    float *v, *u, *m;               /* of tiles, of a panel's weights and of its results */
    size_t bytes;
} places;

static places places_of(const winograd_way *w)
{
    const int64_t width = up(w->in_channels, BLOCK);
    places p = {.v_step = w->together * width + APART,
                .u_step = least(DEPTH, width) * PANEL + APART,
                .m_step = w->together * PANEL + APART};
    p.bytes = (size_t)(POINTS * (p.v_step + p.u_step + p.m_step)) * sizeof(float);
    return p;
}

static places places_in(const winograd_way *w, void *scratch)
{
    places p = places_of(w);
    p.v = scratch;
    p.u = p.v + POINTS * p.v_step;
    p.m = p.u + POINTS * p.u_step;
    return p;
}

/* The packed block number `number` of a panel: two of output channels for each of input channels. */
static const float *block_of(const winograd *own, int way, int64_t panel, int64_t first,
                             int64_t number)
{
    const int64_t to = panel / BLOCK + number % 2, from = first / BLOCK + number / 2;
    const int64_t block = way == FORWARD ? to * own->blocks[1] + from : from * own->blocks[1] + to;
    return own->weight + block * own->taps * own->taps * BLOCK * BLOCK;
}

/* The weights of a panel of results at the points, from input channel `first` on. */
static void spread_weights(const winograd *own, int way, const ln_winograd_kernels *kernels,
                           int64_t panel, int64_t first, int64_t count, const places *p)
{
    const int64_t blocks = 2 * count / BLOCK;
    const float *block = block_of(own, way, panel, first, 0);
    for (int64_t k = 0; k < blocks; k++) {
        const float *next = block_of(own, way, panel, first, k + 1 < blocks ? k + 1 : k);
        kernels->weights(own->taps, way == BACKWARD, block, next,
                         p->u + k / 2 * BLOCK * PANEL + k % 2 * BLOCK, p->u_step);
        block = next;
    }
}

/* ---------------------------------------------------------------- passes */

/* Tile number `tile` of a call's images, as it is read or (`out`) written, and its image. */
static ln_winograd_tile tile_of(const winograd_way *w, int taps, int64_t tile, bool out,
                                int64_t *image)
{
    const int64_t whole = w->tiles[0] * w->tiles[1], side = SIDE + 1 - taps;
    const int64_t row = tile % whole / w->tiles[1] * side, column = tile % w->tiles[1] * side;
    *image = tile / whole;
    return out ? (ln_winograd_tile){row, column, w->out[0], w->out[1], w->out_channels}
               : (ln_winograd_tile){row - w->before[0], column - w->before[1], w->in[0], w->in[1],
                                    w->in_channels};
}

/* `count` tiles at the points -> a panel of results at the points. */
static void compute_panel(const winograd *own, int way, const ln_winograd_kernels *kernels,
                          int64_t count, int64_t panel, const places *p)
{
    const int64_t width = up(own->ways[way].in_channels, BLOCK);
    for (int64_t k = 0; k < width; k += DEPTH) {
        const int64_t depth = least(DEPTH, width - k);
        spread_weights(own, way, kernels, panel, k, depth, p);
        for (int64_t point = 0; point < POINTS; point++)
            kernels->product(count, depth, p->v + point * p->v_step + k, width,
                             p->u + point * p->u_step, k > 0, p->m + point * p->m_step);
    }
}

static void run(const winograd *own, int way, int64_t images, const float *x, const float *bias,
                float *y, void *scratch)
{
    const winograd_way *w = &own->ways[way];
    const ln_winograd_kernels *kernels = choose();
    const places p = places_in(w, scratch);
    const int64_t tiles = images * w->tiles[0] * w->tiles[1], width = up(w->in_channels, BLOCK);
    const int64_t in = w->in[0] * w->in[1] * w->in_channels;
    const int64_t out = w->out[0] * w->out[1] * w->out_channels;
    int64_t image;
    for (int64_t first = 0; first < tiles; first += w->together) {
        const int64_t count = least(w->together, tiles - first);
        for (int64_t t = 0; t < count; t++) {
            const ln_winograd_tile tile = tile_of(w, own->taps, first + t, false, &image);
            kernels->enter(&tile, x + image * in, p.v + t * width, p.v_step);
        }
        for (int64_t panel = 0; panel < w->out_channels; panel += PANEL) {
            compute_panel(own, way, kernels, count, panel, &p);
            for (int64_t t = 0; t < count; t++) {
                const ln_winograd_tile tile = tile_of(w, own->taps, first + t, true, &image);
                kernels->leave(own->taps, &tile, p.m + t * PANEL, p.m_step, panel, bias,
                               y + image * out);
            }
        }
    }
}

/* ---------------------------------------------------------------- the entry */

static void winograd_release(ln_convolved *packed)
{
    ln_free_aligned(((winograd *)packed)->weight);
}

static ln_status winograd_make(ln_convolved *head, const float *weight, ln_error *err)
{
    winograd *own = (winograd *)head;
    describe(own);
    const size_t bytes =
        (size_t)(own->blocks[0] * own->blocks[1] * own->taps * own->taps * BLOCK * BLOCK) *
        sizeof(float);
    own->weight = ln_alloc_aligned(bytes);
    if (!own->weight)
        return ln_fail_memory(err, bytes);
    memset(own->weight, 0, bytes);
    for (int way = 0; way < WAYS; way++) {
        const winograd_way *w = &own->ways[way];
        const int64_t tiles = w->tiles[0] * w->tiles[1];
        ln_convolved_need(head, places_of(w).bytes, (w->together + tiles - 1) / tiles);
    }
    return head->uses & LN_CONVOLVE_OTHERS
               ? ln_convolved_leave(head, &ln_convolutions_plain, head->uses, weight, err)
               : LN_OK;
}

static ln_status winograd_forward(const ln_convolved *packed, int64_t images, const float *x,
                                  const float *weight, const float *bias, float *y, void *scratch,
                                  ln_error *err)
{
    (void)weight;
    (void)err;
    run((const winograd *)packed, FORWARD, images, x, bias, y, scratch);
    return LN_OK;
}

static ln_status winograd_backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                                        const float *weight, float *dx, void *scratch,
                                        ln_error *err)
{
    (void)weight;
    (void)err;
    run((const winograd *)packed, BACKWARD, images, dy, NULL, dx, scratch);
    return LN_OK;
}

/* Images whose channels are last have no backward_weights. */
const ln_convolutions ln_convolutions_winograd = {
    .name = "winograd",
    .size = sizeof(winograd),
    .make = winograd_make,
    .fill = winograd_fill,
    .release = winograd_release,
    .forward = winograd_forward,
    .backward_data = winograd_backward_data,
};
