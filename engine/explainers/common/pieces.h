/* The integral of integrated gradients without a quadrature: on each linear piece of the path (between
 * bends, common/bends.h) the gradient is one and the same, so that
 *
 *   integral = sum over pieces of  length * gradient in their middle
 *
 * summed in float64. What remains of the residual is the rounding of the network's own float32. Pieces are
 * found bend by bend: one forward pass a piece known so far and bend, as far as the bend; then one forward
 * and one backward pass a piece, one for the row's output and one for the baseline's. */
#ifndef LN_EXPLAINERS_PIECES_H
#define LN_EXPLAINERS_PIECES_H

#include "explainers/explainer.h"

#define LN_MOST_PIECES 1000000 /* of one row's path: more is no answer in time */

/* Makes job->shared and fixes passes and scratch; LN_EUNSUPPORTED of field "method" where the network is
 * not linear piece by piece. */
ln_status ln_pieces_prepare(ln_job *job, size_t *scratch_bytes, ln_error *err);
void ln_pieces_release(ln_job *job);
/* The values: the integral, times x - b where `multiply` says so (then with the baseline's output). */
ln_status ln_pieces_run(const ln_job *job, ln_job_chunk *chunk, bool multiply, ln_error *err);

#endif
