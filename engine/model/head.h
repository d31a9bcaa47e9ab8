/* Inside model/: how a classifier's graph ends. */
#ifndef LN_MODEL_HEAD_H
#define LN_MODEL_HEAD_H

#include "graph/graph.h"

typedef struct ln_head {
    int node;     /* the final softmax or sigmoid, or -1 */
    bool softmax; /* it is a softmax over the classes */
    int before;   /* the value that goes into it; without one, the output itself */
} ln_head;

/* Looks from `value` back through layers that change nothing outside of training. */
ln_head ln_head_find(const ln_graph *graph, int value);

#endif
