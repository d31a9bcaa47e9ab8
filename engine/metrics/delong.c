/* The variance of the area under the ROC curve (DeLong, DeLong and Clarke-Pearson 1988), and the
 * interval that the normal distribution makes of it.
 *
 * A positive row's part V is the share of the negatives that it scores above (equal ones half), a
 * negative row's the share of the positives that score above it; both average to the area A. With m
 * positives and k negatives
 *
 *     variance = sum (V_i - A)^2 / (m - 1) / m + sum (V_j - A)^2 / (k - 1) / k
 *     interval = A -+ z sqrt(variance), cut to [0, 1]
 *
 * A row's part depends on its block of equal scores alone, so that one walk from the highest score
 * down gives all (Sun and Xu 2014): one sort and O(n), where the definition has m k pairs. Where the
 * area is 1 or 0 the variance is 0, and the interval a point.
 *
 * Of two models over the same rows the difference of the parts takes the place of a part: its variance
 * holds the covariance of the two areas, and z = (A - B) / sqrt(variance) is compared with the normal
 * distribution on both sides. */
#include "metrics/delong.h"

#include <math.h>

#include "base/alloc.h"
#include "base/error.h"
#include "metrics/ranking.h"

/* z with P(|N(0, 1)| <= z) = level, to the last bit but a few: bisection of erfc. */
static double normal_quantile(double level)
{
    double low = 0, high = 40;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;
        if (erfc(middle / 1.4142135623730951) > 1 - level)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* The area, and each row's part less the area in parts[row]. */
static ln_status parts_of(const ln_metric_input *input, double *parts, double *area,
                          double *positives, double *negatives, ln_error *err)
{
    ln_ranking rows;
    ln_status status = ln_ranking_make(input, 1, LN_RANKING_ROWS, &rows, err);
    const double m = *positives = rows.positives, k = *negatives = rows.negatives;
    if (!status && m >= 2 && k >= 2) {
        double above = 0, won = 0;
        for (ln_block at = {0}; ln_ranking_next(&rows, &at); above += at.positives)
            won += at.negatives * (2 * above + at.positives);
        *area = won / (2 * m * k);
        double higher = 0, worse = 0; /* positives and negatives above the block */
        for (ln_block at = {0}; ln_ranking_next(&rows, &at);) {
            const double positive = (2 * (k - worse) - at.negatives) / (2 * k) - *area;
            const double negative = (2 * higher + at.positives) / (2 * m) - *area;
            for (int64_t i = at.begin; i < at.end; i++)
                parts[rows.order[i].tag / 2] = rows.order[i].tag % 2 ? positive : negative;
            higher += at.positives;
            worse += at.negatives;
        }
    }
    ln_ranking_free(&rows);
    return status;
}

/* The variance of an area (or of a difference) from its rows' parts. */
static double variance_of(const ln_metric_input *input, const double *parts, double m, double k)
{
    double of_positives = 0, of_negatives = 0;
    for (int64_t row = 0; row < input->n; row++) {
        if (input->labels[row] == 1)
            of_positives += parts[row] * parts[row];
        else
            of_negatives += parts[row] * parts[row];
    }
    return of_positives / (m - 1) / m + of_negatives / (k - 1) / k;
}

ln_status ln_delong_interval(const ln_metric_input *input, double level, double *lower,
                             double *upper, ln_error *err)
{
    double m, k, area = NAN;
    if (input->class_count != 2 || input->weights)
        return LN_OK;
    double *parts = ln_calloc((size_t)input->n, sizeof *parts);
    if (!parts)
        return ln_fail_memory(err, (size_t)input->n * sizeof *parts);
    ln_status status = parts_of(input, parts, &area, &m, &k, err);
    if (!status && !isnan(area)) {
        const double reach = normal_quantile(level) * sqrt(variance_of(input, parts, m, k));
        *lower = fmax(0, area - reach);
        *upper = fmin(1, area + reach);
    }
    ln_free(parts);
    return status;
}

ln_status ln_delong_test(const ln_metric_input *a, const ln_metric_input *b, double *p,
                         ln_error *err)
{
    const int64_t n = a->n;
    double m, k, area[2] = {NAN, NAN};
    *p = NAN;
    if (a->class_count != 2 || b->class_count != 2 || a->weights || b->weights || b->n != n)
        return LN_OK;
    double *parts = ln_calloc((size_t)n, 2 * sizeof *parts);
    if (!parts)
        return ln_fail_memory(err, (size_t)n * 2 * sizeof *parts);
    ln_status status = parts_of(a, parts, &area[0], &m, &k, err);
    if (!status)
        status = parts_of(b, parts + n, &area[1], &m, &k, err);
    if (!status && !isnan(area[0])) {
        for (int64_t row = 0; row < n; row++)
            parts[row] -= parts[n + row];
        const double spread = sqrt(variance_of(a, parts, m, k)), delta = fabs(area[0] - area[1]);
        *p = spread > 0 ? erfc(delta / spread / 1.4142135623730951) : delta > 0 ? 0 : 1;
    }
    ln_free(parts);
    return status;
}
