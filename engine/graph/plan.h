/* A plan binds a graph to a chunk of rows: concrete shapes, which nodes run, packed weights, where
 * each value lives. It is made once and shared by all workers; an execution (one a worker) holds
 * the buffers, so that nothing is allocated in the loop. A pass may have fewer rows than the plan:
 * the bits of a row never depend on its neighbours.
 *
 *     ln_plan_new -> ln_exec_new (one a worker) -> fill ln_exec_input -> ln_exec_forward
 *     -> ln_exec_value -> fill ln_exec_seed -> ln_exec_backward -> ln_exec_gradient */
#ifndef LN_PLAN_H
#define LN_PLAN_H

#include "graph/graph.h"
#include "graph/profile.h"
#include "graph/rule.h"

typedef struct ln_plan_options {
    int64_t rows;      /* rows of one pass, >= 1 */
    const int *values; /* values wanted after forward (ids); NULL: the outputs */
    int value_count;
    const int *gradients;          /* values whose gradient is wanted after backward; may be inputs
                                      or results of nodes */
    int gradient_count;            /* 0: no backward, unless in training */
    const ln_composite *composite; /* rules, borrowed for the call, or NULL */
    bool fast;                     /* numerics "fast", as ln_step has it */
    bool training;                 /* dropout active; gradients of trainable constants wanted */
    bool last;   /* no other plan of this graph will be made but like this one: constants that
                                      only the graph holds are given back where packed weights do */
    bool sleeps; /* with `last`: others hold these constants, but wake what they read
                                      (tensor/tensor.h); they sleep where packed weights do */
    const ln_plan
        *like; /* another plan of this graph, of the same rules and gradients, that stays longer:
                                      what depends on no rows is not made again; or NULL */
    ln_profile *profile; /* gets the times of executions; borrowed, or NULL */
} ln_plan_options;

typedef struct ln_exec ln_exec;

ln_status ln_plan_new(ln_graph *graph, const ln_plan_options *options, ln_plan **out,
                      ln_error *err); /* retains the graph; caller frees */
void ln_plan_free(ln_plan *plan);
/* After training changed the constants: packs the weights again. */
ln_status ln_plan_refresh(ln_plan *plan, ln_error *err);
/* Whether this composite, once more, would make of the plan's graph what the plan is: the same rules with the
 * same parameters at the same nodes. NULL: no rules. */
bool ln_plan_follows(const ln_plan *plan, const ln_composite *composite);
bool ln_plan_couples_rows(const ln_plan *plan); /* in training: some layer's statistics do */
size_t ln_plan_exec_bytes(const ln_plan *plan); /* memory of one execution */

ln_status ln_exec_new(const ln_plan *plan, ln_exec **out, ln_error *err);
void ln_exec_free(ln_exec *exec);
int64_t ln_exec_nanoseconds(
    const ln_exec *exec); /* with a profile: of all its passes so far; else 0 */
void *ln_exec_input(ln_exec *exec, int input); /* buffer of the i-th graph input */
ln_status ln_exec_forward(ln_exec *exec, int64_t rows, ln_error *err); /* rows <= the plan's */
const void *ln_exec_value(const ln_exec *exec, int value);
/* Gradient of the explained number with respect to `value` (one of options.values): to be filled
 * before backward; it is zero after forward. Backward adds to it what other outputs send through
 * the value, so each backward needs a forward before it. */
float *ln_exec_seed(ln_exec *exec, int value);
ln_status ln_exec_backward(ln_exec *exec, ln_error *err);
const float *ln_exec_gradient(const ln_exec *exec, int value);
/* Of a composite of relevance, after backward: what its rules lost, one sum a row; else NULL. */
const double *ln_exec_absorbed(const ln_exec *exec);
/* Training: gradient of a trainable constant, summed over the rows of the pass; zeroed by
 * ln_exec_forward. seed, number, first_row as in ln_pass. */
float *ln_exec_parameter_gradient(ln_exec *exec, int value);
/* Training in parts, for graphs in which rows see each other (batch normalisation): the rows of a
 * batch are spread over several executions of a plan, which go forward (or back) together from one
 * such node to the next. Forward starts after ln_exec_begin `from` -1, backward after the seeds are
 * filled `from` the number of nodes. A stretch ends at *stop: a node whose statistics of this part
 * are collected, or, at the end of the graph, the number of nodes (backward: -1). Before the next
 * stretch, `from` *stop, the statistics of every part must be replaced by their sum over all parts.
 * ln_exec_forward and ln_exec_backward are these stretches of a single part. */
void ln_exec_begin(ln_exec *exec, int64_t rows);
ln_status ln_exec_forward_part(ln_exec *exec, int from, int *stop, ln_error *err);
ln_status ln_exec_backward_part(ln_exec *exec, int from, int *stop, ln_error *err);
/* The statistics of a node (forward's or backward's) and how many; NULL where it has none. */
double *ln_exec_statistics(ln_exec *exec, int node, bool backward, int64_t *count);
void ln_exec_training(ln_exec *exec, uint64_t seed, uint64_t number, int64_t first_row);

#endif
