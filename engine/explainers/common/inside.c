#include "explainers/common/inside.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define MOST_ROWS 4096          /* where a row is small */
#define MOST_BYTES (32LL << 20) /* of the rows otherwise */

int64_t ln_inside_items(int64_t width, int64_t rows_per_item, int64_t item_count)
{
    int64_t rows = MOST_BYTES / (int64_t)sizeof(float) / width;
    if (rows > MOST_ROWS)
        rows = MOST_ROWS;
    int64_t items = rows / rows_per_item;
    if (items > item_count)
        items = item_count;
    return items > 0 ? items : 1;
}

static ln_status new_rows(int64_t rows, int64_t width, ln_tensor **out, ln_error *err)
{
    const ln_shape shape = ln_shape_of(2, (const int64_t[]){rows, width});
    ln_status status = ln_tensor_new(LN_F32, &shape, out, err);
    if (!status)
        memset((*out)->data, 0, (*out)->bytes);
    return status;
}

ln_status ln_inside_make(ln_inside *inside, const ln_explainer *what, const ln_request *request,
                         int64_t rows, bool own_baselines, ln_pool *pool, ln_error *err)
{
    const int64_t width = request->model->width;
    rows = rows > 1 ? rows : 2; /* a baseline of two rows is one a row */
    ln_status status = new_rows(rows, width, &inside->x, err);
    if (!status && own_baselines)
        status = new_rows(rows, width, &inside->baseline, err);
    if (status)
        return status;
    inside->items = ln_calloc((size_t)rows, sizeof *inside->items);
    inside->row_ids = ln_calloc((size_t)rows, sizeof *inside->row_ids);
    if (!inside->items || !inside->row_ids)
        return ln_fail_memory(err, (size_t)rows * sizeof *inside->items);
    inside->request = *request;
    inside->request.x = inside->x;
    inside->request.row_ids = inside->row_ids;
    inside->request.items = inside->items;
    inside->request.item_count = rows;
    if (own_baselines) {
        inside->request.baseline = inside->baseline;
        inside->request.baseline_holds = true;
    }
    return ln_job_new(what, &inside->request, pool, &inside->job, err);
}

void ln_inside_release(ln_inside *inside)
{
    ln_job_free(inside->job);
    ln_tensor_release(inside->x);
    ln_tensor_release(inside->baseline);
    ln_free(inside->items);
    ln_free(inside->row_ids);
}

int64_t ln_inside_clock(const ln_job *job, const ln_job_chunk *chunk)
{
    const ln_profile *profile = job->request->model->profile;
    return profile ? ln_profile_clock(profile) - ln_runner_nanoseconds(chunk->runner) : 0;
}

ln_status ln_inside_run(const ln_inside *inside, int64_t rows, ln_explanation *out, ln_error *err)
{
    *out = (ln_explanation){0};
    ln_status status = ln_job_retarget(inside->job, err);
    return status ? status : ln_job_run(inside->job, 0, rows, out, err);
}
