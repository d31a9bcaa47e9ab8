#include "judges/by_row.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

typedef struct by_row {
    const ln_judge *judge;
    const ln_judged *judged;
    const ln_explanation *explained;
    const ln_tensor *mask;
    double *values;
    const char **reasons;
} by_row;

enum { OUTSIDE = 1, INSIDE = 2 };

/* The mask of each group of an item, to unit; whether every group lies whole on one side. */
static bool mask_groups(const by_row *task, int64_t item, uint8_t *unit)
{
    const int64_t width = task->judged->model->width, row = task->judged->items[item].row;
    const uint8_t *inside =
        (const uint8_t *)task->mask->data + (task->mask->shape.dims[0] > 1 ? row * width : 0);
    const int32_t *group = task->explained->groups + item * width;
    for (int64_t i = 0; i < width; i++)
        unit[group[i]] |= inside[i] ? INSIDE : OUTSIDE;
    for (int64_t u = 0; u < task->explained->units[item]; u++) {
        if (unit[u] == (OUTSIDE | INSIDE))
            return false;
        unit[u] = unit[u] == INSIDE;
    }
    return true;
}

static ln_status run_item(void *context, int64_t item, int worker, ln_error *err)
{
    (void)worker;
    const by_row *task = context;
    const ln_explanation *explained = task->explained;
    ln_judged one = *task->judged;
    one.items += item;
    one.item_count = 1;
    one.attribution += item * explained->width;
    if (one.other)
        one.other += item * explained->width;
    one.units = explained->units[item];
    one.unit_of = explained->groups + item * one.model->width;
    one.output += item;
    one.baseline_output += item;
    if (one.outside)
        one.outside += item;
    uint8_t *unit = NULL;
    if (task->mask) {
        unit = ln_calloc((size_t)one.units, sizeof *unit);
        if (!unit)
            return ln_fail_memory(err, (size_t)one.units);
        one.mask = unit;
        one.mask_stride = 0;
    }
    ln_status status = LN_OK;
    if (!unit || mask_groups(task, item, unit)) {
        status = task->judge->run(&one, NULL, task->values + item, task->reasons + item, err);
    } else {
        task->values[item] = NAN;
        task->reasons[item] = "a group lies partly in the mask";
    }
    ln_free(unit);
    return status;
}

ln_status ln_judge_by_row(const ln_judge *judge, const ln_judged *judged,
                          const ln_explanation *explained, const ln_tensor *mask, ln_pool *pool,
                          double *values, const char **reasons, ln_error *err)
{
    by_row task = {.judge = judge,
                   .judged = judged,
                   .explained = explained,
                   .mask = mask,
                   .values = values,
                   .reasons = reasons};
    pool = ln_model_pool(judged->model, pool);
    if (judged->model->profile) /* it is added to by the thread that frees what it measured */
        pool = NULL;
    return ln_parallel(pool, judged->item_count, run_item, &task, NULL, NULL, err);
}
