/* A graph in which images run fastest: from its convolutions on they have their channels last, as far
 * as the layers behind can compute on such images (layers/last.h), and a convolution does what follows
 * it: a sum with a branch, relu, two bounds. For passes out of training. */
#ifndef LN_FUSE_H
#define LN_FUSE_H

#include "graph/graph.h"

typedef enum ln_fuse {
    LN_FUSE_LAYERS, /* channels last; each layer stays a node of its own, for rules that want them apart */
    LN_FUSE_CHAINS, /* and convolutions take up what follows them */
} ln_fuse;

/* `keep`: values, beside the outputs, that have to stay as they are, by their names: inputs, outputs and
 * kept values have them in the result too, with their channels first. What is fused is gone. Constants
 * are shared. The numbers are the same up to rounding. Where nothing is to be gained (no convolution,
 * a machine without oneDNN's fast ones), *out is the graph itself. Caller releases. */
ln_status ln_graph_fuse(ln_graph *graph, ln_fuse what, const int *keep, int keep_count,
                        ln_graph **out, ln_error *err);

#endif
