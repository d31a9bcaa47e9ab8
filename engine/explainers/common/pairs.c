#include "explainers/common/pairs.h"

#include <string.h>

#include "explainers/common/passes.h"

static ln_pairs carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const int64_t rows = job->rows_per_pass, width = job->request->model->width;
    ln_pairs made;
    made.x = ln_carve(&carver, rows * width, sizeof *made.x);
    made.m = ln_carve(&carver, rows * width, sizeof *made.m);
    made.value = ln_carve(&carver, rows, sizeof *made.value);
    made.targets = ln_carve(&carver, rows, sizeof *made.targets);
    *bytes = carver.used;
    return made;
}

/* Rows of a pass are even: the two of a pair must not be parted. */
void ln_pairs_prepare(ln_job *job, int64_t pairs_per_item, size_t *scratch_bytes)
{
    const ln_passes passes =
        ln_passes_of(job->request->model, 2 * pairs_per_item, job->request->item_count);
    job->rows_per_pass = passes.rows + passes.rows % 2;
    job->items_per_chunk = passes.items;
    carve(job, NULL, scratch_bytes);
}

void ln_pairs_bytes(const ln_job *job, size_t *bytes)
{
    carve(job, NULL, bytes);
}

int64_t ln_pairs_most(const ln_job *job)
{
    return job->rows_per_pass / 2;
}

ln_pairs ln_pairs_carve(const ln_job *job, void *scratch)
{
    size_t bytes;
    return carve(job, scratch, &bytes);
}

void ln_pairs_set(const ln_job *job, const ln_pairs *at, int64_t pair, int64_t row,
                  const float *baseline, const ln_target *target, int64_t count)
{
    const int64_t width = job->request->model->width;
    const float *rows = ln_f32(job->request->x);
    memcpy(at->x + pair * width, rows + row * width, (size_t)width * sizeof *at->x);
    memcpy(at->x + (pair + count) * width, baseline, (size_t)width * sizeof *at->x);
    ln_model_hold(job->request->model, rows + row * width, at->x + (pair + count) * width);
    at->targets[pair] = at->targets[pair + count] = *target;
}

ln_status ln_pairs_run(ln_job_chunk *chunk, const ln_pairs *at, int64_t count, ln_error *err)
{
    chunk->evaluations += 4 * count;
    return ln_runner_gradient(chunk->runner, at->x, at->targets, 2 * count, at->value, at->m, err);
}
