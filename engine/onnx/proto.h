/* ONNX's messages, decoded one at a time into slices of the file's bytes: nothing is copied, and
 * what a message holds is opened when it is needed. Field numbers are those of onnx.proto3. */
#ifndef LN_ONNX_PROTO_H
#define LN_ONNX_PROTO_H

#include "base/arena.h"
#include "onnx/wire.h"
#include "tensor/tensor.h"

/* TensorProto.DataType; only the ones that are read have a name here. */
enum {
    LN_ONNX_FLOAT = 1,
    LN_ONNX_UINT8 = 2,
    LN_ONNX_INT8 = 3,
    LN_ONNX_UINT16 = 4,
    LN_ONNX_INT16 = 5,
    LN_ONNX_INT32 = 6,
    LN_ONNX_INT64 = 7,
    LN_ONNX_STRING = 8,
    LN_ONNX_BOOL = 9,
    LN_ONNX_FLOAT16 = 10,
    LN_ONNX_DOUBLE = 11,
    LN_ONNX_UINT32 = 12,
    LN_ONNX_UINT64 = 13,
    LN_ONNX_BFLOAT16 = 16,
};
const char *ln_onnx_type_name(int64_t type); /* "float16", "unknown" */

/* A list of messages or texts: count slices. */
typedef struct ln_bytes_list {
    ln_bytes *at;
    size_t count;
} ln_bytes_list;

typedef struct ln_onnx_model {
    ln_bytes producer;
    ln_bytes graph;   /* GraphProto */
    int64_t opset;    /* of the default domain; 0: the file states none */
    bool has_foreign; /* it states one of another domain */
    bool has_graph;
    size_t function_count; /* functions of its own */
} ln_onnx_model;

typedef struct ln_onnx_graph {
    ln_bytes_list nodes, initializers, sparse, inputs, outputs; /* messages */
} ln_onnx_graph;

/* AttributeProto.AttributeType, as far as it is read. */
enum {
    LN_ONNX_ATTRIBUTE_FLOAT = 1,
    LN_ONNX_ATTRIBUTE_INT = 2,
    LN_ONNX_ATTRIBUTE_STRING = 3,
    LN_ONNX_ATTRIBUTE_TENSOR = 4,
    LN_ONNX_ATTRIBUTE_FLOATS = 6,
    LN_ONNX_ATTRIBUTE_INTS = 7,
};

typedef struct ln_onnx_attribute {
    ln_bytes name;
    int64_t type;       /* AttributeType; 0 where old files leave it out */
    bool referenced;    /* it is the value of an attribute of the function that it stands in, */
    ln_bytes reference; /* of this name */
    float f;
    int64_t i;
    ln_bytes s;
    ln_bytes tensor; /* TensorProto */
    bool has_f, has_i, has_s, has_tensor;
    ln_bytes message; /* the whole attribute, for lists */
} ln_onnx_attribute;

typedef struct ln_onnx_node {
    ln_bytes name, op_type, domain;
    ln_bytes_list inputs, outputs; /* names; "" is an optional one left out */
    ln_onnx_attribute *attributes;
    size_t attribute_count;
} ln_onnx_node;

/* What a ValueInfoProto says of a graph's input. */
typedef struct ln_onnx_value {
    ln_bytes name;
    bool is_tensor; /* else a sequence, map, optional or sparse tensor, or no type at all */
    bool has_shape;
    int64_t type;                  /* of an element */
    size_t rank;                   /* may be greater than LN_MAX_RANK */
    int64_t dims[LN_MAX_RANK];     /* -1: open */
    ln_bytes symbols[LN_MAX_RANK]; /* name of an open axis, or empty */
} ln_onnx_value;

/* All return LN_EINVALID for malformed bytes; slices are good as long as the file's bytes are,
 * lists as long as the arena. `origin` is the file's first byte. */
ln_status ln_onnx_decode_model(ln_bytes file, ln_onnx_model *out, ln_error *err);
ln_status ln_onnx_decode_graph(ln_bytes message, const uint8_t *origin, ln_arena *arena,
                               ln_onnx_graph *out, ln_error *err);
ln_status ln_onnx_decode_node(ln_bytes message, const uint8_t *origin, ln_arena *arena,
                              ln_onnx_node *out, ln_error *err);
ln_status ln_onnx_decode_value(ln_bytes message, const uint8_t *origin, ln_onnx_value *out,
                               ln_error *err);
ln_status ln_onnx_decode_attribute(ln_bytes message, const uint8_t *origin, ln_onnx_attribute *out,
                                   ln_error *err);
/* The model's own functions: FunctionProtos. */
ln_status ln_onnx_list_functions(ln_bytes file, const ln_onnx_model *model, ln_arena *arena,
                                 ln_bytes_list *out, ln_error *err);
/* The name of an initializer, without looking at its data. */
ln_status ln_onnx_tensor_label(ln_bytes message, const uint8_t *origin, ln_bytes *name,
                               ln_error *err);

/* Where the data of tensors are, and what was found in the last one. */
typedef struct ln_onnx_source {
    const uint8_t *origin; /* first byte of the file */
    const char *folder;    /* external data are below it; NULL: there are none */
    void (*external)(void *context, const char *location); /* of ln_onnx_options */
    void *context;
    int64_t type;          /* out: the file's type of the numbers */
    size_t external_bytes; /* out: bytes read from other files, all tensors together */
} ln_onnx_source;

/* What an element type of the file becomes here: floating-point ones f32, signed and unsigned ones of
 * up to 32 bits i32 (uint32: i64), of 64 i64, bool BOOL. False: such elements are not read. */
bool ln_onnx_type_dtype(int64_t type, ln_dtype *out);

/* The data, of those types. LN_EUNSUPPORTED for other types and more than LN_MAX_RANK dimensions; the
 * number of elements is checked against the bytes before anything is allocated. Caller releases. */
ln_status ln_onnx_decode_tensor(ln_bytes message, ln_onnx_source *source, ln_tensor **out,
                                ln_error *err);
/* Bytes [offset, offset + length) of the file `location` (a relative path that stays below `folder` and
 * goes through no link). Caller frees *out with ln_free. */
ln_status ln_onnx_read_external(const char *folder, ln_bytes location, uint64_t offset,
                                uint64_t length, uint8_t **out, size_t *bytes, ln_error *err);
/* The lists of an attribute (its `ints` or `floats`) as a tensor of rank 1. Caller releases. */
ln_status ln_onnx_decode_list(const ln_onnx_attribute *attribute, const uint8_t *origin,
                              ln_dtype dtype, ln_tensor **out, ln_error *err);

bool ln_bytes_equal(ln_bytes bytes, const char *text);
/* The first bytes of a name, for messages. */
typedef struct ln_short_text {
    char at[104]; /* NUL-terminated */
} ln_short_text;
ln_short_text ln_bytes_text(ln_bytes bytes);

#endif
