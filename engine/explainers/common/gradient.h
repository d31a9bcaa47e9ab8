/* What the words that need one gradient a row share: saliency, input_x_gradient, guided_backprop. */
#ifndef LN_EXPLAINERS_GRADIENT_H
#define LN_EXPLAINERS_GRADIENT_H

#include "explainers/explainer.h"

/* `prepare`: one row an item, whole passes a chunk; scratch for the rows of one pass. */
ln_status ln_gradient_prepare(ln_job *job, size_t *scratch_bytes, ln_error *err);

/* The chunk's rows (count, width of the model), copied side by side. */
const float *ln_gradient_fill(const ln_job *job, const ln_job_chunk *chunk);

/* One forward and one backward pass over the chunk's rows: their gradient (by the job's rules) into
 * chunk->out->values, the explained numbers into ->output, what relevance rules lost into ->absorbed. After it, ln_gradient_rows(job, chunk)
 * are the rows themselves, (count, width). */
ln_status ln_gradient_run(const ln_job *job, ln_job_chunk *chunk, ln_error *err);
const float *ln_gradient_rows(const ln_job *job, const ln_job_chunk *chunk);

#endif
