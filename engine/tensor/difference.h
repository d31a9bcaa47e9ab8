/* How two tensors, or a row of each, differ: bit by bit, and by how much. */
#ifndef LN_TENSOR_DIFFERENCE_H
#define LN_TENSOR_DIFFERENCE_H

#include "tensor/tensor.h"

typedef struct ln_difference {
    bool comparable;  /* same dtype and number of elements; else nothing below says anything */
    int64_t elements; /* compared */
    int64_t count;    /* of them with other bits */
    int64_t first;    /* the first of those, -1: none */
    double a, b;      /* its values */
    double greatest;  /* greatest |a - b|; infinite where one only is NaN or infinite */
    double scale;     /* greatest finite |a| or |b| of all that were compared */
} ln_difference;

/* Row -1 is the whole tensor, else a row of its first axis. LN_EINVALID: there is no such row. */
ln_status ln_tensor_difference(const ln_tensor *a, int64_t row_a, const ln_tensor *b, int64_t row_b,
                               ln_difference *out, ln_error *err);

#endif
