/* IDX, the format of MNIST's files (LeCun, Cortes, Burges): two zero bytes, a type, a rank, that many
 * big-endian dimensions, the elements. u8 stays u8; i8 and i16 become i32; i32, f32 and f64 stay. A
 * file compressed by gzip is read as what it holds. Sizes are checked before anything is allocated. */
#ifndef LN_TENSOR_IDX_H
#define LN_TENSOR_IDX_H

#include "tensor/tensor.h"

/* `sha256` of the file's bytes, may be NULL. Caller releases *out. */
ln_status ln_idx_read(const char *path, ln_tensor **out, uint8_t *sha256, ln_error *err);
ln_status ln_idx_parse(const char *name, const void *data, size_t bytes, ln_tensor **out,
                       ln_error *err);

#endif
