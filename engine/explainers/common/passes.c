#include "explainers/common/passes.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"

int64_t ln_passes_rows_of(const ln_job *job, int64_t rows_per_item)
{
    const bool few = job->request->item_count < job->threads && !job->joined;
    const int64_t most = ln_model_chunk_rows(job->request->model) * (few ? job->threads : 1);
    const int64_t passes = (rows_per_item + most - 1) / most;
    return (rows_per_item + passes - 1) / passes;
}

ln_passes ln_passes_of(const ln_model *model, int64_t rows_per_item, int64_t item_count,
                       int threads)
{
    const int64_t most = ln_model_chunk_rows(model);
    if (rows_per_item > most) {
        int64_t passes = (rows_per_item + most - 1) / most;
        return (ln_passes){.rows = (rows_per_item + passes - 1) / passes, .items = 1};
    }
    const int64_t items = ln_model_chunk(model, item_count, rows_per_item, threads);
    return (ln_passes){.rows = items * rows_per_item, .items = items};
}

void ln_passes_set(ln_job *job, int64_t rows_per_item)
{
    const ln_request *request = job->request;
    const ln_passes passes =
        ln_passes_of(request->model, rows_per_item, request->item_count, job->threads);
    job->rows_per_item = rows_per_item;
    job->rows_per_pass = passes.items > 1 ? passes.rows : ln_passes_rows_of(job, rows_per_item);
    job->items_per_chunk = passes.items;
}

void ln_passes_rows(const ln_job *job, const ln_job_chunk *chunk, float *x)
{
    const int64_t width = job->request->model->width;
    const float *rows = ln_f32(job->request->x);
    for (int64_t i = 0; i < chunk->count; i++)
        memcpy(x + i * width, rows + job->request->items[chunk->first + i].row * width,
               (size_t)width * sizeof *x);
}

ln_status ln_passes_outputs(const ln_job *job, ln_job_chunk *chunk, float *x, float *y,
                            ln_error *err)
{
    const int64_t outputs = ln_function_outputs(job->function);
    ln_passes_rows(job, chunk, x);
    ln_status status = ln_runner_outputs(chunk->runner, x, chunk->count, y, err);
    for (int64_t i = 0; i < chunk->count && !status; i++)
        chunk->out->output[i] = ln_target_value(&job->targets[chunk->first + i], y + i * outputs);
    chunk->evaluations += chunk->count;
    return status;
}

/* Rows that several workers pass. */
typedef struct spread_rows {
    const ln_job *job;
    const float *x;
    float *y;
    int64_t rows, chunk;
    ln_runner **runners; /* one a worker; made when it takes its first chunk */
} spread_rows;

static ln_status pass_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    const spread_rows *task = context;
    const int64_t first = chunk * task->chunk, left = task->rows - first;
    const int64_t width = task->job->request->model->width;
    const int64_t outputs = ln_function_outputs(task->job->function);
    ln_status status = LN_OK;
    if (!task->runners[worker])
        status = ln_runner_new(task->job->function, &task->runners[worker], err);
    return status ? status
                  : ln_runner_outputs(task->runners[worker], task->x + first * width,
                                      left < task->chunk ? left : task->chunk,
                                      task->y + first * outputs, err);
}

ln_status ln_passes_over_pool(const ln_job *job, ln_runner *runner, const float *x, int64_t rows,
                              float *y, ln_error *err)
{
    const int threads = ln_pool_threads(job->pool);
    spread_rows task = {.job = job, .x = x, .y = y, .rows = rows};
    task.chunk = ln_model_chunk(job->request->model, rows, 1, threads);
    task.runners = ln_calloc((size_t)threads, sizeof *task.runners);
    if (!task.runners)
        return ln_fail_memory(err, (size_t)threads * sizeof *task.runners);
    task.runners[0] = runner;
    ln_status status = ln_parallel(job->pool, (rows + task.chunk - 1) / task.chunk, pass_chunk,
                                   &task, NULL, NULL, err);
    for (int i = 1; i < threads; i++)
        ln_runner_free(task.runners[i]);
    ln_free(task.runners);
    return status;
}

void *ln_carve(ln_carver *carver, int64_t count, size_t size)
{
    void *piece = carver->base ? carver->base + carver->used : NULL;
    carver->used += ((size_t)count * size + 63) / 64 * 64;
    return piece;
}
