/* Inside the import: operators that are made of others. */
#ifndef LN_ONNX_COMPOSITES_H
#define LN_ONNX_COMPOSITES_H

#include "base/text.h"
#include "onnx/import.h"

/* Whether the operator is one of them. */
bool ln_onnx_is_composite(ln_bytes domain, ln_bytes name);
/* The node as a function (FunctionProto) whose formal inputs are i0, i1 ... and outputs o0, o1 ...; *out stays
 * empty where it is none, or of a form that is not read. Caller frees. */
ln_status ln_onnx_composite(const ln_onnx_node *node, int64_t opset, ln_text *out, ln_error *err);

/* A body as text, a line a statement:
 *
 *     a, b = Split{axis=1, num_outputs=2}(i0)
 *     o0 = Mul(Add(a, 0.5), Gather{axis=0}(b, [0, 2]))
 *
 * Numbers are constants: 3 and 0.5 (or -inf) without axes, lists with one. `_` is an input left out, or an output
 * that is not needed. `lunette.X` is an operator of our own. Written by what knows the node's attributes. */
typedef struct ln_onnx_body {
    const ln_onnx_node *node;
    int64_t opset;
    ln_text text;
    bool refused; /* the node is of a form that is not read */
} ln_onnx_body;

void ln_onnx_say(ln_onnx_body *body, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool ln_onnx_body_has(const ln_onnx_body *body, size_t input); /* given, not "" */
bool ln_onnx_body_makes(const ln_onnx_body *body, size_t output);
int64_t ln_onnx_body_int(const ln_onnx_body *body, const char *name, int64_t fallback);
bool ln_onnx_body_float(const ln_onnx_body *body, const char *name,
                        double *out); /* false: absent */
/* A list of whole numbers into `out` (at most 8); returns how many, 0: absent. */
int ln_onnx_body_ints(const ln_onnx_body *body, const char *name, int64_t out[8]);
/* Whether a text attribute is `text` (where it is absent: `fallback`). */
bool ln_onnx_body_text(const ln_onnx_body *body, const char *name, const char *text,
                       const char *fallback);

/* ---- composites_<family>.c */
void ln_onnx_body_attention(ln_onnx_body *body);
void ln_onnx_body_rotary(ln_onnx_body *body);
void ln_onnx_body_swiglu(ln_onnx_body *body);
void ln_onnx_body_cross_entropy(ln_onnx_body *body);
void ln_onnx_body_log_likelihood(ln_onnx_body *body);
void ln_onnx_body_window(ln_onnx_body *body);
void ln_onnx_body_affine_grid(ln_onnx_body *body);
void ln_onnx_body_dft(ln_onnx_body *body);
void ln_onnx_body_grid_sample(ln_onnx_body *body);
void ln_onnx_body_col2im(ln_onnx_body *body);
void ln_onnx_body_stft(ln_onnx_body *body);

#endif
