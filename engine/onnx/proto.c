/* ModelProto, GraphProto, NodeProto, AttributeProto and ValueInfoProto (onnx.proto3). Each decoder
 * is one loop over the message's fields; lists are counted first and filled in a second loop, so
 * that memory is in proportion to the file and exact. Fields that are not named here are skipped:
 * documentation, metadata, training information, subgraphs (whose operators are refused by name).
 *
 * Of a field that may occur once the last one counts, as protobuf says; a second graph is refused,
 * since protobuf would merge the two. */
#include "onnx/proto.h"

#include <string.h>

#include "base/error.h"

bool ln_bytes_equal(ln_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) &&
           (bytes.size == 0 || memcmp(bytes.data, text, bytes.size) == 0);
}

ln_short_text ln_bytes_text(ln_bytes bytes)
{
    ln_short_text out;
    size_t length = bytes.size < sizeof out.at ? bytes.size : sizeof out.at - 1;
    if (length)
        memcpy(out.at, bytes.data, length);
    out.at[length] = '\0';
    return out;
}

static ln_status take_bytes(const ln_wire_field *field, const char *what, ln_bytes *out,
                            ln_error *err)
{
    *out = field->bytes;
    return ln_wire_expect(field, LN_WIRE_BYTES, what, err);
}

static ln_status take_int(const ln_wire_field *field, const char *what, int64_t *out, ln_error *err)
{
    *out = (int64_t)field->value;
    return ln_wire_expect(field, LN_WIRE_VARINT, what, err);
}

/* ---------------------------------------------------------------- model */

typedef struct opset {
    ln_bytes domain;
    int64_t version;
} opset;

static ln_status opset_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                             ln_error *err)
{
    (void)wire;
    opset *out = context;
    if (field->number == 1)
        return take_bytes(field, "the domain of an operator set", &out->domain, err);
    if (field->number == 2)
        return take_int(field, "the version of an operator set", &out->version, err);
    return LN_OK;
}

static ln_status model_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                             ln_error *err)
{
    ln_onnx_model *out = context;
    ln_bytes bytes;
    ln_status status;
    switch (field->number) {
    case 2:
        return take_bytes(field, "the producer's name", &out->producer, err);
    case 7:
        if (out->has_graph)
            return ln_fail(err, LN_EINVALID, "it holds two graphs");
        out->has_graph = true;
        return take_bytes(field, "the graph", &out->graph, err);
    case 8: {
        opset set = {0};
        status = take_bytes(field, "an operator set", &bytes, err);
        if (!status)
            status = ln_wire_each(bytes, wire->origin, opset_field, &set, err);
        if (!status && (set.domain.size == 0 || ln_bytes_equal(set.domain, "ai.onnx")))
            out->opset = set.version;
        else
            out->has_foreign = true;
        return status;
    }
    case 25:
        out->function_count++;
        return ln_wire_expect(field, LN_WIRE_BYTES, "a function", err);
    default:
        return LN_OK;
    }
}

ln_status ln_onnx_decode_model(ln_bytes file, ln_onnx_model *out, ln_error *err)
{
    *out = (ln_onnx_model){0};
    ln_status status = ln_wire_each(file, file.data, model_field, out, err);
    if (!status && !out->has_graph)
        return ln_fail(err, LN_EINVALID, "it holds no graph");
    return status;
}

/* ---------------------------------------------------------------- lists, graph */

/* Adds to a list, or counts while the list has no memory yet. */
static void list_add(ln_bytes_list *list, ln_bytes item)
{
    if (list->at)
        list->at[list->count] = item;
    list->count++;
}

/* After counting: memory for the items, and the count back at 0. */
static ln_status list_room(ln_bytes_list *list, ln_arena *arena, ln_error *err)
{
    if (list->count == 0)
        return LN_OK;
    list->at = ln_arena_calloc(arena, list->count, sizeof *list->at);
    if (!list->at)
        return ln_fail_memory(err, list->count * sizeof *list->at);
    list->count = 0;
    return LN_OK;
}

static ln_status graph_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                             ln_error *err)
{
    (void)wire;
    ln_onnx_graph *out = context;
    ln_bytes_list *list = field->number == 1    ? &out->nodes
                          : field->number == 5  ? &out->initializers
                          : field->number == 11 ? &out->inputs
                          : field->number == 12 ? &out->outputs
                          : field->number == 15 ? &out->sparse
                                                : NULL;
    if (!list)
        return LN_OK;
    ln_status status = ln_wire_expect(field, LN_WIRE_BYTES, "a part of the graph", err);
    if (!status)
        list_add(list, field->bytes);
    return status;
}

static ln_status take_function(void *context, const ln_wire *wire, const ln_wire_field *field,
                               ln_error *err)
{
    (void)wire;
    (void)err;
    if (field->number == 25)
        list_add(context, field->bytes);
    return LN_OK;
}

ln_status ln_onnx_list_functions(ln_bytes file, const ln_onnx_model *model, ln_arena *arena,
                                 ln_bytes_list *out, ln_error *err)
{
    *out = (ln_bytes_list){.count = model->function_count};
    ln_status status = list_room(out, arena, err);
    return status ? status : ln_wire_each(file, file.data, take_function, out, err);
}

ln_status ln_onnx_decode_graph(ln_bytes message, const uint8_t *origin, ln_arena *arena,
                               ln_onnx_graph *out, ln_error *err)
{
    *out = (ln_onnx_graph){0};
    ln_status status = ln_wire_each(message, origin, graph_field, out, err);
    ln_bytes_list *lists[] = {&out->nodes, &out->initializers, &out->sparse, &out->inputs,
                              &out->outputs};
    for (int i = 0; i < 5 && !status; i++)
        status = list_room(lists[i], arena, err);
    if (!status)
        status = ln_wire_each(message, origin, graph_field, out, err);
    return status;
}

/* ---------------------------------------------------------------- node */

static ln_status attribute_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                                 ln_error *err)
{
    (void)wire;
    ln_onnx_attribute *out = context;
    uint32_t bits;
    switch (field->number) {
    case 1:
        return take_bytes(field, "an attribute's name", &out->name, err);
    case 2:
        bits = (uint32_t)field->value;
        memcpy(&out->f, &bits, sizeof bits);
        out->has_f = true;
        return ln_wire_expect(field, LN_WIRE_FIXED32, "an attribute's number", err);
    case 3:
        out->has_i = true;
        return take_int(field, "an attribute's whole number", &out->i, err);
    case 4:
        out->has_s = true;
        return take_bytes(field, "an attribute's text", &out->s, err);
    case 5:
        out->has_tensor = true;
        return take_bytes(field, "an attribute's tensor", &out->tensor, err);
    case 20:
        return take_int(field, "an attribute's type", &out->type, err);
    case 21:
        out->referenced = true;
        return take_bytes(field, "the attribute that one refers to", &out->reference, err);
    default:
        return LN_OK;
    }
}

ln_status ln_onnx_decode_attribute(ln_bytes message, const uint8_t *origin, ln_onnx_attribute *out,
                                   ln_error *err)
{
    *out = (ln_onnx_attribute){.message = message};
    return ln_wire_each(message, origin, attribute_field, out, err);
}

/* A node while its fields are counted (room false) and filled (room true). */
typedef struct node_context {
    ln_onnx_node *out;
    bool room;
} node_context;

static ln_status node_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                            ln_error *err)
{
    node_context *at = context;
    ln_onnx_node *out = at->out;
    ln_bytes bytes;
    ln_status status;
    switch (field->number) {
    case 1:
    case 2:
        status = take_bytes(field, "a name in a node", &bytes, err);
        if (!status)
            list_add(field->number == 1 ? &out->inputs : &out->outputs, bytes);
        return status;
    case 3:
        return take_bytes(field, "a node's name", &out->name, err);
    case 4:
        return take_bytes(field, "a node's operator", &out->op_type, err);
    case 5:
        status = take_bytes(field, "an attribute", &bytes, err);
        if (!status && at->room) {
            ln_onnx_attribute *attribute = &out->attributes[out->attribute_count];
            status = ln_onnx_decode_attribute(bytes, wire->origin, attribute, err);
        }
        out->attribute_count++;
        return status;
    case 7:
        return take_bytes(field, "a node's domain", &out->domain, err);
    default:
        return LN_OK;
    }
}

ln_status ln_onnx_decode_node(ln_bytes message, const uint8_t *origin, ln_arena *arena,
                              ln_onnx_node *out, ln_error *err)
{
    *out = (ln_onnx_node){0};
    node_context context = {.out = out};
    ln_status status = ln_wire_each(message, origin, node_field, &context, err);
    if (!status)
        status = list_room(&out->inputs, arena, err);
    if (!status)
        status = list_room(&out->outputs, arena, err);
    if (status)
        return status;
    size_t bytes = out->attribute_count * sizeof *out->attributes;
    out->attributes = ln_arena_alloc(arena, bytes);
    if (!out->attributes)
        return ln_fail_memory(err, bytes);
    out->attribute_count = 0;
    context.room = true;
    return ln_wire_each(message, origin, node_field, &context, err);
}

/* ---------------------------------------------------------------- value info */

static ln_status dimension_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                                 ln_error *err)
{
    (void)wire;
    ln_onnx_value *out = context;
    size_t axis = out->rank - 1;
    int64_t size;
    ln_bytes symbol;
    if (field->number == 1) {
        ln_status status = take_int(field, "the size of an axis", &size, err);
        if (!status && axis < LN_MAX_RANK)
            out->dims[axis] = size > 0 ? size : -1; /* 0 and below: older writers' "open" */
        return status;
    }
    if (field->number == 2) {
        ln_status status = take_bytes(field, "the name of an axis", &symbol, err);
        if (!status && axis < LN_MAX_RANK)
            out->symbols[axis] = symbol;
        return status;
    }
    return LN_OK;
}

static ln_status shape_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                             ln_error *err)
{
    ln_onnx_value *out = context;
    ln_bytes dimension;
    if (field->number != 1)
        return LN_OK;
    ln_status status = take_bytes(field, "an axis", &dimension, err);
    if (status)
        return status;
    if (out->rank < LN_MAX_RANK)
        out->dims[out->rank] = -1;
    out->rank++;
    return ln_wire_each(dimension, wire->origin, dimension_field, out, err);
}

static ln_status tensor_type_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                                   ln_error *err)
{
    ln_onnx_value *out = context;
    ln_bytes shape;
    if (field->number == 1)
        return take_int(field, "the type of an element", &out->type, err);
    if (field->number != 2)
        return LN_OK;
    ln_status status = take_bytes(field, "a shape", &shape, err);
    out->has_shape = true;
    out->rank = 0;
    return status ? status : ln_wire_each(shape, wire->origin, shape_field, out, err);
}

static ln_status type_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                            ln_error *err)
{
    ln_onnx_value *out = context;
    ln_bytes type;
    if (field->number != 1)
        return LN_OK;
    ln_status status = take_bytes(field, "a tensor's type", &type, err);
    out->is_tensor = true;
    return status ? status : ln_wire_each(type, wire->origin, tensor_type_field, out, err);
}

static ln_status value_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                             ln_error *err)
{
    ln_onnx_value *out = context;
    ln_bytes type;
    if (field->number == 1)
        return take_bytes(field, "a value's name", &out->name, err);
    if (field->number != 2)
        return LN_OK;
    ln_status status = take_bytes(field, "a value's type", &type, err);
    return status ? status : ln_wire_each(type, wire->origin, type_field, out, err);
}

ln_status ln_onnx_decode_value(ln_bytes message, const uint8_t *origin, ln_onnx_value *out,
                               ln_error *err)
{
    *out = (ln_onnx_value){0};
    return ln_wire_each(message, origin, value_field, out, err);
}
