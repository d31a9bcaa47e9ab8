/* What is done with an attribution after it is made: summed over the columns of a table, and summed
 * up for the store. All sums are float64 in index order. */
#include "explainers/explainer.h"

#include <inttypes.h>
#include <math.h>

#include "base/alloc.h"
#include "base/error.h"

/* One item: sums[c] over its inputs. With `errors`, a column of one input keeps its standard error;
 * that of a sum of dependent draws is not known. */
static void sum_columns(const float *from, const int32_t *column_of, int64_t width, int64_t columns,
                        double *sums, bool errors, float *to)
{
    for (int64_t c = 0; c < columns; c++)
        sums[c] = errors ? INFINITY : 0; /* INFINITY: no input yet */
    for (int64_t i = 0; i < width; i++) {
        if (column_of[i] < 0)
            continue;
        double *sum = &sums[column_of[i]];
        if (!errors)
            *sum += (double)from[i];
        else
            *sum = isinf(*sum) ? (double)from[i] : NAN;
    }
    for (int64_t c = 0; c < columns; c++)
        to[c] = isinf(sums[c]) && errors ? 0 : (float)sums[c];
}

ln_status ln_explanation_by_column(ln_explanation *explanation, const int32_t *column_of,
                                   int64_t columns, ln_error *err)
{
    int64_t width = explanation->width, count = explanation->count;
    for (int64_t i = 0; i < width; i++)
        if (column_of[i] < -1 || column_of[i] >= columns)
            return ln_fail(err, LN_EINVALID,
                           "input %" PRId64
                           " belongs to column %d: there are columns 0 to %" PRId64,
                           i, column_of[i], columns - 1);
    size_t numbers = (size_t)count * (size_t)columns;
    double *sums = ln_calloc((size_t)columns, sizeof *sums);
    float *values = ln_calloc(numbers, sizeof *values);
    float *errors = explanation->errors ? ln_calloc(numbers, sizeof *errors) : NULL;
    if (!sums || !values || (explanation->errors && !errors)) {
        ln_free(sums);
        ln_free(values);
        ln_free(errors);
        return ln_fail_memory(err, numbers * sizeof *values);
    }
    for (int64_t i = 0; i < count; i++) {
        sum_columns(explanation->values + i * width, column_of, width, columns, sums, false,
                    values + i * columns);
        if (errors)
            sum_columns(explanation->errors + i * width, column_of, width, columns, sums, true,
                        errors + i * columns);
    }
    ln_free(sums);
    ln_free(explanation->values);
    ln_free(explanation->errors);
    explanation->values = values;
    explanation->errors = errors;
    explanation->width = columns;
    return LN_OK;
}

ln_summary ln_summarise(const float *values, int64_t width, double output, double baseline_output)
{
    ln_summary summary = {0};
    int64_t seen = 0;
    for (int64_t i = 0; i < width; i++) {
        double value = (double)values[i];
        summary.total += value;
        if (isnan(value)) {
            summary.nan_count++;
            continue;
        }
        summary.l1 += fabs(value);
        if (seen == 0 || value < summary.min)
            summary.min = value;
        if (seen == 0 || value > summary.max)
            summary.max = value;
        seen++;
    }
    summary.residual = summary.total - (output - baseline_output);
    return summary;
}

bool ln_residual_holds(const ln_summary *summary, double output, double baseline_output,
                       double tolerance)
{
    double scale = fabs(output) + fabs(baseline_output) + summary->l1;
    return fabs(summary->residual) <= tolerance * scale;
}

void ln_explanation_free(ln_explanation *explanation)
{
    ln_free(explanation->values);
    ln_free(explanation->errors);
    ln_free(explanation->output);
    ln_free(explanation->baseline_output);
    ln_free(explanation->absorbed);
    ln_free(explanation->fit);
    ln_free(explanation->outside);
    for (int64_t i = 0; explanation->rules && i < explanation->count; i++)
        ln_free(explanation->rules[i].text);
    ln_free(explanation->rules);
    for (int64_t i = 0; explanation->reasons && i < explanation->count; i++)
        ln_free(explanation->reasons[i]);
    ln_free(explanation->reasons);
    ln_free(explanation->units);
    ln_free(explanation->groups);
    *explanation = (ln_explanation){0};
}
