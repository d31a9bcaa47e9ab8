/* How far the predicted classes agree with the true ones, in one number that no large class
 * outvotes: balanced_accuracy, mcc, cohen_kappa.
 *
 * With t_c the weight of the rows of class c, p_c of those predicted as c, h_c of those that are
 * both, and n of all:
 *
 *     balanced_accuracy = mean of h_c / t_c over the classes with t_c > 0
 *     mcc   = sum (h_c n - t_c p_c) / sqrt(sum t_c (n - t_c) * sum p_c (n - p_c))
 *     kappa = 1 - n m / sum t_c (n - p_c),   m the weight of the rows that are predicted wrongly
 *
 * mcc is the correlation of the two as indicator vectors (Gorodkin's R_K for more than two classes,
 * Matthews' phi for two); kappa is what is agreed on beyond chance. Written with n - t_c in place of
 * n^2 - t_c^2, so that a class that holds nearly everything cancels nothing. Where all rows are of
 * one class, or all are predicted as one, mcc has no value (scikit-learn says 0); kappa has none only
 * where both are so and it is the same class.
 *
 * Cost: one pass over the rows. Sources: Brodersen et al. 2010; Matthews 1975; Gorodkin 2004; Cohen
 * 1960; scikit-learn balanced_accuracy_score, matthews_corrcoef, cohen_kappa_score. */
#include <math.h>

#include "metrics/metric.h"
#include "metrics/tally.h"

static double threshold_of(const void *params)
{
    return ((const ln_threshold_params *)params)->threshold;
}

static ln_status balanced_accuracy(const ln_metric_input *input, const void *params,
                                   ln_metric_result *result, ln_error *err)
{
    ln_tally counts;
    ln_status status = ln_tally_make(input, threshold_of(params), &counts, err);
    if (status)
        return status;
    double sum = 0;
    int64_t present = 0;
    for (int64_t c = 0; c < input->class_count; c++) {
        if (counts.actual[c] > 0) {
            sum += counts.hit[c] / counts.actual[c];
            present++;
        }
    }
    ln_tally_free(&counts);
    result->value = sum / (double)present;
    return LN_OK;
}

static ln_status mcc(const ln_metric_input *input, const void *params, ln_metric_result *result,
                     ln_error *err)
{
    ln_tally counts;
    ln_status status = ln_tally_make(input, threshold_of(params), &counts, err);
    if (status)
        return status;
    double both = 0, actual = 0, predicted = 0, n = counts.total;
    for (int64_t c = 0; c < input->class_count; c++) {
        both += counts.hit[c] * n - counts.actual[c] * counts.predicted[c];
        actual += counts.actual[c] * (n - counts.actual[c]);
        predicted += counts.predicted[c] * (n - counts.predicted[c]);
    }
    ln_tally_free(&counts);
    if (!(actual > 0))
        return ln_metric_undefined(result, "one class only");
    if (!(predicted > 0))
        return ln_metric_undefined(result, "all rows are predicted as one class");
    result->value = both / sqrt(actual * predicted);
    return LN_OK;
}

static ln_status cohen_kappa(const ln_metric_input *input, const void *params,
                             ln_metric_result *result, ln_error *err)
{
    ln_tally counts;
    ln_status status = ln_tally_make(input, threshold_of(params), &counts, err);
    if (status)
        return status;
    double chance = 0, n = counts.total;
    for (int64_t c = 0; c < input->class_count; c++)
        chance += counts.actual[c] * (n - counts.predicted[c]);
    ln_tally_free(&counts);
    if (!(chance > 0))
        return ln_metric_undefined(result, "one class only, and it alone is predicted");
    result->value = 1 - n * counts.missed / chance;
    return LN_OK;
}

const ln_metric ln_metric_balanced_accuracy = {
    .word = {.name = "balanced_accuracy",
             .summary = "mean over the classes of the share of their rows that is predicted",
             .formula = "mean of h_c / t_c over the classes c that occur",
             .source = "Brodersen et al. 2010; scikit-learn balanced_accuracy_score",
             .params = ln_threshold_param,
             .params_size = sizeof(ln_threshold_params)},
    .flags = LN_METRIC_CLASSES,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &ln_threshold_defaults,
    .check = ln_threshold_check,
    .compute = balanced_accuracy,
};

const ln_metric ln_metric_mcc = {
    .word = {.name = "mcc",
             .summary = "correlation of the predicted classes with the true ones (Matthews)",
             .formula = "sum_c (h_c n - t_c p_c) / sqrt(sum_c t_c (n - t_c) * sum_c p_c (n - p_c))",
             .source = "Matthews 1975; Gorodkin 2004; scikit-learn matthews_corrcoef",
             .params = ln_threshold_param,
             .params_size = sizeof(ln_threshold_params)},
    .flags = LN_METRIC_CLASSES,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &ln_threshold_defaults,
    .check = ln_threshold_check,
    .compute = mcc,
};

const ln_metric ln_metric_cohen_kappa = {
    .word = {.name = "cohen_kappa",
             .summary = "agreement of the predicted classes with the true ones beyond chance",
             .formula = "1 - n (n - sum_c h_c) / sum_c t_c (n - p_c)",
             .source = "Cohen 1960; scikit-learn cohen_kappa_score",
             .params = ln_threshold_param,
             .params_size = sizeof(ln_threshold_params)},
    .flags = LN_METRIC_CLASSES,
    .higher_is_better = true,
    .scope = "model",
    .defaults = &ln_threshold_defaults,
    .check = ln_threshold_check,
    .compute = cohen_kappa,
};
