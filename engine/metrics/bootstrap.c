/* The percentile bootstrap of a mean (Efron 1979; Efron and Tibshirani 1993, chapter 13): draw n of
 * the n values with replacement, take their mean, and do so `resamples` times; the interval lies
 * between the (1 - level) / 2 and the (1 + level) / 2 quantile of those means. Of two series over
 * the same samples the values are the differences, so that what makes a sample hard for both
 * cancels out (the paired form).
 *
 * Quantiles interpolate linearly between order statistics: with m means sorted, quantile q lies at
 * q (m - 1), counted from 0 (Hyndman and Fan's type 7, NumPy's default).
 *
 * Resample r draws from the stream (seed, "bootstrap", number, r), its sum runs in the order of the
 * draws in float64: the result depends on nothing else. Cost: n * resamples draws. */
#include "metrics/bootstrap.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/rng.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int64_t count, double q)
{
    double at = q * (double)(count - 1);
    int64_t below = (int64_t)at;
    if (below >= count - 1)
        return sorted[count - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

void ln_bootstrap_ends(double *values, int64_t count, double level, double *lower, double *upper)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    *lower = quantile(values, count, (1 - level) / 2);
    *upper = quantile(values, count, (1 + level) / 2);
}

ln_status ln_bootstrap_check(double level, int64_t resamples, ln_error *err)
{
    if (!(level > 0 && level < 1))
        return ln_fail(err, LN_EINVALID,
                       "the level of an interval lies between 0 and 1 (0.95), found %g", level);
    if (resamples < 1 || resamples > 10000000)
        return ln_fail(err, LN_EINVALID, "an interval takes 1 to 10000000 resamples, found %lld",
                       (long long)resamples);
    return LN_OK;
}

static double resampled_mean(const double *values, int64_t n, const ln_bootstrap_options *options,
                             int64_t resample)
{
    ln_rng rng = ln_rng_make(options->seed, "bootstrap", options->number, (uint64_t)resample);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[ln_rng_below(&rng, (uint64_t)n)];
    return sum / (double)n;
}

static ln_status resolve(const ln_bootstrap_options *given, ln_bootstrap_options *out,
                         ln_error *err)
{
    *out = *given;
    if (out->level == 0)
        out->level = LN_BOOTSTRAP_LEVEL;
    if (out->resamples == 0)
        out->resamples = LN_BOOTSTRAP_RESAMPLES;
    return ln_bootstrap_check(out->level, out->resamples, err);
}

/* `values` holds out->n finite numbers. */
static ln_status interval(const double *values, const ln_bootstrap_options *options,
                          ln_interval *out, ln_error *err)
{
    double sum = 0;
    for (int64_t i = 0; i < out->n; i++)
        sum += values[i];
    out->mean = sum / (double)out->n;
    double *means = ln_calloc((size_t)options->resamples, sizeof *means);
    if (!means)
        return ln_fail_memory(err, (size_t)options->resamples * sizeof *means);
    ln_status status = LN_OK;
    for (int64_t r = 0; r < options->resamples && !status; r++) {
        means[r] = resampled_mean(values, out->n, options, r);
        status = ln_check_interrupt(err);
    }
    if (!status)
        ln_bootstrap_ends(means, options->resamples, options->level, &out->lower, &out->upper);
    ln_free(means);
    return status;
}

ln_status ln_bootstrap_paired(const double *a, const double *b, int64_t n,
                              const ln_bootstrap_options *given, ln_interval *out, ln_error *err)
{
    *out = (ln_interval){.mean = NAN, .lower = NAN, .upper = NAN};
    ln_bootstrap_options options;
    ln_status status = resolve(given, &options, err);
    if (status)
        return status;
    double *values = ln_calloc((size_t)n, sizeof *values);
    if (!values)
        return ln_fail_memory(err, (size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++) {
        const double value = a[i] - b[i];
        if (!isfinite(value))
            out->left_out++;
        else
            values[out->n++] = value;
    }
    if (out->n > 0)
        status = interval(values, &options, out, err);
    ln_free(values);
    return status;
}
