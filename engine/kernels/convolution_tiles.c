/* Convolutions on a processor's tiles (tiles.h), of images whose channels are last. No window is unrolled:
 * what is read is copied once, split into parts, and a tap is a distance in the copy
 * (convolution_tiles.h); the gradient of x is such a convolution of dy.
 *
 * Some images, or a band of one, are computed together: as many as leave their copy in the second cache.
 * For each panel of 32 results the weights are split, and serve all tiles of places; long sums go in parts,
 * so that the weights stay there too.
 *
 * Weights are packed once, as float32, in blocks of 32 by 32 channels of a tap. The way back reads the same
 * blocks turned, so that no more memory is held than the weights have; only where a way gathers does each
 * have its own, which is little then. Weights that were not packed are read where they are, and give the
 * same bits.
 *
 * An image's bits depend on the image and the shape alone. */
#include "kernels/convolution_tiles.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/convolved.h"
#include "kernels/tiles.h"
#include "kernels/whole.h"

#ifdef __x86_64__

enum {
    TILE = LN_TILE,
    DEPTH = LN_TILE_DEPTH,
    PARTS = LN_TILE_PARTS,
    PLACE = LN_TILED_PLACE,
    PANEL = 2 * LN_TILE,   /* results that are computed together */
    BLOCK = DEPTH * PANEL, /* numbers of a block of weights: (2, DEPTH, TILE) */
    MOST_STEPS = 72,       /* whose weights are split at a time */
    FORWARD = 0,           /* ways */
    BACKWARD = 1,
    WAYS = 2
};

typedef struct tiles {
    ln_convolved head;
    ln_tiled_way ways[WAYS];
    float *weight[WAYS]; /* (panel, block, tap, BLOCK), owned; backward NULL: forward's, turned */
} tiles;

/* ---------------------------------------------------------------- weights */

/* A block of weights of a woven way, whose results are (y, x, channel) of the classes. */
static void fill_woven(const tiles *own, const ln_tiled_way *way, const ln_tiled_step *step,
                       const float *weight, float *to)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t channels = s->in_channels;
    for (int64_t n = 0; n < way->results; n++) {
        const int64_t row = n / channels / s->stride[2] + step->tap[0] * s->stride[1];
        const int64_t column = n / channels % s->stride[2] + step->tap[1] * s->stride[2];
        if (row >= s->kernel[1] || column >= s->kernel[2])
            continue;
        for (int64_t k = 0; k < least(DEPTH, way->channels - step->block * DEPTH); k++)
            to[k * TILE + n] =
                weight[(((step->block * DEPTH + k) * channels + n % channels) * s->kernel[1] +
                        row) *
                           s->kernel[2] +
                       column];
    }
}

/* A block of weights (O, I, kernel): of step `step` of a way, for the results from `panel` on. */
static void fill_block(const tiles *own, const ln_tiled_way *way, int64_t panel,
                       const ln_tiled_step *step, const float *weight, float *to)
{
    const ln_convolution *s = &own->head.shape;
    const int64_t width = s->kernel[2], taps = s->kernel[1] * width;
    const int64_t from_step = way->backward ? s->in_channels * taps : taps;
    const int64_t to_step = way->backward ? taps : s->in_channels * taps;
    const int64_t count = least(PANEL, way->results - panel);
    memset(to, 0, BLOCK * sizeof *to);
    if (way->woven) {
        fill_woven(own, way, step, weight, to);
        return;
    }
    for (int64_t k = 0; k < least(DEPTH, way->channels - step->block * DEPTH); k++) {
        const int64_t q = step->block * DEPTH + k;
        int64_t channel = q, column = step->tap[1];
        if (way->gathered) {
            channel = q % way->in_channels;
            column = q / way->in_channels;
            column = way->backward ? width - 1 - column : column;
        }
        const float *from =
            weight + channel * from_step + panel * to_step + step->tap[0] * width + column;
        for (int64_t n = 0; n < count; n++)
            to[(n / TILE * DEPTH + k) * TILE + n % TILE] = from[n * to_step];
    }
}

/* The number of a packed block: of the way that packed it. */
static int64_t block_number(const ln_tiled_way *packed, int64_t panel, int64_t block,
                            const int64_t *tap)
{
    const ln_tiled_axis *y = &packed->axis[0], *x = &packed->axis[1];
    return ((panel * packed->blocks + block) * y->taps + tap[0]) * x->taps + tap[1];
}

static int64_t block_count(const ln_tiled_way *way)
{
    return up(way->results, PANEL) / PANEL * way->blocks * way->axis[0].taps * way->axis[1].taps;
}

static const float *packed_block(const tiles *own, const ln_tiled_way *way, int64_t panel,
                                 const ln_tiled_step *step)
{
    const ln_tiled_way *forward = &own->ways[FORWARD];
    if (way->backward && !own->weight[BACKWARD])
        return own->weight[FORWARD] +
               block_number(forward, step->block, panel / PANEL, step->tap) * BLOCK;
    return own->weight[way->backward] +
           block_number(way, panel / PANEL, step->block, step->tap) * BLOCK;
}

static ln_status tiles_fill(ln_convolved *head, const float *weight, ln_error *err)
{
    const tiles *own = (const tiles *)head;
    (void)err;
    for (int i = 0; i < WAYS; i++) {
        const ln_tiled_way *way = &own->ways[i];
        for (int64_t panel = 0; panel < way->results && own->weight[i]; panel += PANEL)
            for (int64_t c = 0; c < way->class_count; c++)
                for (int64_t k = 0; k < way->classes[c].steps; k++) {
                    const ln_tiled_step *step = &way->classes[c].step[k];
                    fill_block(own, way, panel, step, weight,
                               own->weight[i] +
                                   block_number(way, panel / PANEL, step->block, step->tap) *
                                       BLOCK);
                }
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- scratch */

typedef struct places {
    uint16_t *copy; /* (image, plane, place, part, DEPTH) */
    uint16_t *b;    /* the split weights of a panel */
    float *c;       /* (tile, TILE, PANEL) */
    float *block;   /* of weights that were not packed */
    float *line;    /* gathered: of an image, with what stands around it */
    int64_t image;  /* numbers of the copy of an image */
    size_t bytes;
} places;

/* Sums that are made at once need their tiles only until they are written. */
static bool keeps_tiles(const ln_tiled_way *way)
{
    return way->most_steps > MOST_STEPS;
}

static places places_in(const ln_tiled_way *way, void *scratch)
{
    char *at = scratch;
    places p = {.image = way->planes * way->places * PLACE};
    const size_t copy = (size_t)(way->images * p.image) * sizeof *p.copy;
    const size_t b =
        (size_t)(least(way->most_steps, MOST_STEPS) * PARTS * 2 * LN_TILE_B) * sizeof *p.b;
    const size_t c =
        (size_t)((keeps_tiles(way) ? up(way->images * way->tiles, 2) : 4) * TILE * PANEL) *
        sizeof *p.c;
    const size_t line = (size_t)up(ln_tiled_line_floats(way), TILE) * sizeof *p.line;
    p.bytes = copy + b + c + BLOCK * sizeof *p.block + line;
    if (!scratch)
        return p;
    p.copy = (uint16_t *)(void *)at;
    p.b = (uint16_t *)(void *)(at + copy);
    p.c = (float *)(void *)(at + copy + b);
    p.block = (float *)(void *)(at + copy + b + c);
    p.line = p.block + BLOCK;
    return p;
}

/* ---------------------------------------------------------------- products */

/* What is computed together: a class of places of `images`, in `lines` lines from `line` on. */
typedef struct work {
    const tiles *own;
    const ln_tiled_way *way;
    const ln_tiled_class *class;
    const float *other; /* weights that were not packed, or NULL */
    const float *bias;
    const places *p;
    int64_t line, lines, images;
    int64_t tiles; /* of an image */
    int64_t panel;
    float *y; /* the first image made */
} work;

static int column_tiles(const work *w)
{
    return w->way->results - w->panel > TILE ? 2 : 1;
}

static void split_weights(const work *w, int64_t first, int64_t count)
{
    const bool turned = w->way->backward && !w->own->weight[BACKWARD];
    const int columns = column_tiles(w);
    for (int64_t k = 0; k < count; k++) {
        const ln_tiled_step *step = &w->class->step[first + k];
        uint16_t *b = w->p->b + k * PARTS * columns * LN_TILE_B;
        const float *block = w->p->block;
        if (w->other) {
            fill_block(w->own, w->way, w->panel, step, w->other, w->p->block);
        } else {
            block = packed_block(w->own, w->way, w->panel, step);
            const float *next =
                k + 1 < count ? packed_block(w->own, w->way, w->panel, step + 1) : block;
            for (int i = 0; i < BLOCK; i += TILE)
                __builtin_prefetch(next + i);
        }
        for (int half = 0; half < 2; half++)
            for (int n = 0; n < columns; n++)
                ln_tiles_split_weights(
                    turned && !w->other, TILE, TILE,
                    turned && !w->other ? block + (half * DEPTH + n * TILE) * TILE
                                        : block + (n * DEPTH + half * TILE) * TILE,
                    TILE, b + n * LN_TILE_B + half * LN_TILE_HALF, columns * LN_TILE_B);
    }
}

/* A place's results, of several lines of the image, as far as they lie in it. */
static void leave_woven(const ln_tiled_way *way, int64_t row, int64_t column, const float *c,
                        float *image)
{
    const ln_tiled_axis *y = &way->axis[0], *x = &way->axis[1];
    const int64_t channels = way->out_channels, width = x->stride_out * channels;
    const int64_t from = column < 0 ? -column * channels : 0;
    const int64_t to = least(width, (x->out - column) * channels);
    for (int64_t i = 0; i < y->stride_out; i++, row++, c += width)
        for (int64_t k = from; k < to && row >= 0 && row < y->out; k++)
            image[(row * x->out + column) * channels + k] = c[k];
}

/* A tile of results to the image, line by line, but for the places that lie in none. */
static void leave(const work *w, int64_t tile, const float *c)
{
    const ln_tiled_way *way = w->way;
    const ln_tiled_axis *y = &way->axis[0], *x = &way->axis[1];
    const int64_t end = (w->lines - 1) * way->pitch + w->class->count[1];
    const int64_t first = tile % w->tiles * TILE, last = least(first + TILE, end);
    float *image = w->y + tile / w->tiles * y->out * x->out * way->out_channels + w->panel;
    for (int64_t place = first, run; place < last; place += run) {
        const int64_t line = place / way->pitch, column = place % way->pitch;
        const int64_t row = w->class->first[0] + (w->line + line) * y->stride_out;
        const int64_t at = w->class->first[1] + column * x->stride_out;
        run = least(way->pitch - column, last - place);
        for (int64_t i = 0; i < least(run, w->class->count[1] - column) && way->woven; i++)
            leave_woven(way, row, at + i * x->stride_out, c + (place - first + i) * PANEL, image);
        if (column < w->class->count[1] && !way->woven)
            ln_tiles_finish(
                least(run, w->class->count[1] - column), least(PANEL, way->results - w->panel),
                c + (place - first) * PANEL, PANEL, w->bias ? w->bias + w->panel : NULL,
                image + (row * x->out + at) * way->results, x->stride_out * way->results);
    }
}

static const uint16_t *tile_of(const work *w, int64_t tile)
{
    return w->p->copy + tile / w->tiles * w->p->image + tile % w->tiles * TILE * PLACE;
}

/* Steps [first, first + count) of all tiles. Behind the last step they are written, each pair while the next
 * one is computed. */
static void multiply(const work *w, int64_t first, int64_t count)
{
    const int64_t tiles_count = w->images * w->tiles;
    const bool last = first + count == w->class->steps, kept = keeps_tiles(w->way);
    ln_tiles_block block = {.column_tiles = column_tiles(w),
                            .a_part = DEPTH,
                            .a_row = PLACE,
                            .steps = w->class->places + first,
                            .count = count,
                            .b = w->p->b,
                            .c_row = PANEL,
                            .more = first > 0};
    for (int64_t tile = 0; tile < tiles_count + 2; tile += 2) {
        const float *before = block.c;
        block.c = w->p->c + (kept ? tile : tile % 4) * TILE * PANEL;
        if (tile < tiles_count) {
            block.row_tiles = tile + 1 < tiles_count ? 2 : 1;
            block.a[0] = tile_of(w, tile);
            block.a[1] = block.row_tiles == 2 ? tile_of(w, tile + 1) : NULL;
            ln_tiles_multiply(&block);
        }
        for (int64_t i = 0; i < 2 && last && tile > 0 && tile - 2 + i < tiles_count; i++)
            leave(w, tile - 2 + i, before + i * TILE * PANEL);
    }
}

static void compute_class(work *w)
{
    const int64_t steps = w->class->steps;
    const int64_t parts = steps > MOST_STEPS ? up(steps, MOST_STEPS) / MOST_STEPS : 1;
    const int64_t most = up(steps, parts) / parts;
    w->tiles = up((w->lines - 1) * w->way->pitch + w->class->count[1], TILE) / TILE;
    for (w->panel = 0; w->panel < w->way->results; w->panel += PANEL)
        for (int64_t first = 0; first == 0 || first < steps; first += most) {
            const int64_t count = least(most, steps - first);
            split_weights(w, first, count);
            multiply(w, first, count);
            if (steps == 0)
                break;
        }
}

static void run(const tiles *own, int which, int64_t images, const float *x, const float *other,
                const float *bias, float *y, void *scratch)
{
    const ln_tiled_way *way = &own->ways[which];
    const ln_tiled_axis *rows = &way->axis[0], *columns = &way->axis[1];
    const int64_t in = rows->in * columns->in * way->in_channels;
    const int64_t out = rows->out * columns->out * way->out_channels;
    const places p = places_in(way, scratch);
    work w = {.own = own, .way = way, .other = other, .bias = bias, .p = &p};
    ln_tiles_begin();
    for (int64_t image = 0; image < images; image += way->images)
        for (w.line = 0; w.line < rows->most; w.line += way->band) {
            const int64_t lines = least(way->band, rows->most - w.line);
            w.images = least(way->images, images - image);
            w.y = y + image * out;
            for (int64_t i = 0; i < w.images; i++)
                ln_tiled_copy(way, x + (image + i) * in, w.line, lines, p.copy + i * p.image,
                              p.line);
            for (int64_t c = 0; c < way->class_count; c++) {
                w.class = &way->classes[c];
                w.lines = least(lines, w.class->count[0] - w.line);
                if (w.lines > 0 && w.class->count[1] > 0)
                    compute_class(&w);
            }
        }
    ln_tiles_end();
}

/* ---------------------------------------------------------------- the entry */

static void tiles_release(ln_convolved *packed)
{
    tiles *own = (tiles *)packed;
    for (int i = 0; i < WAYS; i++) {
        ln_tiled_forget(&own->ways[i]);
        ln_free_aligned(own->weight[i]);
    }
}

static ln_status make_way(tiles *own, int which, ln_error *err)
{
    ln_tiled_way *way = &own->ways[which];
    ln_status status = ln_tiled_describe(&own->head.shape, which == BACKWARD, way, err);
    if (status)
        return status;
    ln_convolved_need(&own->head, places_in(way, NULL).bytes, way->images);
    if (which == BACKWARD && !way->gathered && !way->woven && own->weight[FORWARD] &&
        !own->ways[FORWARD].gathered)
        return LN_OK;
    const size_t bytes = (size_t)(block_count(way) * BLOCK) * sizeof(float);
    own->weight[which] = ln_alloc_aligned(bytes);
    return own->weight[which] ? LN_OK : ln_fail_memory(err, bytes);
}

static ln_status tiles_make(ln_convolved *head, const float *weight, ln_error *err)
{
    ln_status status = LN_OK;
    (void)weight;
    if (head->uses & LN_CONVOLVE_FORWARD)
        status = make_way((tiles *)head, FORWARD, err);
    if (!status && (head->uses & LN_CONVOLVE_BACKWARD_DATA))
        status = make_way((tiles *)head, BACKWARD, err);
    return status;
}

/* `weight` where it is not what was packed. */
static const float *other(const ln_convolved *packed, const float *weight)
{
    return weight != packed->given ? weight : NULL;
}

static ln_status tiles_forward(const ln_convolved *packed, int64_t images, const float *x,
                               const float *weight, const float *bias, float *y, void *scratch,
                               ln_error *err)
{
    (void)err;
    run((const tiles *)packed, FORWARD, images, x, other(packed, weight), bias, y, scratch);
    return LN_OK;
}

static ln_status tiles_backward_data(const ln_convolved *packed, int64_t images, const float *dy,
                                     const float *weight, float *dx, void *scratch, ln_error *err)
{
    (void)err;
    run((const tiles *)packed, BACKWARD, images, dy, other(packed, weight), NULL, dx, scratch);
    return LN_OK;
}

/* Images whose channels are last have no backward_weights. */
const ln_convolutions ln_convolutions_tiles = {
    .name = "tiles",
    .size = sizeof(tiles),
    .make = tiles_make,
    .fill = tiles_fill,
    .release = tiles_release,
    .forward = tiles_forward,
    .backward_data = tiles_backward_data,
};

#endif
