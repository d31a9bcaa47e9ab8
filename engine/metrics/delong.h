/* The interval of an area under the ROC curve by DeLong's variance. */
#ifndef LN_METRICS_DELONG_H
#define LN_METRICS_DELONG_H

#include "metrics/metric.h"

/* As ln_metric's `interval`: for two classes with two rows or more each, and no weights. */
ln_status ln_delong_interval(const ln_metric_input *input, double level, double *lower,
                             double *upper, ln_error *err);

#endif
