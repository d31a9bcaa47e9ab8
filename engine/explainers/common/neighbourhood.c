#include "explainers/common/neighbourhood.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "explainers/common/groups.h"
#include "kernels/draws.h"

enum { TOGETHER = 16 }; /* samples whose words are drawn at once */

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
    return LN_OK;
}

/* ---------------------------------------------------------------- bins */

static bool misses(const ln_near_column *column, const float *row)
{
    return column->missing >= 0 && row[column->missing] != 0;
}

static uint8_t bin_of(const ln_near_column *column, const float *row)
{
    if (column->number < 0)
        return 0;
    return misses(column, row) ? LN_NEAR_MISSING
                               : (uint8_t)ln_bins_find(&column->bins, (double)row[column->number]);
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
    if (count == 0) { /* always missing: its number is never drawn */
        column->bins = (ln_bins){.count = 1};
        return LN_OK;
    }
    return ln_bins_make(values, labels, count, request->model->class_count, how, &column->bins,
                        err);
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

static ln_status find_bins(ln_neighbourhood *near, ln_error *err)
{
    size_t bytes;
    if (__builtin_mul_overflow((size_t)near->rows, (size_t)near->column_count, &bytes))
        return ln_fail_memory(err, SIZE_MAX);
    near->bin = ln_alloc(bytes);
    if (!near->bin)
        return ln_fail_memory(err, bytes);
    for (int64_t r = 0; r < near->rows; r++)
        for (int64_t c = 0; c < near->column_count; c++)
            near->bin[r * near->column_count + c] =
                bin_of(&near->columns[c], near->training + r * near->width);
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
    ln_status status = list_columns(job, out, err);
    if (!status)
        status = check(job, out, how, err);
    if (!status)
        status = fit_columns(job, out, how, err);
    if (!status && out->binned)
        status = find_bins(out, err);
    return status;
}

void ln_neighbourhood_free(ln_neighbourhood *near)
{
    ln_free(near->columns);
    ln_free(near->start);
    ln_free(near->bin);
    *near = (ln_neighbourhood){0};
}

/* ---------------------------------------------------------------- samples */

/* A number in units of its column's deviation; of a column that does not vary, its distance. */
static double scaled(const ln_near_column *column, double value)
{
    double deviation = column->bins.deviation[0];
    return (value - column->bins.mean[0]) / (deviation > 0 ? deviation : 1);
}

void ln_neighbourhood_of(const ln_neighbourhood *near, const float *x, uint8_t *bins, double *z)
{
    for (int64_t c = 0; c < near->column_count; c++)
        bins[c] = bin_of(&near->columns[c], x);
    for (int64_t g = 0; g < near->groups; g++) {
        const ln_near_column *column = &near->columns[near->start[g]];
        bool number = !near->binned && near->start[g + 1] > near->start[g] && column->number >= 0;
        z[g] = number ? scaled(column, (double)x[column->number]) : 1;
    }
}

/* Of a sample. */
static int64_t words_of(const ln_neighbourhood *near)
{
    return near->groups + near->column_count;
}

ln_near_buffers ln_near_carve(const ln_neighbourhood *near, ln_carver *carver)
{
    ln_near_buffers made;
    made.words = ln_carve(carver, TOGETHER * words_of(near), sizeof *made.words);
    made.share = ln_carve(carver, near->column_count, sizeof *made.share);
    made.number = ln_carve(carver, near->column_count, sizeof *made.number);
    made.bin = ln_carve(carver, near->column_count, sizeof *made.bin);
    return made;
}

/* Between 0 and 1, neither of them: the middles of 2^32 steps are enough for numbers that end as float32. */
static double uniform(uint32_t word)
{
    return ((double)word + 0.5) * 0x1p-32;
}

/* Column c as training row r has it, in `row`, but for a number that is drawn by its word: where, goes to
 * at->share. Whether the column is what x has. */
static bool draw_column(const ln_neighbourhood *near, const ln_near_buffers *at, int64_t c,
                        int64_t r, uint32_t word, const float *x, uint8_t bin_of_x, float *row)
{
    const ln_near_column *column = &near->columns[c];
    const float *from = near->training + r * near->width + column->first;
    const size_t bytes = (size_t)column->count * sizeof *row;
    if (column->count > 1 || column->number < 0)
        memcpy(row + column->first, from, bytes);
    at->bin[c] = LN_NEAR_TAKEN;
    at->share[c] = 0.5;
    if (column->number < 0)
        return memcmp(from, x + column->first, bytes) == 0;
    const double drawn = uniform(word);
    const bool missing = misses(column, from - column->first);
    const uint8_t bin = near->binned ? near->bin[r * near->column_count + c] : 0;
    if (!missing && near->binned && near->zero_points &&
        column->bins.low[bin] == column->bins.high[bin]) {
        row[column->number] = column->zero;
    } else if (!missing) {
        at->bin[c] = bin;
        at->share[c] = near->binned ? ln_bins_share(&column->bins, bin, drawn) : drawn;
    }
    return near->binned && bin == bin_of_x;
}

/* The drawn numbers, where their shares lie. */
static void place_numbers(const ln_neighbourhood *near, const ln_near_buffers *at, float *row)
{
    ln_bins_quantiles(at->share, near->column_count, at->number);
    for (int64_t c = 0; c < near->column_count; c++) {
        const ln_near_column *column = &near->columns[c];
        if (at->bin[c] == LN_NEAR_TAKEN)
            continue;
        double value = near->binned
                           ? ln_bins_number(&column->bins, at->bin[c], at->number[c])
                           : column->bins.mean[0] + column->bins.deviation[0] * at->number[c];
        row[column->number] = (float)value;
    }
}

double ln_neighbourhood_draw(const ln_neighbourhood *near, const ln_near_buffers *at,
                             int64_t number, const float *x, const uint8_t *bins,
                             const double *z_of_x, ln_rng *rng, float *row, double *z)
{
    double distance = 0;
    const uint32_t *words = at->words + number % TOGETHER * words_of(near);
    if (number % TOGETHER == 0)
        ln_draw_words(rng, TOGETHER * words_of(near), at->words);
    for (int64_t g = 0; g < near->groups; g++) {
        /* Of so few rows a word makes some more likely than others by 2^-32 times their number. */
        const int64_t r = (int64_t)((uint64_t)words[g] * (uint64_t)near->rows >> 32);
        bool same = true;
        for (int64_t c = near->start[g]; c < near->start[g + 1]; c++)
            same &= draw_column(near, at, c, r, words[near->groups + c], x, bins[c], row);
        z[g] = same;
    }
    place_numbers(near, at, row);
    for (int64_t g = 0; g < near->groups; g++) {
        const ln_near_column *column = &near->columns[near->start[g]];
        if (!near->binned && near->start[g + 1] > near->start[g] && column->number >= 0)
            z[g] = scaled(column, (double)row[column->number]);
        distance += (z[g] - z_of_x[g]) * (z[g] - z_of_x[g]);
    }
    return distance;
}
