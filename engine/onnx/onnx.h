/* ONNX: a reader of the file format (our own: bounded depth, no recursion on hostile files, every
 * length checked against what is left) and the import, a table from operator to layer. */
#ifndef LN_ONNX_H
#define LN_ONNX_H

#include "graph/graph.h"

typedef struct ln_onnx_info {
    char producer[64];               /* as the file says */
    int64_t opset;                   /* of the default domain */
    uint8_t sha256[LN_SHA256_BYTES]; /* of the file's bytes */
} ln_onnx_info;

/* Value and node names are the file's. A nameless node is "<operator>_<number>". LN_EFILE when the
 * file cannot be read; LN_EINVALID where it is malformed (truncated, wrong lengths, an input that
 * nobody makes); LN_EUNSUPPORTED naming operator, node and opset. Caller releases *out. */
ln_status ln_onnx_read(const char *path, ln_graph **out, ln_onnx_info *info, ln_error *err);
ln_status ln_onnx_parse(const char *name, const void *data, size_t bytes, ln_graph **out,
                        ln_onnx_info *info, ln_error *err);

#endif
