/* The ONNX reader on bytes that are wrong: the wire format by hand, every prefix of a file, random
 * mutations, nesting without end. Nothing may crash, leak or hang, and memory stays in proportion
 * to the file. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "onnx/onnx.h"
#include "onnx/proto.h"
#include "onnx/wire.h"

static ln_error err;

/* ---------------------------------------------------------------- wire format */

static ln_bytes bytes_of(const char *data, size_t size)
{
    return (ln_bytes){(const uint8_t *)data, size};
}
/* BYTES("\x08\x01"): a literal without its terminator. */
#define BYTES(literal) bytes_of(literal, sizeof literal - 1)

static ln_status read_all(ln_bytes message, ln_wire_field *last)
{
    ln_wire wire = ln_wire_open(message, message.data);
    ln_wire_field field;
    for (;;) {
        ln_status status = ln_wire_next(&wire, &field, &err);
        if (status || field.number == 0)
            return status;
        *last = field;
    }
}

static void fields_are_read(void **state)
{
    (void)state;
    ln_wire_field field = {0};
    assert_ok(read_all(BYTES("\x08\x96\x01"), &field));
    assert_true(field.number == 1 && field.type == LN_WIRE_VARINT && field.value == 150);
    assert_ok(read_all(BYTES("\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), &field));
    assert_true(field.number == 2 && (int64_t)field.value == -1);
    assert_ok(read_all(BYTES("\x1A\x03"
                             "abc"),
                       &field));
    assert_true(field.number == 3 && ln_bytes_equal(field.bytes, "abc"));
    assert_ok(read_all(BYTES("\x25\x00\x00\x80\x3F"), &field));
    assert_true(field.number == 4 && field.type == LN_WIRE_FIXED32 && field.value == 0x3F800000);
    assert_ok(read_all(BYTES("\x29\x01\x00\x00\x00\x00\x00\x00\x80"), &field));
    assert_true(field.number == 5 && field.value == 0x8000000000000001);
    assert_ok(read_all(BYTES("\xFA\xFF\xFF\xFF\x0F\x00"), &field)); /* the highest number */
    assert_true(field.number == 0x1FFFFFFF && field.bytes.size == 0);
}

static void broken_fields_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t size;
        const char *message;
    } broken[] = {
        {"\x08", 1, "ends at byte 1 within a number"},
        {"\x08\x80", 2, "ends at byte 2 within a number"},
        {"\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11, "more than 64 bits"},
        {"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12, "more than 64 bits"},
        {"\x12\x05"
         "abc",
         5, "says 5 bytes, but 3 are left"},
        {"\x12\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 10, "bytes, but 0 are left"},
        {"\x25\x00\x00", 3, "within a number of 4 bytes"},
        {"\x29\x00\x00", 3, "within a number of 8 bytes"},
        {"\x0B\x0C", 2, "a group"},
        {"\x0C", 1, "a group"},
        {"\x0E", 1, "has wire type 6, which is none"},
        {"\x00\x01", 2, "no field number"},
        {"\x80\x80\x80\x80\x10\x01", 6, "no field number"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        ln_wire_field field;
        assert_fails(read_all(bytes_of(broken[i].data, broken[i].size), &field), LN_EINVALID,
                     broken[i].message);
    }
}

/* float_data one by one and packed, dims packed and one by one, in any order, last type counts. */
static void tensors_are_read_packed_or_not(void **state)
{
    (void)state;
    ln_bytes forms[] = {
        BYTES("\x08\x02\x08\x01\x10\x01\x25\x00\x00\x80\x3F\x25\x00\x00\x00\xC0"),
        BYTES("\x22\x08\x00\x00\x80\x3F\x00\x00\x00\xC0\x0A\x02\x02\x01\x10\x07\x10\x01"),
        BYTES("\x22\x04\x00\x00\x80\x3F\x25\x00\x00\x00\xC0\x08\x02\x0A\x01\x01\x10\x01"),
        BYTES("\x4A\x08\x00\x00\x80\x3F\x00\x00\x00\xC0\x08\x02\x08\x01\x10\x01"),
    };
    ln_shape shape = TEST_SHAPE(2, 1);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        ln_tensor *tensor;
        assert_ok(ln_onnx_decode_tensor(forms[i], &(ln_onnx_source){.origin = forms[i].data},
                                        &tensor, &err));
        assert_true(tensor->dtype == LN_F32 && ln_shape_equal(&tensor->shape, &shape));
        assert_true(ln_f32(tensor)[0] == 1 && ln_f32(tensor)[1] == -2);
        ln_tensor_release(tensor);
    }
    ln_tensor *tensor;
    ln_bytes whole =
        BYTES("\x08\x03\x10\x07\x3A\x0C\x05\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x00");
    assert_ok(ln_onnx_decode_tensor(whole, &(ln_onnx_source){.origin = whole.data}, &tensor, &err));
    assert_same_bits(tensor->data, ((int64_t[]){5, -1, 0}), 24);
    ln_tensor_release(tensor);
    ln_bytes narrow = BYTES("\x08\x01\x10\x06\x28\xFF\xFF\xFF\xFF\x1F"); /* 2^33 - 1 as int32 */
    assert_fails(
        ln_onnx_decode_tensor(narrow, &(ln_onnx_source){.origin = narrow.data}, &tensor, &err),
        LN_EINVALID, "does not fit int32");
    ln_bytes half = BYTES("\x08\x01\x10\x01\x22\x03\x00\x00\x00");
    assert_fails(ln_onnx_decode_tensor(half, &(ln_onnx_source){.origin = half.data}, &tensor, &err),
                 LN_EINVALID, "3 bytes, no multiple of 4");
    ln_bytes open = BYTES("\x08\x01\x10\x07\x3A\x02\x01\x80"); /* the second number does not end */
    assert_fails(ln_onnx_decode_tensor(open, &(ln_onnx_source){.origin = open.data}, &tensor, &err),
                 LN_EINVALID, "within a number");
    ln_bytes typed = BYTES("\x08\x01\x10\x01\x20\x01"); /* float_data as a varint */
    assert_fails(
        ln_onnx_decode_tensor(typed, &(ln_onnx_source){.origin = typed.data}, &tensor, &err),
        LN_EINVALID, "a tensor's data has wire type 0, not 2");
}

/* ---------------------------------------------------------------- whole files */

/* Parses under a memory limit in proportion to the file; the account is as before afterwards. */
static ln_status parse_bounded(const void *data, size_t bytes)
{
    ln_graph *graph;
    size_t before = ln_memory_used();
    err = (ln_error){0};
    ln_memory_limit(before + 128 * 1024 + 128 * bytes);
    ln_status status = ln_onnx_parse("x.onnx", data, bytes, NULL, &graph, NULL, &err);
    ln_memory_limit(0);
    assert_true(status == LN_OK ? graph != NULL : graph == NULL && err.message[0]);
    ln_graph_release(graph);
    if (status != LN_OK && status != LN_EINVALID && status != LN_EUNSUPPORTED)
        fail_msg("status %d: %s", status, err.message);
    assert_int_equal(ln_memory_used(), before);
    return status;
}

static const char *const seeds[] = {"branches",        "gemm_scaled",     "softmax_coerced",
                                    "constant_ints",   "dropout_12",      "data_double_typed",
                                    "reshape_copy",    "matmul_add",      "listed_initializers",
                                    "concat_negative", "constant_floats", "data_float16_values"};
#define SEEDS (sizeof seeds / sizeof *seeds)

static ln_file seed_file(size_t number)
{
    char path[128];
    snprintf(path, sizeof path, "reference/onnx/%s.onnx", seeds[number]);
    ln_file file;
    assert_ok(ln_file_read(test_file(path), &file, &err));
    return file;
}

/* Writes from the end of a buffer towards its front, so that a message can be put around it. */
typedef struct backwards {
    uint8_t *data;
    size_t room, size;
} backwards;

static void put(backwards *to, uint8_t byte)
{
    assert_true(to->size < to->room);
    to->data[to->room - ++to->size] = byte;
}

/* Makes what is there the content of a length-delimited field. */
static void wrap(backwards *to, uint8_t field)
{
    uint8_t digits[10];
    int count = 0;
    for (size_t length = to->size; count == 0 || length; length >>= 7)
        digits[count++] = length & 0x7F;
    for (int i = count - 1; i >= 0; i--)
        put(to, (uint8_t)(digits[i] | (i < count - 1 ? 0x80 : 0)));
    put(to, (uint8_t)(field << 3 | LN_WIRE_BYTES));
}

/* model.opset_import: version 13 of the default domain. */
static void put_opset(backwards *to)
{
    static const uint8_t opset[] = {13, 0x10, 2, 0x42};
    for (int i = 0; i < 4; i++)
        put(to, opset[i]);
}

/* The operator set stands at the end of these files: a part of one is never a model. */
static void every_prefix_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < SEEDS; i++) {
        ln_file file = seed_file(i);
        for (size_t length = 0; length < file.bytes; length++) {
            char *part = malloc(length ? length : 1); /* so that reading beyond it is seen */
            memcpy(part, file.data, length);
            assert_int_equal(parse_bounded(part, length), LN_EINVALID);
            free(part);
        }
        assert_int_equal(parse_bounded(file.data, file.bytes), LN_OK);
        ln_file_free(&file);
    }
}

/* The same one level down: the graph is cut, the lengths around it are right. */
static void every_prefix_of_a_graph_is_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < SEEDS; i++) {
        ln_file file = seed_file(i);
        ln_onnx_model model;
        assert_ok(ln_onnx_decode_model(bytes_of(file.data, file.bytes), &model, &err));
        for (size_t length = 0; length < model.graph.size; length++) {
            backwards to = {.room = length + 16};
            to.data = malloc(to.room);
            to.size = length;
            memcpy(to.data + 16, model.graph.data, length);
            wrap(&to, 7);
            put_opset(&to);
            /* What ends between two fields lacks an output, or what it is made of. */
            assert_true(parse_bounded(to.data + to.room - to.size, to.size) != LN_OK);
            free(to.data);
        }
        ln_file_free(&file);
    }
}

static void mutations_do_no_harm(void **state)
{
    (void)state;
    int imported = 0;
    for (size_t i = 0; i < SEEDS; i++) {
        ln_file file = seed_file(i);
        for (uint64_t round = 0; round < 1000; round++) {
            ln_rng rng = ln_rng_make(i, "mutation", 0, round);
            size_t size = file.bytes;
            uint8_t *data = malloc(size);
            memcpy(data, file.data, size);
            for (uint64_t edits = 1 + ln_rng_below(&rng, 4); edits > 0; edits--) {
                size_t at = ln_rng_below(&rng, size);
                static const uint8_t edges[] = {0, 1, 0x7F, 0x80, 0xFF};
                uint64_t kind = ln_rng_below(&rng, 3);
                data[at] = kind == 0   ? (uint8_t)(data[at] ^ 1u << ln_rng_below(&rng, 8))
                           : kind == 1 ? edges[ln_rng_below(&rng, 5)]
                                       : data[ln_rng_below(&rng, size)];
            }
            imported += parse_bounded(data, size) == LN_OK;
            free(data);
        }
        ln_file_free(&file);
    }
    assert_true(imported > 100); /* the mutations reach beyond the first check */
}

/* A hundred thousand subgraphs within each other, and as many sequence types: nothing descends. */
static void nesting_does_not_recurse(void **state)
{
    (void)state;
    backwards to = {.room = 4 << 20};
    to.data = malloc(to.room);
    static const uint8_t round_the_graph[] = {6, 5,
                                              1}; /* attribute.g, node.attribute, graph.node */
    for (int depth = 0; depth < 100000; depth++)
        for (int i = 0; i < 3; i++)
            wrap(&to, round_the_graph[i]);
    wrap(&to, 7); /* model.graph */
    put_opset(&to);
    assert_int_equal(parse_bounded(to.data + to.room - to.size, to.size), LN_EUNSUPPORTED);
    assert_message_at(&err, "the graph has no input", __FILE__, __LINE__);

    to.size = 0;
    static const uint8_t round_the_type[] = {1, 4}; /* sequence.elem_type, type.sequence_type */
    for (int depth = 0; depth < 100000; depth++)
        for (int i = 0; i < 2; i++)
            wrap(&to, round_the_type[i]);
    wrap(&to, 2); /* value.type */
    put(&to, 'x');
    put(&to, 1);
    put(&to, 1 << 3 | LN_WIRE_BYTES);
    wrap(&to, 11); /* graph.input */
    wrap(&to, 7);
    put_opset(&to);
    assert_int_equal(parse_bounded(to.data + to.room - to.size, to.size), LN_EUNSUPPORTED);
    assert_message_at(&err, "the input 'x' is no tensor", __FILE__, __LINE__);
    free(to.data);
}

/* Many empty parts: the shortest fields that ask for a place in a list. */
static void empty_parts_take_memory_in_proportion(void **state)
{
    (void)state;
    static const uint8_t parts[] = {1, 5, 11, 12}; /* nodes, initializers, inputs, outputs */
    for (size_t i = 0; i < sizeof parts; i++) {
        backwards to = {.room = 1 << 20};
        to.data = malloc(to.room);
        for (int n = 0; n < 200000; n++) {
            put(&to, 0);
            put(&to, (uint8_t)(parts[i] << 3 | LN_WIRE_BYTES));
        }
        wrap(&to, 7);
        put_opset(&to);
        assert_true(parse_bounded(to.data + to.room - to.size, to.size) != LN_OK);
        free(to.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read),
        cmocka_unit_test(broken_fields_are_refused),
        cmocka_unit_test(tensors_are_read_packed_or_not),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(every_prefix_of_a_graph_is_judged),
        cmocka_unit_test(mutations_do_no_harm),
        cmocka_unit_test(nesting_does_not_recurse),
        cmocka_unit_test(empty_parts_take_memory_in_proportion),
    };
    return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
