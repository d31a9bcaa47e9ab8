/* The table of metrics, and what all of them share: checking the task, the labels and the weights
 * once, so that a metric's own code is its formula. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "metrics/metric.h"

#define METRICS(X)                                                                                 \
    X(accuracy)                                                                                    \
    X(average_precision)                                                                           \
    X(balanced_accuracy)                                                                           \
    X(brier)                                                                                       \
    X(calibration_curve)                                                                           \
    X(cohen_kappa)                                                                                 \
    X(confusion_matrix)                                                                            \
    X(expected_calibration_error)                                                                  \
    X(f1)                                                                                          \
    X(gain)                                                                                        \
    X(gain_curve)                                                                                  \
    X(ks)                                                                                          \
    X(ks_curve)                                                                                    \
    X(ks_threshold)                                                                                \
    X(lift)                                                                                        \
    X(lift_curve)                                                                                  \
    X(log_loss)                                                                                    \
    X(mae)                                                                                         \
    X(mcc)                                                                                         \
    X(mse)                                                                                         \
    X(pr_curve)                                                                                    \
    X(precision)                                                                                   \
    X(r2)                                                                                          \
    X(recall)                                                                                      \
    X(rmse)                                                                                        \
    X(roc_auc)                                                                                     \
    X(roc_curve)

#define X(name) extern const ln_metric ln_metric_##name;
METRICS(X)
#undef X

#define X(name) &ln_metric_##name,
const ln_metric *const ln_metrics[] = {METRICS(X) NULL};
#undef X

const ln_metric *ln_metric_find(const char *word)
{
    for (int i = 0; ln_metrics[i]; i++)
        if (strcmp(ln_metrics[i]->word.name, word) == 0)
            return ln_metrics[i];
    return NULL;
}

ln_status ln_metric_check(const ln_metric *metric, int64_t class_count, const void *params,
                          ln_error *err)
{
    const char *word = metric->word.name;
    if (class_count == 0 && !(metric->flags & LN_METRIC_REGRESSION))
        return ln_fail(err, LN_EINVALID,
                       "%s compares classes, but this is regression; mse measures numbers", word);
    if (class_count > 0 && !(metric->flags & (LN_METRIC_BINARY | LN_METRIC_MULTICLASS)))
        return ln_fail(err, LN_EINVALID,
                       "%s compares numbers, but these are classes; accuracy and log_loss measure "
                       "classes",
                       word);
    if (class_count == 1)
        return ln_fail(err, LN_EINVALID, "%s needs two classes or more, found 1", word);
    if (class_count > 2 && !(metric->flags & LN_METRIC_MULTICLASS))
        return ln_fail(err, LN_EINVALID, "%s is defined for two classes, found %lld", word,
                       (long long)class_count);
    if (!metric->check)
        return LN_OK;
    return metric->check(metric, class_count, params ? params : metric->defaults, err);
}

ln_status ln_metric_undefined(ln_metric_result *result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->reason, sizeof result->reason, format, arguments);
    va_end(arguments);
    result->defined = false;
    result->value = NAN;
    return LN_OK;
}

static ln_status check_rows(const ln_metric_input *input, ln_error *err)
{
    for (int64_t i = 0; input->labels && i < input->n; i++)
        if (input->labels[i] < 0 || input->labels[i] >= input->class_count)
            return ln_fail(err, LN_EINVALID,
                           "the label of row %lld is %d, but there are %lld classes (0 to %lld)",
                           (long long)i, (int)input->labels[i], (long long)input->class_count,
                           (long long)input->class_count - 1);
    for (int64_t i = 0; input->weights && i < input->n; i++)
        if (!(input->weights[i] >= 0 && isfinite(input->weights[i])))
            return ln_fail(err, LN_EINVALID,
                           "the weight of row %lld is %g; a weight is a number not below 0",
                           (long long)i, input->weights[i]);
    return LN_OK;
}

/* Whether all numbers are finite: those whose exponent has all bits set are not. Told a stretch at a
 * time, without a branch a number. */
static bool all_finite(const double *numbers, int64_t count)
{
    enum { STRETCH = 4096 };
    for (int64_t first = 0; first < count; first += STRETCH) {
        const int64_t end = first + STRETCH < count ? first + STRETCH : count;
        uint64_t full = 0; /* bit 11: the exponent overflows when one is added */
        for (int64_t i = first; i < end; i++) {
            uint64_t bits;
            memcpy(&bits, &numbers[i], sizeof bits);
            full |= (bits << 1 >> 53) + 1;
        }
        if (full >> 11 & 1)
            return false;
    }
    return true;
}

static const char *unusable(const ln_metric_input *input)
{
    if (input->n == 0)
        return "no rows";
    double weight = input->weights ? 0 : 1;
    for (int64_t i = 0; input->weights && i < input->n; i++)
        weight += input->weights[i];
    if (!(weight > 0))
        return "the weights sum to 0";
    if (!isfinite(weight))
        return "the weights sum to infinity";
    int64_t columns = input->class_count ? input->class_count : input->outputs;
    if (!all_finite(input->scores, input->n * columns))
        return input->class_count ? "a score is no finite number"
                                  : "a prediction is no finite number";
    if (input->numbers && !all_finite(input->numbers, input->n * columns))
        return "a true value is missing or not finite";
    return NULL;
}

ln_status ln_metric_compute(const ln_metric *metric, const ln_metric_input *input,
                            const void *params, ln_metric_result *result, ln_error *err)
{
    *result = (ln_metric_result){.defined = true, .value = NAN, .lower = NAN, .upper = NAN};
    ln_metric_input checked = *input;
    if (checked.outputs == 0)
        checked.outputs = 1;
    ln_status status = ln_metric_check(metric, checked.class_count, params, err);
    if (!status)
        status = check_rows(&checked, err);
    if (status)
        return status;
    result->n = checked.n;
    const char *reason = unusable(&checked);
    if (reason)
        return ln_metric_undefined(result, "%s", reason);
    return metric->compute(&checked, params ? params : metric->defaults, result, err);
}

void ln_metric_result_free(ln_metric_result *result)
{
    ln_tensor_release(result->matrix);
    for (int i = 0; i < result->series_count; i++)
        ln_free(result->series[i].x);
    ln_free(result->series);
    result->matrix = NULL;
    result->series = NULL;
    result->series_count = 0;
}

const char *ln_metric_status(const ln_metric_result *result)
{
    return result->defined ? "ok" : "undefined";
}

ln_status ln_metric_series_make(ln_metric_result *result, int count, ln_error *err)
{
    result->series = ln_calloc((size_t)count, sizeof *result->series);
    if (!result->series)
        return ln_fail_memory(err, (size_t)count * sizeof *result->series);
    result->series_count = count;
    return LN_OK;
}

ln_status ln_metric_points_make(ln_metric_series *series, int64_t points, ln_error *err)
{
    series->x = ln_calloc((size_t)points, 3 * sizeof(double));
    if (!series->x)
        return ln_fail_memory(err, (size_t)points * 3 * sizeof(double));
    series->count = points;
    series->y = series->x + points;
    series->threshold = series->y + points;
    return LN_OK;
}

int32_t ln_metric_highest(const ln_metric_input *input, int64_t row)
{
    const double *scores = input->scores + row * input->class_count;
    int32_t best = 0;
    for (int32_t c = 1; c < input->class_count; c++)
        if (scores[c] > scores[best])
            best = c;
    return best;
}

int32_t ln_metric_predicted(const ln_metric_input *input, int64_t row)
{
    return ln_metric_predicted_at(input, row, LN_METRIC_THRESHOLD);
}
