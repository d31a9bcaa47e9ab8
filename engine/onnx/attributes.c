/* The attributes of the node in work, with their defaults. A number that is left out of the file is 0:
 * writers may skip what is zero. */
#include <string.h>

#include "base/error.h"
#include "onnx/import.h"

const ln_onnx_attribute *ln_onnx_find_attribute(const ln_onnx_import *import, const char *name)
{
    for (size_t i = 0; i < import->node.attribute_count; i++)
        if (ln_bytes_equal(import->node.attributes[i].name, name))
            return &import->node.attributes[i];
    return NULL;
}

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

ln_status ln_onnx_ints(const ln_onnx_import *import, const char *name, ln_ints *out, ln_error *err)
{
    const ln_onnx_attribute *found = ln_onnx_find_attribute(import, name);
    ln_tensor *list;
    *out = (ln_ints){.count = 0};
    if (!found)
        return LN_OK;
    if (!has_type(found, LN_ONNX_ATTRIBUTE_INTS, true))
        return ln_onnx_malformed(import, err,
                                 "has an attribute '%s' that is no list of whole numbers", name);
    ln_status status = ln_onnx_decode_list(found, import->origin, LN_I64, &list, err);
    if (status)
        return status;
    const int64_t count = ln_shape_count(&list->shape);
    if (count > LN_MAX_RANK)
        status = ln_onnx_refuse(import, err, "has %lld numbers in '%s'; up to %d are possible",
                                (long long)count, name, LN_MAX_RANK);
    else if (count > 0)
        memcpy(out->at, list->data, (size_t)count * sizeof *out->at);
    out->count = status ? 0 : (int)count;
    ln_tensor_release(list);
    return status;
}

ln_status ln_onnx_floats(const ln_onnx_import *import, const char *name, ln_tensor **out,
                         ln_error *err)
{
    const ln_onnx_attribute *found = ln_onnx_find_attribute(import, name);
    *out = NULL;
    if (!found)
        return LN_OK;
    if (!has_type(found, LN_ONNX_ATTRIBUTE_FLOATS, true))
        return ln_onnx_malformed(import, err, "has an attribute '%s' that is no list of numbers",
                                 name);
    return ln_onnx_decode_list(found, import->origin, LN_F32, out, err);
}

ln_status ln_onnx_text(const ln_onnx_import *import, const char *name, ln_bytes *out, ln_error *err)
{
    const ln_onnx_attribute *found = ln_onnx_find_attribute(import, name);
    if (!found || !has_type(found, LN_ONNX_ATTRIBUTE_STRING, found->has_s))
        return ln_onnx_malformed(import, err, "has no text '%s'", name);
    *out = found->s;
    return LN_OK;
}

ln_status ln_onnx_texts(const ln_onnx_import *import, const char *name, ln_bytes *out, size_t most,
                        size_t *count, ln_error *err)
{
    const ln_onnx_attribute *found = ln_onnx_find_attribute(import, name);
    ln_wire_field field = {.number = 1};
    *count = 0;
    if (!found)
        return LN_OK;
    ln_wire wire = ln_wire_open(found->message, import->origin);
    while (field.number != 0) {
        ln_status status = ln_wire_next(&wire, &field, err);
        if (!status && field.number == 9)
            status = ln_wire_expect(&field, LN_WIRE_BYTES, "AttributeProto.strings", err);
        if (status)
            return status;
        if (field.number != 9)
            continue;
        if (*count == most)
            return ln_onnx_refuse(import, err, "has more than %zu texts '%s'", most, name);
        out[(*count)++] = field.bytes;
    }
    return LN_OK;
}

ln_status ln_onnx_choice(const ln_onnx_import *import, const char *name, const char *choices,
                         const char *fallback, int *out, ln_error *err)
{
    const ln_onnx_attribute *found = ln_onnx_find_attribute(import, name);
    const ln_bytes text =
        found ? found->s : (ln_bytes){(const uint8_t *)fallback, strlen(fallback)};
    if (found && !has_type(found, LN_ONNX_ATTRIBUTE_STRING, found->has_s))
        return ln_onnx_malformed(import, err, "has an attribute '%s' that is no text", name);
    *out = text.size ? ln_choice_index(choices, (const char *)text.data, text.size) : -1;
    if (*out < 0)
        return ln_onnx_refuse(import, err, "has %s = '%s', which is not supported (%s are)", name,
                              ln_bytes_text(text).at, choices);
    return LN_OK;
}

ln_status ln_onnx_ints_of(ln_onnx_import *import, const char *name, size_t input, ln_ints *out,
                          bool *given, ln_error *err)
{
    *given = true;
    *out = (ln_ints){.count = 0};
    if (ln_onnx_find_attribute(import, name))
        return ln_onnx_ints(import, name, out, err);
    if (ln_onnx_has_input(import, input))
        return ln_onnx_list(import, input, out, err);
    *given = false;
    return LN_OK;
}
