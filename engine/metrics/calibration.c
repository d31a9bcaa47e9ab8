/* Whether rows with a predicted probability of 0.8 come true eight times in ten:
 * expected_calibration_error, calibration_curve.
 *
 * The probabilities are cut into bins of equal width, bin i being ((i - 1) / bins, i / bins] and the
 * first one with its 0. Of two classes the probability is that of class 1 and "true" means class 1;
 * of more it is that of the predicted class, and "true" that it is right (Guo et al. 2017). With W_b
 * the weight of bin b, p_b its mean probability and t_b the share of it that is true:
 *
 *     expected_calibration_error = sum over bins of W_b |t_b - p_b| / sum of W
 *     calibration_curve: series "observed" (p_b, t_b) and "share" (p_b, W_b / sum of W), a point a
 *                        bin that has rows
 *
 * One pass over the rows. Sources: Naeini et al. 2015; Guo et al. 2017, "On calibration of modern
 * neural networks"; scikit-learn calibration_curve (strategy uniform). */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "metrics/metric.h"

typedef struct bin {
    double weight;      /* of its rows */
    double probability; /* weighted sum of theirs */
    double hit;         /* weight of those that are true */
} bin;

static int64_t bin_of(double p, int64_t bins)
{
    int64_t i = (int64_t)(p * (double)bins);
    if (i >= bins)
        i = bins - 1;
    /* The product may have rounded over an edge; an edge itself belongs to the bin below. */
    while (i > 0 && p <= (double)i / (double)bins)
        i--;
    while (i < bins - 1 && p > (double)(i + 1) / (double)bins)
        i++;
    return i;
}

/* The caller frees *out. NULL where a score is no probability: the result is undefined then. */
static ln_status fill(const ln_metric_input *input, int64_t count, bin **out, double *total,
                      ln_metric_result *result, ln_error *err)
{
    bin *bins = *out = ln_calloc((size_t)count, sizeof *bins);
    if (!bins)
        return ln_fail_memory(err, (size_t)count * sizeof *bins);
    *total = 0;
    for (int64_t row = 0; row < input->n; row++) {
        int32_t c = input->class_count == 2 ? 1 : ln_metric_predicted(input, row);
        double p = input->scores[row * input->class_count + c];
        if (!(p >= 0 && p <= 1)) {
            ln_free(bins);
            *out = NULL;
            return ln_metric_undefined(result, "the score %g of row %lld is no probability", p,
                                       (long long)row);
        }
        bin *one = &bins[bin_of(p, count)];
        double weight = ln_metric_weight(input, row);
        one->weight += weight;
        one->probability += weight * p;
        if (input->labels[row] == c)
            one->hit += weight;
        *total += weight;
    }
    return LN_OK;
}

static ln_status expected_calibration_error(const ln_metric_input *input, const void *params,
                                            ln_metric_result *result, ln_error *err)
{
    int64_t count = ((const ln_bins_params *)params)->bins;
    bin *bins;
    double total, sum = 0;
    ln_status status = fill(input, count, &bins, &total, result, err);
    if (status || !bins)
        return status;
    for (int64_t i = 0; i < count; i++)
        sum += fabs(bins[i].hit - bins[i].probability);
    ln_free(bins);
    result->value = sum / total;
    return LN_OK;
}

static ln_status draw(const bin *bins, int64_t count, double total, ln_metric_result *result,
                      ln_error *err)
{
    int64_t points = 0, at = 0;
    for (int64_t i = 0; i < count; i++)
        points += bins[i].weight > 0;
    ln_status status = ln_metric_series_make(result, 2, err);
    for (int i = 0; i < 2 && !status; i++)
        status = ln_metric_points_make(&result->series[i], points, err);
    if (status)
        return status;
    ln_metric_series *observed = &result->series[0], *share = &result->series[1];
    snprintf(observed->name, sizeof observed->name, "observed");
    snprintf(share->name, sizeof share->name, "share");
    for (int64_t i = 0; i < count; i++) {
        if (!(bins[i].weight > 0))
            continue;
        observed->x[at] = share->x[at] = bins[i].probability / bins[i].weight;
        observed->y[at] = bins[i].hit / bins[i].weight;
        share->y[at] = bins[i].weight / total;
        observed->threshold[at] = share->threshold[at] = NAN;
        at++;
    }
    return LN_OK;
}

static ln_status calibration_curve(const ln_metric_input *input, const void *params,
                                   ln_metric_result *result, ln_error *err)
{
    int64_t count = ((const ln_bins_params *)params)->bins;
    bin *bins;
    double total;
    ln_status status = fill(input, count, &bins, &total, result, err);
    if (status || !bins)
        return status;
    status = draw(bins, count, total, result, err);
    ln_free(bins);
    return status;
}

static const ln_param bins_params[] = {
    {.name = "bins",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_bins_params, bins),
     .fallback = "10",
     .min = 1,
     .max = 100000,
     .position = 1,
     .help = "bins of equal width that the probabilities are sorted into"},
    LN_PARAM_END};
static const ln_bins_params bins_defaults = {10};

const ln_metric ln_metric_expected_calibration_error = {
    .word = {.name = "expected_calibration_error",
             .summary = "mean distance of the probabilities from what came true, bin by bin",
             .formula = "sum over bins of W_b |true share_b - mean probability_b| / sum of W",
             .source = "Naeini et al. 2015; Guo et al. 2017",
             .params = bins_params,
             .params_size = sizeof(ln_bins_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_MULTICLASS,
    .higher_is_better = false,
    .scope = "model",
    .defaults = &bins_defaults,
    .compute = expected_calibration_error,
};

const ln_metric ln_metric_calibration_curve = {
    .word = {.name = "calibration_curve",
             .summary = "what came true against what was predicted, bin by bin",
             .formula = "a point a bin: (mean probability, share that is true)",
             .source = "Guo et al. 2017; scikit-learn calibration_curve",
             .params = bins_params,
             .params_size = sizeof(ln_bins_params)},
    .flags = LN_METRIC_SCORES | LN_METRIC_BINARY | LN_METRIC_MULTICLASS | LN_METRIC_CURVE,
    .scope = "model",
    .defaults = &bins_defaults,
    .compute = calibration_curve,
};
