/* Intervals of a mean by the percentile bootstrap, for values one a sample: of the differences of two series over
 * the same samples. Intervals of metrics: metric.h. */
#ifndef LN_METRICS_BOOTSTRAP_H
#define LN_METRICS_BOOTSTRAP_H

#include "lunette.h"

#define LN_BOOTSTRAP_RESAMPLES 2000
#define LN_BOOTSTRAP_LEVEL 0.95

typedef struct ln_bootstrap_options {
    double level;      /* of the interval, 0 < level < 1; 0: LN_BOOTSTRAP_LEVEL */
    int64_t resamples; /* 0: LN_BOOTSTRAP_RESAMPLES */
    uint64_t seed;     /* draws depend on (seed, "bootstrap", number, resample) */
    uint64_t number;   /* which interval of the run this is */
} ln_bootstrap_options;

typedef struct ln_interval {
    double mean;         /* of the samples that counted; NaN where there are none */
    double lower, upper; /* ends of the interval; NaN where there are none */
    int64_t n;           /* samples that counted */
    int64_t left_out;    /* samples without a finite value in either series */
} ln_interval;

/* Of the mean of a[i] - b[i] (n each); a sample counts where both have a value. LN_EINVALID where level or
 * resamples are out of range. */
ln_status ln_bootstrap_paired(const double *a, const double *b, int64_t n,
                              const ln_bootstrap_options *options, ln_interval *out, ln_error *err);
/* What an interval reports of its resamples: sorts the count >= 1 values (finite) in place; the ends
 * are the (1 - level) / 2 and the (1 + level) / 2 quantile, interpolated linearly. */
void ln_bootstrap_ends(double *values, int64_t count, double level, double *lower, double *upper);
/* LN_EINVALID where level or resamples are out of range. */
ln_status ln_bootstrap_check(double level, int64_t resamples, ln_error *err);

#endif
