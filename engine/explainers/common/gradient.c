#include "explainers/common/gradient.h"

#include "explainers/common/passes.h"

/* The rows of one pass, (rows_per_pass, width). */
static float *carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    float *x = ln_carve(&carver, job->rows_per_pass * job->request->model->width, sizeof *x);
    if (bytes)
        *bytes = carver.used;
    return x;
}

ln_status ln_gradient_prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    (void)err;
    ln_passes_set(job, 1);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

const float *ln_gradient_rows(const ln_job *job, const ln_job_chunk *chunk)
{
    return carve(job, chunk->scratch, NULL);
}

const float *ln_gradient_fill(const ln_job *job, const ln_job_chunk *chunk)
{
    float *x = carve(job, chunk->scratch, NULL);
    ln_passes_rows(job, chunk, x);
    return x;
}

ln_status ln_gradient_run(const ln_job *job, ln_job_chunk *chunk, ln_error *err)
{
    const float *x = ln_gradient_fill(job, chunk);
    chunk->evaluations += 2 * chunk->count;
    return ln_runner_relevance(chunk->runner, x, job->targets + chunk->first, chunk->count,
                               chunk->out->output, chunk->out->values, chunk->out->absorbed, err);
}
