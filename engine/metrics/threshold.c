/* Metrics of the predicted class: accuracy, precision, recall, f1, confusion_matrix.
 *
 * With t_c the weight of the rows of class c, p_c of those predicted as c and h_c of those that are
 * both (hits):
 *
 *     accuracy = sum h / sum t      precision_c = h_c / p_c      recall_c = h_c / t_c
 *     f1_c = 2 h_c / (p_c + t_c)    (the harmonic mean of the two)
 *
 * Averages over classes: "binary" is class 1 of two; "micro" pools numerators and denominators over
 * classes; "macro" is the plain mean and "weighted" the mean by t_c, over the classes that occur
 * among labels or predictions (as scikit-learn takes them). A class without a denominator counts as
 * 0 in a mean, and the remark says so; alone it is undefined.
 *
 * Cost: one pass over the rows. Source: scikit-learn's metrics of the same names. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "metrics/metric.h"
#include "metrics/tally.h"

static ln_status accuracy(const ln_metric_input *input, const void *params,
                          ln_metric_result *result, ln_error *err)
{
    (void)err;
    double threshold = ((const ln_threshold_params *)params)->threshold;
    const bool counted = !input->weights && !input->times; /* every row is 1 */
    double hit = 0, total = 0;
    int64_t count = 0;
    /* No branch on what is right, which would be guessed wrong as often as the model. */
    for (int64_t row = 0; row < input->n && counted; row++)
        count += input->labels[row] == ln_metric_predicted_at(input, row, threshold);
    for (int64_t row = 0; row < input->n && !counted; row++) {
        const double weight = ln_metric_weight(input, row);
        const bool right = input->labels[row] == ln_metric_predicted_at(input, row, threshold);
        hit += right ? weight : 0;
        total += weight;
    }
    result->value = counted ? (double)count / (double)input->n : hit / total;
    return LN_OK;
}

/* precision, recall and f1 differ in the denominator, the factor and the words. */
typedef struct kind {
    double factor;                                            /* of the hits */
    double (*denominator)(const ln_tally *counts, int64_t c); /* of class c */
    const char *binary;                                       /* why class 1 alone is undefined */
    const char *averaged; /* "nothing is predicted as" class c */
} kind;

static double predicted_as(const ln_tally *counts, int64_t c)
{
    return counts->predicted[c];
}

static double labelled_as(const ln_tally *counts, int64_t c)
{
    return counts->actual[c];
}

static double either(const ln_tally *counts, int64_t c)
{
    return counts->predicted[c] + counts->actual[c];
}

static const kind kind_precision = {1, predicted_as, "nothing is predicted as class 1",
                                    "nothing is predicted as"};
static const kind kind_recall = {1, labelled_as, "no row is of class 1", "no row is of"};
static const kind kind_f1 = {2, either, "no row is of class 1 and none is predicted as it",
                             "no row is, and none is predicted as,"};

/* "macro" and "weighted": a mean over the classes that occur. */
static void mean_over_classes(const ln_metric_input *input, const kind *of, const ln_tally *counts,
                              bool weighted, ln_metric_result *result)
{
    double sum = 0, weight = 0;
    int64_t empty = 0, first = -1;
    for (int64_t c = 0; c < input->class_count; c++) {
        if (!counts->occurs[c])
            continue;
        double share = weighted ? counts->actual[c] : 1;
        double denominator = of->denominator(counts, c);
        weight += share;
        if (denominator > 0)
            sum += share * (of->factor * counts->hit[c] / denominator);
        else if (empty++ == 0)
            first = c;
    }
    result->value = sum / weight;
    if (empty == 1)
        snprintf(result->reason, sizeof result->reason, "%s class %lld: it counts as 0",
                 of->averaged, (long long)first);
    else if (empty > 1)
        snprintf(result->reason, sizeof result->reason,
                 "%s class %lld and %lld other classes: they count as 0", of->averaged,
                 (long long)first, (long long)empty - 1);
}

static ln_status averaged(const ln_metric_input *input, const kind *of, const void *params,
                          ln_metric_result *result, ln_error *err)
{
    double threshold = ((const ln_average_params *)params)->threshold;
    ln_tally counts;
    ln_status status = ln_tally_make(input, threshold, &counts, err);
    if (status)
        return status;
    int average = ((const ln_average_params *)params)->average;
    if (average == LN_AVERAGE_BINARY) {
        double denominator = of->denominator(&counts, 1);
        if (denominator > 0)
            result->value = of->factor * counts.hit[1] / denominator;
        else
            ln_metric_undefined(result, "%s", of->binary);
    } else if (average == LN_AVERAGE_MICRO) {
        double hit = 0, denominator = 0;
        for (int64_t c = 0; c < input->class_count; c++) {
            hit += counts.hit[c];
            denominator += of->denominator(&counts, c);
        }
        result->value = of->factor * hit / denominator;
    } else {
        mean_over_classes(input, of, &counts, average == LN_AVERAGE_WEIGHTED, result);
    }
    ln_tally_free(&counts);
    return LN_OK;
}

static ln_status precision(const ln_metric_input *input, const void *params,
                           ln_metric_result *result, ln_error *err)
{
    return averaged(input, &kind_precision, params, result, err);
}

static ln_status recall(const ln_metric_input *input, const void *params, ln_metric_result *result,
                        ln_error *err)
{
    return averaged(input, &kind_recall, params, result, err);
}

static ln_status f1(const ln_metric_input *input, const void *params, ln_metric_result *result,
                    ln_error *err)
{
    return averaged(input, &kind_f1, params, result, err);
}

static ln_status confusion_matrix(const ln_metric_input *input, const void *params,
                                  ln_metric_result *result, ln_error *err)
{
    double threshold = ((const ln_threshold_params *)params)->threshold;
    ln_shape shape = {.rank = 2, .dims = {input->class_count, input->class_count}};
    ln_status status = ln_tensor_new(LN_F64, &shape, &result->matrix, err);
    if (status)
        return status;
    double *matrix = ln_f64(result->matrix);
    for (int64_t row = 0; row < input->n; row++)
        matrix[input->labels[row] * input->class_count +
               ln_metric_predicted_at(input, row, threshold)] += ln_metric_weight(input, row);
    return LN_OK;
}

/* "binary" is a choice between two classes. */
static ln_status check_average(const ln_metric *metric, int64_t class_count, const void *params,
                               ln_error *err)
{
    const ln_average_params *given = params;
    if (class_count > 2 && given->average == LN_AVERAGE_BINARY)
        return ln_fail(err, LN_EINVALID,
                       "%s with average = \"binary\" (the default) is of two classes, found %lld: "
                       "choose average = \"macro\", \"micro\" or \"weighted\"",
                       metric->word.name, (long long)class_count);
    ln_threshold_params threshold = {given->threshold};
    return ln_threshold_check(metric, class_count, &threshold, err);
}

static const ln_param average_params[] = {
    {.name = "average",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_average_params, average),
     .fallback = "\"binary\"",
     .choices = LN_AVERAGE_CHOICES,
     .help = "binary: of class 1; macro: mean over classes; micro: all classes pooled; weighted: "
             "mean by the classes' rows"},
    {.name = "threshold",
     .type = LN_PARAM_REAL,
     .offset = offsetof(ln_average_params, threshold),
     .fallback = "0.5",
     .min = -HUGE_VAL,
     .max = HUGE_VAL,
     .help =
         "class 1 of two is predicted where its score is at least this; or a rule that finds it on "
         "other rows"},
    LN_PARAM_END};
static const ln_average_params average_defaults = {LN_AVERAGE_BINARY, LN_METRIC_THRESHOLD};

const ln_metric ln_metric_accuracy = {
    .word = {.name = "accuracy",
             .summary = "share of the rows whose class is predicted",
             .formula = "sum of w over rows with predicted = label / sum of w",
             .source = "scikit-learn accuracy_score",
             .params = ln_threshold_param,
             .params_size = sizeof(ln_threshold_params)},
    .flags = LN_METRIC_CLASSES,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &ln_threshold_defaults,
    .check = ln_threshold_check,
    .compute = accuracy,
};

const ln_metric ln_metric_precision = {
    .word = {.name = "precision",
             .summary = "share of the rows predicted as a class that are of it",
             .formula = "TP / (TP + FP)",
             .source = "scikit-learn precision_score",
             .params = average_params,
             .params_size = sizeof(ln_average_params)},
    .flags = LN_METRIC_CLASSES,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &average_defaults,
    .check = check_average,
    .compute = precision,
};

const ln_metric ln_metric_recall = {
    .word = {.name = "recall",
             .summary = "share of the rows of a class that are predicted as it",
             .formula = "TP / (TP + FN)",
             .source = "scikit-learn recall_score",
             .params = average_params,
             .params_size = sizeof(ln_average_params)},
    .flags = LN_METRIC_CLASSES,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &average_defaults,
    .check = check_average,
    .compute = recall,
};

const ln_metric ln_metric_f1 = {
    .word = {.name = "f1",
             .summary = "harmonic mean of precision and recall",
             .formula = "2 TP / (2 TP + FP + FN)",
             .source = "scikit-learn f1_score",
             .params = average_params,
             .params_size = sizeof(ln_average_params)},
    .flags = LN_METRIC_CLASSES,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &average_defaults,
    .check = check_average,
    .compute = f1,
};

const ln_metric ln_metric_confusion_matrix = {
    .word = {.name = "confusion_matrix",
             .summary = "weight of the rows by true class (rows) and predicted class (columns)",
             .formula = "C[i][j] = sum of w over rows of class i predicted as j",
             .source = "scikit-learn confusion_matrix",
             .params = ln_threshold_param,
             .params_size = sizeof(ln_threshold_params)},
    .flags = LN_METRIC_CLASSES | LN_METRIC_MATRIX,
    .scope = "model",
    .defaults = &ln_threshold_defaults,
    .check = ln_threshold_check,
    .compute = confusion_matrix,
};
