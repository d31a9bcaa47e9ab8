/* Graphs made simpler without changing what they compute: for methods whose rules know weights, not
 * batch norm, and for whoever wants fewer nodes. A pass leaves the names of inputs, outputs and kept
 * values; what it absorbs is gone. */
#ifndef LN_SIMPLIFY_H
#define LN_SIMPLIFY_H

#include "graph/graph.h"

typedef enum ln_simplify {
    LN_SIMPLIFY_CONSTANTS = 1, /* results of constants alone become constants */
    LN_SIMPLIFY_IDENTITY = 2,  /* identity, dropout and casts to the same type go */
    LN_SIMPLIFY_BATCH_NORM =
        4, /* batch norm goes into the convolution or dense layer before it, or after it */
    LN_SIMPLIFY_PAD = 8, /* pad goes into the convolution or pooling after it */
    LN_SIMPLIFY_ALL = 15,
    LN_SIMPLIFY_UNCHECKED = 16, /* without the check below, which costs some passes over rows */
    LN_SIMPLIFY_CUTS =
        32, /* relu goes into the dense layer before it; for passes without gradient */
    LN_SIMPLIFY_POOL_APART =
        64, /* a maximum over windows comes before the relu before it, which then has fewer
                                    numbers to do: where no element is in two windows */
    LN_SIMPLIFY_POOL = 192, /* the same of all windows */
} ln_simplify;

/* `keep`: ids of values that have to stay. The result shares constants with the graph and computes the
 * same outputs: with LN_SIMPLIFY_CONSTANTS, _IDENTITY, _CUTS and _POOL the same bits, with the others the same
 * numbers up to rounding, which is checked on a few rows (LN_EFAILED, which would be our mistake).
 * Where there is nothing to do it is the graph itself. Caller releases. */
ln_status ln_graph_simplify(ln_graph *graph, unsigned passes, const int *keep, int keep_count,
                            ln_graph **out, ln_error *err);

#endif
