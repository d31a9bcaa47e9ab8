#include "explainers/common/pairs.h"

#include <string.h>

#include "explainers/common/contrast.h"
#include "explainers/common/passes.h"
#include "explainers/common/reveal_cancel.h"

int ln_pairs_rows(int rule)
{
    return rule == LN_CONTRAST_REVEAL_CANCEL ? 4 : 2;
}

static ln_pairs carve(const ln_job *job, void *scratch, size_t *bytes)
{
    ln_carver carver = {.base = scratch};
    const int64_t rows = job->rows_per_pass, width = job->request->model->width;
    ln_pairs made = {.rows = 0};
    made.x = ln_carve(&carver, rows * width, sizeof *made.x);
    made.m = ln_carve(&carver, rows * width, sizeof *made.m);
    made.value = ln_carve(&carver, rows, sizeof *made.value);
    made.targets = ln_carve(&carver, rows, sizeof *made.targets);
    *bytes = carver.used;
    return made;
}

/* The rows of a pair must not be parted. */
void ln_pairs_prepare(ln_job *job, int rows, int64_t pairs_per_item, size_t *scratch_bytes)
{
    job->joined = true;
    ln_passes_set(job, rows * pairs_per_item);
    job->rows_per_pass = (job->rows_per_pass + rows - 1) / rows * rows;
    carve(job, NULL, scratch_bytes);
}

void ln_pairs_bytes(const ln_job *job, size_t *bytes)
{
    carve(job, NULL, bytes);
}

ln_pairs ln_pairs_carve(const ln_job *job, int rows, void *scratch)
{
    size_t bytes;
    ln_pairs made = carve(job, scratch, &bytes);
    made.rows = rows;
    return made;
}

void ln_pairs_set(const ln_job *job, const ln_pairs *at, int64_t pair, int64_t row,
                  const float *baseline, const ln_target *target, int64_t count)
{
    const int64_t width = job->request->model->width;
    const float *rows = ln_f32(job->request->x);
    memcpy(at->x + pair * width, rows + row * width, (size_t)width * sizeof *at->x);
    memcpy(at->x + (pair + count) * width, baseline, (size_t)width * sizeof *at->x);
    ln_model_hold(job->request->model, rows + row * width, at->x + (pair + count) * width);
    for (int k = 0; k < at->rows; k++)
        at->targets[pair + k * count] = *target;
}

ln_status ln_pairs_run(const ln_job *job, ln_job_chunk *chunk, const ln_pairs *at, int64_t count,
                       ln_error *err)
{
    const int64_t quarter = count * job->request->model->width;
    float *x = at->x;
    if (at->rows == 4)
        ln_reveal_cancel_part(x, x + quarter, quarter, x + 2 * quarter, x + 3 * quarter);
    chunk->evaluations += 2 * at->rows * count;
    return ln_runner_gradient(chunk->runner, at->x, at->targets, at->rows * count, at->value, at->m,
                              err);
}

double ln_pairs_contribution(const ln_pairs *at, int64_t width, int64_t pair, int64_t count,
                             int64_t i)
{
    const int64_t row = pair * width + i, base = row + count * width;
    const double change = (double)at->x[row] - (double)at->x[base];
    return (double)at->m[at->rows == 4 && change < 0 ? base : row] * change;
}
