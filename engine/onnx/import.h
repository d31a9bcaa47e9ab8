/* Inside the import: the names of a file and what has been made of them, and the node in work. The
 * operators (operators_*.c) read their inputs and attributes and add layers through this header. */
#ifndef LN_ONNX_IMPORT_H
#define LN_ONNX_IMPORT_H

#include "graph/graph.h"
#include "layers/attributes.h"
#include "onnx/proto.h"

/* One value name of the file. It is a constant (an initializer, or what a Constant node makes), or
 * live: it depends on the input. */
typedef struct ln_onnx_symbol {
    ln_bytes name;
    ln_bytes initializer; /* its TensorProto; data is NULL where it is none */
    size_t node;          /* node that makes it; SIZE_MAX: an input or an initializer */
    ln_tensor *constant;  /* of a constant, once it was needed; owned */
    int value;            /* in the graph, once it is there, else -1 */
} ln_onnx_symbol;

typedef struct ln_onnx_import {
    const uint8_t *origin;   /* first byte of the file */
    int64_t opset;           /* of the default domain */
    ln_graph *graph;         /* under construction */
    ln_arena names;          /* symbols and lists of the whole graph */
    ln_arena scratch;        /* of the node in work */
    ln_onnx_graph messages;  /* the graph's lists */
    ln_onnx_symbol *symbols; /* sorted by name */
    size_t symbol_count;
    ln_onnx_node node;         /* in work */
    size_t number;             /* of it, from 0 */
    const char *operator_name; /* its operator, static text of the table */
    const char *name;          /* its name in the graph, unique, in scratch */
} ln_onnx_import;

/* One operator of the table. */
typedef struct ln_onnx_operator {
    const char *name;
    int min_inputs, max_inputs; /* -1: any number */
    const char *attributes;     /* those it may have: "a|b|c" */
    ln_status (*build)(ln_onnx_import *import, ln_error *err);
} ln_onnx_operator;
const ln_onnx_operator *ln_onnx_operator_find(ln_bytes name);

/* ---- names.c: symbols */
ln_status ln_onnx_symbols_make(ln_onnx_import *import, ln_error *err);
void ln_onnx_symbols_free(ln_onnx_import *import);
ln_onnx_symbol *ln_onnx_symbol_find(const ln_onnx_import *import, ln_bytes name); /* or NULL */
/* NUL-terminated copy in the arena; LN_EINVALID where the name holds a NUL. */
ln_status ln_onnx_name_copy(ln_arena *arena, ln_bytes name, const char **out, ln_error *err);
/* "<stem><suffix>"; where a value of the file or the graph has it, the node's number is added. In
 * scratch. */
ln_status ln_onnx_fresh_value(ln_onnx_import *import, const char *stem, const char *suffix,
                              const char **out, ln_error *err);
/* The same for names of nodes. */
ln_status ln_onnx_fresh_node(ln_onnx_import *import, const char *stem, const char *suffix,
                             const char **out, ln_error *err);

/* ---- node.c: the node in work */
bool ln_onnx_has_input(const ln_onnx_import *import, size_t input); /* given, not "" */
bool ln_onnx_is_constant(const ln_onnx_import *import, size_t input);
/* A constant input's numbers, borrowed from its symbol. */
ln_status ln_onnx_constant(ln_onnx_import *import, size_t input, ln_tensor **out, ln_error *err);
/* The same, required to be f32 or i64. */
ln_status ln_onnx_numbers(ln_onnx_import *import, size_t input, ln_dtype dtype, ln_tensor **out,
                          ln_error *err);
/* A live input's value; LN_EUNSUPPORTED where it is a constant. */
ln_status ln_onnx_live(ln_onnx_import *import, size_t input, int *value, ln_error *err);
const ln_shape *ln_onnx_shape(const ln_onnx_import *import, int value);
/* A constant input as a value of the graph, under the file's name. */
ln_status ln_onnx_constant_value(ln_onnx_import *import, size_t input, int *value, ln_error *err);
/* A constant of the import's own ("<node><suffix>"); `tensor` is retained. */
ln_status ln_onnx_own_constant(ln_onnx_import *import, const char *suffix, ln_tensor *tensor,
                               int *value, ln_error *err);

ln_status ln_onnx_int(const ln_onnx_import *import, const char *name, int64_t fallback,
                      int64_t *out, ln_error *err);
ln_status ln_onnx_float(const ln_onnx_import *import, const char *name, float fallback, float *out,
                        ln_error *err);
const ln_onnx_attribute *ln_onnx_find_attribute(const ln_onnx_import *import, const char *name);
/* An axis attribute, negative ones counted from the end; axis 0 (the rows) is LN_EUNSUPPORTED. */
ln_status ln_onnx_axis(const ln_onnx_import *import, const char *name, int64_t fallback, int rank,
                       int64_t *out, ln_error *err);

/* Adds the layer `word` that makes the node's first output. */
ln_status ln_onnx_finish(ln_onnx_import *import, const char *word, const void *attributes,
                         const int *inputs, int input_count, ln_error *err);
/* Adds a layer whose result "<first output><suffix>" is in between; the value to *out. */
ln_status ln_onnx_between(ln_onnx_import *import, const char *word, const void *attributes,
                          const int *inputs, int input_count, const char *suffix, int *out,
                          ln_error *err);
/* Makes the node's first output a constant; `tensor` is retained. */
ln_status ln_onnx_finish_constant(ln_onnx_import *import, ln_tensor *tensor, ln_error *err);

/* "operator 'Gemm' (node 'fc1', opset 13) ..." */
ln_status ln_onnx_refuse(const ln_onnx_import *import, ln_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with LN_EINVALID: the file breaks ONNX's rules. */
ln_status ln_onnx_malformed(const ln_onnx_import *import, ln_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
