/* Where a network bends along a line through its inputs.
 *
 * Between bends of its relus, maxima and their kin such a network is linear. A bend is a node whose input
 * crosses a threshold (relu: 0), or whose greatest input changes (max pooling). Taken in the order of the
 * graph they are found exactly: where all nodes before it are linear on a stretch of the line, so is the
 * node's input, and two values of it tell where it crosses.
 *
 * Bends: relu, leaky_relu, prelu, abs, relu6, hardtanh, clip, hardsigmoid, clipped_line, softshrink; max
 * pooling of all kinds, the greatest and the least along axes. Layers that bend nowhere: kinds.h's linear, affine, sum, scale and route. */
#ifndef LN_EXPLAINERS_BENDS_H
#define LN_EXPLAINERS_BENDS_H

#include "graph/graph.h"

#define LN_MOST_THRESHOLDS 2

/* One node that bends. */
typedef struct ln_bend {
    int value;      /* what goes into it */
    int64_t width;  /* numbers of that a row */
    int thresholds; /* 0: maxima over windows */
    double at[LN_MOST_THRESHOLDS];
    int64_t planes, plane; /* of maxima: planes a row, elements of one */
    int64_t places;        /* windows of a plane */
    bool least;            /* minima in place of maxima */
    int32_t *first;        /* places + 1: where a window's entries in `elements` start */
    int32_t *elements;     /* of a plane */
} ln_bend;

/* All bends between the inputs and `output`, in the order of the graph; the caller frees them. LN_EUNSUPPORTED
 * with operator and name of a layer that is not linear piece by piece, or that is not known to be. */
ln_status ln_bends_find(const ln_graph *graph, int output, ln_bend **out, int *count,
                        ln_error *err);
void ln_bends_free(ln_bend *bends, int count);

/* A list of numbers that grows. */
typedef struct ln_reals {
    double *at;
    int64_t count, room;
} ln_reals;
ln_status ln_reals_add(ln_reals *list, double number, ln_error *err);

/* Adds to `found` the places strictly between 0 and 1 where the node bends, if its input goes from `a` to
 * `b` (width numbers each) in a straight line; in any order, some twice. */
ln_status ln_bend_crossings(const ln_bend *bend, const float *a, const float *b, ln_reals *found,
                            ln_error *err);

#endif
