/* Inside layers/: rows whose elements are those of the input at other places. Every axis of the
 * result adds its own offset into the input's row, so that slices, padding, tiles, turned and joined
 * axes, and nearest neighbours are tables of offsets, one an axis; an entry may also say that there is
 * nothing, and a given number stands there.
 *
 * The gradient goes back along the same tables; where an element of the input is read twice it is
 * summed in float64. */
#ifndef LN_LAYERS_MOVE_H
#define LN_LAYERS_MOVE_H

#include "layers/operand.h"

#define LN_NOTHING ((int64_t)-1)

typedef struct ln_move_axis {
    int64_t size;
    int64_t first, step; /* of an even axis: offset i is first + i step */
    int64_t *offset;     /* else: size entries, LN_NOTHING where nothing is */
} ln_move_axis;

typedef struct ln_move {
    int rank;
    ln_move_axis axes[LN_MAX_RANK];
    int64_t in_count, out_count; /* elements of a row */
    bool repeats;                /* an element of the input may be read twice */
    bool fills;                  /* there are places with nothing */
    int64_t *offsets;            /* what axes[].offset point into */
} ln_move;

/* A table for a row of this shape, offsets to be filled in. In step->prepared; scratch is asked for
 * by finish. An earlier one is kept and filled again. */
ln_status ln_move_start(ln_step *step, const ln_shape *row, ln_move **out, ln_error *err);
/* Joins what is even, after the offsets are filled in. */
void ln_move_finish(ln_step *step, ln_move *move);
void ln_move_release(ln_step *step);
/* Passes of a layer with such a table; `fill` (an element), or 0, stands where nothing is. */
void ln_move_filled(const ln_pass *pass, const void *fill);
ln_status ln_move_forward(const ln_pass *pass, ln_error *err);
ln_status ln_move_backward(const ln_pass *pass, ln_error *err);

#endif
