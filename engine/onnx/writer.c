/* Messages of onnx.proto3, whose field numbers these are, into growing texts. */
#include "onnx/writer.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "onnx/proto.h"
#include "onnx/put.h"

#define IR_VERSION 8
#define OPSET 17
#define ML_OPSET 3

/* ---------------------------------------------------------------- values */

static void add_info(ln_text *to, unsigned field, const char *name, int type, int rank,
                     const int64_t *dims)
{
    ln_text shape = {0}, tensor = {0}, kind = {0}, info = {0};
    for (int i = 0; i < rank; i++) {
        ln_text dim = {0};
        if (dims[i] < 0)
            ln_put_text(&dim, 2, "N");
        else
            ln_put_int(&dim, 1, dims[i]);
        ln_put_message(&shape, 1, &dim);
    }
    ln_put_int(&tensor, 1, type);
    ln_put_message(&tensor, 2, &shape);
    ln_put_message(&kind, 1, &tensor);
    ln_put_text(&info, 1, name);
    ln_put_message(&info, 2, &kind);
    ln_put_message(to, field, &info);
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
        ln_put_int(&message, 1, tensor->shape.dims[i]);
    ln_put_int(&message, 2, type_of(tensor->dtype));
    ln_put_text(&message, 8, name);
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        ln_put_bytes(&message, 9, tensor->data, bytes);
    } else {
        ln_put_varint(&message, 9 << 3 | LN_WIRE_BYTES);
        ln_put_varint(&message, bytes);
        for (size_t i = 0; i < bytes; i++)
            ln_text_addn(&message,
                         (const char *)tensor->data + i / size * size + (size - 1 - i % size), 1);
    }
    ln_put_message(&writer->constants, 5, &message);
}

/* ---------------------------------------------------------------- nodes */

static void add_attribute(ln_text *to, const ln_onnx_written *attribute)
{
    static const int types[] = {2, 1, 7, 6, 3, 8}; /* AttributeType, in the order of our kinds */
    ln_text message = {0};
    ln_put_text(&message, 1, attribute->name);
    if (attribute->kind == LN_ONNX_WRITTEN_FLOAT)
        ln_put_float(&message, 2, (float)attribute->number);
    else if (attribute->kind == LN_ONNX_WRITTEN_INT)
        ln_put_int(&message, 3, (int64_t)attribute->number);
    else if (attribute->kind == LN_ONNX_WRITTEN_TEXT)
        ln_put_text(&message, 4, attribute->text);
    for (int i = 0; i < attribute->count; i++) {
        if (attribute->kind == LN_ONNX_WRITTEN_FLOATS)
            ln_put_float(&message, 7, attribute->floats[i]);
        else if (attribute->kind == LN_ONNX_WRITTEN_INTS)
            ln_put_int(&message, 8, attribute->ints[i]);
        else if (attribute->kind == LN_ONNX_WRITTEN_TEXTS)
            ln_put_text(&message, 9, attribute->texts[i]);
    }
    ln_put_int(&message, 20, types[attribute->kind]);
    ln_put_message(to, 5, &message);
}

void ln_onnx_write_node(ln_onnx_writer *writer, const char *operator_name, const char *domain,
                        const char *name, const char *const *inputs, const char *const *outputs,
                        const ln_onnx_written *attributes)
{
    ln_text message = {0};
    for (int i = 0; inputs[i]; i++)
        ln_put_text(&message, 1, inputs[i]);
    for (int i = 0; outputs[i]; i++)
        ln_put_text(&message, 2, outputs[i]);
    ln_put_text(&message, 3, name);
    ln_put_text(&message, 4, operator_name);
    for (const ln_onnx_written *at = attributes; at && at->name; at++)
        add_attribute(&message, at);
    if (*domain)
        ln_put_text(&message, 7, domain);
    ln_put_message(&writer->nodes, 1, &message);
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
        ln_put_text(&set, 1, domain);
    ln_put_int(&set, 2, version);
    ln_put_message(file, 8, &set);
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
    ln_put_text(&graph, 2, "lunette");
    join(&graph, &writer->constants);
    join(&graph, &writer->inputs);
    join(&graph, &writer->outputs);
    ln_put_int(&file, 1, IR_VERSION);
    ln_put_text(&file, 2, "lunette");
    ln_put_text(&file, 3, LN_VERSION);
    ln_put_message(&file, 7, &graph);
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
