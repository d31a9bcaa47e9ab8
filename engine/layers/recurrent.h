/* Inside layers/: what lstm, gru and rnn share. A cell says what one step does; recurrent.c runs it over
 * the steps of one direction after the other, forward and backward through time.
 *
 * Sizes: T steps, S sequences (the rows, times a batch within them), F inputs, H hidden units, G numbers
 * a gate row (gates times H), M = S T. Arrays of M rows are in the order of the input. */
#ifndef LN_LAYERS_RECURRENT_H
#define LN_LAYERS_RECURRENT_H

#include "kernels/kernels.h"
#include "layers/operand.h"

enum { LN_RECURRENT_PARTS = 2 };

/* What goes back through the steps in place of gradients, for rules (explainers/common/recurrent_rules.h). */
typedef struct ln_steps_rule {
    bool
        pairs; /* multipliers: rows are pairs, inputs in the first half of the pass and what they are
                          compared with in the second; what goes back stands in the first half */
    double epsilon;    /* else relevance: stabiliser of the weighted sums */
    double stabiliser; /* and of the sums that make a state of two */
    float *kept;       /* room for ln_steps_kept numbers */
} ln_steps_rule;

/* One direction in work. */
typedef struct ln_steps {
    const ln_pass *pass;
    const struct ln_cell *cell;
    int direction;                      /* 0, or 1: the second of both */
    bool backwards;                     /* from the last step to the first */
    int64_t steps, sequences, batch;    /* T, S, and the batch within a row (1: none) */
    int64_t inputs, hidden_size, gates; /* F, H, G */
    bool batch_first;                   /* within a row: (batch, steps), else (steps, batch) */
    const int64_t *lengths;             /* one a batch element; NULL: all steps */
    const float *peephole;              /* (3, H): input, forget, output; or NULL */
    float *gate;                        /* (M, G): x W^T + b, then what the cell keeps there */
    float *before, *cell_before;        /* (M, H): states before the step */
    float *extra;                       /* (M, H): the cell's */
    float *hidden, *memory;             /* (S, H): states */
    float *part;                        /* (S, G) */
    float *d_hidden, *d_memory;         /* (S, H) */
    float *d_gate, *d_back;             /* (M, G): gradients of x W^T + b and of h W^T + b */
    float *product;                     /* (M, F) or (S, H): for sums */
    float *copy;                        /* (M, H): of one gate's gradients */
    void *scratch;                      /* of the kernels */
    const ln_steps_rule *rule;          /* NULL: gradients go back */
    float *kept;     /* (M, G): of a rule, W x + b + U h + d before the functions */
    int64_t partner; /* rows of M from a pair's first to its second */
    ln_error *err;
    ln_status status;
} ln_steps;

/* Rows of the recurrent weight that are multiplied together. */
typedef struct ln_cell_part {
    int first, count; /* gates */
} ln_cell_part;

typedef struct ln_cell {
    int gates;
    bool memory; /* a second state */
    int parts;
    ln_cell_part part[LN_RECURRENT_PARTS];
    void (*forward)(ln_steps *w, int64_t t);  /* hidden, memory: to those after the step */
    void (*backward)(ln_steps *w, int64_t t); /* d_hidden, d_memory: to those before the step;
                                                 writes d_gate and d_back */
    /* The same for multipliers and for relevance: of the states, and of the sums that the gates are made of,
     * relevance divided by them. */
    void (*contrast)(ln_steps *w, int64_t t);
    void (*relevance)(ln_steps *w, int64_t t);
    /* What a gate's recurrent weight is multiplied with, (M, H); NULL: the state before. */
    const float *(*operand)(const ln_steps *w, int gate);
    void (*peephole)(const ln_steps *w, float *to); /* adds its gradient; NULL: it has none */
} ln_cell;

/* Row of the arrays of M rows. */
static inline int64_t ln_step_at(const ln_steps *w, int64_t s, int64_t t)
{
    const int64_t row = s / w->batch, b = s % w->batch;
    return w->batch_first ? (row * w->batch + b) * w->steps + t
                          : (row * w->steps + t) * w->batch + b;
}

/* Whether sequence s has a step t; where not, its states stay. */
static inline bool ln_step_active(const ln_steps *w, int64_t s, int64_t t)
{
    return !w->lengths || t < w->lengths[s % w->batch];
}

/* The number kept between -clip and clip, and whether a gate's value is that of such an end. */
static inline float ln_step_clipped(float x, float clip)
{
    return clip > 0 ? (x > clip ? clip : x < -clip ? -clip : x) : x;
}
static inline float ln_step_open(float value, float clip, float (*function)(float))
{
    return clip > 0 && (value == function(clip) || value == function(-clip)) ? 0 : 1;
}

/* out (S, count H) = h (S, H) W_part^T + b_part, and out (S, H) = d (S, count H) W_part. */
void ln_steps_multiply(ln_steps *w, int part, const float *h, float *out);
void ln_steps_multiply_back(ln_steps *w, int part, const float *d, float *out);

/* Notes sums before their functions, where a rule wants them: `count` from number `first` on of row m. */
static inline void ln_steps_keep(ln_steps *w, int64_t m, int64_t first, int64_t count,
                                 const float *gate, const float *part)
{
    for (int64_t k = 0; k < count && w->kept; k++)
        w->kept[m * w->gates + first + k] = gate[k] + part[k];
}

/* Slopes of the gates' functions between the two of a pair, x and b before the bound `clip`. */
double ln_step_secant_sigmoid(double x, double b, double clip);
double ln_step_secant_tanh(double x, double b, double clip);
double ln_step_secant_relu(double x, double b, double clip);
/* z, kept from 0 by e: z + e or z - e. */
static inline double ln_step_stabilised(double z, double e)
{
    return z >= 0 ? z + e : z - e;
}

/* The layer's own backward pass, or with a rule that of multipliers or relevance. The cell of a node. */
const ln_cell *ln_recurrent_cell(const struct ln_node *node);
int64_t ln_steps_kept(const ln_step *step);
ln_status ln_recurrent_back(const ln_pass *pass, const ln_cell *cell, const ln_steps_rule *rule,
                            ln_error *err);
extern const ln_cell ln_cell_lstm, ln_cell_gru, ln_cell_rnn;

/* What the three descriptors are made of. */
ln_status ln_recurrent_parameters(const void *attributes, const ln_cell *cell, const ln_shape *in,
                                  ln_layer_parameter *out, int *count, ln_error *err);
ln_status ln_recurrent_types(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_dtype *in, ln_dtype *out, ln_error *err);
ln_status ln_recurrent_infer(const struct ln_graph *graph, const struct ln_node *node,
                             const ln_cell *cell, const ln_shape *in, ln_shape *out, ln_error *err);
ln_status ln_recurrent_prepare(ln_step *step, const ln_cell *cell, const void *const *constant,
                               ln_error *err);
void ln_recurrent_release(ln_step *step);
ln_status ln_recurrent_forward(const ln_pass *pass, const ln_cell *cell, ln_error *err);

#endif
