/* NumPy's .npz: a zip archive of .npy files, as numpy.savez and savez_compressed write it. */
#ifndef LN_TENSOR_NPZ_H
#define LN_TENSOR_NPZ_H

#include "tensor/tensor.h"

/* The array named `key`; NULL: the only one there is, LN_EINVALID where there are several. Errors
 * list the names. `sha256` of the file's bytes, may be NULL. Caller releases *out. */
ln_status ln_npz_read(const char *path, const char *key, ln_tensor **out, uint8_t *sha256,
                      ln_error *err);
ln_status ln_npz_parse(const char *name, const void *data, size_t bytes, const char *key,
                       ln_tensor **out, ln_error *err);

#endif
