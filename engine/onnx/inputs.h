/* Inside the import: the graph's inputs and outputs (inputs.c). */
#ifndef LN_ONNX_INPUTS_H
#define LN_ONNX_INPUTS_H

#include "onnx/import.h"

/* Adds the file's inputs to the graph and decides import->batch and ->single. */
ln_status ln_onnx_add_inputs(ln_onnx_import *import, ln_error *err);
/* Names the graph's outputs; LN_EUNSUPPORTED where none depends on an input. */
ln_status ln_onnx_add_outputs(ln_onnx_import *import, ln_error *err);

#endif
