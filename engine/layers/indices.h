/* Inside layers/: indices that come with the data, checked where they are read. */
#ifndef LN_LAYERS_INDICES_H
#define LN_LAYERS_INDICES_H

#include "layers/operand.h"

/* Types for layers whose second input holds indices: the result's is the first input's. */
ln_status ln_types_indexed(const struct ln_graph *graph, const struct ln_node *node,
                           const ln_dtype *in, ln_dtype *out, ln_error *err);
/* Index i of the list as 0 <= *out < size; negative ones count from the end. LN_EINVALID where it is
 * outside. Real numbers (ids that came as rows) must be whole. */
ln_status ln_index_at(const void *indices, ln_dtype dtype, int64_t i, int64_t size, int64_t *out,
                      ln_error *err);

/* The place of element i of a row of shape `shape` in a row of shape `other` of the same rank, when
 * its place along `axis` is `place`. */
static inline int64_t ln_place_along(const ln_shape *shape, const ln_shape *other, int axis,
                                     int64_t i, int64_t place)
{
    int64_t at = 0, step = 1;
    for (int k = shape->rank - 1; k >= 0; k--) {
        at += (k == axis ? place : i % shape->dims[k]) * step;
        i /= shape->dims[k];
        step *= other->dims[k];
    }
    return at;
}

#endif
