/* From a script's list of layers to a graph: `network { dense { 64 }, relu, dense { 2 } }`. Each
 * layer becomes one node, whose trainable parameters the layer itself describes. Initial values
 * follow PyTorch (dense: uniform in +-1/sqrt(inputs) for weights and bias), drawn by (seed,
 * "initialise", number of the parameter). */
#ifndef LN_DECLARE_H
#define LN_DECLARE_H

#include "graph/graph.h"

typedef struct ln_declaration {
    ln_graph *graph;  /* under construction; NULL: nothing is declared */
    int value;        /* what the next layer takes as its input; callers may set it to branch */
    uint64_t seed;    /* for initial values */
    int parameters;   /* parameters drawn so far */
    int layer_number; /* of the next layer, from 0, joins and nested layers counted: its node's
                         place in the graph; without `name =` a layer is called word_number */
    const char *name; /* the script's `name =` of the layer being declared, or NULL */
} ln_declaration;

/* A new declaration whose input is (N, ...shape) f32. */
ln_status ln_declare_begin(const ln_shape *input, uint64_t seed, ln_declaration *out,
                           ln_error *err);
/* Adds one layer: `attributes` as the layer's parameters say; `name` may be NULL. Constants are
 * named "<layer>.weight", the result as the layer. On an error the message names the layer
 * ("layer 3 (dense)"). */
ln_status ln_declare_layer(ln_declaration *declaration, const ln_layer *layer,
                           const void *attributes, const char *name, ln_error *err);
/* Branches that join: residual { ... } and parallel { ... } remember and restore `value` around
 * their own layers and join by "add" (equal shapes) or "concat" (along axis 1). */
ln_status ln_declare_join(ln_declaration *declaration, const char *join, const int *values,
                          int count, ln_error *err);
/* Marks the output and hands the graph over (the declaration is empty afterwards). */
ln_status ln_declare_finish(ln_declaration *declaration, ln_graph **out, ln_error *err);
void ln_declare_abandon(ln_declaration *declaration); /* after an error; also when it is empty */

#endif
