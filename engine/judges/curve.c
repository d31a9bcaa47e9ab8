/* Curves of the target's score. The rows of a curve are laid out as one stream over a chunk's items,
 * so that passes are full whatever the number of units is; each worker keeps one row, on which units
 * are replaced one after the other, and the order in which they go. Judges differ in the row that the
 * curve begins with, in what replaces a unit, and in what is made of the scores. A value is the sum
 * of float64 terms in the curve's order and depends on its item alone. */
#include "judges/curve.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/groups.h"
#include "explainers/common/order.h"
#include "explainers/common/passes.h"

/* One worker's. */
typedef struct worker {
    ln_runner *runner;
    float *x;       /* (rows a pass, width) */
    float *out;     /* (rows a pass, outputs) */
    float *current; /* (width) the row with what is removed so far */
    int32_t *order; /* (units) */
    int32_t *spare; /* (units) for the sort */
    void *block;    /* what they were cut from */
    double value;   /* of the present item, so far */
    double before;  /* its score at the last point */
} worker;

typedef struct curve_task {
    const ln_judged *judged;
    ln_curve curve;      /* which one is drawn */
    int64_t step;        /* units replaced at a time */
    int64_t points;      /* of the curve: rows an item */
    int64_t outputs;     /* numbers a row of the function */
    const float *fill;   /* its numbers */
    int64_t fill_stride; /* 0: one row for all, else width */
    ln_tensor *baseline; /* what replaces a unit */
    ln_target *targets;  /* one an item */
    ln_groups units;     /* the inputs of each unit */
    ln_passes passes;    /* rows a pass, items a chunk */
    ln_function *function;
    worker *workers;
    int worker_count;
    double *values; /* results */
    const char **reasons;
} curve_task;

static ln_status fail_field(ln_error *err, const char *field, ln_status status)
{
    if (err)
        snprintf(err->field, sizeof err->field, "%s", field);
    return status;
}

static ln_status check(const ln_judged *judged, ln_error *err)
{
    const ln_tensor *baseline = judged->baseline;
    int64_t rows = judged->x->shape.dims[0], width = judged->model->width;
    char text[128];
    if (!baseline || (baseline->dtype == LN_F32 && baseline->shape.rank == 2 &&
                      baseline->shape.dims[1] == width &&
                      (baseline->shape.dims[0] == 1 || baseline->shape.dims[0] == rows)))
        return LN_OK;
    return fail_field(err, "baseline",
                      ln_fail(err, LN_EINVALID,
                              "the baseline has shape %s and type %s: expected (1, %" PRId64
                              ") for all rows or (%" PRId64 ", %" PRId64 ") row by row, f32",
                              ln_shape_text(&baseline->shape, text, sizeof text),
                              ln_dtype_name(baseline->dtype), width, rows, width));
}

static ln_status make_fill(curve_task *task, ln_error *err)
{
    const ln_judged *judged = task->judged;
    ln_status status = ln_model_references(judged->model, judged->x, (ln_tensor *)judged->baseline,
                                           &task->baseline, err);
    if (status)
        return status;
    task->fill = ln_f32(task->baseline);
    task->fill_stride = task->baseline->shape.dims[0] > 1 ? judged->model->width : 0;
    return LN_OK;
}

static ln_status make_targets(curve_task *task, ln_link link, ln_error *err)
{
    const ln_judged *judged = task->judged;
    task->targets = ln_calloc((size_t)judged->item_count, sizeof *task->targets);
    if (!task->targets)
        return ln_fail_memory(err, (size_t)judged->item_count * sizeof *task->targets);
    for (int64_t i = 0; i < judged->item_count; i++) {
        ln_status status =
            ln_model_target(judged->model, link, judged->items[i].target, &task->targets[i], err);
        if (status)
            return fail_field(err, "target", status);
    }
    return LN_OK;
}

static ln_status make_worker(const curve_task *task, worker *made, ln_error *err)
{
    const ln_judged *judged = task->judged;
    int64_t width = judged->model->width, rows = task->passes.rows;
    ln_carver carver = {0};
    for (int pass = 0; pass < 2; pass++) { /* first the size, then the pointers */
        made->x = ln_carve(&carver, rows * width, sizeof *made->x);
        made->out = ln_carve(&carver, rows * task->outputs, sizeof *made->out);
        made->current = ln_carve(&carver, width, sizeof *made->current);
        made->order = ln_carve(&carver, judged->units, sizeof *made->order);
        made->spare = ln_carve(&carver, judged->units, sizeof *made->spare);
        if (pass > 0)
            break;
        made->block = ln_alloc_aligned(carver.used);
        if (!made->block)
            return ln_fail_memory(err, carver.used);
        carver = (ln_carver){.base = made->block};
    }
    return ln_runner_new(task->function, &made->runner, err);
}

static ln_status set_up(curve_task *task, ln_pool *pool, ln_error *err)
{
    const ln_judged *judged = task->judged;
    const ln_curve_params *params = judged->params;
    bool probability =
        params->score == LN_SCORE_PROBABILITY && judged->model->task == LN_TASK_CLASSIFICATION;
    ln_link link = probability ? LN_LINK_PROBABILITY : judged->link;
    task->step = params->step < judged->units ? params->step : judged->units;
    ln_status status = check(judged, err);
    if (!status)
        status =
            ln_groups_make(judged->unit_of, judged->model->width, judged->units, &task->units, err);
    if (!status)
        status = make_fill(task, err);
    if (!status)
        status = make_targets(task, link, err);
    if (status)
        return status;

    task->points = (judged->units + task->step - 1) / task->step + 1;
    task->worker_count = pool ? ln_pool_threads(pool) : 1;
    task->passes =
        ln_passes_of(judged->model, task->points, judged->item_count, task->worker_count);
    ln_function_options options = {.link = link, .rows = task->passes.rows};
    status = ln_function_new(judged->model, &options, &task->function, err);
    if (status)
        return status;
    task->outputs = ln_function_outputs(task->function);
    task->workers = ln_calloc((size_t)task->worker_count, sizeof *task->workers);
    if (!task->workers)
        return ln_fail_memory(err, (size_t)task->worker_count * sizeof *task->workers);
    for (int i = 0; i < task->worker_count && !status; i++)
        status = make_worker(task, &task->workers[i], err);
    return status;
}

static void tear_down(curve_task *task)
{
    for (int i = 0; task->workers && i < task->worker_count; i++) {
        ln_runner_free(task->workers[i].runner);
        ln_free_aligned(task->workers[i].block);
    }
    ln_free(task->workers);
    ln_function_free(task->function);
    ln_groups_free(&task->units);
    ln_free(task->targets);
    ln_tensor_release(task->baseline);
}

static bool any_nan(const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (isnan(values[i]))
            return true;
    return false;
}

/* Units replaced at point k. */
static int64_t replaced_at(const curve_task *task, int64_t k)
{
    int64_t replaced = k * task->step;
    return replaced < task->judged->units ? replaced : task->judged->units;
}

/* Point k of an item's curve into `to`: point 0 is where the curve begins, each later one replaces
 * the next units of what the one before left in ->current. */
static void next_point(const curve_task *task, worker *mine, int64_t item, int64_t k, float *to)
{
    const ln_judged *judged = task->judged;
    int64_t width = judged->model->width, row = judged->items[item].row;
    const float *x = ln_f32(judged->x) + row * width;
    const float *fill = task->fill + row * task->fill_stride;
    bool insert = task->curve == LN_CURVE_INSERTION;
    if (k == 0) {
        memcpy(mine->current, insert ? fill : x, (size_t)width * sizeof *to);
        ln_order_by_value(judged->attribution + item * judged->units, judged->units, mine->order,
                          mine->spare);
    } else {
        for (int64_t u = replaced_at(task, k - 1); u < replaced_at(task, k); u++)
            ln_groups_fill(&task->units, mine->order[u], insert ? x : fill, mine->current);
    }
    memcpy(to, mine->current, (size_t)width * sizeof *to);
}

/* Adds the score of point k to the item's value; after the last point the item is judged. */
static void take_point(const curve_task *task, worker *mine, int64_t item, int64_t k, double score)
{
    const ln_judged *judged = task->judged;
    if (k == 0) {
        mine->value = 0;
    } else if (task->curve == LN_CURVE_FLIPPING) {
        mine->value += score / (double)(task->points - 1);
    } else {
        int64_t units = replaced_at(task, k) - replaced_at(task, k - 1);
        mine->value += (mine->before + score) / 2 * ((double)units / (double)judged->units);
    }
    mine->before = score;
    if (k + 1 < task->points)
        return;
    if (any_nan(judged->attribution + item * judged->units, judged->units)) {
        task->values[item] = NAN;
        task->reasons[item] = "the attribution holds NaN, which has no place in the order";
    } else {
        task->values[item] = mine->value;
        if (isnan(mine->value))
            task->reasons[item] = "the model's score is NaN for the row or on the way";
    }
}

/* Items of one chunk as one stream of curve points, passes filled across items. */
static ln_status run_chunk(void *context, int64_t chunk, int worker_index, ln_error *err)
{
    const curve_task *task = context;
    const ln_judged *judged = task->judged;
    worker *mine = &task->workers[worker_index];
    int64_t first = chunk * task->passes.items;
    int64_t items = judged->item_count - first;
    if (items > task->passes.items)
        items = task->passes.items;
    int64_t rows = items * task->points;
    for (int64_t done = 0; done < rows;) {
        int64_t count = rows - done < task->passes.rows ? rows - done : task->passes.rows;
        for (int64_t r = 0; r < count; r++)
            next_point(task, mine, first + (done + r) / task->points, (done + r) % task->points,
                       mine->x + r * judged->model->width);
        ln_status status = ln_runner_forward(mine->runner, mine->x, count, mine->out, err);
        if (status)
            return status;
        for (int64_t r = 0; r < count; r++) {
            int64_t item = first + (done + r) / task->points;
            const ln_target *target = &task->targets[item];
            double score = (double)mine->out[r * task->outputs + target->index];
            take_point(task, mine, item, (done + r) % task->points,
                       target->offset + target->scale * score);
        }
        done += count;
    }
    return LN_OK;
}

ln_status ln_curve_judge(ln_curve curve, const ln_judged *judged, ln_pool *pool, double *values,
                         const char **reasons, ln_error *err)
{
    curve_task task = {.judged = judged, .curve = curve, .values = values, .reasons = reasons};
    for (int64_t i = 0; i < judged->item_count; i++)
        reasons[i] = NULL;
    pool = ln_model_pool(judged->model, pool);
    ln_status status = set_up(&task, pool, err);
    int64_t chunks = status ? 0 : (judged->item_count + task.passes.items - 1) / task.passes.items;
    if (chunks > 0)
        status = ln_parallel(pool, chunks, run_chunk, &task, NULL, NULL, err);
    tear_down(&task);
    return status;
}
