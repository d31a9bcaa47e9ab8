/* NumPy's .npy, versions 1 to 3. Read: little- and big-endian f2, f4, f8, i1, i2, i4, i8, u1, u2,
 * u4, b1, C or Fortran order; f2 becomes f32; i1, i2, u2 become i32; u4 becomes i64. Anything else
 * (objects, strings, complex) is LN_EUNSUPPORTED naming the dtype. Header and size are checked
 * before anything is allocated. Written: version 1, little-endian, C order. */
#ifndef LN_TENSOR_NPY_H
#define LN_TENSOR_NPY_H

#include "tensor/tensor.h"

/* `sha256` of the file's bytes, may be NULL. Caller releases *out. */
ln_status ln_npy_read(const char *path, ln_tensor **out, uint8_t *sha256, ln_error *err);
ln_status ln_npy_parse(const char *name, const void *data, size_t bytes, ln_tensor **out,
                       ln_error *err);
ln_status ln_npy_write(const char *path, const ln_tensor *tensor, ln_error *err);

#endif
