/* A network from what the store has of it: its graph, node after node as ln_graph_json names them,
 * and one tensor with all its weights side by side (as ln_graph_weights puts them). What comes out
 * has the values and nodes in their old order, and so the old identity. */
#ifndef LN_RESTORE_H
#define LN_RESTORE_H

#include "graph/graph.h"

typedef struct ln_restoring {
    ln_graph *graph;          /* what is there so far */
    const ln_tensor *weights; /* (n) f32, borrowed */
    int64_t used;             /* numbers of `weights` that have their place */
} ln_restoring;

/* A node by its names (`inputs`: NULL for an absent one). An input that nothing has made yet is the
 * next parameter of its layer, and takes its numbers from the weights. LN_EINVALID where the names or
 * the numbers do not fit: the store says something that no network is. */
typedef struct ln_restored_node {
    const ln_layer *layer;
    const char *operator_name, *name;
    const void *attributes;
    const char *const *inputs, *const *outputs;
    int input_count, output_count;
} ln_restored_node;
ln_status ln_restore_node(ln_restoring *restoring, const ln_restored_node *node, ln_error *err);
/* All weights have to be used. */
ln_status ln_restore_finish(const ln_restoring *restoring, ln_error *err);

/* (n) f32: the parameters of a graph side by side, in the order of its values. */
ln_status ln_graph_weights(const ln_graph *graph, ln_tensor **out, ln_error *err);

#endif
