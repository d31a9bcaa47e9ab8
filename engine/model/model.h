/* A model: what explainers, metrics and judges see of a network (later also of trees and black
 * boxes). Its inputs are rows of `width` float32 numbers in encoded space: all inputs of the graph,
 * flattened and side by side. Its outputs are `output_count` numbers a row. */
#ifndef LN_MODEL_H
#define LN_MODEL_H

#include "data/encoding.h"
#include "graph/plan.h"
#include "graph/rule.h"
#include "kernels/cascade.h"
#include "lunette.h"

/* On which scale the model is explained or judged (contract, section 2). */
typedef enum ln_link { LN_LINK_RAW, LN_LINK_LOGIT, LN_LINK_PROBABILITY, LN_LINK_LOSS } ln_link;
#define LN_LINK_CHOICES "raw|logit|probability|loss"

typedef enum ln_task { LN_TASK_CLASSIFICATION, LN_TASK_REGRESSION } ln_task;

/* What a black box calls in place of a network's layers. */
typedef struct ln_callback {
    /* x (rows, inputs) -> out (rows, outputs); NULL: the model is no black box. LN_ECALLBACK: the
     * caller that made it keeps the error. */
    ln_status (*run)(void *context, const float *x, int64_t rows, float *out, ln_error *err);
    void (*release)(void *context); /* may be NULL */
    void *context;                  /* owned by the model */
    int64_t inputs, outputs;        /* numbers a row */
    bool probabilities;             /* the outputs are: one a class, or that of class 1 */
} ln_callback;

struct ln_model {
    int references;
    char *format;            /* "network" (declared), "onnx", "blackbox" */
    ln_callback callback;    /* of a black box; its graph is what follows the function */
    char *callback_identity; /* what stands for the function in the hash, or NULL */
    ln_graph *graph;
    bool fast;           /* numerics "fast": its functions' passes may be less exact */
    ln_profile *profile; /* gets the times of this model's passes; borrowed, or NULL */
    size_t keep_bytes; /* functions and runners are kept between calls, so much of them; 0: none */
    struct ln_kept *kept;  /* those */
    ln_encoding *encoding; /* owned, or NULL: the inputs are the features */
    ln_task task;
    int64_t width; /* encoded numbers a row, all inputs together */
    int input_count;
    int64_t *input_offset;           /* input_count + 1 entries: where each input starts in a row */
    bool *held;                      /* input_count entries: see ln_model_hold */
    bool holds;                      /* whether some input is held */
    int output_value;                /* value id that is the model's output (N, ...) */
    int64_t output_count;            /* numbers a row at the output */
    int64_t class_count;             /* outputs, 2 for a one-output classifier, 0 for regression */
    uint8_t sha256[LN_SHA256_BYTES]; /* graph, weights, encoding, chosen output */
};

/* `output`: the graph's output by name, NULL: the only one (else LN_EINVALID listing them). Takes
 * over `encoding` (may be NULL) also when it fails. Checks that the width matches the encoding. */
ln_status ln_model_new(const char *format, ln_graph *graph, const char *output,
                       ln_encoding *encoding, ln_task task, ln_model **out, ln_error *err);
ln_model *ln_model_retain(ln_model *model);
void ln_model_release(ln_model *model);
ln_status ln_model_rehash(ln_model *model, ln_error *err); /* after training; forgets too */
/* Functions kept of it go: its weights will change, or nobody will ask for a while. */
void ln_model_forget(ln_model *model);
/* A good keep_bytes: LN_KEEP_BYTES, at most an eighth of a memory limit. */
#define LN_KEEP_BYTES ((size_t)256 << 20)
size_t ln_model_keep_bytes(void);

/* The axis of a row of this shape that holds channels, or -1: the first of three axes or more; of two axes the
 * first where the model begins with a layer of one spatial axis (conv1d), the second where it begins with a
 * recurrent layer, else none: an image (H, W). */
int ln_model_channel_axis(const ln_model *model, const ln_shape *row);

/* Inputs of whole numbers (token ids, indices) beside inputs of real ones are held: what explains or judges
 * moves only the others. This gives `row`, made to stand in x's place, x's own numbers there. */
void ln_model_hold(const ln_model *model, const float *x, float *row);
/* Whether all inputs are whole numbers: then none is held, and there is nothing between two rows. The error of a method
 * that needs points in between. */
ln_status ln_model_check_real(const ln_model *model, const char *hint, ln_error *err);
/* References of rows of x (N, width): the tensor itself, or where the model holds inputs, one row a row of x
 * with that row's numbers there. references: (1, width) or (N, width), NULL for zeros. Caller releases. */
ln_status ln_model_references(const ln_model *model, const ln_tensor *x, ln_tensor *references,
                              ln_tensor **out, ln_error *err);

/* A target on a link: the number explained is offset + scale * output[index]. For a one-output
 * classifier class 1 is the output and class 0 its negative (1 - p where that is a probability: on
 * the probability link, and on the raw one of a model that ends in a sigmoid). */
typedef struct ln_target {
    int64_t index;        /* which output */
    double scale, offset; /* 1, 0 but for class 0 of a one-output classifier */
} ln_target;
ln_status ln_model_target(const ln_model *model, ln_link link, int64_t target, ln_target *out,
                          ln_error *err); /* LN_EINVALID: out of range, with the range */
/* The number explained of one row, whose outputs begin at `output`. */
static inline double ln_target_value(const ln_target *target, const float *output)
{
    return target->offset + target->scale * (double)output[target->index];
}

/* The pool to spread the model's passes over: none for a black box, which is called on the thread that
 * asks for it. */
ln_pool *ln_model_pool(const ln_model *model, ln_pool *pool);

/* A runner evaluates the model on one link inside one worker; it owns an execution. Make one
 * ln_function a job (it holds the plans) and one runner a worker. */
typedef struct ln_function ln_function;
typedef struct ln_runner ln_runner;
typedef struct ln_kept ln_kept;

typedef struct ln_function_options {
    ln_link link;
    int64_t rows;                  /* of one pass; a call with more takes several passes */
    bool gradient;                 /* ln_runner_gradient will be called */
    const ln_composite *composite; /* rules for the backward pass, or NULL */
    const int *layer; /* the value that ln_runner_layer looks at (ln_model_layer), or NULL; with it
                         there are no gradients of inputs, and without `gradient` no outputs */
    const int
        *behind; /* rows are numbers of this value (ln_model_first_dense) in place of inputs; for
                          ln_runner_forward only. NULL: they are inputs */
    const int *explained; /* a hidden value in place of the outputs, whatever the link; or NULL */
} ln_function_options;

/* A dense layer that all of a model's input goes through before anything else looks at it. */
typedef struct ln_first_dense {
    const float
        *weight; /* of the model: (outputs, inputs), or (inputs, outputs); NULL: no such layer */
    const float *bias;       /* (outputs), or NULL */
    bool in_out;             /* the weight is stored (inputs, outputs) */
    int64_t inputs, outputs; /* numbers a row */
    bool cut;                /* relu is all that reads its results */
    int value;               /* its results, of relu where that follows, in the model's graph */
} ln_first_dense;
ln_status ln_model_first_dense(const ln_model *model, ln_link link, ln_first_dense *out,
                               ln_error *err);

/* The layers of a function behind a first dense layer (options->behind, `cut` as it is there), if they are all
 * dense with activations that kernels/cascade.h knows; out->layers is NULL where they are not. Caller frees
 * with ln_cascade_free, also after an error. */
ln_status ln_model_cascade(ln_model *model, const ln_function_options *options, bool cut,
                           ln_cascade *out, ln_error *err);

/* What `layer =` of a script means in the model: a value with float32 rows (ln_graph_find_layer). */
ln_status ln_model_layer(const ln_model *model, const char *name_or_number, int *value,
                         ln_error *err);
/* The model with one more input, the last: the numbers of value `value` (ln_model_layer), which all that
 * read it read from there. It has no encoding; the caller releases. */
ln_status ln_model_cut(const ln_model *model, int value, ln_model **out, ln_error *err);
/* The model with the weights of layers drawn anew (dense, convolutions): those of the one that makes value
 * `layer` and of others by the order, or of all (layer < 0). LN_EINVALID where that one has none. Values keep
 * their numbers; it has no encoding; the caller releases. */
#define LN_RANDOMISE_ORDERS "top_down|bottom_up|independent"
typedef enum ln_randomise {
    LN_RANDOMISE_TOP_DOWN,  /* and of all layers behind it, to the output */
    LN_RANDOMISE_BOTTOM_UP, /* and of all layers before it, to the input */
    LN_RANDOMISE_ALONE
} ln_randomise;
ln_status ln_model_randomise(const ln_model *model, int layer, ln_randomise order, uint64_t seed,
                             ln_model **out, ln_error *err);
/* The graph with what the link adds (softmax, sigmoid, loss) or leaves off, planned. Errors say
 * why a link is not defined here. On LN_LINK_LOSS output c is the loss if c were the label. */
ln_status ln_function_new(ln_model *model, const ln_function_options *options, ln_function **out,
                          ln_error *err); /* retains the model; borrows the options for the call */
void ln_function_free(ln_function *function);
int64_t ln_function_outputs(const ln_function *function); /* numbers a row */
/* Whether all that the explained output takes from the inputs goes through the layer. */
ln_status ln_function_layer_cuts(const ln_function *function, bool *out, ln_error *err);
ln_status ln_runner_new(const ln_function *function, ln_runner **out, ln_error *err);
void ln_runner_free(ln_runner *runner);
int64_t ln_runner_nanoseconds(const ln_runner *runner); /* with a profile: of its passes so far */
/* From now on the pool's workers share the rows of a call, where these take longer than a worker takes to wake; bits
 * stay what they are, as a row does not feel the others. NULL: no more. Not for functions behind a value, nor where
 * rules take rows in pairs. The caller must not run in the pool himself. */
ln_status ln_runner_share(ln_runner *runner, ln_pool *pool, ln_error *err);
/* x (rows, width) -> out (rows, outputs). */
ln_status ln_runner_forward(ln_runner *runner, const float *x, int64_t rows, float *out,
                            ln_error *err);
/* The same for rows whose outputs alone are wanted, again and again perhaps: rows that are alike are passed once, and
 * of a model that keeps functions not at all if one of them did before (model/known.h). Bits are those of a pass. */
ln_status ln_runner_outputs(ln_runner *runner, const float *x, int64_t rows, float *out,
                            ln_error *err);
/* Of a function behind a value: where the next pass of so many rows is read from. What is put there need
 * not be copied: ln_runner_forward takes this place as x. */
float *ln_runner_place(ln_runner *runner, int64_t rows);
/* x (rows, width), one target a row -> the explained numbers (rows; may be NULL) and their
 * gradient (rows, width), by the rules of the function's composite. */
ln_status ln_runner_gradient(ln_runner *runner, const float *x, const ln_target *targets,
                             int64_t rows, double *value, float *gradient, ln_error *err);

/* The same with a composite of relevance (rule.h): relevance (rows, width) that starts from scale *
 * output, and what the rules lost of it, one number a row (`absorbed`, may be NULL). */
ln_status ln_runner_relevance(ln_runner *runner, const float *x, const ln_target *targets,
                              int64_t rows, double *value, float *relevance, double *absorbed,
                              ln_error *err);

/* The layer's numbers (rows, its width) at x and, with targets, the explained numbers and their gradient
 * by the layer (rows, its width). Without targets (NULL) `value` and `gradient` are not written. */
ln_status ln_runner_layer(ln_runner *runner, const float *x, const ln_target *targets, int64_t rows,
                          double *value, float *layer, float *gradient, ln_error *err);

/* Whole tensors: x (N, width) -> (N, outputs) f32 on the link, in chunks over the pool. */
ln_status ln_model_forward(ln_model *model, ln_link link, const ln_tensor *x, ln_pool *pool,
                           ln_tensor **out, ln_error *err);

/* What metrics and judges read: class probabilities (N, class_count), by final softmax/sigmoid as it
 * is, else softmax for two or more outputs, sigmoid for one; for regression the outputs. f64. */
ln_status ln_model_scores(ln_model *model, const ln_tensor *x, ln_pool *pool, ln_tensor **out,
                          ln_error *err);

/* Rows of a pass at most: LN_CHUNK_ROWS; fewer, but LN_LEAST_CHUNK_ROWS, where an execution of that many
 * would leave the second cache; fewer still where its values would be larger than some 128 MB (64 MB
 * where convolutions run on tiles), one at least. It depends on graph and instruction set alone. */
#define LN_CHUNK_ROWS 64
#define LN_LEAST_CHUNK_ROWS 8
int64_t ln_model_chunk_rows(const ln_model *model);
/* `count` items of `rows` rows each (no more than a pass holds) in chunks that so many threads take: the items
 * of one, so that all chunks have about the same size and every thread as many of them. Idle threads are given
 * chunks of fewer rows than LN_LEAST_CHUNK_ROWS too, where these are work enough to wake a thread for; items
 * of large rows come one by one then, unless there are enough for convolutions with many weights to gain by
 * it: they take less memory. For
 * results that stand a row each, whose bits do not depend on it: sums over chunks must not be cut by this. */
int64_t ln_model_chunk(const ln_model *model, int64_t count, int64_t rows, int threads);

#endif
