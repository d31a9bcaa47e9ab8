/* Inside model/: how a model's graph ends. */
#ifndef LN_MODEL_HEAD_H
#define LN_MODEL_HEAD_H

#include "graph/graph.h"

typedef enum ln_head_kind { LN_HEAD_NONE, LN_HEAD_SOFTMAX, LN_HEAD_SIGMOID } ln_head_kind;

typedef struct ln_head {
    ln_head_kind kind; /* the last layer that changes a number, if it is one of these */
    bool whole;        /* of a softmax: over all numbers of a row, not over parts of them */
    int before;        /* the value that goes into it; without one, the output itself */
} ln_head;

/* How the model ends; of a black box that returns probabilities nothing goes `before` (-1). */
ln_head ln_model_head(const struct ln_model *model);

/* Looks from `value` back through layers that change no number outside of training. */
ln_head ln_head_find(const ln_graph *graph, int value);

#endif
