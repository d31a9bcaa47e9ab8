/* A model as an ONNX file: its encoding and its network, so that a runtime takes raw columns. */
#ifndef LN_MODEL_EXPORT_H
#define LN_MODEL_EXPORT_H

#include "base/text.h"
#include "model/model.h"

/* Inputs: without an encoding those of the network; with one an input (N, 1) a column, by its name:
 * float64 for numbers (NaN: missing) and text for categories ("": missing). The output is the model's,
 * as it is. LN_EUNSUPPORTED naming the layer that cannot be written; LN_EIO as ln_file_write. */
ln_status ln_model_save_onnx(const ln_model *model, const char *path, ln_error *err);
/* The same into memory; caller frees out->data. */
ln_status ln_model_to_onnx(const ln_model *model, ln_text *out, ln_error *err);

#endif
