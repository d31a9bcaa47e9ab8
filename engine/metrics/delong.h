/* The interval of an area under the ROC curve by DeLong's variance, and the test of two areas over the
 * same rows by his covariance. */
#ifndef LN_METRICS_DELONG_H
#define LN_METRICS_DELONG_H

#include "metrics/metric.h"

/* As ln_metric's `interval`: for two classes with two rows or more each, and no weights. */
ln_status ln_delong_interval(const ln_metric_input *input, double level, double *lower,
                             double *upper, ln_error *err);

/* Two-sided p of equal areas, for two models' scores of the same rows (two classes, equal labels, no
 * weights). NaN where it is not defined: fewer than two rows of a class, or weights. 1 where the
 * models rank every row alike. */
ln_status ln_delong_test(const ln_metric_input *a, const ln_metric_input *b, double *p,
                         ln_error *err);

#endif
