/* Fitting an encoding on the training rows.
 *
 * standard: center = mean, scale = population deviation (two passes in float64). minmax: center =
 * min, scale = max - min. A column that is constant up to rounding is divided by 1, by
 * scikit-learn's bounds (StandardScaler: variance <= n eps variance + (n mean eps)^2; MinMaxScaler:
 * range < 10 eps). Missing values take no part: neither in mean and deviation nor among the
 * categories (StandardScaler and OneHotEncoder do the same). */
#include "base/alloc.h"
#include "base/error.h"
#include "data/category.h"
#include "data/encoding.h"
#include "data/table.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct fitting {
    const ln_dataset *dataset;
    const int64_t *rows; /* of the training split */
    int64_t count;
    const ln_encoding_options *options;
    double *values; /* count: scratch */
} fitting;

static ln_status no_value(const ln_column *column, ln_error *err)
{
    ln_status status =
        ln_fail(err, LN_EINVALID, "column '%s' has no value in any of the training rows",
                ln_csv_show(column->name).text);
    ln_error_hint(err, "leave it out: ignore = { \"%s\" }", ln_csv_show(column->name).text);
    return status;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int64_t count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    double upper = values[count / 2];
    return count % 2 ? upper : values[count / 2 - 1] / 2 + upper / 2;
}

static double mean(const double *values, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

static double deviation(const double *values, int64_t count, double center)
{
    double sum = 0, n = (double)count;
    for (int64_t i = 0; i < count; i++)
        sum += (values[i] - center) * (values[i] - center);
    double variance = sum / n;
    double bound = n * DBL_EPSILON * variance + pow(n * center * DBL_EPSILON, 2);
    return variance <= bound ? 1 : sqrt(variance);
}

static void scale_range(const double *values, int64_t count, ln_encoded_column *to)
{
    double low = values[0], high = values[0];
    for (int64_t i = 1; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    to->center = low;
    to->scale = high - low < 10 * DBL_EPSILON ? 1 : high - low;
}

static ln_status none_may_miss(const ln_column *column, int64_t row, ln_error *err)
{
    return ln_fail(err, LN_EINVALID,
                   "row %lld has no value in column '%s', and missing = \"error\" forbids that",
                   (long long)row, ln_csv_show(column->name).text);
}

static ln_status fit_numeric(const fitting *fit, const ln_column *from, ln_encoded_column *to,
                             ln_error *err)
{
    int64_t count = 0;
    for (int64_t i = 0; i < fit->count; i++) {
        double x = from->numbers[fit->rows[i]];
        if (!isnan(x))
            fit->values[count++] = x;
        else if (to->required)
            return none_may_miss(from, fit->rows[i], err);
    }
    if (count == 0)
        return no_value(from, err);

    double middle = mean(fit->values, count);
    to->count = 1;
    to->center = 0;
    to->scale = 1;
    if (fit->options->numeric == LN_NUMERIC_STANDARD) {
        to->center = middle;
        to->scale = deviation(fit->values, count, middle);
    } else if (fit->options->numeric == LN_NUMERIC_MINMAX) {
        scale_range(fit->values, count, to);
    }
    if (fit->options->missing == LN_MISSING_INDICATOR && count < fit->count)
        to->missing_input = to->count++;
    to->fill = fit->options->missing == LN_MISSING_ERROR    ? NAN
               : fit->options->missing == LN_MISSING_MEDIAN ? median(fit->values, count)
                                                            : middle;
    if (!isfinite(to->center) || !isfinite(to->scale) || isinf(to->fill))
        return ln_fail(err, LN_EINVALID, "the numbers in column '%s' are too large to be scaled",
                       ln_csv_show(from->name).text);
    return LN_OK;
}

static ln_status fit_categorical(const fitting *fit, const ln_column *from, ln_encoded_column *to,
                                 ln_error *err)
{
    const ln_missing_encoding missing = fit->options->missing;
    ln_status status = LN_OK;
    bool some_miss = false;
    bool *seen = ln_calloc((size_t)from->category_count, sizeof *seen);
    to->categories = ln_calloc((size_t)from->category_count, sizeof *to->categories);
    if (!seen || !to->categories) {
        status = ln_fail_memory(err, (size_t)from->category_count * sizeof *to->categories);
        goto out;
    }
    for (int64_t i = 0; i < fit->count; i++) {
        const int32_t code = from->codes[fit->rows[i]];
        if (code < 0 && to->required) {
            status = none_may_miss(from, fit->rows[i], err);
            goto out;
        }
        some_miss = some_miss || code < 0;
        if (code >= 0)
            seen[code] = true;
    }
    for (int32_t i = 0; i < from->category_count; i++) {
        if (!seen[i])
            continue;
        char *copy = ln_strdup(from->categories[i]);
        if (!copy) {
            status = ln_fail_memory(err, strlen(from->categories[i]) + 1);
            goto out;
        }
        to->categories[to->category_count++] = copy;
    }
    if (to->category_count == 0)
        status = no_value(from, err);
    to->ordinal = fit->options->categorical == LN_CATEGORICAL_ORDINAL;
    to->count = to->ordinal ? 1 : to->category_count;
    if (some_miss && missing == LN_MISSING_CATEGORY && to->ordinal)
        to->missing_place = to->category_count;
    else if (some_miss && (missing == LN_MISSING_CATEGORY || missing == LN_MISSING_INDICATOR))
        to->missing_input = to->count++;
out:
    ln_free(seen);
    return status;
}

static ln_status fit_column(const fitting *fit, const ln_column *from, ln_encoded_column *to,
                            ln_error *err)
{
    to->kind = from->kind;
    to->required = fit->options->missing == LN_MISSING_ERROR;
    to->missing_input = to->missing_place = -1;
    to->name = ln_strdup(from->name);
    if (!to->name)
        return ln_fail_memory(err, strlen(from->name) + 1);
    return from->kind == LN_COLUMN_NUMERIC ? fit_numeric(fit, from, to, err)
                                           : fit_categorical(fit, from, to, err);
}

ln_status ln_encoding_arrange(ln_encoding *encoding, ln_error *err)
{
    encoding->width = 0;
    for (int i = 0; i < encoding->column_count; i++) {
        encoding->columns[i].first = encoding->width;
        if (__builtin_add_overflow(encoding->width, encoding->columns[i].count, &encoding->width))
            return ln_fail(err, LN_EINVALID, "the columns have too many encoded inputs");
    }
    encoding->column_of = ln_alloc((size_t)encoding->width * sizeof *encoding->column_of);
    if (!encoding->column_of)
        return ln_fail_memory(err, (size_t)encoding->width * sizeof *encoding->column_of);
    for (int i = 0; i < encoding->column_count; i++) {
        const ln_encoded_column *column = &encoding->columns[i];
        for (int j = 0; j < column->count; j++)
            encoding->column_of[column->first + j] = i;
    }
    return LN_OK;
}

static ln_status check_rows(const fitting *fit, ln_error *err)
{
    if (fit->count < 1)
        return ln_fail(err, LN_EINVALID,
                       "an encoding is fitted on training rows, and there are none");
    for (int64_t i = 0; i < fit->count; i++) {
        if (fit->rows[i] < 0 || fit->rows[i] >= fit->dataset->rows)
            return ln_fail(err, LN_EINVALID, "row %lld does not exist; %s has rows 0 to %lld",
                           (long long)fit->rows[i], fit->dataset->name,
                           (long long)fit->dataset->rows - 1);
    }
    return LN_OK;
}

ln_status ln_encoding_fit(const ln_dataset *dataset, const int64_t *rows, int64_t count,
                          const ln_encoding_options *options, ln_encoding **out, ln_error *err)
{
    fitting fit = {dataset, rows, count, options, NULL};
    ln_status status = check_rows(&fit, err);
    if (status != LN_OK)
        return status;
    ln_encoding *encoding = ln_calloc(1, sizeof *encoding);
    fit.values = ln_alloc((size_t)count * sizeof *fit.values);
    if (!encoding || !fit.values) {
        status = ln_fail_memory(err, (size_t)count * sizeof *fit.values);
        goto out;
    }
    encoding->options = *options;
    encoding->columns = ln_calloc((size_t)dataset->column_count, sizeof *encoding->columns);
    if (!encoding->columns) {
        status = ln_fail_memory(err, (size_t)dataset->column_count * sizeof *encoding->columns);
        goto out;
    }
    encoding->column_count = dataset->column_count;
    for (int i = 0; i < dataset->column_count && status == LN_OK; i++)
        status = fit_column(&fit, &dataset->columns[i], &encoding->columns[i], err);
    if (status == LN_OK)
        status = ln_encoding_arrange(encoding, err);
out:
    ln_free(fit.values);
    if (status == LN_OK)
        *out = encoding;
    else
        ln_encoding_free(encoding);
    return status;
}
