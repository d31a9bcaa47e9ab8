/* Shapley values from random orders of the features, for shapley_sampling and permutation_shap:
 *
 *   a_g = mean over the orders of v(those before g, and g) - v(those before g)
 *
 * One walk is an order from first to last, and the same order from last to first where walks are
 * antithetic. Along an order the contributions sum to v(all) - v(none), so the values do whatever the
 * number of walks. Features that never vary are left out and get exactly 0. Standard errors are those
 * of a mean over independent walks; of one walk there is none (NaN). Cost: n - 1 coalitions an order
 * of n features. */
#ifndef LN_EXPLAINERS_ORDERS_H
#define LN_EXPLAINERS_ORDERS_H

#include "explainers/common/game.h"
#include "explainers/common/stop.h"

#define LN_ORDERS_LOOK 10 /* walks between two looks at the errors: fewer say little of them */

typedef struct ln_orders {
    ln_game game;
    bool antithetic;
    double
        stop; /* a row ends where its greatest standard error is at most that; NAN or 0: not before
                      its walks are done */
    int64_t block;                /* walks whose coalitions are evaluated at once */
    const ln_walk_kernels *loops; /* this machine's */
} ln_orders;

/* A job->shared of its own; the caller releases with ln_orders_release, also after an error. */
ln_status ln_orders_prepare(ln_job *job, bool antithetic, double stop, size_t *scratch_bytes,
                            ln_error *err);
void ln_orders_release(ln_job *job);
ln_status ln_orders_start(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err);

/* Explains the chunk. `walks` says how many a row with `varying` features gets at most, at least 1. */
ln_status ln_orders_run(const ln_job *job, ln_job_chunk *chunk,
                        int64_t (*walks)(const void *params, int64_t varying), ln_error *err);

#endif
