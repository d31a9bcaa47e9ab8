/* Operators of operators_shape.c for the table in operators.c, and what both share. */
#ifndef LN_ONNX_OPERATORS_H
#define LN_ONNX_OPERATORS_H

#include "onnx/import.h"

ln_status ln_onnx_concat(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_constant_node(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_dropout(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_flatten(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_identity(ln_onnx_import *import, ln_error *err);
ln_status ln_onnx_reshape(ln_onnx_import *import, ln_error *err);

/* The product of the sizes from `axis` (not 0) on. */
int64_t ln_onnx_product(const ln_shape *shape, int axis);
/* Adds two live values of equal rank: the node's result. */
ln_status ln_onnx_add_live(ln_onnx_import *import, const int terms[2], ln_error *err);
/* The value in another shape (dims[0] is the rows): the node's result, or one in between. */
ln_status ln_onnx_finish_shape(ln_onnx_import *import, int value, const ln_shape *shape,
                               ln_error *err);
ln_status ln_onnx_between_shape(ln_onnx_import *import, int value, const ln_shape *shape,
                                const char *suffix, int *out, ln_error *err);

#endif
