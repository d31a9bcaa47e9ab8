/* Inside layers/: walking through operands that are broadcast against a result, as numpy does from
 * the right, in runs of elements that each operand steps through evenly. Axes that lie together in
 * all operands are one, so that operands of one shape are a single run. */
#ifndef LN_LAYERS_WALK_H
#define LN_LAYERS_WALK_H

#include "layers/operand.h"

#define LN_WALK_OPERANDS 4 /* the result and its inputs */

typedef struct ln_walk {
    int operands, rank;                                 /* entries of the arrays below */
    int64_t dims[LN_MAX_RANK];                          /* of all axes but the last */
    int64_t step[LN_WALK_OPERANDS][LN_MAX_RANK];        /* of the same axes */
    int64_t index[LN_MAX_RANK];                         /* of the same axes */
    int64_t run;                                        /* elements of the run */
    int64_t at[LN_WALK_OPERANDS], by[LN_WALK_OPERANDS]; /* its first element and step, an operand */
    bool more;                                          /* there is a run */
} ln_walk;

/* At the first run; operands[0] is the result, all others broadcast to it. */
void ln_walk_start(ln_walk *walk, int64_t rows, const ln_operand *operands, int count);
void ln_walk_next(ln_walk *walk);

/* The row that rows of these inputs are broadcast to; `verb` words the error ("added"). Constants
 * may have one axis more, of size 1, where the rows are. */
ln_status ln_broadcast_infer(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_shape *in, const char *verb, ln_shape *out, ln_error *err);
/* The input as ln_walk_start wants it: such an axis taken off (and a declared prelu's slopes, one a
 * channel, with the axes behind the channels). */
ln_operand ln_broadcast_in(const ln_step *step, int input);
/* Whether the operand has an element of its own for each of the result's. */
bool ln_broadcast_exact(const ln_operand *operand, const ln_operand *result);

#endif
