/* Functions of a model are inlined before anything is made of its nodes. A call becomes the nodes of the
 * function's body, written as messages anew: formal inputs and outputs are the call's, other names get
 * those of the call's first output and of the function in front, and an attribute that refers to one of the function's is
 * the call's, or the function's default, or left out.
 *
 * A body may call functions in turn; the depth is bounded, and so is what all bodies become, by the size of
 * the file: a few functions that call each other twice could otherwise fill any memory. */
#include "onnx/functions.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "onnx/composites.h"
#include "onnx/put.h"

#define DEEPEST 8
#define GROWTH 16            /* times the messages that there are */
#define SMALLEST (64u << 10) /* bytes that they may become in any case */

/* FunctionProto. */
typedef struct function {
    ln_bytes name, domain;
    ln_bytes_list inputs, outputs, nodes, defaults; /* defaults: AttributeProtos */
    int64_t opset;                                  /* of the default domain, or 0 */
    bool room;                                      /* the lists have memory */
} function;

/* What the names and attributes of a body mean. */
typedef struct call {
    const function *of;
    const ln_onnx_node *node; /* already renamed; NULL: the graph itself */
    const char *prefix;       /* of the names within */
} call;

typedef struct inliner {
    ln_onnx_import *import;
    function *functions;
    size_t function_count;
    ln_bytes_list nodes; /* what there will be */
    size_t node_room;
    size_t bytes, most; /* of the messages in `nodes` that were made here */
} inliner;

static void add_item(ln_bytes_list *list, bool room, ln_bytes item)
{
    if (room)
        list->at[list->count] = item;
    list->count++;
}

static ln_status read_opset(function *out, ln_bytes message, const uint8_t *origin, ln_error *err)
{
    ln_wire wire = ln_wire_open(message, origin);
    ln_wire_field field;
    ln_bytes domain = {0};
    int64_t version = 0;
    for (;;) {
        ln_status status = ln_wire_next(&wire, &field, err);
        if (status)
            return status;
        if (field.number == 0)
            break;
        if (field.number == 1)
            domain = field.bytes;
        else if (field.number == 2)
            version = (int64_t)field.value;
    }
    if (domain.size == 0 || ln_bytes_equal(domain, "ai.onnx"))
        out->opset = version;
    return LN_OK;
}

static ln_status function_field(void *context, const ln_wire *wire, const ln_wire_field *field,
                                ln_error *err)
{
    function *out = context;
    ln_bytes_list *lists[] = {&out->inputs, &out->outputs, &out->nodes, &out->defaults};
    static const uint32_t numbers[] = {4, 5, 7, 11};
    for (int i = 0; i < 4; i++)
        if (field->number == numbers[i]) {
            add_item(lists[i], out->room, field->bytes);
            return ln_wire_expect(field, LN_WIRE_BYTES, "a part of a function", err);
        }
    switch (field->number) {
    case 1:
        out->name = field->bytes;
        return ln_wire_expect(field, LN_WIRE_BYTES, "a function's name", err);
    case 9: {
        ln_status status = ln_wire_expect(field, LN_WIRE_BYTES, "an operator set", err);
        return status ? status : read_opset(out, field->bytes, wire->origin, err);
    }
    case 10:
        out->domain = field->bytes;
        return ln_wire_expect(field, LN_WIRE_BYTES, "a function's domain", err);
    default:
        return LN_OK;
    }
}

static ln_status read_function(ln_onnx_import *import, ln_bytes message, function *out,
                               ln_error *err)
{
    *out = (function){.room = false};
    ln_status status = ln_wire_each(message, import->origin, function_field, out, err);
    ln_bytes_list *lists[] = {&out->inputs, &out->outputs, &out->nodes, &out->defaults};
    for (int i = 0; i < 4 && !status; i++) {
        lists[i]->at = ln_arena_calloc(&import->names, lists[i]->count + 1, sizeof(ln_bytes));
        if (!lists[i]->at)
            return ln_fail_memory(err, lists[i]->count * sizeof(ln_bytes));
        lists[i]->count = 0;
    }
    out->room = true;
    if (!status)
        status = ln_wire_each(message, import->origin, function_field, out, err);
    if (!status && out->opset != 0 && out->opset != import->opset)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "its function '%s' is written for operator set %lld, the model for %lld",
                       ln_bytes_text(out->name).at, (long long)out->opset,
                       (long long)import->opset);
    return status;
}

static bool same_bytes(ln_bytes a, ln_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static const function *find_function(const inliner *in, const ln_onnx_node *node)
{
    for (size_t i = 0; i < in->function_count; i++)
        if (same_bytes(in->functions[i].name, node->op_type) &&
            same_bytes(in->functions[i].domain, node->domain))
            return &in->functions[i];
    return NULL;
}

/* ---------------------------------------------------------------- a body's node, renamed */

static int index_of(const ln_bytes_list *list, ln_bytes name)
{
    for (size_t i = 0; i < list->count; i++)
        if (same_bytes(list->at[i], name))
            return (int)i;
    return -1;
}

static void put_name(ln_text *to, unsigned field, const call *within, ln_bytes name)
{
    if (within->node && name.size > 0) {
        const int input = index_of(&within->of->inputs, name);
        const int output = index_of(&within->of->outputs, name);
        const ln_bytes_list *actual = input >= 0 ? &within->node->inputs : &within->node->outputs;
        const int at = input >= 0 ? input : output;
        if (at >= 0 && (size_t)at < actual->count && (input >= 0 || actual->at[at].size > 0)) {
            ln_put_bytes(to, field, actual->at[at].data, actual->at[at].size);
            return;
        }
        if (input >= 0) { /* left out by the call */
            ln_put_bytes(to, field, "", 0);
            return;
        }
        ln_text whole = {0};
        ln_text_add(&whole, within->prefix);
        ln_text_add(&whole, "/");
        ln_text_addn(&whole, (const char *)name.data, name.size);
        ln_put_message(to, field, &whole);
        return;
    }
    ln_put_bytes(to, field, name.data, name.size);
}

/* The field as it stands in the message. */
static void put_field(ln_text *to, const ln_wire_field *field)
{
    if (field->type == LN_WIRE_BYTES)
        ln_put_bytes(to, field->number, field->bytes.data, field->bytes.size);
    else if (field->type == LN_WIRE_VARINT)
        ln_put_int(to, field->number, (int64_t)field->value);
    else
        ln_put_fixed(to, field->number, field->value, field->type == LN_WIRE_FIXED64 ? 8 : 4);
}

/* The attribute of the call, or the function's default, that a body's attribute refers to. */
static const ln_bytes *find_referenced(const call *within, ln_bytes name, const uint8_t *origin)
{
    for (size_t i = 0; i < within->node->attribute_count; i++)
        if (same_bytes(within->node->attributes[i].name, name))
            return &within->node->attributes[i].message;
    for (size_t i = 0; i < within->of->defaults.count; i++) {
        ln_onnx_attribute attribute;
        if (ln_onnx_decode_attribute(within->of->defaults.at[i], origin, &attribute, NULL) ==
                LN_OK &&
            same_bytes(attribute.name, name))
            return &within->of->defaults.at[i];
    }
    return NULL;
}

/* A body's attribute; one that refers to the function's has its value under its own name. */
static ln_status put_attribute(ln_text *to, const call *within, const ln_onnx_attribute *attribute,
                               const uint8_t *origin, ln_error *err)
{
    if (!attribute->referenced || !within->node) {
        ln_put_bytes(to, 5, attribute->message.data, attribute->message.size);
        return LN_OK;
    }
    const ln_bytes *from = find_referenced(within, attribute->reference, origin);
    if (!from)
        return LN_OK;
    ln_text message = {0};
    ln_wire wire = ln_wire_open(*from, origin);
    ln_wire_field field;
    ln_put_bytes(&message, 1, attribute->name.data, attribute->name.size);
    for (;;) {
        ln_status status = ln_wire_next(&wire, &field, err);
        if (status) {
            ln_text_free(&message);
            return status;
        }
        if (field.number == 0)
            break;
        if (field.number != 1)
            put_field(&message, &field);
    }
    ln_put_message(to, 5, &message);
    return LN_OK;
}

static ln_status rename_node(inliner *in, const call *within, const ln_onnx_node *node,
                             ln_bytes *out, ln_error *err)
{
    ln_text text = {0};
    ln_status status = LN_OK;
    for (size_t i = 0; i < node->inputs.count; i++)
        put_name(&text, 1, within, node->inputs.at[i]);
    for (size_t i = 0; i < node->outputs.count; i++)
        put_name(&text, 2, within, node->outputs.at[i]);
    if (node->name.size > 0) {
        ln_text name = {0};
        ln_text_add(&name, within->prefix);
        ln_text_add(&name, "/");
        ln_text_addn(&name, (const char *)node->name.data, node->name.size);
        ln_put_message(&text, 3, &name);
    }
    ln_put_bytes(&text, 4, node->op_type.data, node->op_type.size);
    for (size_t i = 0; i < node->attribute_count && !status; i++)
        status = put_attribute(&text, within, &node->attributes[i], in->import->origin, err);
    ln_put_bytes(&text, 7, node->domain.data, node->domain.size);
    in->bytes += text.length;
    if (!status && in->bytes > in->most)
        status =
            ln_fail(err, LN_EUNSUPPORTED,
                    "its functions become more than %zu bytes where they are called", in->most);
    uint8_t *copy = status || text.failed ? NULL : ln_arena_alloc(&in->import->names, text.length);
    if (!status && !copy)
        status = ln_fail_memory(err, text.length);
    if (!status) {
        memcpy(copy, text.data, text.length);
        *out = (ln_bytes){copy, text.length};
    }
    ln_text_free(&text);
    return status;
}

/* ---------------------------------------------------------------- all nodes */

static ln_status append(inliner *in, ln_bytes message, ln_error *err)
{
    if (in->nodes.count == in->node_room) {
        const size_t room = in->node_room ? 2 * in->node_room : 64;
        ln_bytes *larger = ln_arena_calloc(&in->import->names, room, sizeof *larger);
        if (!larger)
            return ln_fail_memory(err, room * sizeof *larger);
        if (in->nodes.count)
            memcpy(larger, in->nodes.at, in->nodes.count * sizeof *larger);
        in->nodes.at = larger;
        in->node_room = room;
    }
    in->nodes.at[in->nodes.count++] = message;
    return LN_OK;
}

static ln_status inline_nodes(inliner *in, const ln_bytes_list *nodes, const call *within,
                              int depth, ln_error *err);

static ln_status inline_call(inliner *in, const function *of, const ln_onnx_node *node, int depth,
                             ln_error *err)
{
    const char *prefix = "";
    size_t first = 0;
    while (first < node->outputs.count && node->outputs.at[first].size == 0)
        first++;
    if (depth == DEEPEST)
        return ln_fail(err, LN_EUNSUPPORTED, "its functions call each other more than %d deep",
                       DEEPEST);
    if (first == node->outputs.count)
        return ln_fail(err, LN_EINVALID, "a call of the function '%s' has no output",
                       ln_bytes_text(of->name).at);
    ln_text name = {0};
    ln_text_addn(&name, (const char *)node->outputs.at[first].data, node->outputs.at[first].size);
    ln_text_add(&name, "/");
    ln_text_addn(&name, (const char *)of->name.data, of->name.size);
    const ln_bytes bytes = {(const uint8_t *)name.data, name.length};
    ln_status status = name.failed ? ln_fail_memory(err, 0)
                                   : ln_onnx_name_copy(&in->import->names, bytes, &prefix, err);
    ln_text_free(&name);
    const call within = {.of = of, .node = node, .prefix = prefix};
    return status ? status : inline_nodes(in, &of->nodes, &within, depth + 1, err);
}

/* The function that stands for an operator made of others (composites.h); *of stays NULL where it is none. What
 * these become is in proportion to their nodes. */
static ln_status find_composite(inliner *in, const ln_onnx_node *node, function *made,
                                const function **of, ln_error *err)
{
    ln_text text = {0};
    ln_status status = ln_onnx_composite(node, in->import->opset, &text, err);
    uint8_t *copy = NULL;
    if (!status && text.length > 0) {
        in->most += GROWTH * text.length;
        copy = ln_arena_alloc(&in->import->names, text.length);
        if (!copy)
            status = ln_fail_memory(err, text.length);
    }
    if (copy) {
        memcpy(copy, text.data, text.length);
        status = read_function(in->import, (ln_bytes){copy, text.length}, made, err);
        *of = made;
    }
    ln_text_free(&text);
    return status;
}

static ln_status inline_nodes(inliner *in, const ln_bytes_list *nodes, const call *within,
                              int depth, ln_error *err)
{
    ln_status status = LN_OK;
    for (size_t i = 0; i < nodes->count && !status; i++) {
        ln_onnx_node node;
        ln_bytes message = nodes->at[i];
        const uint8_t *origin = in->import->origin;
        status = ln_onnx_decode_node(message, origin, &in->import->names, &node, err);
        if (!status && within->node) {
            status = rename_node(in, within, &node, &message, err);
            if (!status)
                status = ln_onnx_decode_node(message, origin, &in->import->names, &node, err);
        }
        if (status)
            break;
        const function *of = find_function(in, &node);
        function made;
        if (!of)
            status = find_composite(in, &node, &made, &of, err);
        if (!status)
            status = of ? inline_call(in, of, &node, depth, err) : append(in, message, err);
    }
    return status;
}

/* Whether some node is a composite: models without one, and without functions, stay as they are. */
static bool has_composite(const ln_onnx_import *import)
{
    for (size_t i = 0; i < import->messages.nodes.count; i++) {
        ln_wire wire = ln_wire_open(import->messages.nodes.at[i], import->origin);
        ln_wire_field field;
        ln_bytes domain = {0}, name = {0};
        while (ln_wire_next(&wire, &field, NULL) == LN_OK && field.number != 0) {
            if (field.number == 4 && field.type == LN_WIRE_BYTES)
                name = field.bytes;
            if (field.number == 7 && field.type == LN_WIRE_BYTES)
                domain = field.bytes;
        }
        if (ln_onnx_is_composite(domain, name))
            return true;
    }
    return false;
}

ln_status ln_onnx_inline_functions(ln_onnx_import *import, const ln_bytes_list *functions,
                                   ln_error *err)
{
    inliner in = {.import = import, .function_count = functions->count, .most = SMALLEST};
    const call graph = {.prefix = ""};
    ln_status status = LN_OK;
    if (functions->count == 0 && !has_composite(import))
        return LN_OK;
    in.functions = ln_arena_calloc(&import->names, functions->count + 1, sizeof *in.functions);
    if (!in.functions)
        return ln_fail_memory(err, functions->count * sizeof *in.functions);
    for (size_t i = 0; i < functions->count && !status; i++) {
        in.most += GROWTH * functions->at[i].size;
        status = read_function(import, functions->at[i], &in.functions[i], err);
    }
    if (!status)
        status = inline_nodes(&in, &import->messages.nodes, &graph, 0, err);
    if (!status)
        import->messages.nodes = in.nodes;
    return status;
}
