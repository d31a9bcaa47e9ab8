/* Inside the writer: a node of the graph on its way into the file. A family of layers is a file
 * (write_layers.c, write_spatial.c) with a table of them. */
#ifndef LN_ONNX_WRITE_LAYERS_H
#define LN_ONNX_WRITE_LAYERS_H

#include "onnx/writer.h"

enum { LN_ONNX_NAME = 512 }; /* bytes of a name that is made */

typedef struct ln_onnx_writing {
    ln_onnx_writer *writer;
    const ln_graph *graph;
    const ln_node *node;
    const char *in[LN_ONNX_MOST_OPERANDS]; /* names of its inputs, "" for absent ones */
    const char *out;                       /* of its first output */
} ln_onnx_writing;

typedef struct ln_onnx_layer_writer {
    const char *word;
    ln_status (*write)(ln_onnx_writing *w, ln_error *err);
} ln_onnx_layer_writer;

extern const ln_onnx_layer_writer ln_onnx_spatial_writers[]; /* ends with a NULL word */

/* An operator of the node's own inputs, under its name. */
void ln_onnx_put_own(ln_onnx_writing *w, const char *operator_name,
                     const ln_onnx_written *attributes);

#endif
