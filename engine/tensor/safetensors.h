/* The safetensors format: named arrays in one file, as PyTorch and Hugging Face write weights. */
#ifndef LN_TENSOR_SAFETENSORS_H
#define LN_TENSOR_SAFETENSORS_H

#include "tensor/tensor.h"

/* A file that was read and checked: `count` arrays in the order of their data. */
typedef struct ln_safetensors ln_safetensors;

/* Errors: LN_EFILE, LN_EINVALID where the file breaks the format. `sha256` of the file's bytes, may be
 * NULL. Caller frees. */
ln_status ln_safetensors_read(const char *path, ln_safetensors **out, uint8_t *sha256,
                              ln_error *err);
/* The same of bytes, which are copied where arrays are asked for and must live until then. */
ln_status ln_safetensors_parse(const char *name, const void *data, size_t bytes,
                               ln_safetensors **out, ln_error *err);
void ln_safetensors_free(ln_safetensors *file); /* NULL is fine */

int ln_safetensors_count(const ln_safetensors *file);
const char *ln_safetensors_name(const ln_safetensors *file, int index); /* borrowed */
ln_shape ln_safetensors_shape(const ln_safetensors *file, int index);
/* The array with this name, or -1. */
int ln_safetensors_find(const ln_safetensors *file, const char *name);
/* One array as f32, from F32, F16, BF16 or F64 numbers (F64 is rounded); LN_EUNSUPPORTED for others,
 * naming array and type. Caller releases. */
ln_status ln_safetensors_floats(const ln_safetensors *file, int index, ln_tensor **out,
                                ln_error *err);

/* Writes arrays of f32, f64, i64, i32, u8 or bool under their names, in that order, to a new file that
 * appears whole or not at all. LN_EIO where it cannot be written. */
ln_status ln_safetensors_write(const char *path, const char *const *names,
                               const ln_tensor *const *arrays, int count, ln_error *err);

#endif
