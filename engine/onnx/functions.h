/* Inside the import: functions that a model defines itself, and operators made of others (composites.h). */
#ifndef LN_ONNX_FUNCTIONS_H
#define LN_ONNX_FUNCTIONS_H

#include "onnx/import.h"

/* Puts the bodies of the model's functions in place of the nodes that call them: import->messages.nodes
 * then holds plain operators only. `functions` are FunctionProtos. LN_EUNSUPPORTED where they nest too
 * deep, become too many, or are written for another operator set. */
ln_status ln_onnx_inline_functions(ln_onnx_import *import, const ln_bytes_list *functions,
                                   ln_error *err);

#endif
