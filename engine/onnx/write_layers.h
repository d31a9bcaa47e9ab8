/* Inside the writer: a node of the graph on its way into the file. A family of layers is a file
 * (write_<family>.c) with a table of them. */
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

/* Each ends with a NULL word. */
extern const ln_onnx_layer_writer ln_onnx_activation_writers[], ln_onnx_sequence_writers[],
    ln_onnx_spatial_writers[];

/* An operator of the node's own inputs, under its name. */
void ln_onnx_put_own(ln_onnx_writing *w, const char *operator_name,
                     const ln_onnx_written *attributes);

/* An operator of one or two inputs; the one whose result is w->out has the node's name. */
void ln_onnx_put(ln_onnx_writing *w, const char *operator_name, const char *a, const char *b,
                 const char *out, const ln_onnx_written *attributes);
/* A constant list of whole numbers, a constant number; the name (LN_ONNX_NAME bytes) goes to `name`. */
ln_status ln_onnx_put_list(ln_onnx_writing *w, const int64_t *numbers, int count, char *name,
                           ln_error *err);
ln_status ln_onnx_put_number(ln_onnx_writing *w, double number, char *name, ln_error *err);

#endif
