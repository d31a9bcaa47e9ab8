/* log_loss: the mean negative logarithm of the probability given to the true class,
 *
 *     - sum over rows of w log(min(max(p_label, e), 1 - e)) / sum of w,    e = 2^-52
 *
 * with e the spacing of float64 at 1, as scikit-learn clips: a certain wrong answer costs 36.04,
 * not infinity. Scores outside 0 to 1 are no probabilities: undefined. One pass over the rows.
 * Source: Good 1952, "Rational decisions"; scikit-learn log_loss. */
#include <float.h>
#include <math.h>

#include "metrics/metric.h"

static ln_status log_loss(const ln_metric_input *input, const void *params,
                          ln_metric_result *result, ln_error *err)
{
    (void)params;
    (void)err;
    double sum = 0, total = 0;
    for (int64_t row = 0; row < input->n; row++) {
        double p = input->scores[row * input->class_count + input->labels[row]];
        if (p < 0 || p > 1)
            return ln_metric_undefined(result, "the score %g of row %lld is no probability", p,
                                       (long long)row);
        double weight = input->weights ? input->weights[row] : 1;
        sum -= weight * log(fmin(fmax(p, DBL_EPSILON), 1 - DBL_EPSILON));
        total += weight;
    }
    result->value = sum / total;
    return LN_OK;
}

static const ln_param no_params[] = {LN_PARAM_END};

const ln_metric ln_metric_log_loss = {
    .word = {.name = "log_loss",
             .summary = "Mean negative log-likelihood of the true classes",
             .formula = "-sum of w log(p_label) / sum of w, p clipped to [2^-52, 1 - 2^-52]",
             .source = "Good 1952; scikit-learn log_loss",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_MULTICLASS,
    .higher_is_better = false,
    .scope = "model",
    .compute = log_loss,
};
