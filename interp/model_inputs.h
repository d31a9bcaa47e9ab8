/* The inputs of a model as scripts speak of them: by name, each an array of its own. */
#ifndef LN_INTERP_MODEL_INPUTS_H
#define LN_INTERP_MODEL_INPUTS_H

#include "interp.h"
#include "onnx/onnx.h"

/* Fields `shape` (of a row of the first input) and `shapes` (of rows by the input's name) of the table, for axes
 * that a file leaves open. The list is left on the stack and points into the table. */
const ln_onnx_binding *ln_row_shapes(lua_State *L, int table, int *count);
/* Pushes the list of inputs: { name, shape (of a row), first, width, dtype, held } each. */
void ln_push_inputs(lua_State *L, const ln_model *model);

#endif
