/* Inside graph/: what plan.c decides, prepare.c makes and exec.c runs. */
#ifndef LN_PLAN_INTERNAL_H
#define LN_PLAN_INTERNAL_H

#include "graph/plan.h"

#define LN_NOWHERE ((size_t)-1) /* an offset: not there */

/* What becomes of the gradient that a node sends to one of its inputs. */
typedef enum ln_send {
    LN_SEND_NOTHING,
    LN_SEND_WRITE,
    LN_SEND_ADD,
    /* Of sums with a rest (ln_composite.rests), what rounding takes: it is written, added to, added to and then
     * added to the sum. */
    LN_SEND_ADD_FIRST,
    LN_SEND_ADD_MORE,
    LN_SEND_ADD_LAST
} ln_send;

/* One node of the graph in the plan; nodes that are not needed have run = false. */
typedef struct ln_planned {
    ln_step step;
    bool run;             /* in the forward pass */
    bool back;            /* its gradient is passed on */
    bool train;           /* its parameters' gradients are wanted */
    const ln_rule *rule;  /* in place of the layer's backward: own_rule; or NULL */
    ln_rule own_rule;     /* a copy of the composite's */
    ln_variant *variants; /* the rule's, or NULL */
    ln_send *send;        /* one an input */
    size_t
        *aside; /* from LN_SEND_ADD on: offset in the arena where the gradient is written first */
    size_t statistics_at, back_statistics_at; /* of a batch; LN_NOWHERE: the layer has none */
} ln_planned;

struct ln_plan {
    ln_graph *graph;     /* retained */
    ln_profile *profile; /* borrowed, or NULL */
    int64_t rows;
    bool backward;          /* ln_exec_backward may be called */
    bool ruled;             /* there was a composite: */
    ln_composite composite; /* as it was, but for its context */
    bool training;
    bool fast;           /* as ln_plan_options has it */
    bool last;           /* as ln_plan_options has it */
    bool sleeps;         /* the same */
    const ln_plan *like; /* the same */
    ln_shape *shapes;    /* one a value, concrete */
    ln_shape *operands;  /* shapes of all nodes' inputs and outputs, what steps point into */
    ln_send *sends;      /* what ln_planned.send points into */
    size_t *asides;      /* what ln_planned.aside points into */
    ln_planned *nodes;   /* one a node of the graph, in its order */
    ln_tensor **fixed;   /* one a value: results made from constants alone, else NULL */
    bool *wanted;        /* one a value: seeds are its */
    bool *passed;        /* one a node, for the composite's assign: gradients pass it */
    bool *carries;       /* one a value: gradients pass through it */
    size_t *value_at; /* one a value: offset in the arena, LN_NOWHERE: a constant or not needed */
    size_t *grad_at;  /* one a value: offset of its gradient */
    size_t *rest_at;  /* one a value: offset of the rest of that sum, LN_NOWHERE: it has none */
    size_t parameters_at, parameters_bytes; /* gradients of trainable constants */
    size_t scratch_at;
    size_t absorbed_at; /* double a row, of relevance; LN_NOWHERE: not wanted */
    size_t bytes;       /* of the arena of an execution */
};

/* Whether a plan computes the node once. */
static inline bool ln_node_is_fixed(const ln_graph *graph, const ln_node *node)
{
    return graph->values[node->outputs[0]].fixed;
}

/* The next place in an arena, 64-aligned. One that would be too large for any memory stays so: it is
 * refused when it is to be made. */
size_t ln_plan_take(size_t *used, size_t bytes);

/* Where values (those that are `placed`) and gradients lie, see place.c; `gradients` were asked for. */
ln_status ln_plan_place(ln_plan *plan, const bool *placed, const int *gradients, int gradient_count,
                        ln_error *err);

/* Prepares every node that runs and computes those that are fixed. */
ln_status ln_plan_prepare(ln_plan *plan, ln_error *err);

/* The constants' data among a node's inputs, NULL for the others (room for input_count). */
void ln_plan_constants(const ln_plan *plan, const ln_node *node, const void **out);

/* The variants of a node that a rule computes with, once; and the scratch of the layer, theirs too: a
 * rule's own begins behind it. */
ln_status ln_plan_make_variants(ln_plan *plan, ln_planned *planned, ln_error *err);
void ln_plan_free_variants(const ln_plan *plan, ln_planned *planned);
size_t ln_plan_layer_scratch(const ln_planned *planned);

#endif
