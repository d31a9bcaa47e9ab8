#include "explainers/common/layer.h"

#include "explainers/common/passes.h"

/* A worker's scratch. */
typedef struct buffers {
    float *x;     /* (rows_per_pass, inputs) rows of the pass */
    float *layer; /* (rows_per_pass, the layer's width) */
} buffers;

static buffers carve(const ln_job *job, void *scratch, size_t *bytes)
{
    const ln_request *request = job->request;
    ln_carver carver = {.base = scratch};
    buffers made = {0};
    const int64_t width = ln_shape_row(&request->model->graph->values[request->layer].shape);
    made.x = ln_carve(&carver, job->rows_per_pass * request->model->width, sizeof *made.x);
    made.layer = ln_carve(&carver, job->rows_per_pass * width, sizeof *made.layer);
    if (bytes)
        *bytes = carver.used;
    return made;
}

ln_status ln_layer_prepare(ln_job *job, size_t *scratch_bytes, ln_error *err)
{
    (void)err;
    ln_passes_set(job, 1);
    carve(job, NULL, scratch_bytes);
    return LN_OK;
}

size_t ln_layer_scratch(const ln_job *job)
{
    size_t bytes;
    carve(job, NULL, &bytes);
    return bytes;
}

const float *ln_layer_fill(const ln_job *job, const ln_job_chunk *chunk)
{
    const buffers at = carve(job, chunk->scratch, NULL);
    ln_passes_rows(job, chunk, at.x);
    return at.x;
}

ln_status ln_layer_gradient(const ln_job *job, ln_job_chunk *chunk, ln_runner *runner,
                            const float **layer, float *gradient, ln_error *err)
{
    const float *x = ln_layer_fill(job, chunk);
    buffers at = carve(job, chunk->scratch, NULL);
    chunk->evaluations += 2 * chunk->count;
    *layer = at.layer;
    return ln_runner_layer(runner, x, job->targets + chunk->first, chunk->count, chunk->out->output,
                           at.layer, gradient, err);
}
