/* lunette show MODEL.onnx. Part of the command show. */
#ifndef LN_SHOW_MODEL_H
#define LN_SHOW_MODEL_H

#include "../table.h"

/* Prints a model's inputs, layers and outputs. The errors of ln_onnx_read. */
ln_status ln_show_model(const char *path, ln_format format, ln_error *err);

#endif
