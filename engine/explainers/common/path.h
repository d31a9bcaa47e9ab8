/* The straight path from a row's baseline to the row, for methods that sum something along it. An item
 * is a stream of rows, the nodes of a quadrature (common/quadrature.h) in their order; streams fill whole
 * passes. The row itself is passed forward for its output, and its baseline where every row has its own;
 * where one baseline serves all rows its output is computed once.
 *
 * Cost: `nodes` forward and backward passes a row and one forward, one more where baselines differ. */
#ifndef LN_EXPLAINERS_PATH_H
#define LN_EXPLAINERS_PATH_H

#include "explainers/common/quadrature.h"
#include "explainers/explainer.h"

/* What is done at a node: `state` is the item's, state_width numbers, zero before the first node. */
typedef struct ln_path_node {
    int64_t number;        /* 0 .. nodes - 1 */
    double weight;         /* of the quadrature */
    const float *layer;    /* LN_TAKES_LAYER: the layer's numbers there; else NULL */
    const float *gradient; /* of the explained number by the layer, or by the inputs */
} ln_path_node;

typedef struct ln_path_method {
    void (*add)(const ln_job *job, const ln_path_node *node, double *state);
    /* Writes the values of item `item` of the request once all nodes are added. */
    void (*finish)(const ln_job *job, int64_t item, const double *state, float *values);
} ln_path_method;

typedef struct ln_path_options {
    ln_quadrature rule;
    int64_t nodes;        /* of the quadrature */
    bool baseline_output; /* is recorded */
    int64_t state_width;  /* numbers of the state */
} ln_path_options;

/* Makes job->shared and fixes passes and scratch. An error of the quadrature is of field "steps". */
ln_status ln_path_prepare(ln_job *job, const ln_path_options *options, size_t *scratch_bytes,
                          ln_error *err);
ln_status ln_path_start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err);
void ln_path_release(ln_job *job);
ln_status ln_path_run(const ln_job *job, ln_job_chunk *chunk, const ln_path_method *method,
                      ln_error *err);
/* For start: the baseline's output is not recorded after all. */
void ln_path_leave_baseline(ln_job *job);

#endif
