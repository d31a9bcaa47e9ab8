/* Metrics of predicted numbers. mse: the mean squared error,
 *
 *     sum over rows of w (prediction - truth)^2 / sum of w,
 *
 * with several outputs the mean over them. One pass. Source: scikit-learn mean_squared_error. */
#include <math.h>

#include "metrics/metric.h"

static ln_status mse(const ln_metric_input *input, const void *params, ln_metric_result *result,
                     ln_error *err)
{
    (void)params;
    (void)err;
    double sum = 0, total = 0;
    for (int64_t row = 0; row < input->n; row++) {
        double weight = input->weights ? input->weights[row] : 1, squares = 0;
        for (int64_t i = row * input->outputs; i < (row + 1) * input->outputs; i++) {
            double error = input->scores[i] - input->numbers[i];
            squares += error * error;
        }
        sum += weight * (squares / (double)input->outputs);
        total += weight;
    }
    double value = sum / total;
    if (!isfinite(value))
        return ln_metric_undefined(result, "the squares are too large for a float64");
    result->value = value;
    return LN_OK;
}

static const ln_param no_params[] = {LN_PARAM_END};

const ln_metric ln_metric_mse = {
    .word = {.name = "mse",
             .summary = "Mean squared error",
             .formula = "sum of w (prediction - truth)^2 / sum of w",
             .source = "scikit-learn mean_squared_error",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_REGRESSION,
    .higher_is_better = false,
    .scope = "model",
    .compute = mse,
};
