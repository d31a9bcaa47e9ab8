/* The node in work: its inputs as constants or live values, its attributes with their defaults, and
 * the layers that are added for it. Messages name operator, node and operator set. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
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

bool ln_onnx_is_constant(const ln_onnx_import *import, size_t input)
{
    const ln_onnx_symbol *symbol = symbol_of(import, input);
    return symbol->constant || symbol->initializer.data;
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
    if (!symbol->constant) {
        ln_status status =
            ln_onnx_decode_tensor(symbol->initializer, import->origin, &symbol->constant, err);
        if (status) {
            ln_error_prefix(err, "the constant '%s'", ln_bytes_text(symbol->name).at);
            return status;
        }
    }
    *out = symbol->constant;
    return LN_OK;
}

ln_status ln_onnx_numbers(ln_onnx_import *import, size_t input, ln_dtype dtype, ln_tensor **out,
                          ln_error *err)
{
    ln_status status = ln_onnx_constant(import, input, out, err);
    if (!status && (*out)->dtype != dtype)
        return ln_onnx_refuse(import, err, "takes '%s' as %s, but it is %s",
                              ln_bytes_text(import->node.inputs.at[input]).at, ln_dtype_name(dtype),
                              ln_dtype_name((*out)->dtype));
    return status;
}

ln_status ln_onnx_live(ln_onnx_import *import, size_t input, int *value, ln_error *err)
{
    const ln_onnx_symbol *symbol = symbol_of(import, input);
    *value = symbol->value;
    if (symbol->constant || symbol->initializer.data)
        return ln_onnx_refuse(import, err,
                              "is supported on values that depend on the network's input; '%s' "
                              "is a constant",
                              ln_bytes_text(symbol->name).at);
    return LN_OK;
}

const ln_shape *ln_onnx_shape(const ln_onnx_import *import, int value)
{
    return &import->graph->values[value].shape;
}

ln_status ln_onnx_constant_value(ln_onnx_import *import, size_t input, int *value, ln_error *err)
{
    ln_onnx_symbol *symbol = symbol_of(import, input);
    ln_tensor *tensor;
    ln_status status = ln_onnx_numbers(import, input, LN_F32, &tensor, err);
    if (!status && symbol->value < 0) {
        const char *name;
        status = ln_onnx_name_copy(&import->scratch, symbol->name, &name, err);
        if (!status)
            status = ln_graph_add_constant(import->graph, name, tensor, true, &symbol->value, err);
    }
    *value = symbol->value;
    return status;
}

ln_status ln_onnx_own_constant(ln_onnx_import *import, const char *suffix, ln_tensor *tensor,
                               int *value, ln_error *err)
{
    const char *name;
    ln_status status = ln_onnx_fresh_value(import, import->name, suffix, &name, err);
    if (status)
        return status;
    return ln_graph_add_constant(import->graph, name, tensor, true, value, err);
}

/* ---------------------------------------------------------------- attributes */

const ln_onnx_attribute *ln_onnx_find_attribute(const ln_onnx_import *import, const char *name)
{
    for (size_t i = 0; i < import->node.attribute_count; i++)
        if (ln_bytes_equal(import->node.attributes[i].name, name))
            return &import->node.attributes[i];
    return NULL;
}

/* A number left out of the file is 0: writers may skip what is zero. */
static bool has_type(const ln_onnx_attribute *attribute, int64_t type, bool present)
{
    return attribute->type == type || (attribute->type == 0 && present);
}

ln_status ln_onnx_int(const ln_onnx_import *import, const char *name, int64_t fallback,
                      int64_t *out, ln_error *err)
{
    const ln_onnx_attribute *found = ln_onnx_find_attribute(import, name);
    *out = found ? found->i : fallback;
    if (found && !has_type(found, LN_ONNX_ATTRIBUTE_INT, found->has_i))
        return ln_onnx_malformed(import, err, "has an attribute '%s' that is no whole number",
                                 name);
    return LN_OK;
}

ln_status ln_onnx_float(const ln_onnx_import *import, const char *name, float fallback, float *out,
                        ln_error *err)
{
    const ln_onnx_attribute *found = ln_onnx_find_attribute(import, name);
    *out = found ? found->f : fallback;
    if (found && !has_type(found, LN_ONNX_ATTRIBUTE_FLOAT, found->has_f))
        return ln_onnx_malformed(import, err, "has an attribute '%s' that is no number", name);
    return LN_OK;
}

ln_status ln_onnx_axis(const ln_onnx_import *import, const char *name, int64_t fallback, int rank,
                       int64_t *out, ln_error *err)
{
    ln_status status = ln_onnx_int(import, name, fallback, out, err);
    if (status)
        return status;
    if (*out < -rank || *out >= rank)
        return ln_onnx_malformed(import, err, "has the axis %lld, but its input has %d axes",
                                 (long long)*out, rank);
    *out += *out < 0 ? rank : 0;
    if (*out == 0)
        return ln_onnx_refuse(import, err,
                              "works along axis 0 and so mixes the rows of a batch; each row has "
                              "to be computed on its own");
    return LN_OK;
}

/* ---------------------------------------------------------------- results */

static ln_status add_layer(ln_onnx_import *import, const char *word, const void *attributes,
                           const int *inputs, int input_count, const char *node_name,
                           const char *value_name, int *value, ln_error *err)
{
    const ln_layer *layer = ln_layer_find(word);
    int node;
    ln_status status =
        ln_graph_add_node(import->graph, layer, import->operator_name, node_name, attributes,
                          inputs, input_count, &value_name, 1, &node, err);
    if (status == LN_EINVALID || status == LN_EUNSUPPORTED)
        ln_error_prefix(err, "opset %lld", (long long)import->opset);
    if (!status)
        *value = import->graph->nodes[node].outputs[0];
    return status;
}

ln_status ln_onnx_finish(ln_onnx_import *import, const char *word, const void *attributes,
                         const int *inputs, int input_count, ln_error *err)
{
    ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, import->node.outputs.at[0]);
    const char *name;
    ln_status status = ln_onnx_name_copy(&import->scratch, symbol->name, &name, err);
    if (status)
        return status;
    return add_layer(import, word, attributes, inputs, input_count, import->name, name,
                     &symbol->value, err);
}

ln_status ln_onnx_between(ln_onnx_import *import, const char *word, const void *attributes,
                          const int *inputs, int input_count, const char *suffix, int *out,
                          ln_error *err)
{
    const char *stem, *value, *node;
    ln_status status = ln_onnx_name_copy(&import->scratch, import->node.outputs.at[0], &stem, err);
    if (!status)
        status = ln_onnx_fresh_value(import, stem, suffix, &value, err);
    if (!status)
        status = ln_onnx_fresh_node(import, import->name, suffix, &node, err);
    if (status)
        return status;
    return add_layer(import, word, attributes, inputs, input_count, node, value, out, err);
}

ln_status ln_onnx_finish_constant(ln_onnx_import *import, ln_tensor *tensor, ln_error *err)
{
    (void)err;
    ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, import->node.outputs.at[0]);
    symbol->constant = ln_tensor_retain(tensor);
    return LN_OK;
}
