/* ONNX: a reader of the file format (our own: bounded depth, no recursion on hostile files, every
 * length checked against what is left) and the import, a table from operator to layer. */
#ifndef LN_ONNX_H
#define LN_ONNX_H

#include "graph/graph.h"

/* An input of the file that is bound beforehand. */
typedef struct ln_onnx_binding {
    const char *name;    /* NULL: the input in the binding's own place among those of the file */
    ln_tensor *constant; /* borrowed: the input is this constant; NULL: only `shape` is given */
    ln_shape
        shape; /* sizes of its axes, the rows' first: those that the file leaves open get them */
} ln_onnx_binding;

typedef struct ln_onnx_options {
    const ln_onnx_binding *bindings; /* borrowed */
    int binding_count;
    /* All inputs of the file together are one row, whatever their first axes mean: every axis is
     * within a row, and the graph's values are (1, *shape in the file). Open axes that are not bound
     * have size 1. */
    bool whole;
    int64_t open_size; /* of open axes that are not bound, but for the rows'; 0: they are refused */
    const char *folder; /* external data are looked for below it; NULL: there are none */
    /* Told of every read from a file of external data, by its path below `folder`; NULL: nobody. */
    void (*external)(void *context, const char *location);
    void *context;
    size_t fold_bytes; /* what folded constants may take beside 8 times the file; 0: 16 MiB */
} ln_onnx_options;

typedef struct ln_onnx_info {
    char producer[64];                                     /* as the file says */
    int64_t opset;                                         /* of the default domain */
    uint8_t sha256[LN_SHA256_BYTES];                       /* of the file's bytes */
    int64_t from_f16, from_bf16, from_f64, from_quantised; /* constants that became float32 */
    char note[256]; /* what of the file was converted or bound, a sentence; "" where nothing was */
} ln_onnx_info;

/* Value and node names are the file's. A nameless node is "<operator>_<number>". `options` may be NULL.
 * LN_EFILE when the file cannot be read; LN_EINVALID where it is malformed (truncated, wrong lengths,
 * an input that nobody makes); LN_EUNSUPPORTED naming operator, node and opset. Caller releases *out.
 * `info` may be NULL. ln_onnx_read looks for external data beside the file. */
ln_status ln_onnx_read(const char *path, const ln_onnx_options *options, ln_graph **out,
                       ln_onnx_info *info, ln_error *err);
ln_status ln_onnx_parse(const char *name, const void *data, size_t bytes,
                        const ln_onnx_options *options, ln_graph **out, ln_onnx_info *info,
                        ln_error *err);

#endif
