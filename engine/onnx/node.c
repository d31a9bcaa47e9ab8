/* The node in work: its inputs as constants or live values. Messages name operator, node and operator
 * set. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "onnx/import.h"

static ln_status complain(const ln_onnx_import *import, ln_error *err, ln_status status,
                          const char *format, va_list arguments)
{
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    return ln_fail(err, status, "operator '%s' (node '%.100s', opset %lld) %s",
                   import->operator_name, import->name, (long long)import->opset, text);
}

ln_status ln_onnx_refuse(const ln_onnx_import *import, ln_error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    ln_status status = complain(import, err, LN_EUNSUPPORTED, format, arguments);
    va_end(arguments);
    return status;
}

ln_status ln_onnx_malformed(const ln_onnx_import *import, ln_error *err, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    ln_status status = complain(import, err, LN_EINVALID, format, arguments);
    va_end(arguments);
    return status;
}

/* ---------------------------------------------------------------- inputs */

bool ln_onnx_has_input(const ln_onnx_import *import, size_t input)
{
    return input < import->node.inputs.count && import->node.inputs.at[input].size > 0;
}

static ln_onnx_symbol *symbol_of(const ln_onnx_import *import, size_t input)
{
    return ln_onnx_symbol_find(import, import->node.inputs.at[input]);
}

ln_short_text ln_onnx_input_text(const ln_onnx_import *import, size_t input)
{
    return ln_bytes_text(import->node.inputs.at[input]);
}

int64_t ln_onnx_input_type(const ln_onnx_import *import, size_t input)
{
    const ln_onnx_symbol *symbol = ln_onnx_has_input(import, input)
                                       ? ln_onnx_symbol_find(import, import->node.inputs.at[input])
                                       : NULL;
    return symbol ? symbol->type : 0;
}

bool ln_onnx_is_constant(const ln_onnx_import *import, size_t input)
{
    const ln_onnx_symbol *symbol = symbol_of(import, input);
    return !import->folding && (symbol->constant || symbol->initializer.data);
}

ln_status ln_onnx_constant(ln_onnx_import *import, size_t input, ln_tensor **out, ln_error *err)
{
    ln_onnx_symbol *symbol = symbol_of(import, input);
    *out = NULL;
    if (!symbol->constant && !symbol->initializer.data)
        return ln_onnx_refuse(import, err,
                              "takes '%s' as a constant, but here it depends on the network's "
                              "input",
                              ln_bytes_text(symbol->name).at);
    ln_status status = ln_onnx_symbol_constant(import, symbol, err);
    *out = symbol->constant;
    return status;
}

ln_status ln_onnx_numbers(ln_onnx_import *import, size_t input, ln_dtype dtype, ln_tensor **out,
                          ln_error *err)
{
    ln_status status = ln_onnx_constant(import, input, out, err);
    if (!status && (*out)->dtype != dtype)
        return ln_onnx_refuse(import, err, "takes '%s' as %s, but it is %s",
                              ln_onnx_input_text(import, input).at, ln_dtype_name(dtype),
                              ln_dtype_name((*out)->dtype));
    return status;
}

ln_status ln_onnx_list(ln_onnx_import *import, size_t input, ln_ints *out, ln_error *err)
{
    ln_tensor *tensor, *whole;
    *out = (ln_ints){.count = 0};
    ln_status status = ln_onnx_constant(import, input, &tensor, err);
    if (!status && tensor->dtype != LN_I64 && tensor->dtype != LN_I32)
        return ln_onnx_refuse(import, err, "takes '%s' as whole numbers, but it is %s",
                              ln_onnx_input_text(import, input).at, ln_dtype_name(tensor->dtype));
    if (!status && (tensor->shape.rank > 1 || ln_shape_count(&tensor->shape) > LN_MAX_RANK))
        return ln_onnx_refuse(import, err, "takes '%s' as a list of at most %d numbers",
                              ln_onnx_input_text(import, input).at, LN_MAX_RANK);
    if (!status)
        status = ln_tensor_convert(tensor, LN_I64, &whole, err);
    if (status)
        return status;
    out->count = (int)ln_shape_count(&whole->shape);
    memcpy(out->at, whole->data, (size_t)out->count * sizeof *out->at);
    ln_tensor_release(whole);
    return LN_OK;
}

ln_status ln_onnx_scalar(ln_onnx_import *import, size_t input, double *out, ln_error *err)
{
    ln_tensor *tensor;
    ln_status status = ln_onnx_constant(import, input, &tensor, err);
    if (status)
        return status;
    if (ln_shape_count(&tensor->shape) != 1)
        return ln_onnx_refuse(import, err, "takes '%s' as one number, but it has %lld",
                              ln_onnx_input_text(import, input).at,
                              (long long)ln_shape_count(&tensor->shape));
    *out = tensor->dtype == LN_F32   ? (double)ln_f32(tensor)[0]
           : tensor->dtype == LN_I64 ? (double)ln_i64(tensor)[0]
           : tensor->dtype == LN_I32 ? (double)*(const int32_t *)tensor->data
                                     : (double)*(const uint8_t *)tensor->data;
    return LN_OK;
}

/* In folding, the constant as an input of the node's own graph, with the one row outside. */
static ln_status folded_input(ln_onnx_import *import, size_t input, int *value, ln_error *err)
{
    ln_tensor *tensor;
    const char *name;
    ln_status status =
        ln_onnx_name_copy(&import->scratch, import->node.inputs.at[input], &name, err);
    if (!status)
        status = ln_onnx_constant(import, input, &tensor, err);
    if (status)
        return status;
    *value = ln_graph_find_value(import->graph, name);
    if (*value >= 0)
        return LN_OK;
    const ln_onnx_layout outside = {.axis = -1, .before = 1, .after = 1};
    ln_shape stored;
    if (ln_shape_count(&tensor->shape) == 0)
        return ln_onnx_refuse(import, err, "takes '%s', which is empty", name);
    status = ln_onnx_stored_shape(import, &tensor->shape, &outside, &stored, err);
    if (!status)
        status = ln_graph_add_input(import->graph, name, tensor->dtype, &stored, value, err);
    return status ? status : ln_onnx_set_layout(import, *value, outside, err);
}

ln_status ln_onnx_live(ln_onnx_import *import, size_t input, ln_onnx_operand *out, ln_error *err)
{
    const ln_onnx_symbol *symbol = symbol_of(import, input);
    int value = symbol->value;
    ln_status status = LN_OK;
    if (import->folding)
        status = folded_input(import, input, &value, err);
    else if (symbol->constant || symbol->initializer.data)
        return ln_onnx_refuse(import, err,
                              "takes '%s' as a value that depends on the network's input, but "
                              "here it is a constant",
                              ln_bytes_text(symbol->name).at);
    if (!status)
        *out = ln_onnx_operand_of(import, value);
    return status;
}

ln_status ln_onnx_constant_value(ln_onnx_import *import, size_t input, int *value, ln_error *err)
{
    ln_tensor *tensor;
    const char *name;
    ln_status status = ln_onnx_constant(import, input, &tensor, err);
    if (!status)
        status = ln_onnx_name_copy(&import->scratch, import->node.inputs.at[input], &name, err);
    if (status)
        return status;
    *value = ln_graph_find_value(import->graph, name);
    if (*value >= 0 && import->graph->values[*value].kind == LN_VALUE_CONSTANT)
        return LN_OK;
    if (*value >= 0)
        return ln_onnx_own_constant(import, ".constant", tensor, value, err);
    return ln_graph_add_constant(import->graph, name, tensor, tensor->dtype == LN_F32, value, err);
}

ln_status ln_onnx_own_constant(ln_onnx_import *import, const char *suffix, ln_tensor *tensor,
                               int *value, ln_error *err)
{
    const char *name;
    ln_status status = ln_onnx_fresh_value(import, import->name, suffix, &name, err);
    if (status)
        return status;
    return ln_graph_add_constant(import->graph, name, tensor, tensor->dtype == LN_F32, value, err);
}
