/* Finished pieces of explanations: from arrays to tensors and summaries. */
#ifndef LN_INTERP_PIECES_H
#define LN_INTERP_PIECES_H

#include "interp.h"

/* Sums up each attribution of piece->explained and keeps the numbers as a tensor whose rows have the
 * shape in the list at `shape_at` (nil there: flat). */
ln_status ln_piece_finish(lua_State *L, int shape_at, ln_piece *piece, ln_error *err);

#endif
