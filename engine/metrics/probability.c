/* How good scores are as probabilities: log_loss, brier.
 *
 *     log_loss = - sum over rows of w log(min(max(p_label, e), 1 - e)) / sum of w,    e = 2^-52
 *     brier    = sum over rows of w (p_1 - y)^2 / sum of w                      for two classes
 *              = sum over rows of w sum over classes c of (p_c - y_c)^2 / sum of w     for more
 *
 * with e the spacing of float64 at 1, as scikit-learn clips: a certain wrong answer costs 36.04,
 * not infinity. Brier's own score is the second line for two classes as well, twice the first: that
 * of class 1 alone is what scikit-learn and forecasters report. Scores outside 0 to 1 are no
 * probabilities: undefined. One pass over the rows. Sources: Good 1952, "Rational decisions"; Brier
 * 1950; scikit-learn log_loss, brier_score_loss. */
#include <float.h>
#include <math.h>

#include "metrics/metric.h"

static bool is_probability(double p)
{
    return p >= 0 && p <= 1;
}

static ln_status no_probability(ln_metric_result *result, double p, int64_t row)
{
    return ln_metric_undefined(result, "the score %g of row %lld is no probability", p,
                               (long long)row);
}

static ln_status log_loss(const ln_metric_input *input, const void *params,
                          ln_metric_result *result, ln_error *err)
{
    (void)params;
    (void)err;
    double sum = 0, total = 0;
    for (int64_t row = 0; row < input->n; row++) {
        double weight = ln_metric_weight(input, row);
        if (weight == 0 && input->times)
            continue; /* of a resample: saves the logarithm */
        double p = input->scores[row * input->class_count + input->labels[row]];
        if (!is_probability(p))
            return no_probability(result, p, row);
        sum -= weight * log(fmin(fmax(p, DBL_EPSILON), 1 - DBL_EPSILON));
        total += weight;
    }
    result->value = sum / total;
    return LN_OK;
}

static ln_status brier(const ln_metric_input *input, const void *params, ln_metric_result *result,
                       ln_error *err)
{
    (void)params;
    (void)err;
    double sum = 0, total = 0;
    int32_t first = input->class_count == 2 ? 1 : 0;
    for (int64_t row = 0; row < input->n; row++) {
        double weight = ln_metric_weight(input, row), squares = 0;
        const double *scores = input->scores + row * input->class_count;
        for (int32_t c = first; c < input->class_count; c++) {
            if (!is_probability(scores[c]))
                return no_probability(result, scores[c], row);
            double error = scores[c] - (input->labels[row] == c);
            squares += error * error;
        }
        sum += weight * squares;
        total += weight;
    }
    result->value = sum / total;
    return LN_OK;
}

static const ln_param no_params[] = {LN_PARAM_END};

const ln_metric ln_metric_log_loss = {
    .word = {.name = "log_loss",
             .summary = "mean negative log-likelihood of the true classes",
             .formula = "-sum of w log(p_label) / sum of w, p clipped to [2^-52, 1 - 2^-52]",
             .source = "Good 1952; scikit-learn log_loss",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_MULTICLASS,
    .higher_is_better = false,
    .scope = "model",
    .compute = log_loss,
};

const ln_metric ln_metric_brier = {
    .word = {.name = "brier",
             .summary = "mean squared error of the probabilities",
             .formula =
                 "sum of w (p_1 - y)^2 / sum of w; of more than two classes summed over them",
             .source = "Brier 1950; scikit-learn brier_score_loss",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_MULTICLASS,
    .higher_is_better = false,
    .scope = "model",
    .compute = brier,
};
