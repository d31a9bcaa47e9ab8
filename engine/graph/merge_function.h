/* Inside graph/: functions of one number that a file spells out (merge.c). */
#ifndef LN_MERGE_FUNCTION_H
#define LN_MERGE_FUNCTION_H

#include "graph/simplify_internal.h"
#include "layers/attributes.h"

enum { LN_MERGE_FUNCTION_NODES = 4 };

typedef struct ln_merge_function {
    const ln_layer *layer;
    int x;                                     /* a value */
    ln_softplus_attributes softplus;           /* of that layer; the others have none */
    int nodes[LN_MERGE_FUNCTION_NODES], count; /* that it is made of, the last left out */
} ln_merge_function;

/* Whether `node` is the last of one of these, of which nobody else reads what is in between:
 *
 *     x sigmoid(x)         silu
 *     x hardsigmoid(x)     hardswish
 *     x tanh(softplus(x))  mish
 *     x / (1 + |x|)        softsign
 *     x where b x > t, softplus(b x) / b elsewhere, with b or without: softplus */
bool ln_merge_find_function(const ln_simplifying *s, const ln_node *node, ln_merge_function *out);

#endif
