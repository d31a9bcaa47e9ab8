/* Cairo numbers the ids of an SVG's surfaces, patterns and images by a counter of the whole process,
 * so that the same drawing would have other bytes the second time. Here they are numbered anew, from
 * 0 by first appearance. O(bytes + ids^2), and ids are as many as images. */
#ifndef LN_DRAW_SVG_H
#define LN_DRAW_SVG_H

#include "base/text.h"
#include "lunette.h"

/* Appends the text to `out` with its ids renumbered. LN_ENOMEM. */
ln_status ln_svg_renumber(const ln_text *svg, ln_text *out, ln_error *err);

#endif
