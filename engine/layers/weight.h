/* The weights of a layer: a constant, shared by all rows, or (in graphs of files, where a weight may
 * be an input) a value with one set of weights a row. */
#ifndef LN_LAYERS_WEIGHT_H
#define LN_LAYERS_WEIGHT_H

#include "layers/common.h"

static inline bool ln_weight_given(const struct ln_node *node, int input)
{
    return input < node->input_count && node->inputs[input] >= 0;
}

/* Whether it has rows. */
static inline bool ln_weight_live(const struct ln_graph *graph, const struct ln_node *node,
                                  int input)
{
    return ln_weight_given(node, input) && !graph->values[node->inputs[input]].fixed;
}

/* Its shape for one row. */
static inline ln_shape ln_weight_shape(const struct ln_graph *graph, const struct ln_node *node,
                                       const ln_shape *in, int input)
{
    ln_shape shape = in[input];
    if (ln_weight_live(graph, node, input)) {
        shape.rank--;
        for (int i = 0; i < shape.rank; i++)
            shape.dims[i] = shape.dims[i + 1];
    }
    return shape;
}

/* LN_EINVALID unless it is absent or a vector of `count` numbers. */
static inline ln_status ln_weight_vector(const struct ln_graph *graph, const struct ln_node *node,
                                         const ln_shape *in, int input, const char *what,
                                         int64_t count, ln_error *err)
{
    char text[64];
    if (!ln_weight_given(node, input))
        return LN_OK;
    const ln_shape shape = ln_weight_shape(graph, node, in, input);
    if (shape.rank == 1 && shape.dims[0] == count)
        return LN_OK;
    return ln_fail(err, LN_EINVALID, "its %s has shape %s: it must be (%lld,)", what,
                   ln_shape_text(&shape, text, sizeof text), (long long)count);
}

#endif
