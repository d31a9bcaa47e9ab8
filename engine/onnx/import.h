/* Inside the import: the names of a file and what has been made of them, and the node in work. The
 * operators (operators_*.c) read their inputs and attributes and add layers through this header.
 *
 * ROWS. The engine stores every live value (one that depends on the network's input) rows first; in
 * the file the rows may be any axis, or share one with other numbers (N * heads). Beside each live value the
 * import keeps its layout: where the rows are in the file's ("logical") shape. In row-major logical
 * order a value is [before...][rows][after...]; stored it is rows, then all the other factors in
 * logical order. The logical shape is made with a nominal number of rows, import->batch.
 *
 * FOLDING. A node whose inputs are all constants is built by the same operator, in a graph of its own
 * in which its inputs are live with no axis for the rows, and is run once. So an operator need not
 * know: in folding ln_onnx_is_constant is false, ln_onnx_live and ln_onnx_constant both work. */
#ifndef LN_ONNX_IMPORT_H
#define LN_ONNX_IMPORT_H

#include "graph/graph.h"
#include "layers/attributes.h"
#include "onnx/onnx.h"
#include "onnx/proto.h"

/* Where the rows of a live value are in its logical shape. */
typedef struct ln_onnx_layout {
    int axis; /* the logical axis that holds the rows; -1: they are outside of all axes */
    int64_t before, after; /* other factors of that axis: its size is before * batch * after */
} ln_onnx_layout;

/* A live value as an operator sees it; also a constant that was brought beside live ones. */
typedef struct ln_onnx_operand {
    int value;             /* id in import->graph */
    ln_onnx_layout layout; /* of a constant: that of the live values beside it */
    ln_shape shape; /* logical: what ONNX calls its shape, import->batch standing for the rows */
    ln_dtype dtype;
} ln_onnx_operand;

/* One value name of the file. It is a constant (an initializer, or what was folded), or live. */
typedef struct ln_onnx_symbol {
    ln_bytes name;
    ln_bytes initializer; /* its TensorProto; data is NULL where it is none */
    int64_t type;        /* of an input's or a decoded initializer's elements in the file, else 0 */
    size_t node;         /* node that makes it; SIZE_MAX: an input or an initializer */
    ln_tensor *constant; /* of a constant, once it was needed; owned */
    int value;           /* of a live value in the graph, once it is there, else -1 */
    bool dropped;        /* made by, or from what is made by, an operator that is not supported */
} ln_onnx_symbol;

typedef struct ln_onnx_import {
    const uint8_t *origin; /* first byte of the file */
    const ln_onnx_options *options;
    int64_t opset; /* of the default domain */

    ln_graph *graph;         /* under construction; in folding, the node's own */
    ln_onnx_layout *layouts; /* one a value of that graph (of constants: nothing) */
    int layout_room;         /* entries of layouts */
    int64_t batch;           /* the nominal number of rows in logical shapes */
    bool single;             /* one row is all that the file knows: every axis is within a row */
    bool folding;            /* the node in work has constant inputs only */
    size_t foldable;         /* bytes that folded constants may still take */

    ln_arena names;          /* symbols and lists of the whole graph */
    ln_arena scratch;        /* of the node in work */
    ln_onnx_graph messages;  /* the graph's lists */
    ln_onnx_symbol *symbols; /* sorted by name */
    size_t symbol_count;
    ln_onnx_info *info; /* what was converted is counted there */

    ln_onnx_node node;         /* in work */
    ln_error refusal;          /* of the first operator that is not supported, or status 0 */
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
    bool constant; /* it makes its constants itself: not folded by running a layer */
} ln_onnx_operator;
const ln_onnx_operator *ln_onnx_operator_find(ln_bytes domain, ln_bytes name);

/* ---- names.c: symbols */
ln_status ln_onnx_symbols_make(ln_onnx_import *import, ln_error *err);
void ln_onnx_symbols_free(ln_onnx_import *import);
/* Decodes the symbol's initializer into symbol->constant, where that is not done yet. */
ln_status ln_onnx_symbol_constant(ln_onnx_import *import, ln_onnx_symbol *symbol, ln_error *err);
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

/* ---- node.c: inputs of the node in work */
bool ln_onnx_has_input(const ln_onnx_import *import, size_t input);   /* given, not "" */
bool ln_onnx_is_constant(const ln_onnx_import *import, size_t input); /* false in folding */
/* The type of its elements in the file (LN_ONNX_INT8 ...), 0 where that is not known: whole numbers of fewer
 * bits are kept in wider ones. */
int64_t ln_onnx_input_type(const ln_onnx_import *import, size_t input);
/* The input's name, for messages. */
ln_short_text ln_onnx_input_text(const ln_onnx_import *import, size_t input);
/* A live input. LN_EUNSUPPORTED where it is a constant beside live ones: see ln_onnx_align. */
ln_status ln_onnx_live(ln_onnx_import *import, size_t input, ln_onnx_operand *out, ln_error *err);
/* A constant input's numbers, borrowed from its symbol; LN_EUNSUPPORTED where it is live. */
ln_status ln_onnx_constant(ln_onnx_import *import, size_t input, ln_tensor **out, ln_error *err);
/* The same, required to be of this dtype. */
ln_status ln_onnx_numbers(ln_onnx_import *import, size_t input, ln_dtype dtype, ln_tensor **out,
                          ln_error *err);
/* The same, a list of at most 8 whole numbers (int64 or int32; a single number is a list of one). */
ln_status ln_onnx_list(ln_onnx_import *import, size_t input, ln_ints *out, ln_error *err);
/* The same, one number of any dtype (a scalar, or a list of one). */
ln_status ln_onnx_scalar(ln_onnx_import *import, size_t input, double *out, ln_error *err);
/* A constant f32 input as a value of the graph (a weight), under the file's name. */
ln_status ln_onnx_constant_value(ln_onnx_import *import, size_t input, int *value, ln_error *err);
/* A constant of the import's own ("<node><suffix>"); `tensor` is retained. */
ln_status ln_onnx_own_constant(ln_onnx_import *import, const char *suffix, ln_tensor *tensor,
                               int *value, ln_error *err);

/* ---- attributes.c: attributes with their defaults */
const ln_onnx_attribute *ln_onnx_find_attribute(const ln_onnx_import *import, const char *name);
ln_status ln_onnx_int(const ln_onnx_import *import, const char *name, int64_t fallback,
                      int64_t *out, ln_error *err);
ln_status ln_onnx_float(const ln_onnx_import *import, const char *name, float fallback, float *out,
                        ln_error *err);
/* A list of at most 8 whole numbers; count 0 where the attribute is not there. */
ln_status ln_onnx_ints(const ln_onnx_import *import, const char *name, ln_ints *out, ln_error *err);
/* A list of real numbers as a tensor of rank 1, NULL where the attribute is not there. Caller releases. */
ln_status ln_onnx_floats(const ln_onnx_import *import, const char *name, ln_tensor **out,
                         ln_error *err);
/* A text attribute, LN_EINVALID where it is not there. */
ln_status ln_onnx_text(const ln_onnx_import *import, const char *name, ln_bytes *out,
                       ln_error *err);
/* A list of at most `most` texts; *count is 0 where the attribute is not there. */
ln_status ln_onnx_texts(const ln_onnx_import *import, const char *name, ln_bytes *out, size_t most,
                        size_t *count, ln_error *err);
/* The index of a text attribute in "a|b|c"; another text is LN_EUNSUPPORTED. */
ln_status ln_onnx_choice(const ln_onnx_import *import, const char *name, const char *choices,
                         const char *fallback, int *out, ln_error *err);
/* A list that newer operator sets have as input `input` and older ones as attribute `name`. *given:
 * whether it is there at all. */
ln_status ln_onnx_ints_of(ln_onnx_import *import, const char *name, size_t input, ln_ints *out,
                          bool *given, ln_error *err);

/* ---- layout.c: axes */
/* Whether the rows' axis holds other numbers too. */
static inline bool ln_onnx_is_shared(const ln_onnx_layout *layout)
{
    return layout->axis >= 0 && layout->before * layout->after != 1;
}
/* The operand with its rows outside of all axes: what was their axis is within a row. Only where
 * import->single. */
ln_status ln_onnx_unfold(ln_onnx_import *import, ln_onnx_operand *x, ln_error *err);
/* The operand that a value of the graph is. */
ln_onnx_operand ln_onnx_operand_of(const ln_onnx_import *import, int value);
/* The logical axis (negative: from the end) as an axis of the stored value. The rows' own axis is
 * LN_EUNSUPPORTED, but where the file knows one row only the operand is changed so that it is an axis
 * of size 1 within a row. LN_EINVALID where there is no such axis. */
ln_status ln_onnx_axis(ln_onnx_import *import, ln_onnx_operand *x, int64_t axis, int *out,
                       ln_error *err);
/* The same for several axes at once (after a second call of ln_onnx_axis the first answer may be
 * wrong). */
ln_status ln_onnx_axes(ln_onnx_import *import, ln_onnx_operand *x, const ln_ints *axes, int *out,
                       ln_error *err);
/* The same axis of several aligned operands. */
ln_status ln_onnx_axis_all(ln_onnx_import *import, ln_onnx_operand *operands, size_t count,
                           int64_t axis, int *out, ln_error *err);
/* Logical axes of size 1 in front, so that the operand has at least `rank`. */
ln_status ln_onnx_widen(ln_onnx_import *import, ln_onnx_operand *x, int rank, ln_error *err);
/* An axis attribute through ln_onnx_axis. */
ln_status ln_onnx_axis_attribute(ln_onnx_import *import, const char *name, int64_t fallback,
                                 ln_onnx_operand *x, int *out, ln_error *err);
/* LN_EINVALID unless -rank <= axis < rank; *axis is then not negative. */
ln_status ln_onnx_check_axis(const ln_onnx_import *import, int rank, int64_t *axis, ln_error *err);
/* The stored axis of a logical one that is not the rows'. */
int ln_onnx_stored_axis(const ln_onnx_layout *layout, int axis);
/* Sees to it that the rows are in one of the first `axes` logical axes, or outside of all: what
 * convolution (1: all behind axis 0 belongs to a row) or a matrix product (rank - 2) needs. Stored
 * axes are then: rows, perhaps others, and the last rank - axes logical axes at the end. */
ln_status ln_onnx_rows_before(ln_onnx_import *import, ln_onnx_operand *x, int axes, ln_error *err);
/* The layout when the logical axes of `removed` (bit i: axis i, not the rows') are gone. */
ln_onnx_layout ln_onnx_layout_without(ln_onnx_layout layout, unsigned removed);
/* The layout of the value in another logical shape of as many elements, the rows kept apart; false:
 * there is none. */
bool ln_onnx_layout_reshaped(const ln_onnx_import *import, const ln_onnx_operand *x,
                             const ln_shape *shape, ln_onnx_layout *out);
/* What a value of this logical shape and layout is stored as (-1 for the rows). */
ln_status ln_onnx_stored_shape(const ln_onnx_import *import, const ln_shape *shape,
                               const ln_onnx_layout *layout, ln_shape *out, ln_error *err);
/* The operand in another logical shape (`layout` from ln_onnx_layout_reshaped), as a value in between. */
ln_status ln_onnx_between_shape(ln_onnx_import *import, const ln_onnx_operand *x,
                                const ln_shape *shape, ln_onnx_layout layout, const char *suffix,
                                ln_onnx_operand *out, ln_error *err);
/* The operand with its logical axes in another order (result axis i is axis order[i]) as the node's
 * output, or as a value in between. */
ln_status ln_onnx_finish_transposed(ln_onnx_import *import, const ln_onnx_operand *x,
                                    const int *order, ln_error *err);
ln_status ln_onnx_between_transposed(ln_onnx_import *import, const ln_onnx_operand *x,
                                     const int *order, const char *suffix, ln_onnx_operand *out,
                                     ln_error *err);

/* ---- align.c: bringing inputs together */
/* Inputs [first, first + count) (each given) for one elementwise layer: all live ones of one stored rank,
 * with their rows in one place, constants without the rows' axis (they broadcast from the right over
 * what a row stores). `repeat`: constants become live, the same in every row. The layout of the
 * result is that of any operand. */
ln_status ln_onnx_align(ln_onnx_import *import, size_t first, size_t count, bool repeat,
                        ln_onnx_operand *out, ln_error *err);
/* The same where inputs[i] = SIZE_MAX says that operands[i] is at hand already, live. */
ln_status ln_onnx_align_mixed(ln_onnx_import *import, const size_t *inputs, size_t count,
                              bool repeat, ln_onnx_operand *operands, ln_error *err);

/* ---- results.c: layers and results. The logical shape of a result follows from what it is stored as
 * and from `layout`; mostly that is the layout of the operand. */
/* Adds the layer `word` that makes the node's first output. */
ln_status ln_onnx_finish(ln_onnx_import *import, const char *word, const void *attributes,
                         const int *inputs, int input_count, ln_onnx_layout layout, ln_error *err);
/* The same with one operand. */
ln_status ln_onnx_finish_one(ln_onnx_import *import, const char *word, const void *attributes,
                             const ln_onnx_operand *x, ln_error *err);
/* The same, making output `output` of the node; nothing where the file does not name it. */
ln_status ln_onnx_finish_output(ln_onnx_import *import, size_t output, const char *word,
                                const void *attributes, const int *inputs, int input_count,
                                ln_onnx_layout layout, ln_error *err);
/* A layer of `output_count` results that are the node's first outputs, each with its layout. */
ln_status ln_onnx_finish_outputs(ln_onnx_import *import, const char *word, const void *attributes,
                                 const int *inputs, int input_count, const ln_onnx_layout *layouts,
                                 int output_count, ln_error *err);
/* Adds a layer whose result "<first output><suffix>" is in between. */
ln_status ln_onnx_between(ln_onnx_import *import, const char *word, const void *attributes,
                          const int *inputs, int input_count, ln_onnx_layout layout,
                          const char *suffix, ln_onnx_operand *out, ln_error *err);
/* The operand itself is the node's output, perhaps in another logical shape. */
ln_status ln_onnx_finish_shape(ln_onnx_import *import, const ln_onnx_operand *x,
                               const ln_shape *shape, ln_onnx_layout layout, ln_error *err);
/* Makes output `output` of the node a constant; `tensor` is retained. */
ln_status ln_onnx_finish_constant(ln_onnx_import *import, size_t output, ln_tensor *tensor,
                                  ln_error *err);
/* What the import knows of a value that was added to the graph. */
ln_status ln_onnx_set_layout(ln_onnx_import *import, int value, ln_onnx_layout layout,
                             ln_error *err);
/* Whether the file names output `output`. */
bool ln_onnx_has_output(const ln_onnx_import *import, size_t output);

/* "operator 'Gemm' (node 'fc1', opset 13) ..." */
ln_status ln_onnx_refuse(const ln_onnx_import *import, ln_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with LN_EINVALID: the file breaks ONNX's rules. */
ln_status ln_onnx_malformed(const ln_onnx_import *import, ln_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- fold.c: runs the operator on constant inputs; its outputs become constants */
ln_status ln_onnx_fold(ln_onnx_import *import, const ln_onnx_operator *entry, ln_error *err);
/* fold_empty.c: answers what layers cannot, lists without elements; *done: the node is finished. */
ln_status ln_onnx_fold_empty(ln_onnx_import *import, bool *done, ln_error *err);
/* Takes `bytes` from what folded constants may take; LN_EUNSUPPORTED where that is too much. */
ln_status ln_onnx_fold_room(ln_onnx_import *import, size_t bytes, ln_error *err);

#endif
