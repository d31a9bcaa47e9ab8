/* Fewer points, the same look. A line of many points is drawn column of pixels by column: of the
 * points that follow each other within one `step` of x only the first, the lowest, the highest and
 * the last are kept, in their order. Whatever the points, every pixel that the whole line touches
 * at this step is still touched. O(n). */
#ifndef LN_DRAW_DECIMATE_H
#define LN_DRAW_DECIMATE_H

#include "lunette.h"

/* Keeps points in place (x, y, x, y ...) and returns how many. Points that are not finite, which
 * interrupt a line, are kept. */
int64_t ln_decimate(double *points, int64_t count, double step);

#endif
