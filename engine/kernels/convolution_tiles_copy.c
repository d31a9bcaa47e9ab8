/* The copy that a convolution on tiles reads (convolution_tiles.h): planes of places, split into parts, with the
 * zeros around the image. Every place of a band is written, so that nothing is left of the band before. */
#include <string.h>

#include "kernels/convolution_tiles.h"
#include "kernels/tiles.h"
#include "kernels/whole.h"

#ifdef __x86_64__

enum { DEPTH = LN_TILE_DEPTH, PLACE = LN_TILED_PLACE };

int64_t ln_tiled_line_floats(const ln_tiled_way *way)
{
    const ln_tiled_axis *x = &way->axis[1];
    return way->gathered ? (x->most - 1) * x->stride_in * way->in_channels + way->channels : 0;
}

/* Places [from, to) of all planes of phase `phase` of the columns, of a line whose first plane's place 0 is
 * `at`, become zeros. */
static void clear(const ln_tiled_way *way, uint16_t *at, int64_t from, int64_t to)
{
    const int64_t step = way->axis[0].phases * way->axis[1].phases * way->places * PLACE;
    if (to <= from)
        return;
    for (int64_t block = 0; block < way->blocks; block++)
        memset(at + block * step + from * PLACE, 0, (size_t)((to - from) * PLACE) * sizeof *at);
}

/* A line of the image with zeros around, for windows that lie side by side in it. */
static void enter_gathered(const ln_tiled_way *way, const float *line, float *room, uint16_t *at)
{
    const ln_tiled_axis *x = &way->axis[1];
    const int64_t channels = way->in_channels, total = ln_tiled_line_floats(way);
    const int64_t before = x->before > 0 ? least(x->before * channels, total) : 0;
    const int64_t skipped = x->before < 0 ? least(-x->before, x->in) * channels : 0;
    const int64_t count = least(x->in * channels - skipped, total - before);
    memset(room, 0, (size_t)before * sizeof *room);
    memcpy(room + before, line + skipped, (size_t)count * sizeof *room);
    memset(room + before + count, 0, (size_t)(total - before - count) * sizeof *room);
    ln_tiles_split_rows(x->most, way->channels, room, x->stride_in * channels, at, PLACE, DEPTH,
                        way->axis[0].phases * way->places * PLACE);
}

static void enter_line(const ln_tiled_way *way, const float *line, int64_t phase, uint16_t *at)
{
    const ln_tiled_axis *x = &way->axis[1];
    int64_t from, to;
    ln_tiled_inside(x, phase, &from, &to);
    to = least(to, way->pitch);
    clear(way, at, 0, least(from, way->pitch));
    clear(way, at, to > from ? to : from, way->pitch);
    if (to > from)
        ln_tiles_split_rows(to - from, way->channels,
                            line + (from * x->stride_in + x->residue[phase] - x->before) *
                                       way->channels,
                            x->stride_in * way->channels, at + from * PLACE, PLACE, DEPTH,
                            way->axis[0].phases * x->phases * way->places * PLACE);
}

void ln_tiled_copy(const ln_tiled_way *way, const float *image, int64_t first, int64_t lines,
                   uint16_t *copy, float *room)
{
    const ln_tiled_axis *y = &way->axis[0], *x = &way->axis[1];
    const int64_t all = lines + y->extra;
    for (int64_t py = 0; py < y->phases; py++)
        for (int64_t px = 0; px < x->phases; px++) {
            uint16_t *plane = copy + (py * x->phases + px) * way->places * PLACE;
            for (int64_t l = 0; l < all; l++) {
                const int64_t row = (first + l) * y->stride_in + y->residue[py] - y->before;
                uint16_t *at = plane + l * way->pitch * PLACE;
                const float *line = image + row * x->in * way->in_channels;
                if (row < 0 || row >= y->in)
                    clear(way, at, 0, way->pitch);
                else if (way->gathered)
                    enter_gathered(way, line, room, at);
                else
                    enter_line(way, line, px, at);
            }
            clear(way, plane + all * way->pitch * PLACE, 0, way->width - way->pitch);
        }
}

#endif
