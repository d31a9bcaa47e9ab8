/* A network as a graph in single-assignment form: values (inputs, constants, results) and nodes
 * (a layer with its attributes) in topological order. It branches, joins, has any number of inputs
 * and outputs, and shares weights by naming one constant twice. Shapes may hold -1 (unknown until a
 * plan binds the batch). A graph is built once and then only read, by any number of threads. */
#ifndef LN_GRAPH_H
#define LN_GRAPH_H

#include "graph/name_index.h"
#include "layers/layer.h"
#include "lunette.h"
#include "tensor/tensor.h"

typedef enum ln_value_kind { LN_VALUE_INPUT, LN_VALUE_CONSTANT, LN_VALUE_RESULT } ln_value_kind;

typedef struct ln_value {
    char *name; /* unique in the graph: ONNX's value name, or made from the layer's */
    ln_value_kind kind;
    ln_dtype dtype;
    ln_shape shape;      /* -1: bound by a plan */
    ln_tensor *constant; /* the weights of a constant, else NULL */
    bool trainable;      /* a constant that an optimizer changes */
    bool parameter;      /* a constant of a declared layer: trainable, or running statistics */
    bool fixed;          /* a constant, or made from constants alone: a plan computes it once */
    int producer;        /* node that makes it, or -1 */
} ln_value;

typedef struct ln_node {
    char *name; /* unique: ONNX's node name, the script's `name =`, or word + number */
    const ln_layer *layer;
    char *operator_name; /* how the user knows it: "Gemm" (ONNX) or "dense" (a script) */
    int input_count;     /* entries of inputs */
    int output_count;    /* entries of outputs: 1 to LN_MOST_OUTPUTS */
    int *inputs;         /* value ids; an absent optional input is -1 */
    int *outputs;        /* value ids */
    void *attributes;    /* layer->word.params_size bytes, owned; NULL where that is 0 */
} ln_node;

#define LN_MOST_OUTPUTS 8 /* of one node */

/* Numbers of one value a row (of a constant one: in all), so that no size in bytes overflows. */
#define LN_MOST_NUMBERS ((int64_t)1 << 40)

struct ln_graph {
    int references;                                         /* changed atomically */
    int value_count, node_count, input_count, output_count; /* entries of the arrays below */
    ln_value *values;
    ln_node *nodes;            /* in an order in which everything is made before it is used */
    int *inputs, *outputs;     /* value ids */
    ln_name_index value_names; /* a value's id is its name's number */
    ln_name_index node_names;  /* a node's index is its name's number */
};

ln_status ln_graph_new(ln_graph **out, ln_error *err); /* caller releases */
ln_graph *ln_graph_retain(ln_graph *graph);
void ln_graph_release(ln_graph *graph);
/* Wakes all constants: for whoever reads or changes them, and has the graph for itself. Takes no lock: nothing that
 * wakes them or puts them to sleep may run on another thread (of a model: model/kept.h). */
ln_status ln_graph_wake(const ln_graph *graph, ln_error *err);
/* A copy that may be extended; constants are shared, not copied. */
ln_status ln_graph_copy(const ln_graph *graph, ln_graph **out, ln_error *err);

/* Building. Ids go to *out. Names must be unique (LN_EINVALID). `constant` is retained. The first
 * dimension of an input is the rows', whatever number stands there; all others must be known. Every
 * result that is not fixed has the rows first, too (LN_EUNSUPPORTED otherwise). What fails leaves
 * the graph as it was. */
ln_status ln_graph_add_input(ln_graph *graph, const char *name, ln_dtype dtype,
                             const ln_shape *shape, int *out, ln_error *err);
ln_status ln_graph_add_constant(ln_graph *graph, const char *name, ln_tensor *constant,
                                bool trainable, int *out, ln_error *err);
/* `attributes` is copied (NULL: zeroed). `outputs` names the results (`output_count` of them).
 * Infers their shapes through layer->infer; errors name operator and node. `out` (may be NULL) is
 * the node's index; the ids of its results stand in graph->nodes[*out].outputs. */
ln_status ln_graph_add_node(ln_graph *graph, const ln_layer *layer, const char *operator_name,
                            const char *name, const void *attributes, const int *inputs,
                            int input_count, const char *const *outputs, int output_count, int *out,
                            ln_error *err);
ln_status ln_graph_add_output(ln_graph *graph, int value, ln_error *err);

int ln_graph_find_value(const ln_graph *graph, const char *name); /* id or -1 */
int ln_graph_find_node(const ln_graph *graph, const char *name);  /* index or -1 */
/* What `layer =` of a script means: a node's name (its first output), else a node's number, else a
 * value's name. The value's id; LN_EINVALID with the nearest name as a hint where there is none, and
 * where it is a constant or made from constants alone. */
ln_status ln_graph_find_layer(const ln_graph *graph, const char *name_or_number, int *value,
                              ln_error *err);
/* The only node that reads a value; NULL where there are several or none. */
const ln_node *ln_graph_only_reader(const ln_graph *graph, int value);
/* Whether `to` depends on value `from`; with `without` >= 0 by a way that does not lead through that
 * value. */
ln_status ln_graph_depends(const ln_graph *graph, int to, int from, int without, bool *out,
                           ln_error *err);
/* Over structure, attributes and weights: the model's identity. */
ln_status ln_graph_sha256(const ln_graph *graph, uint8_t digest[LN_SHA256_BYTES], ln_error *err);
/* The structure (no weights) as canonical JSON, keys in order, for the store and `lunette show`:
 * {"inputs":[{"name","shape"}],"nodes":[{"attributes":{..},"inputs":[..],"layer","name","operator",
 * "outputs":[..],"parameters":n,"shape":[..]}],"outputs":[..],"parameters":n}; null stands for the
 * rows and for an absent input. Caller frees with ln_free. */
ln_status ln_graph_json(const ln_graph *graph, char **out, ln_error *err);

#endif
