/* Inside kernels/: how a convolution becomes products on tiles (convolution_tiles.c), either way.
 *
 * A way reads images (in, channels) and makes images (out, results). Of what it reads a copy is made, split
 * into parts and with zeros around: planes of (line, place, part, 32 channels), so that 16 places of a plane, from
 * wherever on, are a tile of A, and a tap of the window is a distance in the copy. What is read with a
 * stride is copied into a plane a phase (residue of line and column); what is written with a stride is
 * computed a class of such places at a time, each with the taps that reach it. Places at the right of a
 * line, where a tap would read on in the next, are computed and thrown away: there are few, since the zeros
 * before a line serve as those behind the one above it.
 *
 * `gathered`: where there are few channels, those of a line of taps count as the channels of a place.
 * `woven`: where few are made, those of all classes are made together, as results of a place; a tap then
 * serves all of them. */
#ifndef LN_KERNELS_CONVOLUTION_TILES_H
#define LN_KERNELS_CONVOLUTION_TILES_H

#include "kernels/convolution.h"

#define LN_TILED_PLACE 96 /* numbers of a place of a plane: the parts of 32, side by side */
#define LN_TILED_TAPS 16  /* along an axis, at most */
#define LN_TILED_STRIDE 4 /* along an axis, at most */

/* One axis of one way. */
typedef struct ln_tiled_axis {
    int64_t in, out;
    int64_t taps, stride_in, stride_out; /* one of the strides is 1 */
    int64_t before;                      /* zeros before the first place that is read */
    int64_t phases,
        residue[LN_TILED_STRIDE]; /* those that taps read; place p of phase i is read from
                                                 p * stride_in + residue[i] - before */
    int64_t classes;              /* stride_out */
    int64_t first[LN_TILED_STRIDE],
        count[LN_TILED_STRIDE]; /* places of a class, stride_out apart */
    int64_t phase[LN_TILED_TAPS], class_of[LN_TILED_TAPS], shift[LN_TILED_TAPS]; /* of a tap */
    int64_t most, extra; /* greatest count, greatest shift */
} ln_tiled_axis;

/* One step of the sums of a class. */
typedef struct ln_tiled_step {
    int64_t block;  /* of 32 channels of what is read */
    int64_t tap[2]; /* along y and x; gathered: 0 along x */
} ln_tiled_step;

typedef struct ln_tiled_class {
    int64_t first[2], count[2]; /* places of the image made, as those of the axes */
    int64_t steps;
    const int64_t *places;     /* of each step in the copy, in numbers */
    const ln_tiled_step *step; /* what it multiplies with */
} ln_tiled_class;

typedef struct ln_tiled_way {
    bool backward, gathered, woven;
    int64_t channels,
        results; /* gathered: channels of all taps of a line; woven: (y, x, channel) */
    int64_t in_channels, out_channels; /* of the image read, and of the one made */
    ln_tiled_axis axis[2];
    int64_t blocks;       /* of 32 channels */
    int64_t pitch, width; /* places from line to line of a plane, and of a line with all it reads */
    int64_t lines, places; /* of a plane of a band */
    int64_t planes;
    int64_t band;       /* lines of each class that are computed together */
    int64_t images;     /* that are computed together: 1 unless all lines are */
    int64_t tiles;      /* of 16 places, at most, of an image's band */
    int64_t most_steps; /* of a class */
    ln_tiled_class classes[LN_TILED_STRIDE * LN_TILED_STRIDE];
    int64_t class_count;
    int64_t *step_places; /* owned, those of all classes */
    ln_tiled_step *steps; /* owned */
} ln_tiled_way;

/* Whether ln_tiled_describe can, and whether tiles are faster than what else there is. */
bool ln_tiled_possible(const ln_convolution *shape);
bool ln_tiled_pays(const ln_convolution *shape, bool backward);
ln_status ln_tiled_describe(const ln_convolution *shape, bool backward, ln_tiled_way *out,
                            ln_error *err);
void ln_tiled_forget(ln_tiled_way *way);
/* Places of phase `phase` that lie in the image begin at *from and end before *to. */
void ln_tiled_inside(const ln_tiled_axis *axis, int64_t phase, int64_t *from, int64_t *to);

/* Copies what lines [first, first + lines) of the results read of an image; `room` holds
 * ln_tiled_line_floats numbers. */
void ln_tiled_copy(const ln_tiled_way *way, const float *image, int64_t first, int64_t lines,
                   uint16_t *copy, float *room);
int64_t ln_tiled_line_floats(const ln_tiled_way *way);

/* The entry of convolution.h, for shapes that are possible. */
extern const ln_convolutions ln_convolutions_tiles;

#endif
