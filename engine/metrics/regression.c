/* Metrics of predicted numbers: mse, rmse, mae, r2. With w the rows' weights, y the truth, f the
 * prediction and m the weighted mean of the truth:
 *
 *     mse  = sum w (f - y)^2 / sum w              rmse = sqrt(mse)
 *     mae  = sum w |f - y| / sum w                r2   = 1 - sum w (f - y)^2 / sum w (y - m)^2
 *
 * With several outputs each is the mean over the outputs (rmse: of the outputs' roots). r2 of equal
 * true values is undefined (scikit-learn says 1 or 0). One pass; r2 two, so that the mean is taken
 * off before squaring. Sources: scikit-learn mean_squared_error, mean_absolute_error, r2_score. */
#include <math.h>

#include "metrics/metric.h"

/* What an error of one number costs. */
typedef double (*cost)(double error);

static double square(double error)
{
    return error * error;
}

/* The weighted mean cost of output `column`. */
static double mean_cost(const ln_metric_input *input, int64_t column, cost of)
{
    double sum = 0, total = 0;
    for (int64_t row = 0; row < input->n; row++) {
        int64_t i = row * input->outputs + column;
        double weight = ln_metric_weight(input, row);
        sum += weight * of(input->scores[i] - input->numbers[i]);
        total += weight;
    }
    return sum / total;
}

static ln_status set_finite(ln_metric_result *result, double value)
{
    if (!isfinite(value))
        return ln_metric_undefined(result, "the errors are too large for a float64");
    result->value = value;
    return LN_OK;
}

static ln_status mse(const ln_metric_input *input, const void *params, ln_metric_result *result,
                     ln_error *err)
{
    (void)params;
    (void)err;
    double sum = 0;
    for (int64_t column = 0; column < input->outputs; column++)
        sum += mean_cost(input, column, square);
    return set_finite(result, sum / (double)input->outputs);
}

static ln_status rmse(const ln_metric_input *input, const void *params, ln_metric_result *result,
                      ln_error *err)
{
    (void)params;
    (void)err;
    double sum = 0;
    for (int64_t column = 0; column < input->outputs; column++)
        sum += sqrt(mean_cost(input, column, square));
    return set_finite(result, sum / (double)input->outputs);
}

static ln_status mae(const ln_metric_input *input, const void *params, ln_metric_result *result,
                     ln_error *err)
{
    (void)params;
    (void)err;
    double sum = 0;
    for (int64_t column = 0; column < input->outputs; column++)
        sum += mean_cost(input, column, fabs);
    return set_finite(result, sum / (double)input->outputs);
}

/* Of one output: NaN where all true values that count are equal. */
static double determination(const ln_metric_input *input, int64_t column)
{
    double sum = 0, total = 0, first = NAN;
    bool equal = true;
    for (int64_t row = 0; row < input->n; row++) {
        double weight = ln_metric_weight(input, row);
        double truth = input->numbers[row * input->outputs + column];
        if (!(weight > 0))
            continue;
        if (isnan(first))
            first = truth;
        equal = equal && truth == first;
        sum += weight * truth;
        total += weight;
    }
    if (equal)
        return NAN;
    double mean = sum / total, missed = 0, spread = 0;
    for (int64_t row = 0; row < input->n; row++) {
        int64_t i = row * input->outputs + column;
        double weight = ln_metric_weight(input, row);
        missed += weight * square(input->scores[i] - input->numbers[i]);
        spread += weight * square(input->numbers[i] - mean);
    }
    return spread > 0 && isfinite(spread) && isfinite(missed) ? 1 - missed / spread : INFINITY;
}

static ln_status r2(const ln_metric_input *input, const void *params, ln_metric_result *result,
                    ln_error *err)
{
    (void)params;
    (void)err;
    double sum = 0;
    for (int64_t column = 0; column < input->outputs; column++) {
        double value = determination(input, column);
        if (isnan(value) && input->outputs == 1)
            return ln_metric_undefined(result, "the true values are all equal");
        if (isnan(value))
            return ln_metric_undefined(result, "the true values of output %lld are all equal",
                                       (long long)column);
        sum += value;
    }
    return set_finite(result, sum / (double)input->outputs);
}

static const ln_param no_params[] = {LN_PARAM_END};

const ln_metric ln_metric_mse = {
    .word = {.name = "mse",
             .summary = "mean squared error",
             .formula = "sum of w (prediction - truth)^2 / sum of w",
             .source = "scikit-learn mean_squared_error",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_REGRESSION,
    .higher_is_better = false,
    .scope = "model",
    .compute = mse,
};

const ln_metric ln_metric_rmse = {
    .word = {.name = "rmse",
             .summary = "root of the mean squared error, in the unit of the truth",
             .formula = "sqrt(sum of w (prediction - truth)^2 / sum of w)",
             .source = "scikit-learn root_mean_squared_error",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_REGRESSION,
    .higher_is_better = false,
    .scope = "model",
    .compute = rmse,
};

const ln_metric ln_metric_mae = {
    .word = {.name = "mae",
             .summary = "mean absolute error, in the unit of the truth",
             .formula = "sum of w |prediction - truth| / sum of w",
             .source = "scikit-learn mean_absolute_error",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_REGRESSION,
    .higher_is_better = false,
    .scope = "model",
    .compute = mae,
};

const ln_metric ln_metric_r2 = {
    .word = {.name = "r2",
             .summary = "share of the truth's variance that the predictions explain",
             .formula = "1 - sum of w (prediction - truth)^2 / sum of w (truth - mean)^2",
             .source = "scikit-learn r2_score",
             .params = no_params},
    .flags = LN_METRIC_SCORES | LN_METRIC_REGRESSION,
    .higher_is_better = true,
    .scope = "model",
    .compute = r2,
};
