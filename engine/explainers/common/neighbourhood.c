#include "explainers/common/neighbourhood.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/groups.h"

static ln_status fail_discretize(ln_error *err)
{
    ln_error_field(err, "discretize");
    return LN_EINVALID;
}

/* ---------------------------------------------------------------- columns */

static int64_t group_of(const ln_request *request, int64_t input)
{
    return request->groups ? request->groups[input] : input;
}

/* Whether all inputs of an encoded column are in one group. */
static bool is_whole(const ln_request *request, const ln_encoded_column *column)
{
    for (int i = 1; i < column->count; i++)
        if (group_of(request, column->first + i) != group_of(request, column->first))
            return false;
    return true;
}

static void add_column(ln_neighbourhood *near, const ln_request *request,
                       const ln_encoded_column *from, int64_t first)
{
    ln_near_column *to = &near->columns[near->column_count++];
    *to = (ln_near_column){.first = first,
                           .count = 1,
                           .number = first,
                           .missing = -1,
                           .group = group_of(request, first)};
    if (!from)
        return;
    to->count = from->count;
    to->zero = (float)((0 - from->center) / from->scale);
    if (from->kind != LN_COLUMN_NUMERIC)
        to->number = -1;
    else if (from->missing_input >= 0) {
        to->missing = first + from->missing_input;
        to->number = from->missing_input == 0 ? first + 1 : first;
    }
}

/* In the order of the inputs; then by group, which keeps that order. */
static ln_status list_columns(const ln_job *job, ln_neighbourhood *near, ln_error *err)
{
    const ln_request *request = job->request;
    const ln_encoding *encoding = request->model->encoding;
    size_t most = (size_t)near->width;
    ln_near_column *sorted = ln_calloc(most, sizeof *sorted);
    near->columns = ln_calloc(most, sizeof *near->columns);
    near->start = ln_calloc((size_t)near->groups + 1, sizeof *near->start);
    if (!sorted || !near->columns || !near->start) {
        ln_free(sorted);
        return ln_fail_memory(err, most * sizeof *sorted);
    }
    for (int c = 0; encoding && c < encoding->column_count; c++) {
        const ln_encoded_column *column = &encoding->columns[c];
        if (column->count > 0 && is_whole(request, column))
            add_column(near, request, column, column->first);
        else
            for (int i = 0; i < column->count; i++)
                add_column(near, request, NULL, column->first + i);
    }
    for (int64_t i = 0; !encoding && i < near->width; i++)
        if (group_of(request, i) >= 0) /* else it is held */
            add_column(near, request, NULL, i);
    for (int64_t c = 0; c < near->column_count; c++)
        near->start[near->columns[c].group + 1]++;
    for (int64_t g = 0; g < near->groups; g++)
        near->start[g + 1] += near->start[g];
    for (int64_t c = 0; c < near->column_count; c++)
        sorted[near->start[near->columns[c].group]++] = near->columns[c];
    for (int64_t g = near->groups; g > 0; g--)
        near->start[g] = near->start[g - 1];
    near->start[0] = 0;
    ln_free(near->columns);
    near->columns = sorted;
    near->plain = near->column_count == near->width && near->groups == near->width;
    for (int64_t c = 0; c < near->column_count; c++) {
        sorted[c].slot = near->slots;
        near->slots += sorted[c].number >= 0;
        near->plain &= sorted[c].number == c && sorted[c].count == 1 && sorted[c].group == c;
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- bins */

static bool misses(const ln_near_column *column, const float *row)
{
    return column->missing >= 0 && row[column->missing] != 0;
}

static uint8_t category_of(const ln_neighbourhood *near, const ln_near_column *column,
                           const float *row)
{
    const size_t bytes = (size_t)column->count * sizeof *row;
    for (int k = 0; k < column->categories; k++)
        if (memcmp(near->training + column->example[k] * near->width + column->first,
                   row + column->first, bytes) == 0)
            return (uint8_t)k;
    return LN_NEAR_OTHER;
}

uint8_t ln_near_bin_of(const ln_neighbourhood *near, int64_t c, const float *row)
{
    const ln_near_column *column = &near->columns[c];
    if (column->number < 0)
        return category_of(near, column, row);
    return misses(column, row) ? LN_NEAR_MISSING
                               : (uint8_t)ln_bins_find(&column->bins, (double)row[column->number]);
}

/* The categories that training rows have, unless they are more than a table holds. */
static void list_categories(const ln_neighbourhood *near, ln_near_column *column)
{
    for (int64_t r = 0; r < near->rows; r++) {
        const float *row = near->training + r * near->width;
        if (category_of(near, column, row) != LN_NEAR_OTHER)
            continue;
        if (column->categories == LN_BIN_TABLE) {
            column->loose = true;
            column->categories = 0;
            return;
        }
        column->example[column->categories++] = r;
    }
    for (int k = 0; k < column->categories; k++)
        for (int64_t i = column->first; i < column->first + column->count; i++)
            near->pattern[i * LN_BIN_TABLE + k] =
                near->training[column->example[k] * near->width + i];
}

static ln_status fit_column(const ln_request *request, ln_neighbourhood *near,
                            ln_near_column *column, ln_discretize how, double *values,
                            int64_t *labels, ln_error *err)
{
    int64_t count = 0;
    if (column->number < 0)
        return LN_OK;
    for (int64_t r = 0; r < near->rows; r++) {
        const float *row = near->training + r * near->width;
        if (misses(column, row))
            continue;
        if (labels)
            labels[count] = request->background_labels[r];
        values[count++] = (double)row[column->number];
    }
    column->bins = (ln_bins){.count = 1}; /* always missing: its number is never drawn */
    ln_status status = LN_OK;
    if (count > 0)
        status = ln_bins_make(values, labels, count, request->model->class_count, how,
                              &column->bins, err);
    ln_bins_table(&column->bins, near->binned, near->zero_points ? &column->zero : NULL,
                  &column->table);
    return status;
}

static ln_status fit_columns(const ln_job *job, ln_neighbourhood *near, ln_discretize how,
                             ln_error *err)
{
    size_t rows = (size_t)near->rows;
    double *values = ln_calloc(rows, sizeof *values);
    int64_t *labels = how == LN_DISCRETIZE_ENTROPY ? ln_calloc(rows, sizeof *labels) : NULL;
    ln_status status = LN_OK;
    if (!values || (how == LN_DISCRETIZE_ENTROPY && !labels))
        status = ln_fail_memory(err, rows * sizeof *values);
    for (int64_t c = 0; c < near->column_count && !status; c++)
        status = fit_column(job->request, near, &near->columns[c], how, values, labels, err);
    ln_free(values);
    ln_free(labels);
    return status;
}

/* Which inputs a sample has from lines of its own: all of them, where no column is loose and no input is held. */
static bool is_whole_row(const ln_neighbourhood *near)
{
    int64_t inputs = 0;
    for (int64_t c = 0; c < near->column_count; c++)
        inputs += near->columns[c].loose ? 0 : near->columns[c].count;
    return inputs == near->width;
}

static ln_status find_bins(ln_neighbourhood *near, ln_error *err)
{
    size_t bytes;
    if (__builtin_mul_overflow((size_t)near->rows, (size_t)near->column_count, &bytes))
        return ln_fail_memory(err, SIZE_MAX);
    bytes += sizeof(int32_t); /* which are read at once */
    near->bin = ln_calloc(1, bytes);
    near->pattern = ln_calloc((size_t)near->width * LN_BIN_TABLE, sizeof *near->pattern);
    if (!near->bin || !near->pattern)
        return ln_fail_memory(err, bytes);
    for (int64_t c = 0; c < near->column_count; c++) {
        if (near->columns[c].number < 0)
            list_categories(near, &near->columns[c]);
        for (int64_t r = 0; r < near->rows && !near->columns[c].loose; r++)
            near->bin[c * near->rows + r] =
                ln_near_bin_of(near, c, near->training + r * near->width);
    }
    near->whole = is_whole_row(near);
    return LN_OK;
}

/* Without bins, of each group's number. A column that does not vary is read in its own unit. */
static ln_status list_scales(ln_neighbourhood *near, ln_error *err)
{
    near->scale = ln_calloc((size_t)near->groups * 2, sizeof *near->scale);
    if (!near->scale)
        return ln_fail_memory(err, (size_t)near->groups * 2 * sizeof *near->scale);
    for (int64_t g = 0; g < near->groups; g++) {
        const ln_bins *bins = &near->columns[near->start[g]].bins;
        const bool some = near->start[g + 1] > near->start[g];
        near->scale[g] = some ? bins->mean[0] : 0;
        near->scale[near->groups + g] = some && bins->deviation[0] > 0 ? bins->deviation[0] : 1;
    }
    return LN_OK;
}

static ln_status check(const ln_job *job, const ln_neighbourhood *near, ln_discretize how,
                       ln_error *err)
{
    if (how == LN_DISCRETIZE_ENTROPY && !job->request->background_labels) {
        ln_fail(err, LN_EINVALID,
                "\"entropy\" needs the classes of the rows it draws from, and these have none: "
                "expected \"quartile\" or \"decile\"");
        return fail_discretize(err);
    }
    for (int64_t g = 0; how == LN_DISCRETIZE_NONE && g < near->groups; g++)
        if (near->start[g + 1] > near->start[g] + 1) {
            ln_fail(err, LN_EINVALID,
                    "without bins a group has one number, and group %" PRId64 " has %" PRId64
                    " columns: expected \"quartile\", \"decile\" or \"entropy\", or columns alone",
                    g, near->start[g + 1] - near->start[g]);
            return fail_discretize(err);
        }
    return LN_OK;
}

static ln_status fail_number(const ln_job *job, int64_t row, int64_t input, double found,
                             ln_error *err)
{
    const ln_encoding *encoding = job->request->model->encoding;
    char number[24];
    snprintf(number, sizeof number, "%" PRId64, input);
    ln_fail(err, LN_EINVALID,
            "row %" PRId64
            " of the rows to draw from has %g in %s %s: expected numbers in all of them",
            row, found, encoding ? "column" : "input",
            encoding ? encoding->columns[encoding->column_of[input]].name : number);
    ln_error_field(err, "background");
    return LN_EINVALID;
}

/* Bins have no place for what is no number, and no bound is beside it. */
static ln_status check_numbers(const ln_job *job, const ln_neighbourhood *near, ln_error *err)
{
    for (int64_t r = 0; r < near->rows; r++)
        for (int64_t c = 0; c < near->column_count; c++)
            for (int64_t i = 0; i < near->columns[c].count; i++) {
                const int64_t input = near->columns[c].first + i;
                const double found = (double)near->training[r * near->width + input];
                if (!isfinite(found))
                    return fail_number(job, r, input, found, err);
            }
    return LN_OK;
}

ln_status ln_neighbourhood_make(const ln_job *job, ln_discretize how, bool zero_points,
                                ln_neighbourhood *out, ln_error *err)
{
    const ln_tensor *training = job->request->background;
    *out = (ln_neighbourhood){.width = job->request->model->width,
                              .rows = training->shape.dims[0],
                              .groups = job->width,
                              .training = ln_f32(training),
                              .binned = how != LN_DISCRETIZE_NONE,
                              .zero_points = zero_points};
    out->kernels = out->rows > INT32_MAX ? &ln_bins_baseline : ln_kernels_bins();
    ln_status status = list_columns(job, out, err);
    if (!status)
        status = check_numbers(job, out, err);
    if (!status)
        status = check(job, out, how, err);
    if (!status)
        status = fit_columns(job, out, how, err);
    if (!status)
        status = find_bins(out, err);
    if (!status && !out->binned)
        status = list_scales(out, err);
    return status;
}

void ln_neighbourhood_free(ln_neighbourhood *near)
{
    ln_free(near->columns);
    ln_free(near->start);
    ln_free(near->bin);
    ln_free(near->pattern);
    ln_free(near->scale);
    *near = (ln_neighbourhood){0};
}
