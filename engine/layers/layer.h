/* What a layer is: shape inference, forward, the vector-Jacobian product to its inputs, and the
 * gradient of its parameters. One VJP a layer serves every method: a rule (graph/rule.h) calls it
 * with other inputs, weights or gradients in place. A file a family; layers.c holds the table.
 *
 * Tensors inside a pass are plain row-major buffers (a later plan may choose blocked layouts: only
 * kernels/ and the layer see that). Row r of a result may depend on row r of the inputs alone, and
 * its bits on nothing else: not on the number of rows, not on their place. */
#ifndef LN_LAYER_H
#define LN_LAYER_H

#include "base/param.h"
#include "base/rng.h"
#include "lunette.h"
#include "tensor/tensor.h"

struct ln_node;
struct ln_graph;
struct ln_variant;

/* One node in a plan: concrete shapes and what `prepare` made (packed weights ...). Shared, read
 * only, by all workers. */
typedef struct ln_step {
    const struct ln_graph *graph;
    const struct ln_node *node;
    const ln_shape *in_shape;  /* one an input, concrete */
    const ln_shape *out_shape; /* one an output, concrete */
    int64_t rows;              /* rows of the plan's chunk */
    bool gradient;             /* backward will be called */
    int index;                 /* the node's place in the graph: keys the draws of dropout */
    bool fast;                 /* numerics "fast": products may be made of fewer, less exact */
    bool ruled;                /* a rule computes backward: passes may have other weights */
    bool training;             /* dropout is active; backward_parameters will be called */
    /* The same node's step in another plan of the graph with the same rules, for other rows; or NULL. What
     * `prepare` made there stays longer than this, and may be used here as well: it is not packed again. */
    const struct ln_step *like;
    void *prepared;       /* made by prepare, freed by release */
    size_t scratch_bytes; /* scratch that prepare asks for, a worker */
    int64_t statistics;   /* training: numbers of a batch that prepare asks for; 0: none */
    bool packed; /* of prepare: passes read nothing of constant input 1, nor would prepare with
                                  `like`: its data may be gone by then */
    /* For prepare: constant input 1 may be asleep (tensor/tensor.h; its data are NULL then), and the packed form
     * that it has serve the step as well. Else prepare wakes it. Passes will not see its data. */
    bool shares;
    double operations; /* for a profile: floating-point operations of a row's products, each way */
    const char *kernels[2]; /* for a profile: what computes forward and backward; or NULL */
} ln_step;

/* What one execution of a step sees. */
typedef struct ln_pass {
    const ln_step *step;
    int64_t rows;                 /* rows of this pass, <= step->rows. Buffers hold step->rows rows;
                                     what stands in the others means nothing and need not be
                                     computed (but may be) */
    const void *const *in;        /* values of the inputs; a rule may put others in place */
    void *const *out;             /* forward: to be written; backward: what forward wrote */
    const float *const *out_grad; /* backward: gradient of each output; never NULL */
    float *const *in_grad;        /* backward: to be WRITTEN; NULL where nobody wants it. As a
                                     constant input's entry (backward_parameters): to be ADDED to */
    void *scratch;                /* step->scratch_bytes, 64-aligned */
    uint64_t seed;                /* training: for dropout */
    uint64_t number;              /* training: the optimizer's step */
    int64_t first_row;            /* training: place of the first row in the batch */
    double *statistics;           /* training: step->statistics numbers, see ln_layer.collect */
    double *back_statistics;      /* the same for backward */
    const struct ln_variant *variants; /* of a rule: the node with other constants (graph/rule.h) */
    void *rule_scratch;                /* of a rule: as many bytes as it asked for, 64-aligned */
    double *absorbed;                  /* of relevance: what rules lost, one sum a row; or NULL */
} ln_pass;

#define LN_LAYER_LINEAR 1u     /* linear in its first input given the parameters (dense, conv) */
#define LN_LAYER_ACTIVATION 2u /* elementwise, one input, no parameters (relu, tanh ...) */
#define LN_LAYER_INTERNAL 4u   /* no word of the language: made by imports and links only */
#define LN_LAYER_SHAPE 8u      /* moves or reinterprets elements only (flatten, reshape) */
#define LN_LAYER_IN_PLACE_GRAD 16u /* backward needs the outputs only, not the inputs */

/* A parameter of a declared layer, and how it starts: at `start`, or uniform in start +- bound, or
 * normal around it. */
typedef struct ln_layer_parameter {
    const char *name; /* "weight" */
    ln_shape shape;
    double bound;
    double start;
    bool normal;   /* drawn normal, with the deviation `bound` */
    bool constant; /* not trained by gradients (running statistics) */
    bool absent;   /* not made: the node's input is missing */
} ln_layer_parameter;
#define LN_MOST_PARAMETERS 8

typedef struct ln_layer {
    ln_word word; /* name, summary, formula, source, script parameters; .params_size is
                               the size of the attribute struct */
    unsigned flags;
    int min_inputs, max_inputs; /* -1: any number */
    /* What a script cannot set but a node has (how a file stores the weights ...): described as
     * parameters are, in the same struct, so that it is part of the identity; NULL: nothing. */
    const ln_param *stored;
    /* The parameters of a declared layer on an input of shape `in` (rows first, -1); they become the
     * node's inputs after the value itself. NULL: it has none. */
    ln_status (*parameters)(const void *attributes, const ln_shape *in, ln_layer_parameter *out,
                            int *count, ln_error *err);
    /* Types of the results from those of the inputs (absent ones: f32). `out` is f32 before the call.
     * NULL: every input is f32, which the graph checks, and so is every result. */
    ln_status (*types)(const struct ln_graph *graph, const struct ln_node *node, const ln_dtype *in,
                       ln_dtype *out, ln_error *err);
    /* Output shapes from input shapes; -1 passes through. Checks everything about shapes. */
    ln_status (*infer)(const struct ln_graph *graph, const struct ln_node *node, const ln_shape *in,
                       ln_shape *out, ln_error *err);
    /* Packs weights, asks for scratch; again, with `prepared` set, after training changed constants.
     * `constant` holds the data of inputs that never change in a pass (NULL for others). May be
     * NULL. */
    ln_status (*prepare)(ln_step *step, const void *const *constant, ln_error *err);
    void (*release)(ln_step *step); /* may be NULL; also after a failed prepare */
    ln_status (*forward)(const ln_pass *pass, ln_error *err);
    ln_status (*backward)(const ln_pass *pass, ln_error *err);
    ln_status (*backward_parameters)(const ln_pass *pass, ln_error *err); /* NULL: none trains */
    /* A layer whose rows see each other in training (batch normalisation), and there only. Before
     * forward, `collect` writes sums over the rows of its pass to pass->statistics; they are added
     * up over the parts of a batch, in their order, and every part's forward and backward reads the
     * total. collect_backward does the same with pass->back_statistics before backward. `settle`
     * takes a batch's totals into the constants (running statistics). NULL: rows stay apart. */
    ln_status (*collect)(const ln_pass *pass, ln_error *err);
    ln_status (*collect_backward)(const ln_pass *pass, ln_error *err);
    void (*settle)(const struct ln_graph *graph, const struct ln_node *node,
                   const double *statistics);
} ln_layer;

/* All layers, NULL-terminated, and by name (NULL when there is none). Attribute structs stand in
 * layers/attributes.h. */
extern const ln_layer *const ln_layers[];
const ln_layer *ln_layer_find(const char *name);

#endif
