/* Inside layers/: what several families say in the same words. */
#ifndef LN_LAYERS_COMMON_H
#define LN_LAYERS_COMMON_H

#include "base/error.h"
#include "graph/graph.h"
#include "layers/attributes.h"
#include "layers/layer.h"

/* Elements of a value in the rows of this pass. */
static inline int64_t ln_pass_count(const ln_pass *pass, const ln_shape *shape)
{
    return shape->rank == 0 ? 1 : pass->rows * ln_shape_row(shape);
}

/* The result has the shape of the first input. */
ln_status ln_infer_same(const struct ln_graph *graph, const struct ln_node *node,
                        const ln_shape *in, ln_shape *out, ln_error *err);

/* An axis of a script or file as an index below `rank`, not the rows'; LN_EINVALID otherwise. */
ln_status ln_axis_resolve(int64_t axis, int rank, int *out, ln_error *err);

/* Copies the first input's rows to the output, and the gradient back. */
ln_status ln_copy_forward(const ln_pass *pass, ln_error *err);
ln_status ln_copy_backward(const ln_pass *pass, ln_error *err);

/* The families' descriptors, in the table of layers.c. */
extern const ln_layer ln_layer_dense, ln_layer_relu, ln_layer_leaky_relu, ln_layer_sigmoid,
    ln_layer_tanh, ln_layer_elu, ln_layer_softplus, ln_layer_dropout, ln_layer_softmax,
    ln_layer_class_loss, ln_layer_add, ln_layer_concat, ln_layer_flatten, ln_layer_reshape,
    ln_layer_identity;

#endif
