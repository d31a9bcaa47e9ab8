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
 * area is 1 or 0 the variance is 0, and the interval a point. */
#include "metrics/delong.h"

#include <math.h>

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

ln_status ln_delong_interval(const ln_metric_input *input, double level, double *lower,
                             double *upper, ln_error *err)
{
    if (input->class_count != 2 || input->weights)
        return LN_OK;
    ln_ranking rows;
    ln_status status = ln_ranking_make(input, 1, &rows, err);
    double m = rows.positives, k = rows.negatives;
    if (!status && m >= 2 && k >= 2) {
        double above = 0, won = 0;
        for (ln_block at = {0}; ln_ranking_next(&rows, &at); above += at.positives)
            won += at.negatives * (2 * above + at.positives);
        double area = won / (2 * m * k), of_positives = 0, of_negatives = 0;
        double higher = 0, worse = 0; /* positives and negatives above the block */
        for (ln_block at = {0}; ln_ranking_next(&rows, &at);) {
            double positive = (2 * (k - worse) - at.negatives) / (2 * k) - area;
            double negative = (2 * higher + at.positives) / (2 * m) - area;
            of_positives += at.positives * positive * positive;
            of_negatives += at.negatives * negative * negative;
            higher += at.positives;
            worse += at.negatives;
        }
        double variance = of_positives / (m - 1) / m + of_negatives / (k - 1) / k;
        double reach = normal_quantile(level) * sqrt(variance);
        *lower = fmax(0, area - reach);
        *upper = fmin(1, area + reach);
    }
    ln_ranking_free(&rows);
    return status;
}
