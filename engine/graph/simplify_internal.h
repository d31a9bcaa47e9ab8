/* Inside graph/: one simplification under way (simplify.c), and what it absorbs (absorb.c). */
#ifndef LN_SIMPLIFY_INTERNAL_H
#define LN_SIMPLIFY_INTERNAL_H

#include "graph/plan.h"
#include "graph/simplify.h"

typedef struct ln_simplifying {
    const ln_graph *from;
    ln_graph *to;
    unsigned passes;
    int *map;       /* one a value of `from`: its id in `to`, -1 */
    int *readers;   /* the same: nodes that read it; outputs and kept values count as many */
    int *norm;      /* one a node of `from`: the batch norm behind it that it absorbs, or -1 */
    int *ahead;     /* the same, before it */
    int *pad;       /* the same: the pad that it absorbs */
    int *relu;      /* the same of a maximum over windows: the relu that comes behind it */
    bool *absorbed; /* the same: it is absorbed by another */
} ln_simplifying;

/* Fills readers. */
void ln_simplify_count_readers(ln_simplifying *s, const int *keep, int keep_count);
/* Adds inputs and constants; with `fixed`, an execution, what nodes of constants make as constants too. */
ln_status ln_simplify_values(ln_simplifying *s, const ln_exec *fixed, ln_error *err);
/* The node that made the value alone for the one reader, or -1. */
int ln_simplify_sole_producer(const ln_simplifying *s, int value);
/* The node of this layer that made the value, its only result, for so many readers; NULL. */
const ln_node *ln_simplify_made_by(const ln_simplifying *s, int value, const ln_layer *layer,
                                   int readers);
/* Whether the value is a constant of one real number. */
bool ln_simplify_is_number(const ln_graph *graph, int value, double *out);
/* Fills norm, ahead, pad and absorbed. */
void ln_simplify_find(ln_simplifying *s);
/* Fills relu, and absorbed. */
void ln_simplify_find_pools(ln_simplifying *s);
/* Adds a maximum over windows and then the relu that was before it. */
ln_status ln_simplify_exchange(ln_simplifying *s, int index, ln_error *err);
/* Adds a node that absorbs others; LN_OK and *done = false where that turns out not to fit. */
ln_status ln_simplify_absorb(ln_simplifying *s, int index, bool *done, ln_error *err);
/* Adds a constant of the node's own, "<node>/<what>" and a number; `tensor` is retained. */
ln_status ln_simplify_add_constant(ln_simplifying *s, const ln_node *node, const char *what,
                                   ln_tensor *tensor, int *value, ln_error *err);
/* Adds a node as it is, reading mapped values. */
ln_status ln_simplify_copy(ln_simplifying *s, int index, ln_error *err);

#endif
