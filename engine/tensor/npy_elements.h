/* The elements of a .npy file: from NumPy's dtypes, byte orders and element orders to a tensor.
 * Within this room only; users call npy.h. */
#ifndef LN_TENSOR_NPY_ELEMENTS_H
#define LN_TENSOR_NPY_ELEMENTS_H

#include "tensor/tensor.h"

typedef struct ln_npy_layout {
    char kind;      /* 'f', 'i', 'u' or 'b' */
    int bytes;      /* of an element in the file: 1, 2, 4 or 8 */
    bool swapped;   /* big-endian */
    ln_dtype dtype; /* of the tensor that it becomes */
} ln_npy_layout;

/* From "<f4" and the like. LN_EUNSUPPORTED names the dtype; `name` is the file's. */
ln_status ln_npy_layout_parse(const char *name, const char *descr, ln_npy_layout *out,
                              ln_error *err);

/* Fills `out` (of layout->dtype) from its number of elements at `data`, which may be unaligned;
 * `fortran`: the first index runs fastest there. */
void ln_npy_load(const ln_npy_layout *layout, bool fortran, const uint8_t *data, ln_tensor *out);

#endif
