/* What kind of node a rule has to do with: the one place where explainers that put rules in place of
 * gradients (lrp, deeplift) sort the layers. A layer that is not sorted here is LN_KIND_OTHER, for
 * which such a method has no rule. */
#ifndef LN_EXPLAINERS_KINDS_H
#define LN_EXPLAINERS_KINDS_H

#include "graph/graph.h"

typedef enum ln_kind {
    LN_KIND_LINEAR,   /* weights of its own, linear in its input: dense, convolutions */
    LN_KIND_AFFINE,   /* scale and shift of its own an element: batch normalisation */
    LN_KIND_FUNCTION, /* of one live value, element by element: relu, exp, x^2 */
    LN_KIND_SUM,      /* linear in its live values, without weights: add, mean, average pooling */
    LN_KIND_SCALE,    /* one live value times or over constants */
    LN_KIND_PRODUCT,  /* linear in each of two live values or more: mul, matmul, einsum */
    LN_KIND_QUOTIENT, /* of two live values */
    LN_KIND_CHOICE,   /* each result is one of the values: max pooling, maximum */
    LN_KIND_BRANCH,   /* the same, by a condition or an order: where, topk */
    LN_KIND_ROUTE,    /* moves, copies or drops elements: reshape, concat, slice, pad */
    LN_KIND_LOOKUP,   /* a row of constants for each number: embedding */
    LN_KIND_SOFTMAX,
    LN_KIND_LOG_SOFTMAX,
    LN_KIND_CLASS_LOSS, /* what link = "loss" puts behind a model: log-sum-exp less each value */
    LN_KIND_NORM, /* of groups within a row, with constant weights: layer_norm, rms_norm, group_norm,
                     instance_norm */
    LN_KIND_MEASURE, /* a function of the sum of a function of each value: reduce to l1, l2, log_sum,
                          log_sum_exp, sum_square */
    LN_KIND_FACTORS,   /* the product of values along axes: reduce to prod */
    LN_KIND_RECURRENT, /* lstm, gru, rnn, with constant weights */
    LN_KIND_OTHER,
} ln_kind;

ln_kind ln_kind_of(const ln_graph *graph, const ln_node *node);
/* Whether all that the node's results are for is to be divided by: x / |x| ... `passed`: the nodes that hand on what
 * they get back, by number; a result that none of them reads is what is explained. */
bool ln_kind_only_divides(const ln_graph *graph, const bool *passed, const ln_node *node);
/* Of LN_KIND_SCALE: whether each result is one value times or over a constant: no sum, no spreading. */
bool ln_kind_scales_elements(const ln_graph *graph, const ln_node *node);
/* Whether rows of a constant are looked up by live ids, by an embedding or as files spell one. Then the input that is the
 * ids, else -1. */
int ln_kind_looks_up(const ln_graph *graph, const ln_node *node);
/* Whether the node has weights and is a convolution, transposed or not. */
bool ln_kind_is_convolution(const ln_node *node);
/* What helps where a method has no rule for a node of this kind that the explained number ends in; nothing for
 * others. */
void ln_kind_hint_end(ln_kind kind, ln_error *err);

#endif
