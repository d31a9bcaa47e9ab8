/* Writing ONNX: messages are appended as they are made, a file is put together at the end. Names are
 * the caller's; memory that runs out is noticed by ln_onnx_write_finish. Operator set 17, which every
 * runtime of these years reads, and ai.onnx.ml 3 for columns of text. */
#ifndef LN_ONNX_WRITER_H
#define LN_ONNX_WRITER_H

#include "base/text.h"
#include "graph/graph.h"

typedef struct ln_onnx_writer {
    ln_text nodes, constants, inputs, outputs; /* fields of the GraphProto */
    int made;                                  /* names that ln_onnx_write_name has made */
} ln_onnx_writer;

typedef enum ln_onnx_written_kind {
    LN_ONNX_WRITTEN_INT,
    LN_ONNX_WRITTEN_FLOAT,
    LN_ONNX_WRITTEN_INTS,
    LN_ONNX_WRITTEN_FLOATS,
    LN_ONNX_WRITTEN_TEXT,
    LN_ONNX_WRITTEN_TEXTS,
} ln_onnx_written_kind;

/* An attribute; a list of them ends with one whose name is NULL. */
typedef struct ln_onnx_written {
    const char *name;
    ln_onnx_written_kind kind;
    double number; /* of an INT or FLOAT */
    int count;     /* entries of the lists */
    const int64_t *ints;
    const float *floats;
    const char *text;
    const char *const *texts;
} ln_onnx_written;

#define LN_ONNX_MOST_OPERANDS 64

/* Element types are ONNX's (proto.h); dims: -1 is the open axis "N". */
void ln_onnx_write_input(ln_onnx_writer *writer, const char *name, int type, int rank,
                         const int64_t *dims);
void ln_onnx_write_output(ln_onnx_writer *writer, const char *name, int type, int rank,
                          const int64_t *dims);
void ln_onnx_write_constant(ln_onnx_writer *writer, const char *name, const ln_tensor *tensor);
/* `inputs` and `outputs` end with NULL; `attributes` may be NULL; `domain` "" is ONNX's own. */
void ln_onnx_write_node(ln_onnx_writer *writer, const char *operator_name, const char *domain,
                        const char *name, const char *const *inputs, const char *const *outputs,
                        const ln_onnx_written *attributes);
/* "<stem>/lunette_<number>": not a name of anybody else. */
const char *ln_onnx_write_name(ln_onnx_writer *writer, const char *stem, char *buffer, size_t size);
/* The file. The writer is empty afterwards, also after a failure. Caller frees out->data. */
ln_status ln_onnx_write_finish(ln_onnx_writer *writer, ln_text *out, ln_error *err);
void ln_onnx_write_abandon(ln_onnx_writer *writer);

/* Nodes and constants of a graph that `output` needs; its inputs' and outputs' infos are the caller's.
 * LN_EUNSUPPORTED naming the layer that ONNX, or this writer, has nothing for. */
ln_status ln_onnx_write_graph(ln_onnx_writer *writer, const ln_graph *graph, int output,
                              ln_error *err);

#endif
