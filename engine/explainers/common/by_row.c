#include "explainers/common/by_row.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/request.h"

/* A run of items, row by row. */
typedef struct by_row {
    ln_job *job;
    int64_t first;         /* item of the request that is entry 0 */
    const int64_t *start;  /* entries of row k of the run: start[k] .. start[k + 1] */
    ln_explanation *parts; /* what each row's job made */
    char **reasons;        /* why a row has no values, or NULL */
    int32_t *groups;       /* (entries, the model's width) */
    ln_pool *inside;       /* of a single row, whose job the threads share; or NULL */
} by_row;

static void name_row(const ln_request *request, int64_t row, ln_error *err)
{
    ln_error_prefix(err, "row %" PRId64, ln_request_row(request, row));
}

/* The group of each input of a row, as many as the model is wide, and how many there are. */
static ln_status find_groups(const ln_request *request, int64_t row, int32_t *group, int64_t *count,
                             ln_error *err)
{
    const ln_row_groups *own = request->row_groups;
    const int64_t width = request->model->width;
    if (own->given) {
        memcpy(group, own->given + row * width, (size_t)width * sizeof *group);
        *count = 0;
        for (int64_t i = 0; i < width; i++)
            *count = group[i] >= *count ? group[i] + 1 : *count;
        return LN_OK;
    }
    const ln_superpixels *how = &own->superpixels;
    const int64_t plane = how->height * how->width;
    if (how->channels * plane != width)
        return ln_fail(err, LN_EINVALID, "the images' shape does not fit the model's inputs");
    ln_status status = ln_superpixels_of(how, ln_f32(request->x) + row * width, group, count, err);
    if (status) {
        name_row(request, row, err);
        ln_error_field(err, "groups");
        return status;
    }
    for (int64_t c = 1; c < how->channels; c++)
        memcpy(group + c * plane, group, (size_t)plane * sizeof *group);
    return LN_OK;
}

/* The request of some items of one row. */
static ln_request request_of(const ln_request *whole, int64_t first, int64_t count,
                             const int32_t *group, int64_t groups)
{
    ln_request one = *whole;
    one.items = whole->items + first;
    one.item_count = count;
    one.groups = group;
    one.group_count = groups;
    one.row_groups = NULL;
    return one;
}

/* Whether an error is about what a row holds, which other rows need not hold. */
static bool is_of_row(ln_status status)
{
    return status == LN_EINVALID || status == LN_EUNSUPPORTED || status == LN_EFAILED;
}

/* In place of what could not be explained: `items` of `width` values, none of them a number. */
static ln_status leave_out(const ln_job *job, int64_t items, int64_t width, ln_explanation *out,
                           ln_error *err)
{
    const size_t count = (size_t)items, numbers = count * (size_t)width;
    const unsigned flags = job->explainer->flags;
    *out = (ln_explanation){.count = items, .width = width};
    out->values = ln_alloc(numbers * sizeof *out->values);
    out->output = ln_alloc(count * sizeof *out->output);
    out->baseline_output = ln_alloc(count * sizeof *out->baseline_output);
    out->errors = flags & LN_HAS_ERRORS ? ln_alloc(numbers * sizeof *out->errors) : NULL;
    out->fit = flags & LN_HAS_FIT ? ln_alloc(count * sizeof *out->fit) : NULL;
    out->rules = flags & LN_HAS_RULE ? ln_calloc(count, sizeof *out->rules) : NULL;
    out->outside = job->request->watch ? ln_alloc(count * sizeof *out->outside) : NULL;
    if (!out->values || !out->output || !out->baseline_output ||
        (flags & LN_HAS_ERRORS && !out->errors) || (flags & LN_HAS_FIT && !out->fit) ||
        (flags & LN_HAS_RULE && !out->rules) || (job->request->watch && !out->outside)) {
        ln_explanation_free(out);
        return ln_fail_memory(err, numbers * sizeof *out->values);
    }
    for (size_t i = 0; i < numbers; i++) {
        out->values[i] = NAN;
        if (out->errors)
            out->errors[i] = NAN;
    }
    for (int64_t i = 0; i < items; i++) {
        out->output[i] = out->baseline_output[i] = NAN;
        if (out->fit)
            out->fit[i] = NAN;
        if (out->rules)
            out->rules[i] = (ln_found_rule){.lower = NAN, .upper = NAN, .coverage = NAN};
        if (out->outside)
            out->outside[i] = NAN;
    }
    return LN_OK;
}

/* Whether the explainer can explain an item in these groups of its row. */
static ln_status try_item(const ln_job *job, int64_t item, const int32_t *group, int64_t count,
                          ln_error *err)
{
    const ln_request one = request_of(job->request, item, 1, group, count);
    ln_job *trial = NULL;
    ln_status status = ln_job_new(job->explainer, &one, NULL, &trial, err);
    ln_job_free(trial);
    return status;
}

/* The first item whose row has groups; where none has the error of the last. */
static ln_status find_first(const ln_request *request, int64_t *item, int32_t *group,
                            int64_t *count, ln_error *err)
{
    ln_status status = LN_EINVALID;
    for (*item = 0; *item < request->item_count; (*item)++) {
        status = find_groups(request, request->items[*item].row, group, count, err);
        if (!is_of_row(status))
            break;
    }
    return status;
}

/* The first item, and where groups are given those of the fewest and the most: finding superpixels takes
 * longer than it may before a run. */
ln_status ln_by_row_check(const ln_job *job, ln_error *err)
{
    const ln_request *request = job->request;
    const int64_t width = request->model->width;
    if (request->item_count == 0)
        return LN_OK;
    int32_t *group = ln_alloc((size_t)width * sizeof *group);
    if (!group)
        return ln_fail_memory(err, (size_t)width * sizeof *group);
    int64_t first, count, fewest, most;
    ln_status status = find_first(request, &first, group, &count, err);
    if (!status)
        status = try_item(job, first, group, count, err);
    fewest = most = count;
    for (int64_t i = 1; i < request->item_count && request->row_groups->given && !status; i++) {
        status = find_groups(request, request->items[i].row, group, &count, err);
        if (status || (count >= fewest && count <= most))
            continue;
        fewest = count < fewest ? count : fewest;
        most = count > most ? count : most;
        status = try_item(job, i, group, count, err);
        if (status)
            name_row(request, request->items[i].row, err);
    }
    ln_free(group);
    return status;
}

/* The items of one row in its groups. */
static ln_status explain_row(const by_row *task, int64_t k, int64_t *count, ln_error *err)
{
    const ln_request *request = task->job->request;
    const int64_t width = request->model->width, entry = task->start[k];
    const int64_t items = task->start[k + 1] - entry;
    int32_t *group = task->groups + entry * width;
    const int64_t row = request->items[task->first + entry].row;
    ln_status status = find_groups(request, row, group, count, err);
    if (status) {
        memset(group, 0, (size_t)(items * width) * sizeof *group);
        *count = 1;
        return status;
    }
    for (int64_t i = 1; i < items; i++)
        memcpy(group + i * width, group, (size_t)width * sizeof *group);
    ln_request one = request_of(request, task->first + entry, items, group, *count);
    ln_job *job = NULL;
    status = ln_job_new(task->job->explainer, &one, task->inside, &job, err);
    if (!status)
        status = ln_job_run(job, 0, items, &task->parts[k], err);
    if (!status)
        ln_job_note_errors(task->job, &task->parts[k]);
    ln_job_free(job);
    if (status)
        name_row(request, row, err);
    return status;
}

static ln_status run_row(void *context, int64_t k, int worker, ln_error *err)
{
    (void)worker;
    const by_row *task = context;
    int64_t count;
    ln_error why = {0};
    ln_status status = explain_row(task, k, &count, &why);
    if (!is_of_row(status)) {
        if (status && err)
            *err = why;
        return status;
    }
    task->reasons[k] = ln_strdup(why.message);
    if (!task->reasons[k])
        return ln_fail_memory(err, strlen(why.message) + 1);
    return leave_out(task->job, task->start[k + 1] - task->start[k], count, &task->parts[k], err);
}

/* Entries [at, at + part->count) of the whole. */
static void put(ln_explanation *out, int64_t at, ln_explanation *part)
{
    const size_t items = (size_t)part->count;
    for (int64_t i = 0; i < part->count; i++) {
        const size_t bytes = (size_t)part->width * sizeof *out->values;
        memcpy(out->values + (at + i) * out->width, part->values + i * part->width, bytes);
        if (out->errors)
            memcpy(out->errors + (at + i) * out->width, part->errors + i * part->width, bytes);
        out->units[at + i] = part->width;
        if (out->rules) {
            out->rules[at + i] = part->rules[i];
            part->rules[i].text = NULL; /* the whole owns it now */
        }
    }
    memcpy(out->output + at, part->output, items * sizeof *out->output);
    memcpy(out->baseline_output + at, part->baseline_output, items * sizeof *out->baseline_output);
    if (out->fit)
        memcpy(out->fit + at, part->fit, items * sizeof *out->fit);
    if (out->outside)
        memcpy(out->outside + at, part->outside, items * sizeof *out->outside);
    out->evaluations += part->evaluations;
}

/* All parts as one explanation, each item as wide as the widest; takes task->groups. */
static ln_status join(by_row *task, int64_t rows, int64_t count, ln_explanation *out, ln_error *err)
{
    for (int64_t k = 0; k < rows; k++)
        out->width = task->parts[k].width > out->width ? task->parts[k].width : out->width;
    const unsigned flags = task->job->explainer->flags;
    const bool watched = task->job->request->watch != NULL;
    const size_t items = (size_t)count, numbers = items * (size_t)out->width;
    out->count = count;
    out->values = ln_calloc(numbers, sizeof *out->values);
    out->units = ln_calloc(items, sizeof *out->units);
    out->reasons = ln_calloc(items + 1, sizeof *out->reasons);
    out->output = ln_calloc(items, sizeof *out->output);
    out->baseline_output = ln_calloc(items, sizeof *out->baseline_output);
    out->errors = flags & LN_HAS_ERRORS ? ln_calloc(numbers, sizeof *out->errors) : NULL;
    out->outside = watched ? ln_calloc(items, sizeof *out->outside) : NULL;
    out->fit = flags & LN_HAS_FIT ? ln_calloc(items, sizeof *out->fit) : NULL;
    out->rules = flags & LN_HAS_RULE ? ln_calloc(items, sizeof *out->rules) : NULL;
    if (!out->values || !out->units || !out->reasons || !out->output || !out->baseline_output ||
        (flags & LN_HAS_ERRORS && !out->errors) || (flags & LN_HAS_FIT && !out->fit) ||
        (flags & LN_HAS_RULE && !out->rules) || (watched && !out->outside))
        return ln_fail_memory(err, numbers * sizeof *out->values);
    for (int64_t k = 0; k < rows; k++)
        put(out, task->start[k], &task->parts[k]);
    for (int64_t k = 0; k < rows; k++)
        for (int64_t i = task->start[k]; i < task->start[k + 1] && task->reasons[k]; i++) {
            out->reasons[i] = ln_strdup(task->reasons[k]);
            if (!out->reasons[i])
                return ln_fail_memory(err, strlen(task->reasons[k]) + 1);
        }
    out->groups = task->groups;
    task->groups = NULL;
    return LN_OK;
}

/* Where the items of each row start, to `start`; how many rows there are. */
static int64_t cut(const ln_item *items, int64_t count, int64_t *start)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < count; i++)
        if (i == 0 || items[i].row != items[i - 1].row)
            start[rows++] = i;
    start[rows] = count;
    return rows;
}

ln_status ln_by_row_run(ln_job *job, int64_t first, int64_t count, ln_explanation *out,
                        ln_error *err)
{
    const ln_request *request = job->request;
    const size_t items = (size_t)count, width = (size_t)request->model->width;
    int64_t *start = ln_alloc((items + 1) * sizeof *start);
    by_row task = {.job = job, .first = first, .start = start};
    task.parts = ln_calloc(items + 1, sizeof *task.parts);
    task.reasons = ln_calloc(items + 1, sizeof *task.reasons);
    task.groups = ln_alloc((items * width + 1) * sizeof *task.groups);
    ln_status status = LN_OK;
    int64_t rows = 0;
    if (!start || !task.parts || !task.reasons || !task.groups) {
        status = ln_fail_memory(err, items * width * sizeof *task.groups);
    } else {
        /* A profile is added to by the thread that frees what it measured. */
        ln_pool *pool = request->model->profile ? NULL : job->pool;
        rows = cut(request->items + first, count, start);
        task.inside = rows == 1 ? pool : NULL;
        status = ln_parallel(pool, rows, run_row, &task, job->tell, job->tell_context, err);
    }
    if (!status)
        status = join(&task, rows, count, out, err);
    if (status)
        ln_explanation_free(out);
    for (int64_t k = 0; k < rows; k++) {
        ln_explanation_free(&task.parts[k]);
        ln_free(task.reasons[k]);
    }
    ln_free(task.parts);
    ln_free(task.reasons);
    ln_free(task.groups);
    ln_free(start);
    return status;
}
