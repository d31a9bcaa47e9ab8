#include "judges/attribution.h"

#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/order.h"
#include "explainers/common/passes.h"

#define ITEMS_PER_CHUNK 16 /* items are independent: only the pool's overhead depends on it */

typedef struct magnitude_task {
    const ln_judged *judged;
    ln_verdict_fn verdict;
    ln_magnitudes *workers; /* one a thread */
    void **blocks;          /* what they were cut from */
    int worker_count;       /* entries of workers and blocks */
    double *values;         /* results */
    const char **reasons;
} magnitude_task;

const char *ln_not_finite(const float *values, int64_t count)
{
    const char *reason = NULL;
    for (int64_t i = 0; i < count; i++) {
        if (isnan(values[i]))
            return "the attribution holds NaN";
        if (isinf(values[i]))
            reason = "the attribution holds an infinite number";
    }
    return reason;
}

static ln_magnitudes carve(int64_t units, void *block, size_t *bytes)
{
    ln_carver carver = {.base = block};
    ln_magnitudes made = {0};
    made.size = ln_carve(&carver, units, sizeof *made.size);
    made.order = ln_carve(&carver, units, sizeof *made.order);
    made.spare = ln_carve(&carver, units, sizeof *made.spare);
    *bytes = carver.used;
    return made;
}

static void judge_item(const magnitude_task *task, const ln_magnitudes *mine, int64_t item)
{
    const ln_judged *judged = task->judged;
    int64_t units = judged->units;
    const float *values = judged->attribution + item * units;
    const char *reason = ln_not_finite(values, units);
    double value = NAN;
    float most = 0;
    for (int64_t u = 0; u < units && !reason; u++) {
        mine->size[u] = fabsf(values[u]);
        most = mine->size[u] > most ? mine->size[u] : most;
    }
    if (!reason && !(most > 0))
        reason = "the attribution is zero everywhere";
    if (!reason) {
        ln_order_by_value(mine->size, units, mine->order, mine->spare);
        value = task->verdict(judged, item, mine, &reason);
    }
    task->values[item] = value;
    task->reasons[item] = reason;
}

static ln_status run_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    (void)err;
    const magnitude_task *task = context;
    int64_t end = (chunk + 1) * ITEMS_PER_CHUNK;
    if (end > task->judged->item_count)
        end = task->judged->item_count;
    for (int64_t item = chunk * ITEMS_PER_CHUNK; item < end; item++)
        judge_item(task, &task->workers[worker], item);
    return LN_OK;
}

static ln_status make_workers(magnitude_task *task, ln_pool *pool, ln_error *err)
{
    size_t count = (size_t)(pool ? ln_pool_threads(pool) : 1), bytes;
    carve(task->judged->units, NULL, &bytes);
    task->worker_count = (int)count;
    task->workers = ln_calloc(count, sizeof *task->workers);
    task->blocks = ln_calloc(count, sizeof *task->blocks);
    if (!task->workers || !task->blocks)
        return ln_fail_memory(err, count * sizeof *task->workers);
    for (size_t i = 0; i < count; i++) {
        task->blocks[i] = ln_alloc_aligned(bytes);
        if (!task->blocks[i])
            return ln_fail_memory(err, bytes);
        task->workers[i] = carve(task->judged->units, task->blocks[i], &bytes);
    }
    return LN_OK;
}

ln_status ln_judge_by_magnitude(const ln_judged *judged, ln_pool *pool, ln_verdict_fn verdict,
                                double *values, const char **reasons, ln_error *err)
{
    magnitude_task task = {
        .judged = judged, .verdict = verdict, .values = values, .reasons = reasons};
    ln_status status = make_workers(&task, pool, err);
    int64_t chunks = (judged->item_count + ITEMS_PER_CHUNK - 1) / ITEMS_PER_CHUNK;
    if (!status && chunks > 0)
        status = ln_parallel(pool, chunks, run_chunk, &task, NULL, NULL, err);
    for (int i = 0; task.blocks && i < task.worker_count; i++)
        ln_free_aligned(task.blocks[i]);
    ln_free(task.blocks);
    ln_free(task.workers);
    return status;
}
