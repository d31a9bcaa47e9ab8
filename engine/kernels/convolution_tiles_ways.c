/* The geometry of convolution_tiles.h: axes, planes, classes, steps, and how much is computed together. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/convolution_tiles.h"
#include "kernels/tiles.h"
#include "kernels/whole.h"

enum {
    DEPTH = LN_TILE_DEPTH,
    COPY_BYTES = 960 << 10, /* of the copy: stays in the second cache, with a panel's weights */
    MOST_TILES = 96,        /* of places, of what is computed together */
    GATHERED = 32           /* below so many channels, those of a line of taps are taken together */
};

bool ln_tiled_possible(const ln_convolution *s)
{
    if (!s->last || s->groups != 1 || s->kernel[0] != 1 || s->in[0] != 1 || s->out[0] != 1 ||
        s->before[0] != 0)
        return false;
    for (int i = 1; i < LN_SPATIAL; i++)
        if (s->kernel[i] > LN_TILED_TAPS || s->stride[i] > LN_TILED_STRIDE || s->before[i] < 0)
            return false;
    return true;
}

/* ---------------------------------------------------------------- axes */

/* Tap k reads place p * stride + k * dilation - before: place (k * dilation) / stride on of a phase. */
static void forward_axis(const ln_convolution *s, int i, ln_tiled_axis *a)
{
    int64_t index[LN_TILED_STRIDE] = {-1, -1, -1, -1};
    a->in = s->in[i];
    a->out = s->out[i];
    a->stride_in = s->stride[i];
    a->before = s->before[i];
    a->stride_out = a->classes = 1;
    a->count[0] = a->out;
    for (int64_t k = 0; k < a->taps; k++) {
        const int64_t at = k * s->dilation[i], residue = at % a->stride_in;
        if (index[residue] < 0) {
            index[residue] = a->phases;
            a->residue[a->phases++] = residue;
        }
        a->phase[k] = index[residue];
        a->shift[k] = at / a->stride_in;
    }
}

/* Place q of dx has of dy at p = (q + before - k * dilation) / stride, if that is whole: the taps of a class
 * are those with the residue of q + before. */
static void backward_axis(const ln_convolution *s, int i, ln_tiled_axis *a)
{
    const int64_t stride = s->stride[i], before = s->before[i];
    int64_t whole[LN_TILED_STRIDE] = {0}; /* of (q + before) / stride at the first q */
    a->in = s->out[i];
    a->out = s->in[i];
    a->stride_in = a->phases = 1;
    a->stride_out = a->classes = stride;
    for (int64_t r = 0; r < stride; r++) {
        a->first[r] = ((r - before) % stride + stride) % stride;
        a->count[r] = a->first[r] < a->out ? (a->out - 1 - a->first[r]) / stride + 1 : 0;
        whole[r] = (a->first[r] + before - r) / stride;
    }
    for (int64_t k = 0; k < a->taps; k++) {
        const int64_t at = k * s->dilation[i];
        a->class_of[k] = at % stride;
        a->shift[k] = whole[at % stride] - at / stride;
        a->before = greatest(a->before, -a->shift[k]);
    }
    for (int64_t k = 0; k < a->taps; k++)
        a->shift[k] += a->before;
}

/* The same for all classes together: place p of the copy makes p * stride - before and those behind it, tap
 * number m of each of which reads dy at p - m. */
static void weave_axis(const ln_convolution *s, int i, ln_tiled_axis *a)
{
    a->in = s->out[i];
    a->out = s->in[i];
    a->stride_in = a->phases = a->classes = 1;
    a->stride_out = s->stride[i];
    a->taps = up(s->kernel[i], s->stride[i]) / s->stride[i];
    a->before = a->taps - 1;
    a->first[0] = -s->before[i];
    a->count[0] = (a->out - 1 + s->before[i]) / a->stride_out + 1;
    for (int64_t m = 0; m < a->taps; m++)
        a->shift[m] = a->before - m;
}

static void describe_axis(const ln_convolution *s, int i, const ln_tiled_way *way, ln_tiled_axis *a)
{
    a->taps = s->kernel[i];
    if (way->woven)
        weave_axis(s, i, a);
    else if (way->backward)
        backward_axis(s, i, a);
    else
        forward_axis(s, i, a);
    for (int64_t k = 0; k < a->taps; k++)
        a->extra = greatest(a->extra, a->shift[k]);
    for (int64_t r = 0; r < a->classes; r++)
        a->most = greatest(a->most, a->count[r]);
}

/* Whether the results of all classes fill a tile no more than once. */
static bool weaves(const ln_convolution *s)
{
    return s->stride[1] * s->stride[2] > 1 && s->dilation[1] == 1 && s->dilation[2] == 1 &&
           s->in_channels * s->stride[1] * s->stride[2] <= LN_TILE;
}

/* A line of taps as channels: places and channels lie so that they are neighbours in the image. */
static bool gather(const ln_convolution *s, ln_tiled_way *way)
{
    ln_tiled_axis *x = &way->axis[1];
    if (way->in_channels >= GATHERED || s->kernel[2] == 1 || s->dilation[2] != 1 ||
        (way->backward && s->stride[2] != 1))
        return false;
    way->channels = way->in_channels * s->kernel[2];
    x->before = way->backward ? s->kernel[2] - 1 - s->before[2] : s->before[2];
    x->phases = 1;
    x->residue[0] = 0;
    memset(x->phase, 0, sizeof x->phase);
    memset(x->shift, 0, sizeof x->shift);
    x->extra = 0;
    x->taps = 1;
    return true;
}

/* ---------------------------------------------------------------- planes */

void ln_tiled_inside(const ln_tiled_axis *a, int64_t phase, int64_t *from, int64_t *to)
{
    const int64_t off = a->before - a->residue[phase];
    *from = off > 0 ? up(off, a->stride_in) / a->stride_in : 0;
    *to = a->in - 1 + off < 0 ? *from : (a->in - 1 + off) / a->stride_in + 1;
}

/* Places behind `pitch` are read in the next line: they must be zeros there. Each place that is made is its own. */
static void lay_out(ln_tiled_way *way)
{
    const ln_tiled_axis *x = &way->axis[1];
    way->width = x->most + x->extra;
    way->pitch = x->most;
    for (int64_t i = 0; i < x->phases && !way->gathered; i++) {
        int64_t from, to;
        ln_tiled_inside(x, i, &from, &to);
        way->pitch = greatest(way->pitch, greatest(least(to, way->width), way->width - from));
    }
    way->blocks = up(way->channels, DEPTH) / DEPTH;
    way->planes = way->blocks * way->axis[0].phases * x->phases;
}

static int64_t tiles_of(const ln_tiled_way *way, int64_t lines)
{
    return up((lines - 1) * way->pitch + way->axis[1].most, LN_TILE) / LN_TILE;
}

/* How many lines, or images, are computed together: what fits. */
static void share_out(ln_tiled_way *way)
{
    const ln_tiled_axis *y = &way->axis[0];
    const int64_t line = way->planes * way->pitch * LN_TILED_PLACE * (int64_t)sizeof(uint16_t);
    const int64_t fit = COPY_BYTES / line - y->extra;
    const int64_t by_tiles = (MOST_TILES * LN_TILE - way->width) / way->pitch + 1;
    const int64_t lines = greatest(1, least(fit, by_tiles));
    way->band = y->most;
    way->images = 1;
    if (lines < y->most) {
        const int64_t bands = (y->most + lines - 1) / lines;
        way->band = (y->most + bands - 1) / bands;
    } else {
        way->images = greatest(1, least(COPY_BYTES / (line * (y->most + y->extra)),
                                        MOST_TILES / tiles_of(way, y->most)));
    }
    way->lines = way->band + y->extra;
    /* Behind the last line stand the zeros it reads, and what tiles read that are not full. */
    way->places = way->lines * way->pitch + greatest(way->width - way->pitch, 0) + LN_TILE;
    way->tiles = tiles_of(way, way->band);
}

/* ---------------------------------------------------------------- steps */

/* The steps of a class: of a block of channels all taps, which read neighbouring places. */
static void list_steps(ln_tiled_way *way, const int64_t *which, ln_tiled_class *class,
                       int64_t *places, ln_tiled_step *steps)
{
    const ln_tiled_axis *y = &way->axis[0], *x = &way->axis[1];
    for (int64_t block = 0; block < way->blocks; block++)
        for (int64_t ky = 0; ky < y->taps; ky++)
            for (int64_t kx = 0; kx < x->taps; kx++) {
                const int64_t plane = (block * y->phases + y->phase[ky]) * x->phases + x->phase[kx];
                if (y->class_of[ky] != which[0] || x->class_of[kx] != which[1])
                    continue;
                places[class->steps] =
                    (plane * way->places + y->shift[ky] * way->pitch + x->shift[kx]) *
                    LN_TILED_PLACE;
                steps[class->steps++] = (ln_tiled_step){block, {ky, kx}};
            }
    class->places = places;
    class->step = steps;
    way->most_steps = greatest(way->most_steps, class->steps);
}

static ln_status list_classes(ln_tiled_way *way, ln_error *err)
{
    const ln_tiled_axis *y = &way->axis[0], *x = &way->axis[1];
    const size_t count = (size_t)(way->blocks * y->taps * x->taps);
    int64_t used = 0;
    way->step_places = ln_alloc(count * sizeof *way->step_places);
    way->steps = ln_alloc(count * sizeof *way->steps);
    if (!way->step_places || !way->steps)
        return ln_fail_memory(err, count * sizeof *way->steps);
    for (int64_t i = 0; i < y->classes * x->classes; i++) {
        const int64_t which[2] = {i / x->classes, i % x->classes};
        ln_tiled_class *class = &way->classes[way->class_count++];
        for (int j = 0; j < 2; j++) {
            class->first[j] = way->axis[j].first[which[j]];
            class->count[j] = way->axis[j].count[which[j]];
        }
        list_steps(way, which, class, way->step_places + used, way->steps + used);
        used += class->steps;
    }
    return LN_OK;
}

/* All but the steps. */
static void describe(const ln_convolution *s, bool backward, ln_tiled_way *way)
{
    *way = (ln_tiled_way){.backward = backward,
                          .channels = backward ? s->out_channels : s->in_channels,
                          .results = backward ? s->in_channels : s->out_channels};
    way->in_channels = way->channels;
    way->out_channels = way->results;
    way->woven = backward && weaves(s);
    if (way->woven)
        way->results *= s->stride[1] * s->stride[2];
    for (int i = 0; i < 2; i++)
        describe_axis(s, i + 1, way, &way->axis[i]);
    way->gathered = gather(s, way);
    lay_out(way);
    share_out(way);
}

ln_status ln_tiled_describe(const ln_convolution *s, bool backward, ln_tiled_way *way,
                            ln_error *err)
{
    describe(s, backward, way);
    return list_classes(way, err);
}

/* Measured (convolution.c): half of what the tiles multiply must count. A panel of one tile runs at half
 * the speed; but the gradient of very few channels is slow elsewhere, too. Single
 * places are read once for all results: there must be many. */
bool ln_tiled_pays(const ln_convolution *s, bool backward)
{
    ln_tiled_way way;
    describe(s, backward, &way);
    const ln_tiled_axis *y = &way.axis[0], *x = &way.axis[1];
    const int64_t taps = s->kernel[1] * s->kernel[2];
    int64_t useful = 0, places = 0; /* of all taps */
    for (int64_t i = 0; i < y->taps * x->taps; i++) {
        const int64_t rows = y->count[y->class_of[i / x->taps]];
        const int64_t columns = x->count[x->class_of[i % x->taps]];
        useful += rows * columns;
        places += up((rows - 1) * way.pitch + columns, LN_TILE);
    }
    const double made = (double)(useful * s->in_channels * s->out_channels) * (double)taps /
                        (double)(y->taps * x->taps);
    double all = (double)(places * way.blocks * DEPTH * up(way.results, LN_TILE));
    if (way.results <= LN_TILE)
        all /= 0.5;
    if (taps == 1)
        return way.channels >= 64 && way.results >= way.channels && 2 * made >= all &&
               (!backward || s->stride[1] * s->stride[2] == 1);
    return made >= (way.woven ? 0.25 : 0.48) * all;
}

void ln_tiled_forget(ln_tiled_way *way)
{
    ln_free(way->step_places);
    ln_free(way->steps);
}
