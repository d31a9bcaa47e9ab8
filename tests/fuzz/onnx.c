/* Seeds for the ONNX reader, written field by field, and mutation within a nested message. */
#include <string.h>

#include "fuzz.h"
#include "onnx/onnx.h"
#include "onnx/wire.h"

static void add_varint(sample *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        fuzz_add_byte(to, (uint8_t)(value | 0x80));
    fuzz_add_byte(to, (uint8_t)value);
}

static void add_number(sample *to, unsigned field, uint64_t value)
{
    add_varint(to, field << 3);
    add_varint(to, value);
}

static void add_bytes(sample *to, unsigned field, const void *bytes, size_t size)
{
    add_varint(to, field << 3 | 2);
    add_varint(to, size);
    fuzz_add(to, bytes, size);
}

static void add_text(sample *to, unsigned field, const char *text)
{
    add_bytes(to, field, text, strlen(text));
}

static void add_message(sample *to, unsigned field, const sample *message)
{
    add_bytes(to, field, message->bytes, message->size);
}

/* ValueInfoProto of a float tensor; -1 is an open axis. */
static sample value_info(const char *name, int rank, const int64_t *dims)
{
    sample shape = {.size = 0}, tensor = {.size = 0}, type = {.size = 0}, out = {.size = 0};
    for (int axis = 0; axis < rank; axis++) {
        sample dim = {.size = 0};
        if (dims[axis] < 0)
            add_text(&dim, 2, "N");
        else
            add_number(&dim, 1, (uint64_t)dims[axis]);
        add_message(&shape, 1, &dim);
    }
    add_number(&tensor, 1, 1);
    add_message(&tensor, 2, &shape);
    add_message(&type, 1, &tensor);
    add_text(&out, 1, name);
    add_message(&out, 2, &type);
    return out;
}

/* TensorProto of f32 zeros, ones ...: raw or typed, or of int64 for shapes. */
static sample tensor_of(const char *name, int type, int rank, const int64_t *dims, bool raw)
{
    sample out = {.size = 0}, data = {.size = 0};
    int64_t count = 1;
    for (int axis = 0; axis < rank; axis++) {
        add_number(&out, 1, (uint64_t)dims[axis]);
        count *= dims[axis];
    }
    add_number(&out, 2, (uint64_t)type);
    for (int64_t i = 0; i < count; i++) {
        float real = (float)i / 4 - 1;
        int64_t whole = i == 0 ? 0 : -1;
        if (type == 1)
            fuzz_add(&data, &real, sizeof real);
        else if (raw)
            fuzz_add(&data, &whole, sizeof whole);
        else
            add_varint(&data, (uint64_t)whole);
    }
    add_message(&out, raw ? 9 : type == 1 ? 4 : 7, &data);
    add_text(&out, 8, name);
    return out;
}

/* NodeProto; inputs and outputs are separated by spaces (_: left out), `attribute` may be NULL. */
static sample node_of(const char *op_type, const char *inputs, const char *outputs,
                      const char *attribute, int type, int64_t value)
{
    sample out = {.size = 0};
    const char *lists[] = {inputs, outputs};
    for (unsigned list = 0; list < 2; list++)
        for (const char *at = lists[list]; *at; at += strspn(at, " ")) {
            size_t length = strcspn(at, " ");
            add_bytes(&out, list + 1, at, length == 1 && *at == '_' ? 0 : length);
            at += length;
        }
    add_text(&out, 3, outputs);
    add_text(&out, 4, op_type);
    if (attribute) {
        sample entry = {.size = 0};
        float real = (float)value;
        add_text(&entry, 1, attribute);
        if (type == 1) {
            add_varint(&entry, 2 << 3 | 5);
            fuzz_add(&entry, &real, sizeof real);
        } else {
            add_number(&entry, 3, (uint64_t)value);
        }
        add_number(&entry, 20, (uint64_t)type);
        add_message(&out, 5, &entry);
    }
    return out;
}

/* The same with a list of whole numbers. */
static sample node_with(const char *op_type, const char *inputs, const char *outputs,
                        const char *attribute, int count, const int64_t *values)
{
    sample out = node_of(op_type, inputs, outputs, NULL, 0, 0), entry = {.size = 0};
    add_text(&entry, 1, attribute);
    for (int i = 0; i < count; i++)
        add_number(&entry, 8, (uint64_t)values[i]);
    add_number(&entry, 20, 7);
    add_message(&out, 5, &entry);
    return out;
}

/* w (4, 4) out of the bytes of another file. */
static sample external_tensor(void)
{
    static const char *const pairs[][2] = {
        {"location", "LICENSE"}, {"offset", "16"}, {"length", "64"}};
    sample out = {.size = 0};
    add_number(&out, 1, 4);
    add_number(&out, 1, 4);
    add_number(&out, 2, 1);
    add_text(&out, 8, "w");
    for (int i = 0; i < 3; i++) {
        sample pair = {.size = 0};
        add_text(&pair, 1, pairs[i][0]);
        add_text(&pair, 2, pairs[i][1]);
        add_message(&out, 13, &pair);
    }
    add_number(&out, 14, 1);
    return out;
}

/* Twice(a) = a + a, a function of the model. */
static void add_function(sample *model)
{
    sample function = {.size = 0}, node = node_of("Add", "a a", "b", NULL, 0, 0);
    add_text(&function, 1, "Twice");
    add_text(&function, 4, "a");
    add_text(&function, 5, "b");
    add_message(&function, 7, &node);
    add_message(model, 25, &function);
}

static void finish_model(sample *graph, const int64_t *dims, int rank, uint64_t opset, sample *out)
{
    sample in = value_info("x", rank, dims), result = value_info("y", 0, NULL), set = {.size = 0};
    add_message(graph, 11, &in);
    add_message(graph, 12, &result);
    add_number(&set, 2, opset);
    out->size = 0;
    add_number(out, 1, 8);
    add_text(out, 2, "fuzz");
    add_message(out, 7, graph);
    add_message(out, 8, &set);
}

static void put_node(sample *graph, sample node)
{
    add_message(graph, 1, &node);
}

static void put_tensor(sample *graph, sample tensor)
{
    add_message(graph, 5, &tensor);
}

static void make_onnx(int number, sample *out)
{
    static const int64_t open2[] = {-1, 4}, open3[] = {-1, 2, 3}, matrix[] = {3, 4}, vector[] = {3},
                         square[] = {4, 4}, two[] = {2};
    sample graph = {.size = 0};
    switch (number) {
    case 0:
        put_node(&graph, node_of("Gemm", "x w b", "h", "transB", 2, 1));
        put_node(&graph, node_of("LeakyRelu", "h", "r", "alpha", 1, 2));
        put_node(&graph, node_of("Softmax", "r", "y", "axis", 2, -1));
        put_tensor(&graph, tensor_of("w", 1, 2, matrix, true));
        put_tensor(&graph, tensor_of("b", 1, 1, vector, false));
        finish_model(&graph, open2, 2, 13, out);
        break;
    case 1:
        put_node(&graph, node_of("Relu", "x", "a", NULL, 0, 0));
        put_node(&graph, node_of("Tanh", "x", "b", NULL, 0, 0));
        put_node(&graph, node_of("Add", "a b", "s", NULL, 0, 0));
        put_node(&graph, node_of("MatMul", "s w", "p", NULL, 0, 0));
        put_node(&graph, node_of("Concat", "p x", "y", "axis", 2, 1));
        put_tensor(&graph, tensor_of("w", 1, 2, square, false));
        finish_model(&graph, open2, 2, 14, out);
        break;
    case 2:
        put_node(&graph, node_of("Reshape", "x s", "h", NULL, 0, 0));
        put_node(&graph, node_of("Dropout", "h", "d m", "ratio", 1, 0));
        put_node(&graph, node_of("Identity", "d", "y", NULL, 0, 0));
        put_tensor(&graph, tensor_of("s", 7, 1, two, true));
        finish_model(&graph, open3, 3, 11, out);
        break;
    case 3: /* shapes as numbers, folded */
        put_node(&graph, node_of("Shape", "x", "n", "end", 2, 1));
        put_node(&graph, node_of("Shape", "x", "r", "start", 2, 1));
        put_node(&graph, node_of("Concat", "n r", "k", "axis", 2, 0));
        put_node(&graph, node_of("Expand", "w k", "e", NULL, 0, 0));
        put_node(&graph, node_of("Add", "x e", "a", NULL, 0, 0));
        put_node(&graph, node_of("Transpose", "a", "p", NULL, 0, 0));
        put_node(&graph, node_of("Flatten", "p", "y", "axis", 2, 2));
        put_tensor(&graph, tensor_of("w", 1, 1, (const int64_t[]){3}, true));
        finish_model(&graph, open3, 3, 15, out);
        break;
    case 4:
        put_node(&graph, node_of("Shape", "x", "s", NULL, 0, 0));
        put_node(&graph, node_of("ConstantOfShape", "s", "z", NULL, 0, 0));
        put_node(&graph, node_of("Add", "x z", "a", NULL, 0, 0));
        put_node(&graph, node_of("Gemm", "w w", "g", "transA", 2, 1));
        put_node(&graph, node_of("Cast", "g", "c", "to", 2, 7));
        put_node(&graph, node_of("DequantizeLinear", "c v", "d", "axis", 2, 1));
        put_node(&graph, node_of("MatMul", "a d", "y", NULL, 0, 0));
        put_tensor(&graph, tensor_of("w", 1, 2, square, true));
        put_tensor(&graph, tensor_of("v", 1, 1, (const int64_t[]){4}, true));
        finish_model(&graph, open2, 2, 13, out);
        break;
    case 5: /* a small convolutional network */
        put_node(&graph, node_of("Conv", "x k", "c", "group", 2, 1));
        put_node(&graph, node_of("BatchNormalization", "c o o o o", "n", "epsilon", 1, 1));
        put_node(&graph,
                 node_with("MaxPool", "n", "m", "kernel_shape", 2, (const int64_t[]){2, 2}));
        put_node(&graph,
                 node_with("ConvTranspose", "m k", "t", "strides", 2, (const int64_t[]){2, 1}));
        put_node(&graph, node_of("InstanceNormalization", "t o o", "u", NULL, 0, 0));
        put_node(&graph, node_of("GlobalAveragePool", "u", "y", NULL, 0, 0));
        put_tensor(&graph, tensor_of("k", 1, 4, (const int64_t[]){2, 2, 2, 2}, true));
        put_tensor(&graph, tensor_of("o", 1, 1, two, false));
        finish_model(&graph, (const int64_t[]){-1, 2, 4, 4}, 4, 13, out);
        break;
    case 6: /* recurrent, the rows in the middle */
        put_node(&graph, node_with("Transpose", "x", "t", "perm", 3, (const int64_t[]){1, 0, 2}));
        put_node(&graph, node_of("LSTM", "t w r", "h a c", "hidden_size", 2, 1));
        put_node(&graph, node_of("GRU", "t g v", "e", "hidden_size", 2, 1));
        put_node(&graph, node_of("Concat", "h e", "j", "axis", 2, 3));
        put_node(&graph, node_of("ReduceMean", "j", "y", "keepdims", 2, 1));
        put_tensor(&graph, tensor_of("w", 1, 3, (const int64_t[]){1, 4, 3}, true));
        put_tensor(&graph, tensor_of("r", 1, 3, (const int64_t[]){1, 4, 1}, true));
        put_tensor(&graph, tensor_of("g", 1, 3, (const int64_t[]){1, 3, 3}, true));
        put_tensor(&graph, tensor_of("v", 1, 3, (const int64_t[]){1, 3, 1}, true));
        finish_model(&graph, open3, 3, 14, out);
        break;
    case 7: /* weights in another file, which is there: the licence */
        put_node(&graph, node_of("MatMul", "x w", "p", NULL, 0, 0));
        put_node(&graph, node_of("Relu", "p", "y", NULL, 0, 0));
        put_tensor(&graph, external_tensor());
        finish_model(&graph, open2, 2, 13, out);
        break;
    case 8: /* operators made of others, and a function of the model */
        put_node(&graph, node_of("Attention", "x x x", "a", "is_causal", 2, 1));
        put_node(&graph, node_of("SoftmaxCrossEntropyLoss", "a l", "e p", NULL, 0, 0));
        put_node(&graph, node_of("Twice", "p", "y", NULL, 0, 0));
        put_tensor(&graph, tensor_of("l", 7, 3, (const int64_t[]){1, 2, 3}, true));
        finish_model(&graph, (const int64_t[]){1, 2, 2, 3}, 4, 23, out);
        add_function(out);
        break;
    case 9: /* parts, choices and places */
        put_node(&graph, node_of("Split", "x", "a b", "axis", 2, 2));
        put_node(&graph, node_of("Gather", "a i", "g", "axis", 2, 1));
        put_node(&graph, node_of("Neg", "b", "c", NULL, 0, 0));
        put_node(&graph, node_of("Greater", "g c", "m", NULL, 0, 0));
        put_node(&graph, node_of("Where", "m g c", "d", NULL, 0, 0));
        put_node(&graph, node_of("ScatterElements", "d j d", "e", "axis", 2, 1));
        put_node(&graph, node_of("Hardmax", "e", "y", "axis", 2, 1));
        put_tensor(&graph, tensor_of("i", 7, 1, (const int64_t[]){1}, true));
        put_tensor(&graph, tensor_of("j", 7, 3, (const int64_t[]){1, 2, 1}, true));
        finish_model(&graph, (const int64_t[]){1, 2, 2}, 3, 18, out);
        break;
    default:
        put_node(&graph, node_of("Constant", "", "c", "value_float", 1, 2));
        put_node(&graph, node_of("Add", "c x", "h", NULL, 0, 0));
        put_node(&graph, node_of("Softmax", "h", "f", "axis", 2, 1));
        put_node(&graph, node_of("Flatten", "f", "y", "axis", 2, 1));
        put_tensor(&graph, tensor_of("s", 7, 1, two, false));
        finish_model(&graph, open3, 3, 12, out);
        break;
    }
}

static ln_status parse_onnx(const void *data, size_t size, ln_error *err)
{
    ln_graph *graph;
    ln_onnx_info info;
    const ln_onnx_options options = {
        .fold_bytes = 64 * 1024, .whole = size % 4 == 3, .folder = "."};
    ln_status status = ln_onnx_parse("fuzz.onnx", data, size, &options, &graph, &info, err);
    ln_graph_release(graph);
    /* A name of another file that is not there, or is none below the folder. */
    return status == LN_EFILE && err->message[0] ? LN_EINVALID : status;
}

/* The message with one of its length-delimited fields changed by `mutate_within` or, at the chosen
 * depth, by a change anywhere in it. */
static void mutate_message(const reader *of, sample *message, ln_rng *rng, int depth)
{
    ln_wire wire = ln_wire_open((ln_bytes){message->bytes, message->size}, message->bytes);
    ln_wire_field field;
    size_t fields = 0;
    while (ln_wire_next(&wire, &field, NULL) == LN_OK && field.number != 0)
        fields += field.type == LN_WIRE_BYTES;
    if (depth == 0 || fields == 0 || fuzz_below(rng, 4) == 0) {
        fuzz_mutate(of, message, rng);
        return;
    }
    size_t chosen = fuzz_below(rng, fields);
    wire = ln_wire_open((ln_bytes){message->bytes, message->size}, message->bytes);
    const uint8_t *before = wire.at;
    while (ln_wire_next(&wire, &field, NULL) == LN_OK && field.number != 0) {
        if (field.type != LN_WIRE_BYTES || chosen-- > 0) {
            before = wire.at;
            continue;
        }
        sample part = {.size = field.bytes.size}, out = {.size = 0};
        memcpy(part.bytes, field.bytes.data, field.bytes.size);
        mutate_message(of, &part, rng, depth - 1);
        size_t head = (size_t)(before - message->bytes);
        size_t tail = (size_t)(wire.end - wire.at);
        if (head + tail + part.size + 16 > LONGEST)
            return;
        fuzz_add(&out, message->bytes, head);
        add_message(&out, field.number, &part);
        fuzz_add(&out, wire.at, tail);
        *message = out;
        return;
    }
}

static void mutate_within(const reader *of, sample *file, ln_rng *rng)
{
    mutate_message(of, file, rng, 6);
}

const reader fuzz_onnx = {
    .name = "onnx",
    .seed_count = 11,
    .make_seed = make_onnx,
    .parse = parse_onnx,
    .mutate_within = mutate_within,
    .memory_base = 1024 * 1024, /* folding among it */
    .memory_factor = 128,
};
