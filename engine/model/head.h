/* Inside model/: how a model's graph ends, and what a link makes of the end. */
#ifndef LN_MODEL_HEAD_H
#define LN_MODEL_HEAD_H

#include "model/model.h"

typedef enum ln_head_kind { LN_HEAD_NONE, LN_HEAD_SOFTMAX, LN_HEAD_SIGMOID } ln_head_kind;

typedef struct ln_head {
    ln_head_kind kind; /* the last layer that changes a number, if it is one of these */
    bool whole;        /* of a softmax: over all numbers of a row, not over parts of them */
    int before;        /* the value that goes into it; without one, into a last
                          log_softmax, or the output itself */
} ln_head;

/* How the model ends; of a black box that returns probabilities nothing goes `before` (-1). */
ln_head ln_model_head(const ln_model *model);

/* Looks from `value` back through layers that change no number outside of training. */
ln_head ln_head_find(const ln_graph *graph, int value);

/* The graph that is explained on the link, the model's or a copy that adds to it, and the value in it.
 * The caller releases *graph, also after an error. Errors say why the link is not defined here. */
ln_status ln_link_apply(const ln_model *model, ln_link link, ln_graph **graph, int *output,
                        ln_error *err);

#endif
