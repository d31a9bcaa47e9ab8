/* The wire format backwards: varints, fixed numbers and length-delimited fields, into growing texts.
 * Field numbers are those of onnx.proto3. */
#include "onnx/writer.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "onnx/proto.h"

#define IR_VERSION 8
#define OPSET 17
#define ML_OPSET 3

static void add_varint(ln_text *to, uint64_t value)
{
    char bytes[10];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (char)(value | 0x80);
    bytes[count++] = (char)value;
    ln_text_addn(to, bytes, count);
}

static void add_int(ln_text *to, unsigned field, int64_t value)
{
    add_varint(to, (uint64_t)field << 3);
    add_varint(to, (uint64_t)value);
}

static void add_bytes(ln_text *to, unsigned field, const void *data, size_t size)
{
    add_varint(to, (uint64_t)field << 3 | LN_WIRE_BYTES);
    add_varint(to, size);
    ln_text_addn(to, data ? data : "", size);
}

static void add_text(ln_text *to, unsigned field, const char *text)
{
    add_bytes(to, field, text, strlen(text));
}

/* The message as a field; it is freed. */
static void add_message(ln_text *to, unsigned field, ln_text *message)
{
    to->failed = to->failed || message->failed;
    add_bytes(to, field, message->data, message->length);
    ln_text_free(message);
}

static void add_float(ln_text *to, unsigned field, float value)
{
    uint8_t bytes[4];
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    add_varint(to, (uint64_t)field << 3 | LN_WIRE_FIXED32);
    ln_text_addn(to, (const char *)bytes, sizeof bytes);
}

/* ---------------------------------------------------------------- values */

static void add_info(ln_text *to, unsigned field, const char *name, int type, int rank,
                     const int64_t *dims)
{
    ln_text shape = {0}, tensor = {0}, kind = {0}, info = {0};
    for (int i = 0; i < rank; i++) {
        ln_text dim = {0};
        if (dims[i] < 0)
            add_text(&dim, 2, "N");
        else
            add_int(&dim, 1, dims[i]);
        add_message(&shape, 1, &dim);
    }
    add_int(&tensor, 1, type);
    add_message(&tensor, 2, &shape);
    add_message(&kind, 1, &tensor);
    add_text(&info, 1, name);
    add_message(&info, 2, &kind);
    add_message(to, field, &info);
}

void ln_onnx_write_input(ln_onnx_writer *writer, const char *name, int type, int rank,
                         const int64_t *dims)
{
    add_info(&writer->inputs, 11, name, type, rank, dims);
}

void ln_onnx_write_output(ln_onnx_writer *writer, const char *name, int type, int rank,
                          const int64_t *dims)
{
    add_info(&writer->outputs, 12, name, type, rank, dims);
}

static int type_of(ln_dtype dtype)
{
    switch (dtype) {
    case LN_F32:
        return LN_ONNX_FLOAT;
    case LN_F64:
        return LN_ONNX_DOUBLE;
    case LN_I64:
        return LN_ONNX_INT64;
    case LN_I32:
        return LN_ONNX_INT32;
    case LN_U8:
        return LN_ONNX_UINT8;
    default:
        return LN_ONNX_BOOL;
    }
}

void ln_onnx_write_constant(ln_onnx_writer *writer, const char *name, const ln_tensor *tensor)
{
    ln_text message = {0};
    const size_t size = ln_dtype_size(tensor->dtype);
    const size_t bytes = (size_t)ln_shape_count(&tensor->shape) * size;
    for (int i = 0; i < tensor->shape.rank; i++)
        add_int(&message, 1, tensor->shape.dims[i]);
    add_int(&message, 2, type_of(tensor->dtype));
    add_text(&message, 8, name);
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        add_bytes(&message, 9, tensor->data, bytes);
    } else {
        add_varint(&message, 9 << 3 | LN_WIRE_BYTES);
        add_varint(&message, bytes);
        for (size_t i = 0; i < bytes; i++)
            ln_text_addn(&message,
                         (const char *)tensor->data + i / size * size + (size - 1 - i % size), 1);
    }
    add_message(&writer->constants, 5, &message);
}

/* ---------------------------------------------------------------- nodes */

static void add_attribute(ln_text *to, const ln_onnx_written *attribute)
{
    static const int types[] = {2, 1, 7, 6, 3, 8}; /* AttributeType, in the order of our kinds */
    ln_text message = {0};
    add_text(&message, 1, attribute->name);
    if (attribute->kind == LN_ONNX_WRITTEN_FLOAT)
        add_float(&message, 2, (float)attribute->number);
    else if (attribute->kind == LN_ONNX_WRITTEN_INT)
        add_int(&message, 3, (int64_t)attribute->number);
    else if (attribute->kind == LN_ONNX_WRITTEN_TEXT)
        add_text(&message, 4, attribute->text);
    for (int i = 0; i < attribute->count; i++) {
        if (attribute->kind == LN_ONNX_WRITTEN_FLOATS)
            add_float(&message, 7, attribute->floats[i]);
        else if (attribute->kind == LN_ONNX_WRITTEN_INTS)
            add_int(&message, 8, attribute->ints[i]);
        else if (attribute->kind == LN_ONNX_WRITTEN_TEXTS)
            add_text(&message, 9, attribute->texts[i]);
    }
    add_int(&message, 20, types[attribute->kind]);
    add_message(to, 5, &message);
}

void ln_onnx_write_node(ln_onnx_writer *writer, const char *operator_name, const char *domain,
                        const char *name, const char *const *inputs, const char *const *outputs,
                        const ln_onnx_written *attributes)
{
    ln_text message = {0};
    for (int i = 0; inputs[i]; i++)
        add_text(&message, 1, inputs[i]);
    for (int i = 0; outputs[i]; i++)
        add_text(&message, 2, outputs[i]);
    add_text(&message, 3, name);
    add_text(&message, 4, operator_name);
    for (const ln_onnx_written *at = attributes; at && at->name; at++)
        add_attribute(&message, at);
    if (*domain)
        add_text(&message, 7, domain);
    add_message(&writer->nodes, 1, &message);
}

const char *ln_onnx_write_name(ln_onnx_writer *writer, const char *stem, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s/lunette_%d", stem, writer->made++);
    return buffer;
}

/* ---------------------------------------------------------------- the file */

void ln_onnx_write_abandon(ln_onnx_writer *writer)
{
    ln_text_free(&writer->nodes);
    ln_text_free(&writer->constants);
    ln_text_free(&writer->inputs);
    ln_text_free(&writer->outputs);
    *writer = (ln_onnx_writer){.made = 0};
}

static void add_opset(ln_text *file, const char *domain, int64_t version)
{
    ln_text set = {0};
    if (*domain)
        add_text(&set, 1, domain);
    add_int(&set, 2, version);
    add_message(file, 8, &set);
}

/* Fields that stand in a text already. */
static void join(ln_text *to, const ln_text *fields)
{
    to->failed = to->failed || fields->failed;
    if (fields->length)
        ln_text_addn(to, fields->data, fields->length);
}

ln_status ln_onnx_write_finish(ln_onnx_writer *writer, ln_text *out, ln_error *err)
{
    ln_text graph = {0}, file = {0};
    join(&graph, &writer->nodes);
    add_text(&graph, 2, "lunette");
    join(&graph, &writer->constants);
    join(&graph, &writer->inputs);
    join(&graph, &writer->outputs);
    add_int(&file, 1, IR_VERSION);
    add_text(&file, 2, "lunette");
    add_text(&file, 3, LN_VERSION);
    add_message(&file, 7, &graph);
    add_opset(&file, "", OPSET);
    add_opset(&file, "ai.onnx.ml", ML_OPSET);
    ln_onnx_write_abandon(writer);
    if (file.failed) {
        ln_text_free(&file);
        return ln_fail_memory(err, 0);
    }
    *out = file;
    return LN_OK;
}
