/* A graph in which a few nodes do what many did: for passes without rules, and for those whose rules know a
 * layer by what it is, not by how an exporter spelt it. */
#ifndef LN_MERGE_H
#define LN_MERGE_H

#include "graph/graph.h"

/* What files spell out becomes the layer that it is: a bias added to a product with weights goes into that
 * dense layer, a factor behind a product of matrices into that product; x / 2 (1 + erf(x / sqrt 2)), or its
 * approximation by tanh, is gelu; (x - mean) / sqrt(variance + eps) over the last axis, with a weight and a bias
 * or without, is layer_norm; instance_norm of groups of channels, with a weight and a bias a channel behind it,
 * is group_norm; x sigmoid(x) and its kin are silu, hardswish, mish, softsign and softplus. The numbers are the same up to rounding; `keep`: ids of values that have to stay,
 * beside the outputs. Where there is nothing to do *out is the graph itself. Caller releases. */
ln_status ln_graph_merge(ln_graph *graph, const int *keep, int keep_count, ln_graph **out,
                         ln_error *err);

#endif
